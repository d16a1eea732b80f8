"""Enlarges pictures by a network, with options: powers of its scale, strength, flips, tiles."""

import numpy as np
from PIL import Image

from tfanime.generator.tiles import SIDE, through
from tfanime.picture_files import MAX_PIXELS

MAX_MADE = 4 * MAX_PIXELS
"""Pixels of the largest picture that is made: the largest one that is read, of twice the size."""


class Enlarger:
    """Enlarges pictures of any size by a network.

    Args:
        network: A `tfanime.generator.PictureNetwork` of kind `upscale`.
        scale: How many times larger pictures become: the network's scale (the default) or a power of it.
        strength: Share of the network's picture in the result, 0 to 1; the rest is a bicubic enlargement.
        flips: Whether to take the mean over all 8 ways to mirror and turn a picture.
        tile: Side of the tiles of large pictures, in pixels.

    Raises:
        ValueError: `scale` is not a power of the network's.
    """

    def __init__(self, network, scale=None, strength=1.0, flips=False, tile=SIDE):
        own = network.form.scale
        self.scale = own if scale is None else scale
        self.passes, reached = 0, 1
        while reached < self.scale and own > 1:
            self.passes, reached = self.passes + 1, reached * own
        if reached != self.scale or not self.passes:
            raise ValueError(f"scale must be {own} or a power of it, as the network enlarges. Received: {self.scale}")
        self.network = network
        self.strength = strength
        self.flips = flips
        self.tile = tile

    def __call__(self, picture, progress=None):
        """Enlarges one picture.

        Args:
            picture: A `tfanime.picture_files.Picture`.
            progress: See `tfanime.generator.tiles.in_tiles`.

        Returns:
            A `Picture`.

        Raises:
            ValueError: It would have more than `MAX_MADE` pixels.
        """
        height, width, _ = picture.pixels.shape
        if self.scale**2 * height * width > MAX_MADE:
            raise ValueError(
                f"an enlarged picture must have at most {MAX_MADE:,} pixels. "
                f"Received: {width} x {height}, to become {self.scale} times larger"
            )
        for _ in range(self.passes):
            picture = through(self._once, picture, self.network.form, self.tile, progress)
        return picture

    def images(self, images):
        """Enlarges small pictures of one size.

        Args:
            images: uint8 array `[batch, height, width, 3]`.

        Returns:
            uint8 array `[batch, scale * height, scale * width, 3]`.
        """
        for _ in range(self.passes):
            images = self._once(images)
        return images

    def _once(self, images):
        """Applies the network once: uint8 `[batch, height, width, 3]` -> uint8, enlarged by the network's scale."""
        made = self._in_all_ways(images) if self.flips else self.network.images(images)
        if self.strength < 1:
            plain = np.stack([bicubic(image, self.network.form.scale) for image in images])
            made = np.round(self.strength * made.astype(np.float32) + (1 - self.strength) * plain).astype(np.uint8)
        return made

    def _in_all_ways(self, images):
        total = 0
        for turns in range(4):
            for step in (1, -1):
                way = np.rot90(images, turns, (1, 2))[:, :, ::step]
                made = self.network.images(np.ascontiguousarray(way))[:, :, ::step]
                total = total + np.rot90(made, -turns, (1, 2)).astype(np.float32)
        return np.round(total / 8).astype(np.uint8)


def bicubic(image, scale):
    """One uint8 picture `[height, width, 3]` enlarged without any network."""
    sides = image.shape[1] * scale, image.shape[0] * scale
    return np.asarray(Image.fromarray(image).resize(sides, Image.Resampling.BICUBIC))
