"""The tagger `colours`: hair and eye colour, measured in the crop.

Pixels are sampled on a grid that is aligned with the two eyes. Each is described by its similarity to a few prototype
colours in CIELAB. The frequencies of the prototypes in the fringe, beside the face, in the irises ..., and the
detector's own colour samples if it has any, are the inputs of a logistic regression. docs/reports/colours.md has its
accuracy; benchmarks/colours.py fits its parameters, `colours.json`.
"""

import functools
import json
from dataclasses import dataclass
from importlib import resources

import cv2
import numpy as np

from tfanime.tfrecords.face import POINT_NAMES

PARTS = ("hair", "eyes")
SAMPLES = ("skin", "hair", "left_eye", "right_eye")  # the detector's colour samples, in the order of the coefficients

# Where eyes mostly are: (x, y) of the left and the right one in the picture, medians over anime-faces.
EYES_IN_CROP = ((0.33, 0.43), (0.67, 0.43))  # of the crop's side; animeface's crops at zoom 1.5 have them there too
EYES_IN_BOX = ((0.31, 0.41), (0.68, 0.41))  # of the box of a detector without points (the face cascade)

# The grid: right and down from between the eyes, in distances of the eyes, along and across the line through them.
RIGHT, DOWN = np.meshgrid(np.linspace(-1.44, 1.44, 37), np.linspace(-1.3, 1.5, 36))
_BESIDE = np.abs(RIGHT)
_FROM_EYE = np.hypot(_BESIDE - 0.5, DOWN)
REGIONS = {  # bool [36, 37] each; they may leave points out
    "top": DOWN < -0.75,
    "fringe": (DOWN >= -0.75) & (DOWN < -0.35) & (_BESIDE < 0.9),
    "side": (DOWN >= -0.75) & (DOWN < 0.5) & (_BESIDE > 0.95),
    "low": (DOWN >= 0.5) & (_BESIDE > 0.8),
    "skin": (DOWN > 0.2) & (DOWN < 0.7) & (_BESIDE < 0.5),
    "upper iris": (_FROM_EYE < 0.2) & (DOWN <= 0.02),  # dark, in the shadow of the lashes
    "lower iris": (_FROM_EYE < 0.2) & (DOWN > 0.02),
    "eye": (_FROM_EYE >= 0.2) & (_FROM_EYE < 0.36),
}
READ = {  # which regions say something of a part; the skin says what the light is like
    "hair": ("top", "fringe", "side", "low", "skin"),
    "eyes": ("upper iris", "lower iris", "eye", "skin", "fringe"),
}
_CHEEKS = (_BESIDE < 0.75) & (DOWN > 0.35) & (DOWN < 0.6) | (_BESIDE < 0.12) & (DOWN > -0.1) & (DOWN < 0.3)
_SOUGHT = np.array(  # distance, right and down of the eyes from where they mostly are, in distances of the eyes
    [
        (scale, right, down)
        for scale in (0.8, 0.9, 1.0, 1.1)
        for right in (-0.15, 0.0, 0.15)
        for down in (-0.24, -0.12, 0.0, 0.12, 0.24, 0.36, 0.48)
    ]
)
_UNUSUAL = np.abs(_SOUGHT - (1, 0, 0)) @ (1.2, 1.0, 0.6)  # what the contrast must gain to go there

WORD_SPREAD = 10.0  # standard deviation of a colour word, in CIELAB

LEAST_CONFIDENCE = {"hair": 0.5, "eyes": 0.5}  # probability of the likeliest colour from which on it is said
LEAST_CHROMA = 6.0  # CIELAB; a picture that stays below it is grey, and its colours are not known
SILVER_LIGHTNESS = 66.0  # CIELAB L*: between CSS' gray (53.6) and silver (77.7)
SPELLINGS = {"gray": ("gray", "grey", "silver"), "blonde": ("blonde", "blond"), "purple": ("purple", "violet")}


@dataclass(frozen=True)
class Colours:
    """The fitted parameters, see `benchmarks/colours.py`.

    Args:
        version: Increased whenever the coefficients change.
        words: Colour words, float32 `[words, 3]` in CIELAB.
        centres: Mean of each of `SAMPLES`, float32 `[4, 3]` in CIELAB.
        names: For each part its colours, such as `("aqua", ...)`.
        weights: For each part float32 `[features, colours]`.
        biases: For each part float32 `[colours]`.
    """

    version: str
    words: np.ndarray
    centres: np.ndarray
    names: dict
    weights: dict
    biases: dict

    def probabilities(self, features):
        """The probability of each colour, for each part float32 `[..., colours]`, from its `features` `[...,
        features]`.
        """
        result = {}
        for part in PARTS:
            logits = features[part] @ self.weights[part] + self.biases[part]
            powers = np.exp(logits - logits.max(-1, keepdims=True))
            result[part] = powers / powers.sum(-1, keepdims=True)
        return result


