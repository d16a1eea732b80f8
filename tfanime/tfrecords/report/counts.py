"""The numbers and samples of a report, from one pass over the shards, in constant memory."""

import bisect
import collections
import hashlib
import math
import re

import numpy as np

ROWS = 1024
FURTHER_FACE = re.compile(r"#[1-9]\d*$")


class Lowest:
    """Keeps the items with the lowest keys of a stream, whatever its order.

    Args:
        count: How many.
    """

    def __init__(self, count):
        self.count = count
        self._kept = []

    def offer(self, key, id, item):
        """Considers an item; equal keys go by the id."""
        entry = (key, id)
        if len(self._kept) < self.count or (self.count and entry < self._kept[-1][:2]):
            bisect.insort(self._kept, (key, id, item), key=lambda kept: kept[:2])
            del self._kept[self.count :]

    def __iter__(self):
        return (item for _, _, item in self._kept)

    def __len__(self):
        return len(self._kept)


class Histogram:
    """A histogram with fine, open-ended bins, which are joined for display.

    Args:
        step: Width of a fine bin.
        octave: Bins a factor of two, instead of `step`, for a logarithmic axis.
        least: On a logarithmic axis smaller values count as this one.
        most: The upper end of the scale; it counts in the bin below it.

    Attributes:
        kept, lost: Counts by the number of the fine bin.
        span: The lowest and the highest value that were counted.
    """

    def __init__(self, step=None, octave=None, least=1.0, most=math.inf):
        self.step, self.octave, self.least, self.most = step, octave, least, most
        self.kept, self.lost = collections.Counter(), collections.Counter()
        self.span = (math.inf, -math.inf)

    def add(self, value, lost=False):
        """Counts a value of a face that is kept or left out; None and NaN are passed over."""
        if value is None or not math.isfinite(value):
            return
        self.span = (min(value, self.span[0]), max(value, self.span[1]))
        index = math.log2(max(value, self.least)) * self.octave if self.octave else value / self.step
        number = math.floor(index + 1e-6) - (value >= self.most)  # the upper end of a scale has no bin of its own
        (self.lost if lost else self.kept)[number] += 1

    def bins(self, most=48):
        """Joins fine bins until there are at most `most`.

        Returns:
            A list of `(from, to, kept, lost)` without gaps; empty if nothing was counted.
        """
        counts = self.kept + self.lost
        if not counts:
            return []
        first, last = min(counts), max(counts)
        joined = -(-(last - first + 1) // (most - 1))
        first -= first % joined
        sums = collections.defaultdict(lambda: [0, 0])
        for which, side in enumerate((self.kept, self.lost)):
            for index, count in side.items():
                sums[(index - first) // joined][which] += count
        edges = [self._edge(first + joined * index) for index in range(max(sums) + 2)]
        return [(edges[index], edges[index + 1], *sums[index]) for index in range(max(sums) + 1)]

    def median(self):
        """Median of the kept values, to within a fine bin; None without values."""
        left = self.kept.total() / 2
        for index in sorted(self.kept):
            left -= self.kept[index]
            if left <= 0:
                middle = (self._edge(index) + self._edge(index + 1)) / 2
                return min(max(middle, self.span[0]), self.span[1])
        return None

    def _edge(self, index):
        return 2 ** (index / self.octave) if self.octave else index * self.step


class TagCounts:
    """How often tags hold, are known, and hold together.

    Args:
        count: Length of the vocabulary.
        paired: Indices of the tags whose pairs are counted.

    Attributes:
        holds: int64 `[count]`, in how many faces each tag is +1.
        known: int64 `[count]`, in how many it is not 0.
        together: int64 `[paired, paired]`, in how many both the row and the column hold.
        given: int64 `[paired, paired]`, in how many the row holds and the column is known.
    """

    def __init__(self, count, paired):
        self.holds, self.known = np.zeros((2, count), np.int64)
        self._paired = list(paired)
        self.together, self.given = np.zeros((2, len(self._paired), len(self._paired)), np.int64)
        self._rows = []

    def add(self, tags):
        """Counts the tags of one face, int8 `[count]`."""
        self._rows.append(tags)
        if len(self._rows) == ROWS:
            self._sum()

    def finish(self):
        """Counts the rest of the buffer; call it before reading counts."""
        self._sum()

    def _sum(self):
        rows, self._rows = np.array(self._rows, np.int8).reshape(-1, len(self.holds)), []
        self.holds += (rows > 0).sum(0)
        self.known += (rows != 0).sum(0)
        rows = rows[:, self._paired]
        holds = np.float32(rows > 0)  # sums of at most ROWS ones are exact, and floats multiply fast
        self.together += np.int64(holds.T @ holds)
        self.given += np.int64(holds.T @ np.float32(rows != 0))


def picture_of(id):
    """The id of the picture that a face was cut from."""
    return FURTHER_FACE.sub("", id)


def order(seed, id):
    """A number that shuffles ids, the same on every machine."""
    return hashlib.blake2b(f"{seed} {id}".encode(errors="replace"), digest_size=8).digest()


class Survey:
    """The data of a folder's report, from one pass.

    Args:
        vocabulary: The `TagVocabulary`, or None.
        paired: Indices of the tags whose pairs are counted.
        zoom: The card's.
        faces: Size of the random sheet.
        suspects: Size of the other sheets.
        seed: Which faces are on the random sheet.

    Attributes:
        total: Number of faces.
        tags: The `TagCounts`, None without a vocabulary.
        paired: As given.
        histograms: By name: `picture` (longer side), `side` (of the crop's square), both in pixels of the picture,
            `sharpness`, `chroma`, `score`.
        sheets: `Lowest` by name: `random`, `score`, `sharpness`, `side`, `chroma`.
        wanted: Ids of faces whose pictures are kept, as keys; the values are their bytes, None where not seen.
    """

    def __init__(self, vocabulary, paired, zoom, faces, suspects, seed):
        self.total = 0
        self.tags = TagCounts(len(vocabulary), paired) if vocabulary else None
        self.paired, self.zoom, self.seed = list(paired), zoom, seed
        self.histograms = {
            "picture": Histogram(octave=48),
            "side": Histogram(octave=48),
            "sharpness": Histogram(octave=48),
            "chroma": Histogram(step=0.25),
            "score": Histogram(step=0.005, most=1.0),
        }
        self.sheets = {name: Lowest(suspects) for name in ("score", "sharpness", "side", "chroma")}
        self.sheets["random"] = Lowest(faces)
        self.wanted = {}
        self._before = None

    def add(self, face):
        """Counts a `records.Kept` face; the faces of a picture must follow each other, as in its shard."""
        if self._before and picture_of(face.id) == picture_of(self._before.id):
            self._before.siblings = face.siblings = True
        self._before = face
        self.total += 1
        if self.tags:
            self.tags.add(face.tags)
        side = face.side(self.zoom)
        measured = {"side": side, "sharpness": face.sharpness, "chroma": face.chroma, "score": face.score}
        for name, value in measured.items():
            self.histograms[name].add(value)
            if value is not None:
                self.sheets[name].offer(value, face.id, face)
        self.histograms["picture"].add(max(face.picture_size) if face.picture_size else None)
        self.sheets["random"].offer(order(self.seed, face.id), face.id, face)
        if face.id in self.wanted:
            self.wanted[face.id] = face.image

    def sheet(self, name):
        """The faces of a sheet as a list: of suspects a quarter of all at most, and none where all are alike."""
        if name == "random":
            return list(self.sheets[name])
        low, high = self.histograms[name].span
        return list(self.sheets[name])[: -(-self.total // 4)] if low < high else []

    def finish(self):
        """Ends the counting; call it before anything is read."""
        if self.tags:
            self.tags.finish()

    def add_lost(self, reason, value):
        """Counts a row of `dropped.csv` in the histogram of what was measured."""
        name = {"too_small": "side", "blurred": "sharpness", "grey": "chroma", "no_face": "score"}.get(reason)
        if name:
            try:
                measured = float(value)
            except ValueError:
                return
            if measured > 0 or name != "score":  # a score of 0 says that there was none
                self.histograms[name].add(measured, lost=True)
