"""Fits what the tagger `colours` knows and measures how good it is: the tables of docs/reports/colours.md.

    python benchmarks/colours.py fit anime-faces/ --cache looks.npz
    python benchmarks/colours.py evaluate anime-faces/ --cache looks.npz
    python benchmarks/colours.py evaluate anime-faces/ --detector lbpcascade --cascade lbpcascade_animeface.xml

The folder holds face crops and `tags.csv` (file,tags). Every crop is looked at twice, as the converter would: found by
the detector (the crop is shown with a replicated border, and cut anew from what the detector finds), and without a
detector. The faces whose hash of the name says so (a fifth) are held out; the fit sees none of them. Only faces with
one colour in a group take part in that group. Intervals are 95 % of a bootstrap over faces.
"""

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image
from scipy.optimize import minimize
from tqdm import tqdm

from tfanime import command_line
from tfanime.drawn.look import EYE_COLOURS, HAIR_COLOURS
from tfanime.files import replacing
from tfanime.tags import KONACHAN26
from tfanime.tfrecords.crop import face_square, resize
from tfanime.tfrecords.detectors.registry import DETECTORS, DetectSettings
from tfanime.tfrecords.sources.sources import read_tags
from tfanime.tfrecords.taggers import colours
from tfanime.tfrecords.taggers.tagging import Sight

VERSION = "1"
BORDER, ZOOM, SIZE = 48, 1.5, 96
WORDS, WORD_PIXELS = 48, 4000  # colour words; pixels of each region that they are found from (of eyes, twice that)
PENALTY = 0.01  # half of it times the squared weights, for features of unit variance
BALANCE = 0.75  # a class of n faces weighs n ** (1 - BALANCE): 0 as frequent as it is, 1 all colours alike
RESAMPLES = 2000
THRESHOLDS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7)

NO_COLOUR = ("long_hair", "short_hair", "bicolored_eyes")

# CSS' named colours; it has no blonde, whose nearest relative there is khaki.
CSS = {
    "aqua": (0, 255, 255),
    "black": (0, 0, 0),
    "blonde": (240, 230, 140),
    "blue": (0, 0, 255),
    "brown": (165, 42, 42),
    "gray": (128, 128, 128),
    "green": (0, 128, 0),
    "orange": (255, 165, 0),
    "pink": (255, 192, 203),
    "purple": (128, 0, 128),
    "red": (255, 0, 0),
    "white": (255, 255, 255),
    "yellow": (255, 255, 0),
}
NAMES = {  # as in the vocabulary; that eyes differ no single colour can say
    part: tuple(tag.rpartition("_")[0] for tag in KONACHAN26.tags if tag.endswith(f"_{part}") and tag not in NO_COLOUR)
    for part in colours.PARTS
}


@dataclass(frozen=True)
class Config:
    """Fit or measure the tagger `colours`.

    Args:
        action: `fit` or `evaluate`.
        folder: Folder with `images/` and `tags.csv`.
        out: For `fit`: the coefficients' file.
        cache: File in which what was seen of the pictures is kept, because detectors take minutes.
        detector: Who finds the faces; `fit` wants animeface.
        cascade: For lbpcascade: its XML file.
    """

    action: Literal["fit", "evaluate"]
    folder: str
    out: str = "tfanime/tfrecords/taggers/colours.json"
    cache: str | None = None
    detector: str = "animeface"
    cascade: str | None = None


@dataclass(frozen=True)
class Looks:
    """What was seen of all pictures.

    Args:
        files: Their names, str `[n]`.
        found: Whether the detector found a face, bool `[n]`.
        grids: Pixels on the grid, found and without a detector, uint8 `[n, 2, 36, 37, 3]`.
        samples: The detector's colours, uint8 `[n, 4, 3]`.
        sampled: Whether it gave some, bool `[n]`.
    """

    files: np.ndarray
    found: np.ndarray
    grids: np.ndarray
    samples: np.ndarray
    sampled: np.ndarray

    @property
    def held_out(self):
        """Which faces are kept from the fit, bool `[n]`."""
        return np.array([int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 100 < 20 for name in self.files])


