"""Tags obeyed: how often a generator draws the tag that it is asked for.

Jin et al. 2017 (arXiv 1708.05509, section 5.2) fixed one tag at a time, sampled the others, drew 20 pictures and
counted by eye how many show the tag. Here a tagger counts, and for colours the converter's measurement too. The count
depends on the tagger. So read it beside the tagger's recall on real faces, and beside the share of pictures drawn
without the tag in which the tagger sees it all the same.
"""

import importlib.util
import sys
from dataclasses import asdict, dataclass

import numpy as np

from tfanime.metrics.intervals import wilson
from tfanime.metrics.metric import Metric, Number, percent

LEAST = 20  # pictures a tag, as in the paper


@dataclass(frozen=True)
class Share:
    """A counted share.

    Args:
        yes: Number of hits.
        count: Number of trials.
    """

    yes: int
    count: int

    @property
    def value(self):
        """The share, in [0, 1]; None without trials."""
        return self.yes / self.count if self.count else None

    @property
    def interval(self):
        """Wilson's 95 % interval, `(low, high)`."""
        return wilson(self.yes, self.count)


@dataclass(frozen=True)
class Obeyed:
    """How well one tag is obeyed.

    Args:
        tag: The tag.
        group: The name of its group.
        shown: The `Share` of the pictures drawn for this tag in which a judge sees it, by the judge's name. Pictures on
            which it has no opinion do not count. Judges that do not know the tag are left out.
        unasked: The same for the pictures drawn without this tag.
    """

    tag: str
    group: str
    shown: dict
    unasked: dict

    @classmethod
    def from_json(cls, values):
        """The inverse of `dataclasses.asdict`."""
        shares = {
            name: {judge: Share(**share) for judge, share in values[name].items()} for name in ("shown", "unasked")
        }
        return cls(values["tag"], values["group"], **shares)


class NetworkJudge:
    """A judge by a tagger: the likeliest tag of an exclusive group, and independent tags whose logit is above 0.

    Args:
        network: A `tfanime.tagger.files.TaggerNetwork`.
    """

    def __init__(self, network):
        self.network = network
        self.name = network.name
        self.vocabulary = network.vocabulary

    def __call__(self, images):
        """+1 for tags that pictures (uint8) show and -1 for the others, int8 `[count, len(vocabulary)]`."""
        return predictions_of(self.vocabulary, self.network.predict(images)[1])


class ColourJudge:
    """A judge of hair and eye colours: the converter's measurement, where it is certain.

    Args:
        vocabulary: The `tfanime.tags.TagVocabulary` to judge by.
        detector: A `tfanime.tfrecords.detectors.detection.Detector` that finds the eyes and samples colours, animeface;
            there is no opinion on pictures without a face. None: the eyes are searched for at their usual places.
        threshold: Least likelihood of a face.
    """

    def __init__(self, vocabulary, detector=None, threshold=0.0):
        from tfanime.tfrecords.taggers.colours import PARTS, SPELLINGS, ColourTagger, load_colours

        self.vocabulary = vocabulary
        self._tagger = ColourTagger(vocabulary)
        self.name = "colours, animeface" if detector else "colours"
        self.version = f"{self._tagger.version}, animeface {detector.version}" if detector else self._tagger.version
        self._detector = detector
        self._threshold = threshold
        said = {
            vocabulary.canonical(f"{spelling}_{part}")
            for part in PARTS
            for name in load_colours().names[part]
            for spelling in SPELLINGS.get(name, (name,))
        }
        self._unsaid = np.array([tag not in said for tag in vocabulary.tags])  # eyes of two colours, for instance

    def __call__(self, images):
        """uint8 pictures -> +1, -1 and 0, as for `NetworkJudge`; 0 for colours that are not certain."""
        rows = [self._look(image) for image in images]
        values = np.array(rows, np.int8).reshape(len(images), len(self.vocabulary))
        values[:, self._unsaid] = 0  # no opinion on tags that the measurement cannot give
        return values

    def _look(self, image):
        from PIL import Image

        from tfanime.metrics.faces import BORDER, SIDE, prepared
        from tfanime.tfrecords.taggers.tagging import Sight

        crop = Image.fromarray(image)
        if not self._detector:
            return self._tagger(Sight(crop, None, None))
        faces = self._detector.find(Image.fromarray(prepared(image)))
        face = max(faces, key=lambda face: face.score, default=None)
        if face is None or face.score < self._threshold:
            return np.zeros(len(self.vocabulary), np.int8)
        return self._tagger(Sight(crop, face, None, (BORDER, BORDER, SIDE)))


def colour_judges(vocabulary):
    """The judges of colours: a `ColourJudge` by the pixels alone and, if animeface is installed, one by its samples.

    Args:
        vocabulary: The `tfanime.tags.TagVocabulary` to judge by.

    Returns:
        A list of one or two `ColourJudge`s, the one without animeface first.
    """
    from tfanime.tfrecords.detectors.animeface import animeface
    from tfanime.tfrecords.detectors.registry import DetectSettings

    settings = DetectSettings(detector="animeface", detect_size=0)
    judges = [ColourJudge(vocabulary)]
    if importlib.util.find_spec("animeface"):
        try:
            judges.append(ColourJudge(vocabulary, animeface(settings), settings.threshold))
        except ImportError as error:  # it is installed but finds no face
            print(f"warning: animeface's samples are not used for colours: {error}", file=sys.stderr, flush=True)
    return judges


