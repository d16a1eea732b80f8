"""From a file's bytes to a square crop of the right size, and its bytes again."""

import io
import warnings
from dataclasses import dataclass
from typing import Annotated, Literal

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tfanime.images import from_deep
from tfanime.limits import Limit, above, at_least, between
from tfanime.tfrecords.filters import Dropped
from tfanime.tfrecords.whole import is_whole, without_text

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")  # whatever a file calls itself


@dataclass(frozen=True, kw_only=True)
class CropSettings:
    """Size, format and limits of crops

    Args:
        zoom: Side of the crop relative to the face that was found, about its centre: 1.5 with
            animeface (Jin et al. 2017); the same crop is about 1.17 with lbpcascade.
        frame: Part of that square that is kept, itself a square: left,top,right,bottom as shares of its side. Frame
            photos and drawings equally if a network is to turn one into the other. Default: all of it.
        size: Height and width of every crop, in pixels.
        enlarge: Largest factor by which a crop may be enlarged; smaller faces are left out.
        max_pixels: Largest number of pixels of a picture; larger ones are left out before they are decoded.
        format: How crops are stored. A picture that is a crop of the right size already keeps its own bytes.
        quality: Quality of JPEG crops.
    """

    zoom: Annotated[float, above(0, most=10)] = 1.5
    frame: Annotated[
        str | None,
        Limit("four shares left,top,right,bottom of a square, such as 0.1,0.2,0.9,1", lambda text: _shares(text)),
    ] = None
    size: Annotated[int, at_least(8)] = 96
    enlarge: Annotated[float, at_least(1)] = 2.0
    max_pixels: Annotated[int, between(64, 2 * Image.MAX_IMAGE_PIXELS)] = 100_000_000  # where Pillow itself refuses
    format: Literal["png", "jpeg"] = "png"
    quality: Annotated[int, between(1, 100)] = 95

    def idle(self):
        """Yields the fields that have no effect."""
        if self.source == "drawn" or self.detector == "none":
            yield "zoom"
        if self.source == "drawn":
            yield from ("enlarge", "max_pixels")
        if self.frame is None:  # so do the manifests of older versions, which know no frames
            yield "frame"
        if self.format == "png":
            yield "quality"


