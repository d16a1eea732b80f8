"""Detectors: where the faces of a picture are.

A new detector is one function here, which returns a `Detector`, and one entry in `DETECTORS`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import tfanime


@dataclass(frozen=True)
class Detection:
    """One face in a picture.

    Args:
        box: (left, top, right, bottom) in pixels.
        score: Likelihood, 0 to 1.
        points: (x, y) of `tfanime.tfrecords.face.POINT_NAMES` in pixels; empty where the detector gives none.
    """

    box: tuple[float, float, float, float]
    score: float
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Detector:
    """A detector that is ready.

    Args:
        version: Version of what detects.
        find: From an RGB `PIL.Image` to a list of `Detection`s; None if every picture is a face already.
    """

    version: str
    find: Callable | None


def none():
    """For pictures that are cropped already."""
    return Detector(tfanime.__version__, None)


def animeface():
    """nagadomi's animeface 2009, by way of the `animeface` package.

    Raises:
        ImportError: It is not installed, or it is together with a Pillow whose pictures it cannot read.
    """
    raise ImportError("--detector animeface comes next")


DETECTORS = {"none": none, "animeface": animeface}