@functools.cache
def load_colours():
    """The `Colours` that tfanime carries."""
    values = json.loads(resources.files(__package__).joinpath("colours.json").read_text(encoding="utf-8"))
    parts = {part: values[part] for part in PARTS}
    return Colours(
        values["version"],
        np.array(values["words"], np.float32),
        np.array(values["centres"], np.float32),
        {part: tuple(fitted["colours"]) for part, fitted in parts.items()},
        {part: np.array(fitted["weights"], np.float32).T for part, fitted in parts.items()},
        {part: np.array(fitted["biases"], np.float32) for part, fitted in parts.items()},
    )


def to_lab(pixels):
    """CIELAB (D65) of uint8 sRGB `[..., 3]`, float32 of the same shape."""
    pixels = np.asarray(pixels, np.uint8)
    return cv2.cvtColor(np.float32(pixels.reshape(-1, 1, 3)) / 255, cv2.COLOR_RGB2LAB).reshape(pixels.shape)


def find_eyes(sight):
    """Where the eyes are in the crop: float `[2, 2]`, (x, y) in pixels of the left and the right one in the picture.

    They are the detector's points. If it has none, or no detector ran, or the face was aligned, they are searched for
    near their usual places in its box or in a face crop.
    """
    detection, side = sight.detection, sight.crop.width
    if detection is None or sight.region is None:
        return seek_eyes(np.asarray(sight.crop), np.array(EYES_IN_CROP) * side)
    left, top, extent = sight.region
    if detection.points:
        eyes = sorted(detection.points[POINT_NAMES.index(name)] for name in ("left_eye", "right_eye"))
        if np.hypot(*np.subtract(eyes[1], eyes[0])) > 0.1 * extent:  # otherwise they are one point
            return (np.array(eyes, float) - (left, top)) * (side / extent)
    box = np.array(detection.box)
    eyes = box[:2] + np.array(EYES_IN_BOX) * (box[2:] - box[:2])
    return seek_eyes(np.asarray(sight.crop), (eyes - (left, top)) * (side / extent))


def seek_eyes(crop, usual):
    """Moves a pair of level eyes to the place at which two dark spots stand out most from even, bright cheeks and nose.

    Args:
        crop: uint8 `[height, width, 3]`.
        usual: The usual places of eyes, `[2, 2]`; the farther from there, the more the eyes must stand out.

    Returns:
        Float `[2, 2]`, as `find_eyes`.
    """
    grey = crop.mean(axis=2, dtype=np.float32)
    span = usual[1, 0] - usual[0, 0]
    scale, middle = _SOUGHT[:, 0] * span, usual.mean(axis=0) + _SOUGHT[:, 1:] * span

    def values(region):  # [places, points]
        x = middle[:, :1] + RIGHT[region] * scale[:, None]
        y = middle[:, 1:] + DOWN[region] * scale[:, None]
        rows, columns = np.clip(y.astype(int), 0, len(grey) - 1), np.clip(x.astype(int), 0, grey.shape[1] - 1)
        return grey[rows, columns]

    cheeks, irises = values(_CHEEKS), values(_FROM_EYE < 0.2)
    contrast = (cheeks.mean(1) - irises.mean(1)) / (cheeks.std(1) + 25)
    best = np.argmax(contrast - _UNUSUAL)
    return middle[best] + np.array([[-0.5, 0], [0.5, 0]]) * scale[best]


def take_pixels(crop, eyes):
    """The crop's pixels on the grid.

    Args:
        crop: uint8 `[height, width, 3]`.
        eyes: From `find_eyes`.

    Returns:
        uint8 `[36, 37, 3]`; points outside the crop repeat its border.
    """
    along = eyes[1] - eyes[0]
    middle = eyes.mean(axis=0)
    x = middle[0] + RIGHT * along[0] - DOWN * along[1]
    y = middle[1] + RIGHT * along[1] + DOWN * along[0]
    height, width = crop.shape[:2]
    rows, columns = np.floor(y).astype(int), np.floor(x).astype(int)
    return crop[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]


