"""Reads and writes single picture files, for all commands on pictures."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tfanime.files import replacing
from tfanime.images import from_deep

MAX_PIXELS = 50_000_000
"""Larger pictures are refused: with a scale of 2 their answers would have gigabytes."""
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""What can be written, by suffix."""
READ = (*FORMATS, ".bmp", ".gif", ".tif", ".tiff")
"""Suffixes of picture files that are read from folders."""


@dataclass(frozen=True)
class Picture:
    """A picture.

    Args:
        pixels: uint8 array `[height, width, 3]`, RGB. Where nothing can be seen it has the nearest visible colour.
        alpha: uint8 array `[height, width]`, 0 for invisible pixels; None for a picture without alpha.
        note: What of the file was passed over, in words; empty for nothing.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    note: str = ""


def read_picture(path):
    """Reads a picture: grey ones, palettes and 16 bits become RGB of 8 bits; of an animation it is the first frame.

    Args:
        path: Its file.

    Returns:
        A `Picture`, upright.

    Raises:
        OSError: The file does not exist.
        ValueError: It is not a picture, is damaged, or has more than `MAX_PIXELS`.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            # Warnings are of odd EXIF or many pixels: the picture is read or it is not.
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"it has {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
            note = "the first frame of an animation" if getattr(image, "is_animated", False) else ""
            image.load()
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I;16") or image.mode in ("I", "F"):
                image = from_deep(image)
            transparent = "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La")
            pixels = np.asarray(image.convert("RGBA" if transparent else "RGB"))
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except UnidentifiedImageError as error:
        raise ValueError(f"a picture must be a PNG, JPEG, WebP, GIF, BMP or TIFF. Received: {str(path)!r}") from error
    except Exception as error:  # decoders raise many kinds of errors for damaged files
        raise ValueError(f"a picture must be whole and not too large. Received: {str(path)!r}, {error}") from error
    if not transparent or pixels[..., 3].all():
        alpha = pixels[..., 3] if transparent and (pixels[..., 3] < 255).any() else None
        return Picture(np.ascontiguousarray(pixels[..., :3]), alpha, note)
    return Picture(_filled(pixels), pixels[..., 3], note)


def _filled(pixels):
    """The colours of RGBA pixels. Invisible pixels, which are often black, get the colour of the nearest visible one,
    so that they do not darken edges.
    """
    import cv2

    hidden = (pixels[..., 3] == 0).astype(np.uint8)
    if hidden.all():
        return np.ascontiguousarray(pixels[..., :3])
    _, labels = cv2.distanceTransformWithLabels(hidden, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colours = np.zeros((labels.max() + 1, 3), np.uint8)
    colours[labels[hidden == 0]] = pixels[..., :3][hidden == 0]
    return colours[labels]


def require_picture_name(path, argument):
    """Refuses a file name whose suffix is not a format that can be written.

    Args:
        path: The name.
        argument: Name of the argument, for the message.

    Raises:
        ValueError: It has another suffix.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise ValueError(f"{argument} must end in one of {', '.join(FORMATS)}. Received: {str(path)!r}")


def write_picture(path, picture):
    """Writes a picture, through a temporary file; its format follows from its name.

    Args:
        path: Where it shall be.
        picture: The `Picture`. A JPEG has no alpha: it is then shown on white.

    Raises:
        OSError: It cannot be written.
        ValueError: The name says no format, see `FORMATS`.
    """
    require_picture_name(path, "a picture's name")
    kind = FORMATS[Path(path).suffix.lower()]
    image = Image.fromarray(picture.pixels)
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
        if kind == "JPEG":
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    with replacing(path) as temporary:
        image.save(temporary, kind, **({} if kind == "PNG" else {"quality": 95}))
