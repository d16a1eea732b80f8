"""Sheets that show what a generator has learned: avatars by seed, by tag, and interpolations."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont

from tfanime.images import grid, to_float, to_uint8

COLUMNS = 8
PADDING = 2


@dataclass(frozen=True)
class Sheet:
    """The contents of a sheet.

    Args:
        inputs: The generator's inputs, one row a picture, see `tfanime.inputs.Inputs`.
        columns: Pictures a row of the sheet; None for as square as possible.
        captions: Words beside the rows; none for a sheet without.
    """

    inputs: Any
    columns: int | None = None
    captions: tuple[str, ...] = ()

    def draw(self, generator):
        """Draws the sheet.

        Args:
            generator: Inputs -> pictures `[count, height, width, 3]` in [-1, 1].

        Returns:
            uint8 array `[height, width, 3]`.
        """
        count = len(tf.nest.flatten(self.inputs)[0])
        batches = (tf.nest.map_structure(lambda rows, i=i: rows[i : i + 64], self.inputs) for i in range(0, count, 64))
        images = np.concatenate([to_uint8(generator(inputs)).numpy() for inputs in batches])
        sheet = grid(images, self.columns, PADDING)
        return captioned(sheet, self.captions, images.shape[1] + PADDING) if self.captions else sheet


def captioned(sheet, captions, row_height):
    """Writes a caption beside each row of a sheet.

    Args:
        sheet: uint8 array `[height, width, 3]`.
        captions: One text a row; line breaks are kept.
        row_height: Pixels from one row to the next.

    Returns:
        uint8 array `[height, more width, 3]`.
    """
    font = ImageFont.load_default(min(14, row_height // 3))
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    boxes = [ruler.multiline_textbbox((0, 0), caption, font) for caption in captions]
    margin = int(max(box[2] for box in boxes)) + 3 * PADDING
    image = Image.new("RGB", (margin + sheet.shape[1], sheet.shape[0]), "white")
    image.paste(Image.fromarray(sheet), (margin, 0))
    pen = ImageDraw.Draw(image)
    for row, (caption, box) in enumerate(zip(captions, boxes, strict=True)):
        top = row * row_height + (row_height - (box[3] - box[1])) // 2 - box[1]
        pen.multiline_text((margin - 2 * PADDING, top), caption, "black", font, anchor="ra", align="right")
    return np.asarray(image)


def sheets(gan, seeds):
    """The sheets of a game.

    Args:
        gan: The `tfanime.training.GAN`.
        seeds: The avatars of the first sheet; the other sheets use some of them.

    Returns:
        A dictionary from name to `Sheet`: `samples`, one avatar a seed; `interpolation`, each row from one seed's
        latents to another's. In a game with tags also `tags`, each row one tag switched on and each column one seed's
        latents; and `latents`, each row all the tags of one seed and each column another seed's latents.
    """
    inputs = gan.inputs
    seeds = np.asarray(seeds, np.int64)
    parts = [
        inputs.latents.from_seeds(seeds),
        *inputs.beside_latents(seeds),
    ]  # for all seeds at once, because each call takes milliseconds
    result = {"samples": Sheet(inputs.of(*parts)), "interpolation": _interpolation(inputs, *parts)}
    if inputs.tags:
        few = [part[:COLUMNS] for part in parts]
        result |= {"tags": _changing_tags(inputs, *few), "latents": _changing_latents(inputs, *few)}
    return result


def _crossed(inputs, latents, tags, *noise):
    """All latents, with their noise (across), under every row of tags (down)."""
    across = [tf.tile(part, [len(tags), 1]) for part in (latents, *noise)]
    return inputs.of(across[0], tf.repeat(tags, len(latents), axis=0), *across[1:])


def _interpolation(inputs, latents, *others):
    ends = np.arange(min(len(latents), 2 * COLUMNS))
    pairs = len(ends) // 2 or 1
    first, second = np.resize(ends, 2 * pairs).reshape(2, pairs).repeat(COLUMNS, axis=1)
    share = np.tile(np.linspace(0, 1, COLUMNS, dtype=np.float32), pairs)
    others = [tf.gather(each, first) for each in others]  # the same at both ends
    ends = (inputs.of(tf.gather(latents, end), *others) for end in (first, second))
    return Sheet(inputs.between(*ends, share), COLUMNS)


def _changing_tags(inputs, latents, tags, *noise):
    """Every tag in turn; all other tags are those of the first seed, without independent ones."""
    vocabulary = inputs.vocabulary
    base = tags.numpy()[0]
    for group, where in vocabulary.slices:
        if not group.exclusive:
            base[where] = -1
    rows = np.tile(base, (len(vocabulary), 1))
    for group, where in vocabulary.slices:
        if group.exclusive:
            rows[where, where] = -1
    np.fill_diagonal(rows, 1)
    captions = tuple(tag.replace("_", " ") for tag in vocabulary.tags)
    return Sheet(_crossed(inputs, latents, rows.astype(np.float32), *noise), len(latents), captions)


def _changing_latents(inputs, latents, tags, *noise):
    names = (inputs.vocabulary.decode(row) for row in tags.numpy())
    captions = tuple("\n".join(_lines(tag.replace("_", " ") for tag in row)) for row in names)
    return Sheet(_crossed(inputs, latents, tags, *noise), len(latents), captions)


def _lines(words, per_line=2):
    words = list(words)
    return [", ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)] or ["no tags"]


@dataclass(frozen=True)
class PictureSheet:
    """Rows of pictures, their results by a network, and their targets.

    Args:
        pictures: uint8 array `[count, height, width, 3]`.
        truth: uint8 array `[count, larger height, larger width, 3]`, or None.
        columns: Pictures a row, of which the count is a multiple; None for all in one.
    """

    pictures: np.ndarray
    truth: np.ndarray | None = None
    columns: int | None = None

    def draw(self, network):
        """Draws the sheet; `network` is pictures -> pictures, in [-1, 1]."""
        made = to_uint8(network(to_float(self.pictures))).numpy()
        scale = made.shape[1] // self.pictures.shape[1]
        given = self.pictures.repeat(scale, 1).repeat(scale, 2)
        rows = [given, made, *([] if self.truth is None else [self.truth])]
        columns = min(self.columns or len(given), len(given))
        parts = [row[i : i + columns] for i in range(0, len(given), columns) for row in rows]
        return grid(np.concatenate(parts), columns, PADDING)


def enlarged(small, large):
    """The sheet `samples` of a game that enlarges pictures, by name; arguments as for `PictureSheet`."""
    return {"samples": PictureSheet(small, large)}
