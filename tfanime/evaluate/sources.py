"""Sources of pictures to evaluate: trained generators, and baselines."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

AVERAGED = 16  # real faces in one average


@dataclass(frozen=True)
class Source:
    """A source of numbered pictures.

    Args:
        name: Its name in a table.
        count: Number of pictures that are evaluated.
        images: Numbers, int64 `[batch]` in [0, count) -> uint8 `[batch, height, width, 3]`, always the same.
        size: Their height and width in pixels.
        generated: Whether a generator made them; False for a baseline.
        origin: Their origin, a dictionary that JSON can represent.
        generator: The `tfanime.generator.Generator` that draws them; None for a baseline.
        targets: A function like `images` that returns the targets, such as originals of enlarged pictures; None if
            there are none.
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
        paths: Paths or names of generators, see `tfanime.generator.open_generator`.
        checkpoint: Checkpoint of the run folders: newest, best or a step.
        samples: Number of pictures of each that are evaluated.
        seed: Seed of the first picture; the others follow.

    Returns:
        A list of `Source`s. Tags are drawn as the generator's training drew them.

    Raises:
        FileNotFoundError: A generator does not exist, or has no such checkpoint.
        ValueError: A generator's pictures are not square, or they are of several sizes.
    """
    sources = [_model(path, name, checkpoint, samples, seed) for path, name in zip(paths, _names(paths), strict=True)]
    if len({source.size for source in sources}) > 1:
        received = ", ".join(f"{source.name} of {source.size} px" for source in sources)
        raise ValueError(f"models in one table must draw pictures of one size. Received: {received}")
    return sources


def _names(paths):
    """The last part of each path (the last two of `exports/faces/3`), or the whole path if two would be equal."""

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
    """Held-out real pictures, which score like a perfect generator.

    Args:
        faces: The split `holdout`, a `tfanime.data.FaceData`.
        samples: Largest number of pictures.
    """
    count = min(samples, faces.count)
    origin = {"split": "holdout", "fingerprint": faces.fingerprint}
    return Source("real, held out", count, faces.images, faces.image_size, False, origin)


def averages(faces, samples, seed):
    """Averages of real faces. A detector finds a face in nearly all of them, although they look bad.

    Args:
        faces: A `tfanime.data.FaceData` of real pictures.
        samples: Number of averages.
        seed: Seed of the choice of faces.
    """

    def images(numbers):
        # Each number has its own faces, whatever the batch.
        draws = [np.random.Generator(np.random.Philox(key=np.uint64([seed, number]))) for number in numbers]
        chosen = np.stack([draw.integers(0, faces.count, AVERAGED) for draw in draws])
        return np.round(faces.images(chosen).mean(axis=1)).astype(np.uint8)

    origin = {"split": "train", "fingerprint": faces.fingerprint, "averaged": AVERAGED}
    return Source(f"averages of {AVERAGED} real", samples, images, faces.image_size, False, origin)
