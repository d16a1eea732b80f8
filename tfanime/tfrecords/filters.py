"""Filters of pictures and faces: the reasons, the measures and the thresholds."""

import warnings
from dataclasses import dataclass
from typing import Annotated

import cv2
import imagehash
import numpy as np
from PIL import Image

from tfanime.limits import at_least, between

REASONS = {
    "excluded": "the exclude list names it",
    "rating": "its rating is not among --ratings",
    "old": "older than --min_year, or of an unknown year",
    "low_score": "its score is below --min_score, or unknown",
    "unreadable": "the file is not a picture, cut short or damaged",
    "sidecar_unreadable": "the file beside it cannot be read, and --strict is given",
    "too_large": "more than --max_pixels: a decompression bomb, or nothing to find faces in one by one",
    "no_face": "the detector finds no face of --threshold; the value is its best likelihood",
    "unaligned": "eyes and mouth are not found where a face has them, with --align; the value is how far off they are",
    "too_small": "the crop would be enlarged more than --enlarge times",
    "grey": "nearly without colours: chroma below --chroma",
    "blurred": "without edges: sharpness below --sharpness",
    "duplicate": "nearly the same as an earlier face: within --duplicates bits of its perceptual hash",
}
MEASURED_SIZE = 96  # pixels; measures at one size do not depend on --size


@dataclass(frozen=True, kw_only=True)
class FilterSettings:
    """Filters of faces

    Args:
        sharpness: Smallest variance of the Laplacian, on the grey crop at 96 px with values 0 to 255; 0 keeps blurred
            faces.
        chroma: Smallest standard deviation of the colours, (a*, b*) of CIELAB; 0 keeps grey faces.
        duplicates: A face is dropped if its perceptual hash of 64 bits differs from an earlier face's in at most this
            many bits; -1 keeps duplicates.
    """

    sharpness: Annotated[float, at_least(0)] = 50.0
    chroma: Annotated[float, at_least(0)] = 2.0
    duplicates: Annotated[int, between(-1, 7)] = 4

    def idle(self):
        """Yields the fields that have no effect: all avatars that tfanime draws are kept."""
        if self.source == "drawn":
            yield from ("sharpness", "chroma", "duplicates")


class Dropped(Exception):
    """A picture or face is left out.

    Args:
        reason: A key of `REASONS`.
        value: The measured value, for the account: a side in pixels, a decoder's message.
        image: RGB `PIL.Image` of the dropped face or picture, for the report; or None.
    """

    def __init__(self, reason, value="", image=None):
        if reason not in REASONS:
            raise ValueError(f"reason must be one of {', '.join(REASONS)}. Received: {reason!r}")
        super().__init__(reason, value)
        self.reason = reason
        self.value = value
        self.image = image


@dataclass(frozen=True)
class Measures:
    """Measures of a face, on its square at 96 px.

    Args:
        sharpness: Variance of the Laplacian of the grey values (Pech-Pacheco et al. 2000, "LAP4").
        chroma: Standard deviation of (a*, b*) of CIELAB over the pixels: 0 for a grey or evenly tinted picture.
        hash: Perceptual hash, 64 bits, as an int (`imagehash.phash`); None if it was not computed.
    """

    sharpness: float
    chroma: float
    hash: int | None


def measure(region, hashed):
    """Measures a face.

    Args:
        region: Square RGB `PIL.Image`.
        hashed: Whether to compute the perceptual hash.

    Returns:
        The `Measures`; rounded, so that they are equal on all machines.
    """
    shrunk = region.width > MEASURED_SIZE
    pixels = cv2.resize(
        np.asarray(region),
        (MEASURED_SIZE, MEASURED_SIZE),
        interpolation=cv2.INTER_AREA if shrunk else cv2.INTER_LINEAR,
    )
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(pixels, (32, 32), interpolation=cv2.INTER_AREA)
    colours = cv2.cvtColor(np.float32(small) / 255, cv2.COLOR_RGB2Lab)[..., 1:]
    return Measures(
        sharpness=round(float(cv2.Laplacian(grey, cv2.CV_64F).var()), 2),
        chroma=round(float(np.sqrt(colours.var(axis=(0, 1), dtype=np.float64).sum())), 2),
        hash=_hash(grey) if hashed else None,
    )


def _hash(grey):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bits = imagehash.phash(Image.fromarray(grey)).hash
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def require_quality(measures, settings, image):
    """Drops a face that is grey or blurred.

    Args:
        measures: Its `Measures`.
        settings: The `FilterSettings`.
        image: The face, for the report.

    Raises:
        Dropped: `grey` or `blurred`, with the measured value.
    """
    if measures.chroma < settings.chroma:
        raise Dropped("grey", measures.chroma, image)
    if measures.sharpness < settings.sharpness:
        raise Dropped("blurred", measures.sharpness, image)
