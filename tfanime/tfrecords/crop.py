"""From a file's bytes to a square crop of the right size, and its bytes again."""

import io
import warnings

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tfanime.tfrecords.filters import Dropped, require_size
from tfanime.tfrecords.whole import is_whole

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")  # whatever a file calls itself


def decode(data):
    """Decodes a picture as a person sees it: first frame, turned as EXIF says, transparency over white.

    Args:
        data: The file's bytes.

    Returns:
        `(image, plain)`: an RGB `PIL.Image`, and whether `data` is a JPEG or PNG which any decoder shows as just that.

    Raises:
        Dropped: `unreadable`, with the decoder's message.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd EXIF, many pixels: the picture decodes or it does not
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            frames = getattr(image, "n_frames", 1)
            image.load()
            turned = image.getexif().get(0x0112, 1) != 1
            transparent = "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La")
            plain = image.format in ("JPEG", "PNG") and image.mode == "RGB" and frames == 1
            plain = plain and not turned and not transparent and is_whole(data)
            if turned:
                image = ImageOps.exif_transpose(image)
            if transparent:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            elif image.mode.startswith("I;16") or image.mode in ("I", "F"):
                image = _from_deep(image)
            return image.convert("RGB"), plain
    except UnidentifiedImageError as error:  # its message holds an address, which no two runs share
        raise Dropped("unreadable", f"not one of {', '.join(FORMATS)}") from error
    except Exception as error:  # decoders of foreign bytes raise anything; none of it may stop a conversion
        raise Dropped("unreadable", f"{type(error).__name__}: {error}") from error


def _from_deep(image):
    """Pictures of more than 8 bits a pixel: Pillow would clip them at 255 instead of scaling."""
    values = np.asarray(image).astype(np.float64)
    top = 65535 if values.max() > 255 else 255
    return Image.fromarray(np.uint8(np.clip(values / top * 255, 0, 255)))


def centre_square(image, size):
    """The largest square in the middle of a picture, at `size` pixels.

    Args:
        image: RGB `PIL.Image`.
        size: Side of the result, in pixels.

    Raises:
        Dropped: `too_small`.
    """
    side = min(image.size)
    require_size(side, size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return _resize(image.crop((left, top, left + side, top + side)), size)


def face_square(image, box, zoom, size):
    """The square about a face, moved so that it lies inside the picture, at `size` pixels.

    Where the picture is smaller than the square, its outermost pixels are repeated outwards.

    Args:
        image: RGB `PIL.Image`.
        box: (left, top, right, bottom) of the face, in pixels.
        zoom: Side of the square relative to the longer side of the box.
        size: Side of the result, in pixels.

    Raises:
        Dropped: `too_small`.
    """
    left, top, right, bottom = box
    side = max(1, round(zoom * max(right - left, bottom - top)))
    require_size(side, size)
    left = _inside(round((left + right - side) / 2), side, image.width)
    top = _inside(round((top + bottom - side) / 2), side, image.height)
    border = [max(0, -top), max(0, top + side - image.height), max(0, -left), max(0, left + side - image.width)]
    if not any(border):
        return _resize(image.crop((left, top, left + side, top + side)), size)
    seen = image.crop((max(0, left), max(0, top), min(image.width, left + side), min(image.height, top + side)))
    return _resize(Image.fromarray(cv2.copyMakeBorder(np.asarray(seen), *border, cv2.BORDER_REPLICATE)), size)


def _inside(start, side, extent):
    """Moves an interval into 0..extent, or, where it is longer than that, around it."""
    return min(max(start, min(0, extent - side)), max(0, extent - side))


def _resize(image, size):
    # Pillow's Lanczos widens its kernel when it shrinks a picture, hence it is antialiased.
    return image if image.size == (size, size) else image.resize((size, size), Image.Resampling.LANCZOS)


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
