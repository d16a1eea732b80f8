"""Detectors: where the faces of a picture are.

A new detector is one function here, which returns a `Detector`, and one entry in `DETECTORS`.
"""

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass

import PIL
from PIL import Image, ImageDraw

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
    """nagadomi's animeface (2009), by way of the `animeface` package.

    It names the eyes as the character has them: `left_eye` is on the right of the picture.

    Raises:
        ImportError: It is not installed, or it finds nothing here.
    """
    try:
        import animeface as package
    except ImportError as error:
        raise ImportError(
            "--detector animeface needs the package animeface, which is not installed: pip install 'tfanime[faces]'"
        ) from error

    def find(image):
        return [_from_animeface(face) for face in package.detect(image)]

    # It reads the memory of Pillow's pictures, and where Pillow has arranged that anew it finds nothing, silently.
    if not find(test_face()):
        raise ImportError(
            f"--detector animeface must find the face of its self-test. Received: no face, with Pillow "
            f"{PIL.__version__}; it works with Pillow below 12: pip install 'tfanime[faces]'"
        )
    return Detector(importlib.metadata.version("animeface"), find)


def _from_animeface(face):
    def centre(box):
        return (box.x + box.width / 2, box.y + box.height / 2)

    box = face.face.pos
    return Detection(
        (float(box.x), float(box.y), float(box.x + box.width), float(box.y + box.height)),
        float(face.likelihood),
        (
            centre(face.left_eye.pos),
            centre(face.right_eye.pos),
            centre(face.mouth.pos),
            (float(face.nose.pos.x), float(face.nose.pos.y)),
            (float(face.chin.pos.x), float(face.chin.pos.y)),
        ),
    )


def test_face(size=192):
    """Draws the plain face that a detector must find: brown hair, blue eyes, nothing else.

    Args:
        size: Side in pixels.

    Returns:
        RGB `PIL.Image`.
    """
    image = Image.new("RGB", (4 * size, 4 * size), (200, 220, 240))
    draw = ImageDraw.Draw(image)
    unit = 4 * size / 128

    def at(*coordinates):
        return [value * unit for value in coordinates]

    hair, skin = (110, 70, 40), (255, 224, 200)
    draw.ellipse(at(20, 8, 108, 112), hair)
    draw.ellipse(at(30, 30, 98, 114), skin)
    draw.polygon(at(30, 70, 98, 70, 64, 122), skin)
    draw.pieslice(at(24, 14, 104, 92), 180, 360, hair)
    for x in (47, 81):
        draw.ellipse(at(x - 9, 58, x + 9, 82), (40, 20, 20))
        draw.ellipse(at(x - 8, 60, x + 8, 82), (250, 250, 250))
        draw.ellipse(at(x - 7, 60, x + 7, 82), (30, 60, 140))
        draw.ellipse(at(x - 3, 64, x + 3, 76), (10, 10, 30))
        draw.ellipse(at(x - 5, 62, x - 1, 67), (255, 255, 255))
    draw.line(at(56, 100, 64, 102, 72, 100), (160, 60, 60), round(1.5 * unit))
    return image.resize((size, size), Image.Resampling.LANCZOS)


DETECTORS = {"none": none, "animeface": animeface}
