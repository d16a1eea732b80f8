"""Whether pictures are copies: of each other, and of the real pictures that the generator was shown."""

import numpy as np
from PIL import Image

from tfanime.metrics.metric import Metric, Number, digits, percent
from tfanime.tfrecords.duplicates import earliest
from tfanime.tfrecords.filters import measure

ROUNDING = 1e-3  # of distances between equal pictures, in units of the median between real faces


def unit(real_distances):
    """The unit of distances to the nearest real picture: the median distance between real pictures."""
    return float(np.median(real_distances)) or 1.0


def _hashes(images):
    return [measure(Image.fromarray(image), hashed=True).hash for image in images]


def _duplicates(seen):
    copies = sum(1 for _ in earliest(seen, DUPLICATES.settings["duplicate_bits"]))
    return {"duplicates": copies / len(seen)}


def _nearest(neighbours, real_distances):
    _, distances = neighbours
    median = unit(real_distances)
    # With repeated data the quantile is zero, and rounding would put exact copies above it.
    near = max(np.quantile(real_distances, NEAREST.settings["memorised_share"]), ROUNDING * median)
    return {"nearest": float(np.median(distances)) / median, "memorised": float(np.mean(distances <= near))}


def _memorised_meaning(protocol):
    share = protocol["settings"]["memorised_share"]
    return f"Share nearer to a real picture than {1 - share:.0%} of real pictures are; {share:.0%} is chance."


DUPLICATES = Metric(
    "duplicates",
    (
        Number(
            "duplicates", "duplicates", "less", percent, "Share of pictures that are nearly equal to an earlier one."
        ),
    ),
    _duplicates,
    look=_hashes,
    settings={"duplicate_bits": 4},
)
NEAREST = Metric(
    "nearest",
    (
        Number(
            "nearest",
            "nearest",
            None,
            digits(3),
            "Median distance to the nearest real picture, over that between real pictures; near 0 is copied.",
        ),
        Number("memorised", "memorised", None, percent, _memorised_meaning),
    ),
    _nearest,
    settings={"memorised_share": 0.01},  # of real faces that are nearer to another one
)
