"""Detectors and detections; `tfanime.tfrecords.detectors.registry` lists all detectors."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image


@dataclass(frozen=True)
class Detection:
    """One face in a picture.

    Args:
        box: (left, top, right, bottom) in pixels.
        score: Likelihood, 0 to 1.
        points: (x, y) of `tfanime.tfrecords.face.POINT_NAMES` in pixels; empty where the detector gives none.
        colours: (name, (red, green, blue)) of `skin`, `hair`, `left_eye` and `right_eye`, 0 to 255 each, as the
            detector sampled them; empty where it samples none.
    """

    box: tuple[float, float, float, float]
    score: float
    points: tuple[tuple[float, float], ...] = ()
    colours: tuple[tuple[str, tuple[int, int, int]], ...] = ()


@dataclass(frozen=True)
class Detector:
    """A detector.

    Args:
        version: Its version.
        find: From an RGB `PIL.Image` to a list of `Detection`s; None if every picture is a face already.
    """

    version: str
    find: Callable | None


def shrunk(find, size):
    """Makes a detector that shrinks large pictures first.

    Args:
        find: From an RGB `PIL.Image` to a list of `Detection`s.
        size: Longer side, in pixels, to which a larger picture is shrunk; 0: never.

    Returns:
        The same function for pictures of any size; its boxes and points are in pixels of the whole picture.
    """
    if not size:
        return find

    def find_shrunk(image):
        longer = max(image.size)
        if longer <= size:
            return find(image)
        seen = tuple(max(1, round(side * size / longer)) for side in image.size)
        # Antialiased; the gap lets Pillow average whole blocks first, which is faster and looks the same.
        small = image.resize(seen, Image.Resampling.LANCZOS, reducing_gap=3.0)
        return [_scaled(face, image.width / seen[0], image.height / seen[1]) for face in find(small)]

    return find_shrunk


def _scaled(face, x_scale, y_scale):
    left, top, right, bottom = face.box
    box = (left * x_scale, top * y_scale, right * x_scale, bottom * y_scale)
    points = tuple((x * x_scale, y * y_scale) for x, y in face.points)
    return Detection(box, face.score, points, face.colours)


def file_version(path):
    """The version of a detector that is a file: the first 12 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]
