"""Sources of pictures to evaluate: trained generators, and what to compare them with."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

AVERAGED = 16  # real faces in one average


@dataclass(frozen=True)
class Source:
    """Pictures by number.

    Args:
        name: What it is called in a table.
        count: How many of its pictures are evaluated.
        images: Numbers, int64 `[batch]` in [0, count) -> uint8 `[batch, height, width, 3]`, always the same.
        size: Their height and width in pixels.
        generated: Whether a generator made them; a baseline else.
        origin: What is known of where they come from, a dictionary that JSON knows.
        generator: The `tfanime.generator.Generator` that draws them; None for what none drew.
        targets: Likewise numbers -> the pictures that they should be, for pictures that have a right answer; None else.
    """

    name: str
    count: int
    images: Callable
    size: int
    generated: bool = True
    origin: dict = field(default_factory=dict)
    generator: object = None
    targets: Callable | None = None


def open_models(paths, checkpoint, samples, seed):
    """Opens generators.

    Args:
        paths: Of generators, see `tfanime.generator.open_generator`.
        checkpoint: Of the run folders: newest, best or a step.
        samples: How many pictures of each are evaluated.
        seed: The seed of the first; the others follow.

    Returns:
        A list of `Source`s. Tags are drawn as the generator's training drew them.

    Raises:
        FileNotFoundError: There is no such generator, or it has no such checkpoint.
        ValueError: A generator's pictures are not square, or they are of several sizes.
    """
    sources = [_model(path, name, checkpoint, samples, seed) for path, name in zip(paths, _names(paths), strict=True)]
    if len({source.size for source in sources}) > 1:
        received = ", ".join(f"{source.name} of {source.size} px" for source in sources)
        raise ValueError(f"models in one table must draw pictures of one size. Received: {received}")
    return sources


def _names(paths):
    """The last part of each path (of `exports/faces/3` the last two), or all of it where two would be the same."""

    def short(path):
        parts = [part for part in Path(path).parts if part not in ("/", ".")] or [str(path)]
        return "/".join(parts[-2:] if re.fullmatch("[0-9]+", parts[-1]) else parts[-1:])

    names = [short(path) for path in paths]
    names = [str(path) if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"models must be given once each. Received twice: {', '.join(twice)}")
    return names


def _model(path, name, checkpoint, samples, seed):
    from tfanime.generator import open_generator

    is_run = (Path(path) / "run.json").is_file()
    generator = open_generator(path, checkpoint if is_run else "newest")
    height, width = generator.images([seed]).shape[1:3]
    if height != width:
        raise ValueError(f"model must draw square pictures. Received: {str(path)!r}, {height} x {width}")

    def images(numbers):
        return generator.images((seed + numbers).tolist(), batch=len(numbers))

    card = generator.card.get("training", generator.card)
    origin = {"path": str(path), "first_seed": seed}
    if is_run:
        origin["checkpoint"] = checkpoint
    origin |= {key: card[key] for key in ("recipe", "step") if key in card}
    return Source(name, samples, images, height, True, origin, generator)


def held_out(faces, samples):
    """Real pictures that nothing was trained on: what a perfect generator would score.

    Args:
        faces: The split `holdout`, a `tfanime.data.FaceData`.
        samples: How many at most.
    """
    count = min(samples, faces.count)
    origin = {"split": "holdout", "fingerprint": faces.fingerprint}
    return Source("real, held out", count, faces.images, faces.image_size, False, origin)


def averages(faces, samples, seed):
    """Averages of real faces. A detector finds a face in nearly all of them, although they look bad.

    Args:
        faces: A `tfanime.data.FaceData` of real pictures.
        samples: How many.
        seed: Which faces are averaged.
    """

    def images(numbers):
        # Of each number its own faces, whatever the batch.
        draws = [np.random.Generator(np.random.Philox(key=np.uint64([seed, number]))) for number in numbers]
        chosen = np.stack([draw.integers(0, faces.count, AVERAGED) for draw in draws])
        return np.round(faces.images(chosen).mean(axis=1)).astype(np.uint8)

    origin = {"split": "train", "fingerprint": faces.fingerprint, "averaged": AVERAGED}
    return Source(f"averages of {AVERAGED} real", samples, images, faces.image_size, False, origin)
