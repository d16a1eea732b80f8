"""How well the detectors find faces whose places are known, and how fast: the tables of docs/reports/detectors.md.

    python benchmarks/detectors.py --faces anime-faces/images --cascade lbpcascade_animeface.xml
    python benchmarks/detectors.py --faces ... --scenes 300 --seed 3 --detect_sizes 384,512,640,768,0

Scenes are made up on the fly, see `benchmarks/scenes.py`. A detector frames faces in its own way (animeface the face
without the hair, the cascade a larger square), hence each one's boxes are moved and widened by constants that are
estimated on every fourth scene (`Frame`); every figure is of the other scenes. A box is right if it then overlaps a
pasted square that no likelier box has taken by IoU >= 0.5. Intervals are 95 % of a bootstrap over scenes. One process,
one thread, speed in processor time.
"""

import dataclasses
import itertools
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scenes import Scenes
from tqdm import tqdm

from tfanime import command_line
from tfanime.tfrecords.detectors.registry import DETECTORS, DetectSettings

OVERLAP = 0.5
CALIBRATING = 4  # every fourth scene
SIZES = (48, 72, 108, 162, 257)  # of pasted faces, in pixels
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
RESAMPLES = 1000


@dataclass(frozen=True)
class Config:
    """Measure detectors.

    Args:
        faces: Folder of square face pictures (JPEG or PNG).
        detectors: Which detectors, with commas.
        cascade: The XML file of lbpcascade. Default: the environment variable TFANIME_CASCADE.
        detector_model: The ONNX file of onnx.
        scenes: How many scenes.
        detect_sizes: Which --detect_size, with commas; the size tables are of the first.
        threshold: Least likelihood in the tables that do not vary it.
        seed: Changes all scenes.
    """

    faces: str
    detectors: str = "animeface,lbpcascade"
    cascade: str | None = None
    detector_model: str | None = None
    scenes: int = 2400
    detect_sizes: str = str(DetectSettings.detect_size)
    threshold: float = DetectSettings.threshold
    seed: int = 0


@dataclass(frozen=True)
class Sighting:
    """What a detector said of a scene.

    Args:
        squares: Where the faces are, float [n, 4].
        boxes: Where it found some, float [m, 4], the likeliest first.
        scores: Float [m].
        seconds: Processor time that took, which does not depend on what else the machine does.
    """

    squares: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    seconds: float

    def above(self, threshold):
        """The same without unlikely boxes."""
        kept = self.scores >= threshold
        return dataclasses.replace(self, boxes=self.boxes[kept], scores=self.scores[kept])


class Frame:
    """How a detector frames a face: constants from its box to the pasted square.

    Args:
        sightings: `Sighting`s to estimate them from: medians over the boxes whose middle is in a square.

    Attributes:
        scale: Side of the square relative to the box's longer side.
        shift: (x, y) from the box's middle to the square's, relative to that side.
    """

    def __init__(self, sightings):
        rows = []
        for sighting in sightings:
            for box in sighting.boxes:
                middle, side = (box[:2] + box[2:]) / 2, max(box[2:] - box[:2])
                for square in sighting.squares:
                    if (square[:2] <= middle).all() and (middle <= square[2:]).all():
                        offset = (square[:2] + square[2:]) / 2 - middle
                        rows.append([(square[2] - square[0]) / side, *(offset / side)])
        self.scale, *self.shift = np.median(rows, axis=0) if rows else (1.0, 0.0, 0.0)

    def squares(self, boxes):
        """Boxes [n, 4] to squares [n, 4]."""
        sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2 + sides * self.shift
        return np.concatenate([middles - sides * self.scale / 2, middles + sides * self.scale / 2], axis=1)


def overlaps(boxes, others):
    """Intersection over union, [n, m], of boxes [n, 4] and [m, 4]."""
    start = np.maximum(boxes[:, None, :2], others[None, :, :2])
    end = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = np.prod(np.clip(end - start, 0, None), axis=2)
    area, other_area = (np.prod(values[:, 2:] - values[:, :2], axis=1) for values in (boxes, others))
    return both / (area[:, None] + other_area[None] - both)


def matches(sighting, frame):
    """For each pasted square the IoU with its box, 0 where there is none: [n]; the likeliest box chooses first."""
    found = np.zeros(len(sighting.squares))
    table = overlaps(frame.squares(sighting.boxes), sighting.squares)
    for row in table:
        free = np.where(found == 0, row, 0)
        if len(free) and free.max() >= OVERLAP:
            found[free.argmax()] = free.max()
    return found


def look(detector, scenes, numbers):
    """The `Sighting` of each scene."""
    sightings = []
    for number in tqdm(numbers, unit=" scenes", mininterval=10):
        image, squares = scenes(number)
        begin = time.process_time()
        faces = sorted(detector.find(image), key=lambda face: -face.score)
        seconds = time.process_time() - begin
        boxes = np.array([face.box for face in faces], np.float64).reshape(-1, 4)
        sightings.append(Sighting(squares, boxes, np.array([face.score for face in faces]), seconds))
    return sightings


