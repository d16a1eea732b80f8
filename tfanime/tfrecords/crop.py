"""From a file's bytes to a square crop of the right size, and its bytes again."""

import io
import math
import warnings
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tfanime.images import from_deep
from tfanime.limits import Limit, above, at_least, between
from tfanime.tfrecords.filters import Dropped
from tfanime.tfrecords.whole import is_whole, without_text

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")  # whatever a file calls itself

MARGIN = 4  # pixels around a square that its resampling looks at


@dataclass(frozen=True, kw_only=True)
class CropSettings:
    """Size, format and limits of crops

    Args:
        zoom: Side of the crop relative to the face that was found, about its centre: 1.5 with
            animeface (Jin et al. 2017); the same crop is about 1.17 with lbpcascade.
        align: Turn, scale and shift the crop of each face so that eyes and mouth lie at the same places in all crops:
            for photographs, with --detector haarcascade or none. Faces in which they are not found are left out.
        frame: Part of that square that is kept, itself a square: left,top,right,bottom as shares of its side. Frame
            photos and drawings equally if a network is to turn one into the other. Default: all of it.
        size: Height and width of every crop, in pixels.
        enlarge: Largest factor by which a crop may be enlarged; smaller faces are left out.
        max_pixels: Largest number of pixels of a picture; larger ones are left out before they are decoded.
        format: How crops are stored. A picture that is a crop of the right size already keeps its own bytes.
        quality: Quality of JPEG crops.
    """

    zoom: Annotated[float, above(0, most=10)] = 1.5
    align: bool = False
    frame: Annotated[
        str | None,
        Limit("four shares left,top,right,bottom of a square, such as 0.1,0.2,0.9,1", lambda text: _shares(text)),
    ] = None
    size: Annotated[int, at_least(8)] = 96
    enlarge: Annotated[float, at_least(1)] = 2.0
    max_pixels: Annotated[int, between(64, 2 * Image.MAX_IMAGE_PIXELS)] = 100_000_000  # where Pillow itself refuses
    format: Literal["png", "jpeg"] = "png"
    quality: Annotated[int, between(1, 100)] = 95

    def rules(self):
        """Yields `(flag, holds, rule)` of each rule."""
        fits = self.source == "drawn" or self.detector not in ("animeface", "lbpcascade")
        yield "align", not self.align or fits, f"left out with --detector {self.detector}, which finds drawn faces"

    def idle(self):
        """Yields the fields that have no effect."""
        if self.source == "drawn" or self.detector == "none":
            yield "zoom"
        if self.source == "drawn":
            yield from ("enlarge", "max_pixels")
        # So do the manifests of older versions, which know neither.
        if self.source == "drawn" or not self.align:
            yield "align"
        if self.frame is None:
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
        turn: Angle by which the square is turned about that corner, in radians, clockwise; None for a square of whole
            pixels of the picture.
    """

    image: Image.Image
    left: float
    top: float
    turn: float | None = None

    @property
    def side(self):
        """Its side in pixels."""
        return self.image.width

    def to_picture(self, points):
        """Points of the square, `[..., 2]` as shares of its side, in pixels of the picture."""
        return (self.left, self.top) + self.side * np.asarray(points) @ _rotation(self.turn or 0)

    def from_picture(self, points):
        """Points of the picture, `[..., 2]` in pixels, as shares of the square's side."""
        return (np.asarray(points) - (self.left, self.top)) @ _rotation(-(self.turn or 0)) / self.side

    def paste(self, image, face):
        """Lays another picture of the square over the picture that it was cut from.

        Args:
            image: That picture, an RGB `PIL.Image`, which is changed.
            face: Square RGB `PIL.Image` of any size.
        """
        face = face.resize((self.side, self.side), Image.Resampling.LANCZOS)
        if self.turn is None:
            image.paste(face, (self.left, self.top))
            return
        box = _around(self, image.size)
        matrix = _matrix(self, box)
        size = (box[2] - box[0], box[3] - box[1])
        # Outside the square the colours go on, and what is seen of them ends with an antialiased edge.
        pixels = cv2.warpAffine(
            np.asarray(face), matrix, size, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE
        )
        seen = cv2.warpAffine(np.full((self.side, self.side), 255, np.uint8), matrix, size, flags=cv2.INTER_LINEAR)
        image.paste(Image.fromarray(pixels), box[:2], Image.fromarray(seen))


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


def turned_square(image, centre, side, turn):
    """A square of a picture that is turned, resampled at the picture's own resolution (Lanczos).

    Where it leaves the picture, the picture's outermost pixels are repeated outwards.

    Args:
        image: RGB `PIL.Image`.
        centre: (x, y) of its middle, in pixels; inside the picture.
        side: Its side in pixels.
        turn: Angle in radians, clockwise.

    Returns:
        The `Region`.
    """
    side = max(1, round(side))
    corner = np.asarray(centre) - np.array([side / 2, side / 2]) @ _rotation(turn)
    region = Region(Image.new("RGB", (side, side)), *map(float, corner), float(turn))
    box = _around(region, image.size)
    pixels = cv2.warpAffine(
        np.asarray(image.crop(box)),
        _matrix(region, box),
        (side, side),
        flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return replace(region, image=Image.fromarray(pixels))


def _rotation(turn):
    """The matrix that turns rows (x, y) by an angle, clockwise where y points down."""
    cosine, sine = math.cos(turn), math.sin(turn)
    return np.array([[cosine, sine], [-sine, cosine]])


def _around(region, size):
    """The part of a picture of `size` that a turned square needs: (left, top, right, bottom)."""
    corners = region.to_picture([[0, 0], [0, 1], [1, 0], [1, 1]])
    low = np.clip(np.floor(corners.min(0)).astype(int) - MARGIN, 0, np.array(size) - 1)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + MARGIN, low + 1, size)
    return *map(int, low), *map(int, high)


def _matrix(region, box):
    """OpenCV's matrix `[2, 3]` from pixels of a turned square to those of a picture's part `box`."""
    # OpenCV counts from the middle of the first pixel.
    corner = region.to_picture(np.array([0.5, 0.5]) / region.side) - box[:2] - 0.5
    return np.column_stack([_rotation(region.turn).T, corner])


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
    if region.turn is not None:
        return Region(image, *region.to_picture(np.array([left, top]) / region.side).tolist(), region.turn)
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