def describe(lab, samples, words, centres):
    """The features of a face.

    Args:
        lab: CIELAB on the grid, `[36, 37, 3]`.
        samples: CIELAB of the detector's `SAMPLES`, `[4, 3]`; None if it has none.
        words: Colour words, `[words, 3]`.
        centres: Means of the samples, `[4, 3]`.

    Returns:
        For each part float32 `[5 * words + 36]`: for each region that it `READ`s the root of each word's share; then
        for each sample its difference from the mean and the products of that (zeros without samples).
    """
    pixels = lab.reshape(-1, 3)
    distances = (words**2).sum(1) - 2 * pixels @ words.T  # squared, up to a term for each pixel
    distances -= distances.min(1, keepdims=True)
    shares = np.exp(distances / (-2 * WORD_SPREAD**2))
    shares /= shares.sum(1, keepdims=True)
    roots = {name: np.sqrt(shares[region.ravel()].mean(0)) for name, region in REGIONS.items()}
    if samples is None:
        squares = np.zeros((len(SAMPLES), 9))
    else:
        offsets = (samples - centres) / 100
        first, second = np.triu_indices(3)
        squares = np.concatenate([offsets, offsets[:, first] * offsets[:, second]], axis=1)
    return {
        part: np.concatenate([*(roots[name] for name in READ[part]), squares.ravel()]).astype(np.float32)
        for part in PARTS
    }


class ColourTagger:
    """Gives hair and eye colour only.

    A colour is given if it is likely enough (`LEAST_CONFIDENCE`) and the picture is not grey (`LEAST_CHROMA`), else
    the group stays unknown. Its gray becomes `silver` in a vocabulary that has both, if the hair is light.

    Args:
        vocabulary: The `TagVocabulary`. Its exclusive groups with two or more colours of hair or of eyes are decided.
        settings: Not used; all taggers take the same arguments.
        used_words: Not used.
    """

    name = "colours"

    def __init__(self, vocabulary, settings=None, used_words=None):
        colours = load_colours()
        self.version = colours.version
        self.vocabulary = vocabulary
        self._groups = []  # (part, slice of the vocabulary, its tags)
        for group, where in vocabulary.slices:
            for part in PARTS:
                known = {self._tag(group, name, part) for name in colours.names[part]} - {None}
                if group.exclusive and len(known) > 1:
                    self._groups.append((part, group, where))

    def __call__(self, sight):
        values = np.zeros(len(self.vocabulary), np.int8)
        colours = load_colours()
        lab = to_lab(take_pixels(np.asarray(sight.crop), find_eyes(sight)))
        if np.percentile(np.hypot(lab[..., 1], lab[..., 2]), 95) < LEAST_CHROMA:
            return values
        features = describe(lab, _samples(sight.detection), colours.words, colours.centres)
        probabilities = colours.probabilities(features)
        for part, group, where in self._groups:
            likeliest = probabilities[part].argmax()
            if probabilities[part][likeliest] < LEAST_CONFIDENCE[part]:
                continue
            tag = self._tag(group, colours.names[part][likeliest], part, lab)
            if tag is not None:
                values[where] = [1 if tag == other else -1 for other in group.tags]
        return values

    def _tag(self, group, name, part, lab=None):
        """The tag of `group` for a colour, None if it has none."""
        spellings = SPELLINGS.get(name, (name,))
        tags = [self.vocabulary.canonical(f"{spelling}_{part}") for spelling in spellings]
        tags = [tag for tag in tags if tag in group.tags]
        if not tags:
            return None
        light = name == "gray" and lab is not None and _lightness(lab) >= SILVER_LIGHTNESS
        return tags[-1] if light else tags[0]


def _samples(detection):
    """CIELAB of a detection's `SAMPLES`, `[4, 3]`; None unless it has all of them."""
    found = dict(detection.colours) if detection else {}
    return to_lab([found[name] for name in SAMPLES]) if all(name in found for name in SAMPLES) else None


def _lightness(lab):
    """L* of grey hair: the median over nearly grey pixels of the fringe."""
    fringe = lab[REGIONS["fringe"]]
    pale = fringe[np.hypot(fringe[:, 1], fringe[:, 2]) < 25]
    return np.median(pale[:, 0]) if len(pale) else np.median(fringe[:, 0])
