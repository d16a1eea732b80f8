"""The numbers and samples of a report, from one pass over the shards, in constant memory."""

import bisect
import collections
import csv
import hashlib
import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tfanime.landmarks.points import NAMES
from tfanime.tfrecords.face import POINT_NAMES

ROWS = 1024
FURTHER_FACE = re.compile(r"#[1-9]\d*$")


@dataclass
class Kept:
    """A face as its record has it.

    Args:
        id: The face's id.
        image: The crop as PNG or JPEG bytes.
        tags: int8 `[vocabulary]` of +1, -1 and 0.
        box: (left, top, right, bottom) in pixels of the picture; empty where no detector ran.
        score: The detector's, or None.
        points: (x, y) of `POINT_NAMES` in pixels of the picture, or empty.
        landmarks: (x, y) of `tfanime.landmarks.points.NAMES` as shares of the crop, or empty.
        picture_size: (width, height) in pixels, or None.
        sharpness: As `tfanime.tfrecords.filters` measures it, or None.
        chroma: Histogram of the chroma.
        held_out: Whether it lies in a hold-out shard.
        siblings: Whether the shards have further faces of its picture; known once the next face was read.
    """

    id: str
    image: bytes
    tags: np.ndarray
    box: tuple
    score: float | None
    points: tuple
    landmarks: tuple
    picture_size: tuple | None
    sharpness: float | None
    chroma: float | None
    held_out: bool
    siblings: bool = False

    @classmethod
    def parse(cls, record, held_out=False):
        """Reads a serialised `tf.train.Example`; features that it lacks are empty or None."""
        values = tf.train.Example.FromString(record).features.feature

        def one(name):
            return next(iter(values[name].float_list.value), None)

        def pairs(name, count):
            values_of = values[name].float_list.value
            return tuple(zip(values_of[::2], values_of[1::2], strict=True)) if len(values_of) == 2 * count else ()

        size = tuple(values["picture/size"].int64_list.value)
        return cls(
            id=values["id"].bytes_list.value[0].decode(errors="replace"),
            image=values["image"].bytes_list.value[0],
            tags=np.array(values["tags"].int64_list.value, np.int8),
            box=tuple(values["face/box"].float_list.value),
            score=one("face/score"),
            points=pairs("face/points", len(POINT_NAMES)),
            landmarks=pairs("face/landmarks", len(NAMES)),
            picture_size=size if len(size) == 2 else None,
            sharpness=one("face/sharpness"),
            chroma=one("face/chroma"),
            held_out=held_out,
        )

    def side(self, zoom):
        """Side of the square that became the crop, in pixels of the picture, of an aligned face about so; None where it
        is not known.
        """
        if self.box:
            return max(1, round(zoom * max(self.box[2] - self.box[0], self.box[3] - self.box[1])))
        return min(self.picture_size) if self.picture_size else None


@dataclass(frozen=True)
class Lost:
    """A picture or face that was left out, as `dropped.tfrecord` has it.

    Args:
        id: Its id.
        reason: A key of `tfanime.tfrecords.filters.REASONS`.
        value: What was measured.
        image: JPEG bytes of a thumbnail; empty where nothing could be decoded.
    """

    id: str
    reason: str
    value: str
    image: bytes

    @classmethod
    def parse(cls, record):
        """Reads a serialised `tf.train.Example`."""
        values = tf.train.Example.FromString(record).features.feature
        texts = [b"".join(values[name].bytes_list.value) for name in ("id", "reason", "value", "image")]
        return cls(*(text.decode(errors="replace") for text in texts[:3]), texts[3])

    @property
    def earlier(self):
        """Of a near duplicate: the id of the earlier face; else None."""
        match = re.fullmatch(r"(.*) \(\d+\)", self.value, re.DOTALL) if self.reason == "duplicate" else None
        return match and match[1]


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


def records(path):
    """Yields the records of a TFRecord file, serialised.

    Raises:
        ValueError: The file is cut short.
    """
    # By hand, because tf.data would look for accelerators first. A record is framed by its length (8 bytes), a checksum
    # of that (4) and a checksum of the record (4).
    with open(path, "rb") as file:
        while header := file.read(12):
            length = struct.unpack("<Q", header[:8])[0] if len(header) == 12 else 0
            rest = file.read(length + 4) if len(header) == 12 and length < 1 << 31 else b""
            if len(rest) != length + 4:
                raise ValueError(f"{Path(path)} must be a whole TFRecord file. Received: one that is damaged")
            yield rest[:-4]


def faces(folder, manifest):
    """Yields the `Kept` faces of all shards, the hold-out behind the others.

    Raises:
        FileNotFoundError: A shard is missing.
        ValueError: A shard is damaged or has records of another form.
    """
    held_out = manifest.holdout["shards"] if manifest.holdout else ()
    for shards, flag in ((manifest.shards, False), (held_out, True)):
        for shard in shards:
            path = Path(folder) / shard["file"]
            if not path.is_file():
                raise FileNotFoundError(f"SHARDS must hold all that manifest.json names. Received: no {str(path)!r}")
            try:
                for record in records(path):
                    yield Kept.parse(record, flag)
            except (DecodeError, IndexError) as error:
                raise ValueError(f"{path} must hold faces that tfanime wrote. Received: {error}") from error


def lost_sample(folder, most):
    """A sample of what was left out.

    Args:
        folder: The folder of shards.
        most: How many of each reason, at most.

    Returns:
        Lists of `Lost` by reason: of `dropped.tfrecord`, and of `dropped.csv` for reasons without pictures.
    """
    sample = {}
    path = Path(folder) / "dropped.tfrecord"
    for record in records(path) if path.is_file() else ():
        lost = Lost.parse(record)
        sample.setdefault(lost.reason, []).append(lost)
    unseen = {}
    for id, reason, value in lost_rows(folder):
        if reason not in sample and len(unseen.setdefault(reason, [])) < most:
            unseen[reason].append(Lost(id, reason, value, b""))
    sample |= unseen
    return {reason: lost[:most] for reason, lost in sample.items() if lost[:most]}


def lost_rows(folder):
    """Yields `(id, reason, value)` of `dropped.csv`; nothing without that file."""
    path = Path(folder) / "dropped.csv"
    if not path.is_file():
        return
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        for row in csv.DictReader(file):
            yield row.get("id") or "", row.get("reason") or "", row.get("value") or ""


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
        """Counts a `Kept` face; the faces of a picture must follow each other, as in its shard."""
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
