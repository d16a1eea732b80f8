"""Avatars changed along named directions: `blue eyes=2, pca1@0-3=-4`."""

from pathlib import Path

import tensorflow as tf

from tfanime import pretrained
from tfanime.generator import Generator
from tfanime.images import to_uint8
from tfanime.latent_space.directions import FILE, moved, read_directions
from tfanime.latent_space.space import LatentSpace
from tfanime.latent_space.text import parse_layers


def edited(space, points, directions, edits):
    """Points moved along several directions.

    Args:
        space: The `LatentSpace`.
        points: `Points`.
        directions: `Direction`s by name, see `read_directions`.
        edits: From `tfanime.latent_space.text.parse_edits`.

    Returns:
        `Points`.

    Raises:
        ValueError: There is no such direction, or no such layer.
    """
    for name, layers, amount in edits:
        if name not in directions:
            raise ValueError(f"direction must be one of {', '.join(directions)}. Received: {name!r}")
        places = layers and parse_layers(layers, space.layers)
        points = moved(points, directions[name].step, amount, places)
    return points


def edited_generator(model, generator, edits, file=None, psi=1.0):
    """A generator whose avatars are all changed in the same way.

    Args:
        model: The path or name given to `open_generator`.
        generator: The generator that it returned.
        edits: From `tfanime.latent_space.text.parse_edits`.
        file: The file of directions, see `read_directions`. Default: the one in the generator's own folder.
        psi: Truncation before the change, see `Generator.truncated`.

    Returns:
        A `tfanime.generator.Generator`.

    Raises:
        FileNotFoundError: There are no directions.
        ValueError: See `LatentSpace`, `read_directions`, `edited` and `LatentSpace.truncated`.
    """
    space = LatentSpace(generator)
    directions = read_directions(file or own_file(model), space)
    edited(space, space.from_seeds([0]), directions, edits)  # before any avatar is drawn
    space.truncated(space.from_seeds([0]), psi)

    @tf.function(input_signature=space.inputs.seed_specs)
    def draw(seeds, wanted=None):
        points = edited(space, space.truncated(space.from_wanted(seeds, wanted), psi), directions, edits)
        return to_uint8(space.pictures(points))

    return Generator(draw, generator.vocabulary, card=generator.card, licence=generator.licence)


def own_file(model):
    """The file of directions in a generator's own folder; `model` is the path or name given to `open_generator`.

    Raises:
        FileNotFoundError: There is none.
    """
    path = _place(model)
    if not path.is_file():
        raise FileNotFoundError(
            f"--directions must name a file that `python -m tfanime.directions {model}` wrote, because "
            f"{path.parent} has no {FILE} of its own. Received: none"
        )
    return path


def own_directions(model, generator):
    """The directions that lie in a generator's own folder.

    Args:
        model: What `open_generator` was given.
        generator: What it returned.

    Returns:
        A list of `Direction`s; empty where there is no such file.

    Raises:
        ValueError: See `LatentSpace` and `read_directions`.
    """
    path = _place(model)
    return list(read_directions(path, LatentSpace(generator)).values()) if path.is_file() else []


def _place(model):
    folder = Path(model)
    if not folder.exists() and str(model) in pretrained.names():
        folder = pretrained.folder_of(model)
    return folder / FILE