def decode(data, max_pixels=CropSettings.max_pixels):
    """Decodes a picture as a person sees it: first frame, turned as EXIF says, transparency over white.

    Args:
        data: The file's bytes.
        max_pixels: Most pixels; more are not decoded.

    Returns:
        `(image, plain)`: an RGB `PIL.Image`, and whether `data` is a JPEG or PNG which any decoder shows as just that.

    Raises:
        Dropped: `unreadable`, with the decoder's message; `too_large`, with width and height.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd EXIF, many pixels: the picture decodes or it does not
            image = Image.open(io.BytesIO(without_text(data)), formats=FORMATS)
            if image.width * image.height > max_pixels:
                raise Dropped("too_large", f"{image.width}x{image.height}")
            frames = getattr(image, "is_animated", False)  # not n_frames, which reads every frame
            image.load()
            turned = _is_turned(image)
            transparent = "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La")
            plain = image.format in ("JPEG", "PNG") and image.mode == "RGB" and not frames
            plain = plain and not turned and not transparent and is_whole(data)
            if turned:
                image = ImageOps.exif_transpose(image)
            if transparent:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            elif image.mode.startswith("I;16") or image.mode in ("I", "F"):
                image = from_deep(image)
            image = image if image.mode == "RGB" else image.convert("RGB")
            image.info = {}  # else its colour profile and comment, of any size, would go into every crop
            return image, plain
    except Dropped:
        raise
    except Image.DecompressionBombError as error:
        raise Dropped("too_large", str(error)) from error
    except UnidentifiedImageError as error:  # its message holds an address, which no two runs share
        raise Dropped("unreadable", f"not one of {', '.join(FORMATS)}") from error
    except Exception as error:  # decoders of foreign bytes raise anything; none of it may stop a conversion
        raise Dropped("unreadable", f"{type(error).__name__}: {error}") from error


def _is_turned(image):
    try:
        return image.getexif().get(0x0112, 1) != 1
    except Exception:  # of a damaged EXIF, of which Pillow raises anything; the pixels are whole
        image.info.pop("exif", None)
        return False


@dataclass(frozen=True)
class Region:
    """The square of a picture that becomes a crop, at the picture's own resolution.

    Args:
        image: Square RGB `PIL.Image`.
        left, top: Where its corner lies in the picture, in pixels; may be negative where the picture is smaller.
    """

    image: Image.Image
    left: int
    top: int

    @property
    def side(self):
        """Its side in pixels."""
        return self.image.width


def centre_square(image):
    """The largest square in the middle of a picture, as a `Region`.

    Args:
        image: RGB `PIL.Image`.
    """
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    whole = image.size == (side, side)
    return Region(image if whole else image.crop((left, top, left + side, top + side)), left, top)


def face_square(image, box, zoom):
    """The square about a face, moved so that it lies inside the picture.

    Where the picture is smaller than the square, its outermost pixels are repeated outwards.

    Args:
        image: RGB `PIL.Image`.
        box: (left, top, right, bottom) of the face, in pixels.
        zoom: Side of the square relative to the longer side of the box.

    Returns:
        The `Region`.
    """
    left, top, right, bottom = box
    side = max(1, round(zoom * max(right - left, bottom - top)))
    left = _inside(round((left + right - side) / 2), side, image.width)
    top = _inside(round((top + bottom - side) / 2), side, image.height)
    border = [max(0, -top), max(0, top + side - image.height), max(0, -left), max(0, left + side - image.width)]
    if not any(border):
        return Region(image.crop((left, top, left + side, top + side)), left, top)
    seen = image.crop((max(0, left), max(0, top), min(image.width, left + side), min(image.height, top + side)))
    padded = cv2.copyMakeBorder(np.asarray(seen), *border, cv2.BORDER_REPLICATE)
    return Region(Image.fromarray(padded), left, top)


def framed(region, frame):
    """What `CropSettings.frame` keeps of a region.

    Args:
        region: The `Region`.
        frame: As the setting has it; None for all.

    Returns:
        A `Region`.
    """
    if frame is None:
        return region
    left, top, right, _ = (share * region.side for share in _shares(frame))
    side = max(1, round(right - left))
    left, top = (_inside(round(start), side, region.side) for start in (left, top))
    image = region.image.crop((left, top, left + side, top + side))
    return Region(image, region.left + left, region.top + top)


def _shares(text):
    """The four shares of a frame if they are a square's, else None."""
    try:
        left, top, right, bottom = map(float, text.split(","))
    except ValueError:
        return None
    inside = 0 <= left < right <= 1 and 0 <= top < bottom <= 1
    return (left, top, right, bottom) if inside and abs((right - left) - (bottom - top)) < 1e-6 else None


def _inside(start, side, extent):
    """Moves an interval into 0..extent, or, where it is longer than that, around it."""
    return min(max(start, min(0, extent - side)), max(0, extent - side))


def resize(region, size, enlarge):
    """The crop: a region at `size` pixels.

    Args:
        region: The `Region`.
        size: Side of the result, in pixels.
        enlarge: By how much it may be enlarged at most: a crop that holds less detail than the others is left out.

    Returns:
        Square RGB `PIL.Image`.

    Raises:
        Dropped: `too_small`, with the region's side.
    """
    if region.side * enlarge < size:
        raise Dropped("too_small", region.side, region.image)
    # Pillow's Lanczos widens its kernel when it shrinks a picture, so it is antialiased.
    return region.image if region.side == size else region.image.resize((size, size), Image.Resampling.LANCZOS)


def thumbnail(image, size=96):
    """A small JPEG for the report, of a picture or face that is left out.

    Args:
        image: `PIL.Image`.
        size: Longer side at most, in pixels.

    Returns:
        Its bytes.
    """
    image = image.convert("RGB")
    image.thumbnail((size, size))
    return encode(image, "jpeg", 80)


def encode(image, format="png", quality=95):
    """The bytes of a crop.

    Args:
        image: RGB `PIL.Image`.
        format: `"png"` or `"jpeg"`.
        quality: Of JPEG, 1 to 100; colours are not subsampled.
    """
    buffer = io.BytesIO()
    if format == "png":
        image.save(buffer, "png", compress_level=6)
    else:
        image.save(buffer, "jpeg", quality=quality, subsampling=0)
    return buffer.getvalue()
