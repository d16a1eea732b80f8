"""Applies networks to large pictures in tiles without seams, to save memory."""

import numpy as np
from PIL import Image

from tfanime.generator.pictures import LEAST, MOST_AT_ONCE
from tfanime.picture_files import Picture

SIDE = 256
"""Side of a tile without its surroundings, in pixels of the picture."""


def in_tiles(function, image, form, side=SIDE, progress=None):
    """Applies a network to one picture of any size.

    A tile has a margin of `form.reach` pixels, the radius of the receptive field, so that there are no seams. A network
    whose pixels depend on the whole picture gets all of it.

    Args:
        function: uint8 array `[1, height, width, 3]` -> uint8 array `[1, scale * height, scale * width, 3]`, such as
            `PictureNetwork.images`.
        image: uint8 array `[height, width, 3]`.
        form: The `tfanime.generator.Form`.
        side: Side of a tile, in pixels.
        progress: Called after each tile with the number of all tiles; None for no calls.

    Returns:
        uint8 array `[scale * height, scale * width, 3]`.

    Raises:
        ValueError: The picture has more than `MOST_AT_ONCE` pixels, and the network needs all of them at once.
    """
    height, width, _ = image.shape
    if form.reach is None and height * width > MOST_AT_ONCE:
        raise ValueError(
            f"a picture must have at most {MOST_AT_ONCE:,} pixels for a network that needs all of them at once; "
            f"make it smaller first. Received: {width} x {height}"
        )
    if form.reach is None or (height <= side and width <= side):
        return function(image[None])[0]
    # Whole multiples: a network that halves a picture gives other pixels if the picture is moved by less.
    reach = max(form.reach, LEAST * form.multiple)  # so that no tile is continued at its edges
    side, reach = (-(-length // form.multiple) * form.multiple for length in (side, reach))
    scale = form.scale
    made = np.empty((scale * height, scale * width, 3), np.uint8)
    corners = [(top, left) for top in range(0, height, side) for left in range(0, width, side)]
    for top, left in corners:
        above, before = max(0, top - reach), max(0, left - reach)
        bottom, right = min(height, top + side), min(width, left + side)
        surroundings = image[above : bottom + reach, before : right + reach]
        tile = function(np.ascontiguousarray(surroundings)[None])[0]
        inside = tile[scale * (top - above) :, scale * (left - before) :]
        made[scale * top : scale * bottom, scale * left : scale * right] = inside[
            : scale * (bottom - top), : scale * (right - left)
        ]
        if progress:
            progress(len(corners))
    return made


def through(function, picture, form, side=SIDE, progress=None):
    """Applies a network to a picture; its alpha is resized.

    Args:
        function, form, side, progress: See `in_tiles`.
        picture: The `tfanime.picture_files.Picture`.

    Returns:
        A `tfanime.picture_files.Picture`.
    """
    pixels = in_tiles(function, picture.pixels, form, side, progress)
    alpha = picture.alpha
    if alpha is not None and form.scale > 1:
        alpha = np.asarray(Image.fromarray(alpha).resize(pixels.shape[1::-1], Image.Resampling.LANCZOS))
    return Picture(pixels, alpha, picture.note)