def look(config, files):
    """Looks at all pictures, or takes that from the cache."""
    if config.cache and Path(config.cache).is_file():
        with np.load(config.cache) as values:
            return Looks(**values)
    settings = DetectSettings(detector=config.detector, cascade=config.cascade)
    find = DETECTORS[config.detector](settings).find
    shape = colours.RIGHT.shape
    found, sampled = np.zeros((2, len(files)), bool)
    grids = np.zeros((len(files), 2, *shape, 3), np.uint8)
    samples = np.zeros((len(files), len(colours.SAMPLES), 3), np.uint8)
    for index, name in enumerate(tqdm(files)):
        crop = Image.open(Path(config.folder) / "images" / name).convert("RGB")
        padded = cv2.copyMakeBorder(np.asarray(crop), BORDER, BORDER, BORDER, BORDER, cv2.BORDER_REPLICATE)
        picture = Image.fromarray(padded)
        faces = [face for face in find(picture) if face.score >= settings.threshold]
        sights = [None, Sight(crop, None, None)]
        if faces:
            face = max(faces, key=lambda face: face.score)
            region = face_square(picture, face.box, ZOOM)
            place = (region.left, region.top, region.side)
            sights[0] = Sight(resize(region, SIZE, 100), face, None, place)
            found[index] = True
            if face.colours:
                given = dict(face.colours)
                samples[index], sampled[index] = [given[name] for name in colours.SAMPLES], True
        for condition, sight in enumerate(sights):
            if sight:
                pixels = colours.take_pixels(np.asarray(sight.crop), colours.find_eyes(sight))
                grids[index, condition] = pixels
    looks = Looks(np.array(files), found, grids, samples, sampled)
    if config.cache:
        with replacing(config.cache) as path, open(path, "wb") as file:
            np.savez(file, **vars(looks))
    return looks


def truth(rows, files, part):
    """For each file the index in `NAMES[part]` of its only colour; -1 where it has none, several or another."""
    group = next(group for group in KONACHAN26.groups if f"red_{part}" in group.tags)
    values = []
    for name in files:
        tags = [tag for tag in rows[name].split() if tag in group.tags]
        colour = tags[0].rpartition("_")[0] if len(tags) == 1 else None
        values.append(NAMES[part].index(colour) if colour in NAMES[part] else -1)
    return np.array(values)


def features_of(looks, words, centres, condition):
    """Features of all pictures, for each part float32 `[n, features]`."""
    features = [
        colours.describe(
            colours.to_lab(grid), colours.to_lab(sample) if condition == 0 and sampled else None, words, centres
        )
        for grid, sample, sampled in zip(looks.grids[:, condition], looks.samples, looks.sampled, strict=True)
    ]
    return {part: np.stack([one[part] for one in features]) for part in colours.PARTS}


def find_words(looks, kept, seed=0):
    """Colour words: k-means (k-means++ to begin with) in CIELAB, over pixels of all regions but the skin.

    Strong colours are rare and decide much, hence a pixel is taken the likelier the higher its chroma.
    """
    random = np.random.default_rng(seed)
    lab = colours.to_lab(looks.grids[kept, 0])
    pixels = []
    for name, region in colours.REGIONS.items():
        if name != "skin":
            there = lab[:, region].reshape(-1, 3)
            chance = 1 + np.hypot(there[:, 1], there[:, 2]) / 10
            number = WORD_PIXELS * (2 if name in ("upper iris", "lower iris", "eye") else 1)
            pixels.append(there[random.choice(len(there), number, p=chance / chance.sum())])
    pixels = np.concatenate(pixels)
    words = pixels[random.choice(len(pixels), 1)]
    while len(words) < WORDS:
        nearest = ((pixels[:, None] - words) ** 2).sum(2).min(1)
        words = np.concatenate([words, pixels[random.choice(len(pixels), 1, p=nearest / nearest.sum())]])
    for _ in range(25):
        owner = ((pixels[:, None] - words) ** 2).sum(2).argmin(1)
        words = np.stack([pixels[owner == index].mean(0) for index in range(WORDS)])
    return words[np.argsort(words[:, 0])].astype(float).round(1)