def predictions_of(vocabulary, tag_logits):
    """A classifier's predictions: the largest logit of an exclusive group, logits above 0 of independent tags.

    Args:
        vocabulary: The `tfanime.tags.TagVocabulary`.
        tag_logits: `[count, len(vocabulary)]`.

    Returns:
        int8 array `[count, len(vocabulary)]` of +1 and -1.
    """
    tag_logits = np.asarray(tag_logits)
    holds = tag_logits > 0
    for group, where in vocabulary.slices:
        if group.exclusive:
            holds[:, where] = np.arange(len(group.tags)) == tag_logits[:, where].argmax(axis=1)[:, None]
    return np.where(holds, 1, -1).astype(np.int8)


def tags_obeyed(generator, judges, count=LEAST, seed=0, progress=True, look=None):
    """Asks a generator for each of its tags in turn; the seeds decide about all other tags.

    Args:
        generator: A `tfanime.generator.Generator` with a vocabulary.
        judges: Objects with `name` and `vocabulary`, called with uint8 pictures -> +1, -1 and 0 (no opinion)
            `[count, len(vocabulary)]`, such as `NetworkJudge` and `ColourJudge`.
        count: Pictures for each tag, at least `LEAST`.
        seed: The first picture's seed; the others count up from it, none is used twice.
        progress: Whether to show a progress bar.
        look: Called with each tag, its pictures and the first judge's opinions on the tag in them (+1, -1 and 0, one
            number a picture).

    Returns:
        A list of `Obeyed`, in the vocabulary's order.

    Raises:
        ValueError: The generator was trained without tags, or there are too few pictures.
    """
    from tqdm import tqdm

    from tfanime.tag_sampling import TagSampler

    vocabulary = generator.vocabulary
    if not vocabulary:
        raise ValueError("generator must be one that was trained with tags. Received: one without")
    if count < LEAST:
        raise ValueError(f"count must be at least {LEAST} pictures a tag. Received: {count}")
    drawn, asked, opinions = [], [], {judge.name: [] for judge in judges}
    for number, tag in enumerate(tqdm(vocabulary.tags, desc="tags obeyed", unit=" tags", disable=not progress)):
        seeds = seed + number * count + np.arange(count)
        images = generator.images(seeds.tolist(), tag, allow_untrained_tags=True)
        wanted = np.tile(vocabulary.wanted(tag, allow_untrained=True), (count, 1))
        drawn.append(TagSampler(vocabulary).from_seeds(seeds, wanted).numpy())  # all the tags that it was given
        asked += [number] * count
        for judge in judges:
            opinions[judge.name].append(in_words_of(vocabulary, judge.vocabulary, judge(images)))
        if look:
            look(tag, images, opinions[judges[0].name][-1][:, number])
    return count_obeyed(
        vocabulary,
        np.array(asked),
        np.concatenate(drawn),
        {name: np.concatenate(parts) for name, parts in opinions.items()},
    )


def in_words_of(vocabulary, other, values):
    """Translates tag values from one vocabulary into another.

    Args:
        vocabulary: The `TagVocabulary` of the result.
        other: The `TagVocabulary` of `values`. Its tags are matched by aliases too: `silver_hair` is `gray_hair` of
            konachan26.
        values: +1, -1 and 0, `[count, len(other)]`.

    Returns:
        int8 array `[count, len(vocabulary)]`; 0 for tags that the other does not have.
    """
    values = np.asarray(values, np.int8)
    result = np.zeros((len(values), len(vocabulary)), np.int8)
    for column, tag in enumerate(vocabulary.tags):
        known = other.canonical(tag)
        if known is not None:
            result[:, column] = values[:, other.tags.index(known)]
    return result


def count_obeyed(vocabulary, asked, drawn, opinions):
    """Counts how often tags are seen with and without being asked for.

    Args:
        vocabulary: The `TagVocabulary`.
        asked: Number of the tag that each picture was drawn for, `[count]`.
        drawn: All tags that the generator was given, +1 and -1, `[count, len(vocabulary)]`.
        opinions: The predictions of each judge, +1, -1 and 0, `[count, len(vocabulary)]`, by its name.

    Returns:
        A list of `Obeyed`, in the vocabulary's order.
    """
    group_of = {tag: group.name for group in vocabulary.groups for tag in group.tags}

    def shares(column, rows):
        found = {name: seen[rows, column] for name, seen in opinions.items()}
        return {
            name: Share(int((values > 0).sum()), int((values != 0).sum()))
            for name, values in found.items()
            if (opinions[name][:, column] != 0).any()
        }

    return [
        Obeyed(tag, group_of[tag], shares(column, asked == column), shares(column, drawn[:, column] < 0))
        for column, tag in enumerate(vocabulary.tags)
    ]


def overall(rows, judge):
    """The mean of the shares of all tags that a judge knows; None if it knows none."""
    values = [row.shown[judge].value for row in rows if judge in row.shown and row.shown[judge].count]
    return float(np.mean(values)) if values else None


def _compute(generator, tagger, tag_pictures, seed, progress):
    """Which tags a generator obeys: the mean, and all rows for the page."""
    from tfanime.tagger.files import recall_of

    if not generator.vocabulary:
        return {}
    colours = colour_judges(generator.vocabulary)
    rows = tags_obeyed(generator, [NetworkJudge(tagger), *colours], tag_pictures, seed, progress)
    mean = overall(rows, tagger.name)
    details = {
        "mean": mean,
        "judges": {tagger.name: tagger.card["sha256"], **{judge.name: judge.version for judge in colours}},
        "recall_of_real_faces": {tagger.name: recall_of(tagger, generator.vocabulary)},
        "rows": [asdict(row) for row in rows],
    }
    return {"tags": mean, "details": details}


METRIC = Metric(
    "tags",
    (
        Number(
            "tags",
            "tags",
            "more",
            percent,
            lambda protocol: (
                f"Of {protocol['tags']['pictures']} pictures for each tag, share in which the tagger sees it: the mean "
                "of the tags."
            ),
        ),
    ),
    _compute,
    asked="tags",
)
