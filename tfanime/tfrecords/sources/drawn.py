"""Avatars that tfanime draws, as a source of pictures."""

import functools

import numpy as np
from PIL import Image

from tfanime.tags import JIN34
from tfanime.tfrecords.sources.folders import digest_of
from tfanime.tfrecords.sources.sources import Picture


class DrawnSource:
    """Avatars that tfanime draws, with the tags that they were drawn from; the attributes are those of `FolderSource`.

    Args:
        count: How many.
        seed: Seed of the first; the others count up from it.
        size: Their side, in pixels.
    """

    sidecars = "drawn"
    rows_without_picture = pictures_without_row = exclude_without_picture = 0
    row_without_picture = None
    excluded = excluded_faces = frozenset()
    times = ""

    def __init__(self, count, seed, size):
        from tfanime.drawn import avatars

        self.ids = [f"drawn/{number:010d}" for number in range(seed, seed + count)]
        self.size = size
        self.used_words = dict.fromkeys(JIN34.tags, count)
        self.passed_over = {}
        drawing = digest_of([f"drawn {avatars.VERSION} {count} {seed} {size}"])
        self.listing = {"pictures": drawing, "tags": drawing, "exclude": digest_of([])}

    def __len__(self):
        return len(self.ids)

    def words_of(self, id):
        """The tags that the avatar is drawn from."""
        from tfanime.drawn import avatars

        return " ".join(JIN34.decode(avatars.drawn_tags(_seed(id))))

    def opener(self, max_pixels=None):
        """The object that workers draw pictures with, see `FolderSource.opener`."""
        return functools.partial(draw, self.size)


def draw(size, id, words):
    """Draws the avatar of an id: a `Picture`, as `FileOpener`."""
    from tfanime.drawn import avatars

    return Picture(Image.fromarray(np.asarray(avatars.draw(_seed(id), size=size))).convert("RGB"), None, words)


def _seed(id):
    return int(id.rpartition("/")[2])