def regress(features, classes, count, balance=BALANCE, penalty=PENALTY):
    """Multinomial logistic regression by L-BFGS.

    Returns:
        `(weights [features, count], biases [count])`.
    """
    middle, scale = features.mean(0), features.std(0).mean()
    inputs = (features - middle) / scale
    importance = (1 / np.bincount(classes, minlength=count)[classes]) ** balance
    importance /= importance.sum()
    wanted = np.eye(count)[classes]

    def loss(flat):
        matrix = flat.reshape(-1, count)
        logits = inputs @ matrix[:-1].astype(np.float32) + matrix[-1]
        logits -= logits.max(1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        error = (np.exp(logs) - wanted) * importance[:, None]
        slope = np.concatenate([inputs.T @ error.astype(np.float32) + penalty * matrix[:-1], error.sum(0)[None]])
        value = -(importance * logs[np.arange(len(classes)), classes]).sum() + penalty / 2 * (matrix[:-1] ** 2).sum()
        return value, slope.ravel()

    start = np.zeros((features.shape[1] + 1) * count)
    matrix = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x.reshape(-1, count)
    weights = matrix[:-1] / scale
    return weights, matrix[-1] - middle @ weights


def fit(config, looks, rows):
    """Fits and writes the coefficients."""
    kept = ~looks.held_out
    words = find_words(looks, kept & looks.found)
    centres = colours.to_lab(looks.samples[kept & looks.sampled]).mean(0).astype(float).round(1)
    both = [features_of(looks, words, centres, condition) for condition in (0, 1)]
    values = {
        "version": VERSION,
        "fitted": {
            "on": "anime-faces: 96x96 crops of image-board illustrations with the tags that people gave them",
            "by": "python benchmarks/colours.py fit",
            "date": time.strftime("%Y-%m-%d"),
            "faces": {},
            "penalty": PENALTY,
            "balance": BALANCE,
        },
        "words": words.tolist(),
        "centres": centres.tolist(),
    }
    for part in colours.PARTS:
        classes = truth(rows, looks.files, part)
        known = kept & (classes >= 0)
        first = known & looks.found
        weights, biases = regress(
            np.concatenate([both[0][part][first], both[1][part][known]]),
            np.concatenate([classes[first], classes[known]]),
            len(NAMES[part]),
        )
        values["fitted"]["faces"][part] = {"found": int(first.sum()), "without a detector": int(known.sum())}
        values[part] = {
            "colours": NAMES[part],
            "biases": biases.round(2).tolist(),
            "weights": weights.T.round(1).tolist(),
        }
    with replacing(config.out) as path:
        Path(path).write_text(as_text(values))
    print(json.dumps(values["fitted"], indent=2))


def as_text(values, depth=0):
    """JSON with one list of numbers a line."""
    if isinstance(values, dict):
        pad = "  " * (depth + 1)
        lines = [f"{pad}{json.dumps(name)}: {as_text(value, depth + 1)}" for name, value in values.items()]
        return "{\n" + ",\n".join(lines) + "\n" + "  " * depth + "}" + ("" if depth else "\n")
    if isinstance(values, list) and values and isinstance(values[0], list):
        pad = "  " * (depth + 1)
        return "[\n" + ",\n".join(pad + json.dumps(row, separators=(",", ":")) for row in values) + "\n" + pad[2:] + "]"
    return json.dumps(values)


def recalls(classes, said, count):
    """Recall of each colour, `[count]`; NaN where no face has it."""
    with np.errstate(invalid="ignore"):
        hits = np.bincount(classes[said == classes], minlength=count)
        return hits / np.bincount(classes, minlength=count)


def balanced(classes, said, count):
    """Mean recall over the colours."""
    return np.nanmean(recalls(classes, said, count))


def intervals(classes, count, *answers):
    """95 % bootstrap intervals of the balanced accuracy of each of `answers`, and of the first less each other."""
    random = np.random.default_rng(0)
    draws = []
    for _ in range(RESAMPLES):
        chosen = random.integers(0, len(classes), len(classes))
        draws.append([balanced(classes[chosen], said[chosen], count) for said in answers])
    draws = np.array(draws)
    return (
        np.percentile(draws, (2.5, 97.5), axis=0).T,
        np.percentile(draws[:, :1] - draws[:, 1:], (2.5, 97.5), axis=0).T,
    )


def nearest(palette, names, samples, space=lambda pixels: np.asarray(pixels, float)):
    """The colour of `palette` next to each of `samples` (uint8 `[n, 3]`): indices `[n]`."""
    points = space(np.array([palette[name] for name in names], np.uint8))
    return ((space(samples)[:, None] - points) ** 2).sum(2).argmin(1)


def drawn_palette(part):
    """The colours that drawn avatars have, in the names of `NAMES`."""
    drawn = HAIR_COLOURS if part == "hair" else EYE_COLOURS
    return {**CSS, **drawn, "gray": HAIR_COLOURS["grey"]}


def baseline_samples(looks, part, condition):
    """The one colour a baseline goes by, uint8 `[n, 3]`: the detector's sample (of the eyes, their mean), or the
    median over the regions of the grid where there is none."""
    names = ("fringe", "side", "top") if part == "hair" else ("upper iris", "lower iris")
    region = np.any([colours.REGIONS[name] for name in names], axis=0)
    median = np.median(looks.grids[:, condition][:, region], axis=1).astype(np.uint8)
    given = looks.samples[:, 1] if part == "hair" else looks.samples[:, 2:].mean(1).astype(np.uint8)
    use = (condition == 0) & looks.sampled
    return np.where(use[:, None], given, median)


def evaluate(config, looks, rows):
    """Prints the tables."""
    fitted = colours.load_colours()
    held_out = looks.held_out
    for condition, title in enumerate((f"found by {config.detector}", "without a detector")):
        probabilities = fitted.probabilities(features_of(looks, fitted.words, fitted.centres, condition))
        for part in colours.PARTS:
            names = fitted.names[part]
            classes = truth(rows, looks.files, part)
            used = held_out & (classes >= 0) & (looks.found if condition == 0 else True)
            sample = baseline_samples(looks, part, condition)
            fit_on = ~held_out & (looks.found if condition == 0 else True)
            means = {name: sample[fit_on & (classes == index)].mean(0) for index, name in enumerate(names)}
            chances, classes, sample = probabilities[part][used], classes[used], sample[used]
            said = chances.argmax(1)
            answers = {
                "colours": said,
                "majority": np.full(len(classes), np.bincount(classes).argmax()),
                "nearest CSS colour, RGB": nearest(CSS, names, sample),
                "nearest CSS colour, CIELAB": nearest(CSS, names, sample, colours.to_lab),
                "nearest colour of drawn avatars, CIELAB": nearest(drawn_palette(part), names, sample, colours.to_lab),
                "nearest mean colour of the fit's faces, CIELAB": nearest(means, names, sample, colours.to_lab),
            }
            print(f"\n## {part}, {title}: {len(classes)} faces\n")
            print("| | balanced accuracy | 95 % | accuracy | ahead of it, 95 % |\n|---|---|---|---|---|")
            own, ahead = intervals(classes, len(names), *answers.values())
            for index, (name, answer) in enumerate(answers.items()):
                score = balanced(classes, answer, len(names))
                margin = "{:.3f}-{:.3f}".format(*ahead[index - 1]) if index else ""
                print(
                    f"| {name} | {score:.3f} | {own[index][0]:.3f}-{own[index][1]:.3f} "
                    f"| {np.mean(answer == classes):.3f} | {margin} |"
                )
            print_thresholds(chances, classes)
            print_confusion(names, classes, said)


def print_thresholds(chances, classes):
    """Prints what abstaining costs and gains."""
    print("\n| least confidence | coverage | accuracy | balanced accuracy of what is covered |\n|---|---|---|---|")
    said = chances.argmax(1)
    for threshold in THRESHOLDS:
        sure = chances.max(1) >= threshold
        score = balanced(classes[sure], said[sure], chances.shape[1])
        right = np.mean(said[sure] == classes[sure])
        print(f"| {threshold} | {sure.mean():.3f} | {right:.3f} | {score:.3f} |")


def print_confusion(names, classes, said):
    """Prints a table of percent: a row for what people say, a column for what the tagger says."""
    print("\n| people say | faces | " + " | ".join(names) + " |\n|---|---|" + "---|" * len(names))
    for index, name in enumerate(names):
        row = np.bincount(said[classes == index], minlength=len(names))
        cells = [f"{value:.0f}" for value in 100 * row / max(1, row.sum())]
        cells[index] = f"**{cells[index]}**"
        print(f"| {name} | {row.sum()} | " + " | ".join(cells) + " |")


def main(arguments=None):
    """Fits or evaluates."""
    config = command_line.parse(
        Config,
        program="python benchmarks/colours.py",
        description="Fit or measure the tagger `colours`.",
        positional=("action", "folder"),
        arguments=arguments,
    )
    path = Path(config.folder) / "tags.csv"
    if not path.is_file():
        raise ValueError(f"folder must hold tags.csv. Received: {config.folder!r}")
    rows = read_tags(path)
    looks = look(config, sorted(rows))
    (fit if config.action == "fit" else evaluate)(config, looks, rows)


if __name__ == "__main__":
    command_line.run(main)
