"""The tensor contract for pictures, and the one place that converts between its two forms.

Between data and export a picture is float32 in [-1, 1], NHWC; before and after it is uint8 in 0-255.
"""

import io

import numpy as np
from PIL import Image

from tfanime.files import replacing


def to_float(images):
    """uint8 in 0-255 to float32 in [-1, 1].

    Args:
        images: Tensor or array of any shape, uint8.

    Returns:
        A float32 tensor of the same shape; 0 becomes -1 and 255 becomes 1.
    """
    import tensorflow as tf  # here, because grids and PNGs are made by clients too, which need none

    return tf.cast(images, tf.float32) / 127.5 - 1.0


def to_uint8(images):
    """Floats in [-1, 1] to uint8, the inverse of `to_float`: values outside are clipped, others rounded to nearest.

    Args:
        images: Tensor or array of any shape, floating.

    Returns:
        A uint8 tensor of the same shape.
    """
    import tensorflow as tf

    images = tf.cast(images, tf.float32)
    return tf.cast(tf.round(tf.clip_by_value(images * 127.5 + 127.5, 0.0, 255.0)), tf.uint8)


def grid(images, columns=None, padding=2):
    """Lays pictures out in rows, the first one at the top left.

    Args:
        images: uint8 array `[count, height, width, 3]`, count >= 1.
        columns: Pictures a row; default: as square as possible.
        padding: White pixels between pictures and around them.

    Returns:
        uint8 array `[rows * (height + padding) + padding, columns * (width + padding) + padding, 3]`.

    Raises:
        ValueError: `images` is not a non-empty uint8 batch of RGB pictures.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or not len(images):
        raise ValueError(
            f"images must be uint8 [count >= 1, height, width, 3]. Received: {images.dtype} {images.shape}"
        )
    count, height, width, _ = images.shape
    columns = columns or int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    sheet = np.full((rows * (height + padding) + padding, columns * (width + padding) + padding, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top = padding + index // columns * (height + padding)
        left = padding + index % columns * (width + padding)
        sheet[top : top + height, left : left + width] = image
    return sheet


def write_png(path, image):
    """Writes one uint8 picture `[height, width, 3]` as PNG, through a temporary file."""
    with replacing(path) as temporary:
        Image.fromarray(np.asarray(image)).save(temporary, format="png")


def png_of(image):
    """One uint8 picture `[height, width, 3]` as the bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(file, "png")
    return file.getvalue()


def from_deep(image):
    """A `PIL.Image` of more than 8 bits a pixel (modes I, F and those of 16 bits) as a grey one of 8: Pillow would clip
    it at 255 instead of scaling."""
    values = np.asarray(image)
    top = 65535 if values.max(initial=0) > 255 else 255
    grey = np.empty(values.shape, np.uint8)
    for start in range(0, len(grey), 64):  # some rows at a time: floats of all pixels would take gigabytes
        rows = slice(start, start + 64)
        grey[rows] = np.clip(values[rows] / top * 255, 0, 255)
    return Image.fromarray(grey)