def without_every(step, values):
    """The list without its elements 0, `step`, 2 `step` ..."""
    return [value for number, value in enumerate(values) if number % step]


def ratio(parts, wholes):
    """`sum(parts) / sum(wholes)` over scenes, with the 95 % interval of a bootstrap, as text."""
    parts, wholes = np.asarray(parts, float), np.asarray(wholes, float)
    if not wholes.sum():
        return "-"
    # Each resample draws the scenes anew: how often each was drawn is its weight.
    weights = np.random.default_rng(0).multinomial(len(parts), np.full(len(parts), 1 / len(parts)), RESAMPLES)
    low, high = np.nanpercentile((weights @ parts) / np.maximum(weights @ wholes, 1e-9), (2.5, 97.5))
    return f"{parts.sum() / wholes.sum():.3f} ({low:.3f} – {high:.3f})"


def row(sightings, threshold):
    """Recall, IoU, wrong boxes a box, boxes a scene without faces: as text."""
    sightings = [sighting.above(threshold) for sighting in sightings]
    frame, tested = Frame(sightings[::CALIBRATING]), without_every(CALIBRATING, sightings)
    found = [matches(sighting, frame) for sighting in tested]
    right = [np.count_nonzero(values) for values in found]
    boxes = [len(sighting.boxes) for sighting in tested]
    faceless = [len(sighting.squares) == 0 for sighting in tested]
    return (
        ratio(right, [len(values) for values in found]),
        ratio([values.sum() for values in found], right),
        ratio(np.subtract(boxes, right), boxes),
        ratio(np.multiply(boxes, faceless), faceless),
    )


def by_size(sightings, threshold):
    """Recall and mean IoU of the faces of each size, as text."""
    sightings = [sighting.above(threshold) for sighting in sightings]
    frame, tested = Frame(sightings[::CALIBRATING]), without_every(CALIBRATING, sightings)
    found = [matches(sighting, frame) for sighting in tested]
    sides = [sighting.squares[:, 2] - sighting.squares[:, 0] for sighting in tested]
    for low, high in itertools.pairwise(SIZES):
        chosen = [(low <= side) & (side < high) for side in sides]
        right = [np.count_nonzero(values[mask]) for values, mask in zip(found, chosen, strict=True)]
        overlap = [values[mask].sum() for values, mask in zip(found, chosen, strict=True)]
        faces = [mask.sum() for mask in chosen]
        yield f"{low} – {high - 1}", sum(faces), ratio(right, faces), ratio(overlap, right)


def main(arguments=None):
    """Measures and prints the tables."""
    config = command_line.parse(
        Config,
        program="python benchmarks/detectors.py",
        description="Recall, overlap, false alarms and speed of the face detectors, on made-up scenes.",
        arguments=arguments,
    )
    paths = sorted(path for path in Path(config.faces).glob("*") if path.suffix in (".png", ".jpg"))
    if not paths:
        raise ValueError(f"--faces must hold PNG or JPEG pictures. Received: {config.faces!r}")
    scenes = Scenes(paths, config.seed)
    cv2.setNumThreads(1)
    sizes = [int(size) for size in config.detect_sizes.split(",")]
    all_sightings = {}
    for name in config.detectors.split(","):
        for size in sizes:
            settings = DetectSettings(
                detector=name,
                threshold=0.0,
                detect_size=size,
                cascade=config.cascade,
                detector_model=config.detector_model,
            )
            detector = DETECTORS[name](settings)
            all_sightings[name, size] = look(detector, scenes, range(config.scenes))
    head = "recall | IoU | wrong boxes a box | boxes a faceless scene"
    print(f"\n{config.scenes:,} scenes, threshold {config.threshold}\n")
    print(f"| detector | detect_size | {head} | pictures/s of a core |\n|{'---|' * 7}")
    for (name, size), sightings in all_sightings.items():
        speed = len(sightings) / sum(sighting.seconds for sighting in sightings)
        print(f"| {name} | {size} | {' | '.join(row(sightings, config.threshold))} | {speed:.1f} |")
    for name in config.detectors.split(","):
        sightings = all_sightings[name, sizes[0]]
        frame = Frame([sighting.above(config.threshold) for sighting in sightings[::CALIBRATING]])
        shift = ", ".join(f"{value:+.3f}" for value in frame.shift)
        print(f"\n{name}, detect_size {sizes[0]}: its box times {frame.scale:.3f}, moved by {shift} of its side\n")
        print(f"| pasted face, px | faces | recall | IoU |\n|{'---|' * 4}")
        for columns in by_size(sightings, config.threshold):
            print(f"| {' | '.join(map(str, columns))} |")
        print(f"\n| threshold | {head} |\n|{'---|' * 5}")
        for threshold in THRESHOLDS:
            print(f"| {threshold} | {' | '.join(row(sightings, threshold))} |")


if __name__ == "__main__":
    command_line.run(main)
