"""Named directions of a latent space: a step along one changes all avatars in the same way.

There are three kinds. `sefa1`, `sefa2` ... are the directions that the network's first weights enlarge most (Shen and
Zhou 2021, "SeFa", arXiv 2007.06600); `pca1`, `pca2` ... are the directions in which avatars of the same tags differ
most (Härkönen et al. 2020, "GANSpace", arXiv 2004.02546); and that of a tag is the gradient of a linear model from code
to a tagger's prediction. A step of 1 is one standard deviation of the generator's own avatars.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfanime.files import replacing
from tfanime.latent_space.mixing import require_styles
from tfanime.latent_space.points import read_arrays, require_same_network

FILE = "directions.npz"
SPREAD = (64, 128)  # draws of tags, and of latents for each, from which the spread of codes is computed
RIDGE = 0.1  # of a linear model, times the mean variance of a code's components
FEWEST = 0.05  # a tag is left out if fewer pictures, or all but fewer, show it: nothing can be learned about it
HELD_OUT = 4  # one of this many pictures is kept to evaluate the linear models
BATCH = 64


@dataclass(frozen=True)
class Direction:
    """A named change of avatars.

    Args:
        name: Letters, digits and underscores.
        step: What is added to a code, float32 `[size]`.
        strength: Of `pca` its share of the variance, of `sefa` its share of the squared weights, of a tag the R^2 of
            the linear model on pictures that it was not fitted to.
    """

    name: str
    step: Any
    strength: float


def spread(space):
    """The covariance of codes under the same tags, float64 `[size, size]`.

    Changes by tags are excluded: they are available by tag, and would hide all others.
    """
    if not space.has_styles:
        return np.eye(space.size) * (1.0 if space.inputs.latents.distribution == "normal" else 1 / 3)
    draws, each = SPREAD
    codes = np.asarray(space.sample(draws * each, alike=each).codes[:, 0], np.float64).reshape(draws, each, -1)
    codes = (codes - codes.mean(axis=1, keepdims=True)).reshape(draws * each, -1)
    return codes.T @ codes / (draws * (each - 1))


def pca(space, count, covariance):
    """The main axes of codes under the same tags.

    Args:
        space: The `LatentSpace`.
        count: How many, the longest first.
        covariance: From `spread`.

    Returns:
        A list of `Direction`s.

    Raises:
        ValueError: The network has no styles: no axis of N(0, 1) or U(-1, 1) is longer than another.
    """
    require_styles(space, "pca")
    variances, axes = np.linalg.eigh(covariance)
    return _along("pca", axes, variances, count, covariance)


def sefa(space, count, covariance):
    """The directions that the first weights enlarge most: in a StyleGAN2 those of all affine layers, from w to styles;
    in other networks those of the first dense layer. They are the eigenvectors of A A^T, columns of A of unit length.

    Args, Returns: As for `pca`.

    Raises:
        ValueError: No dense layer takes the latents.
    """
    weights = first_weights(space)
    weights = weights / np.maximum(np.linalg.norm(weights, axis=0, keepdims=True), 1e-12)
    strengths, axes = np.linalg.eigh(weights @ weights.T)
    return _along("sefa", axes, strengths, count, covariance)


def first_weights(space):
    """The first weights that a code is multiplied with, float64 `[size, units]`; see `sefa`."""
    if space.has_styles:
        kernels = [layer.affine.kernel for layer in space.synthesis.layers if hasattr(layer, "affine")]
        return np.concatenate(kernels, axis=1).astype(np.float64)
    tags = len(space.vocabulary or ())
    for layer in space.network.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            if len(kernel.shape) == 2 and kernel.shape[0] in (space.size, space.size + tags):
                return np.asarray(kernel, np.float64)[: space.size]
            break
    raise ValueError("sefa needs a network whose first layer on the latents is dense. Received: another")


def _along(kind, axes, values, count, covariance):
    order = np.argsort(-values, kind="stable")[:count]
    found = []
    for number, index in enumerate(order, 1):
        axis = axes[:, index] * (1 if axes[np.argmax(np.abs(axes[:, index])), index] > 0 else -1)  # on any machine
        found.append(Direction(f"{kind}{number}", _step(axis, covariance), float(values[index] / values.sum())))
    return found


def _step(axis, covariance):
    """One standard deviation along an axis."""
    axis = axis / np.linalg.norm(axis)
    return (axis * np.sqrt(axis @ covariance @ axis)).astype(np.float32)


def of_tags(space, tagger, pictures=2048, progress=False):
    """A direction for each tag that a tagger knows.

    A ridge regression from codes (and, beside latents, tags) to the tagger's logits; its gradient is the direction.
    The mean difference between avatars with and without the tag would change all that goes together with it too.

    Args:
        space: The `LatentSpace`.
        tagger: A `tfanime.tagger.files.TaggerNetwork`.
        pictures: How many avatars are drawn and tagged.
        progress: Whether to show a progress bar.

    Returns:
        `(directions, left_out)`: a list of `Direction`s, and the tags that too few or too many pictures show.
    """
    from tqdm import tqdm

    codes, logits = [], []
    with tqdm(total=pictures, desc="drawing and tagging", unit=" avatars", disable=None if progress else True) as bar:
        for begin in range(0, pictures, BATCH):
            points = space.sample(min(BATCH, pictures - begin), step=1 + begin)
            logits.append(tagger.predict(space.images(points))[1])
            beside = [points.others["tags"]] if "tags" in points.others and not space.has_styles else []
            codes.append(np.concatenate([points.codes[:, 0], *beside], axis=1))
            bar.update(len(points))
    codes, logits = np.concatenate(codes).astype(np.float64), np.concatenate(logits).astype(np.float64)
    codes -= codes.mean(axis=0)
    held_out = np.arange(len(codes)) % HELD_OUT == 0
    covariance = codes[:, : space.size].T @ codes[:, : space.size] / len(codes)
    weights = _ridge(codes[~held_out], logits[~held_out])
    errors = logits[held_out] - logits[~held_out].mean(axis=0) - codes[held_out] @ weights
    strengths = 1 - errors.var(axis=0) / np.maximum(logits[held_out].var(axis=0), 1e-12)
    share = np.mean(logits > 0, axis=0)
    usable = (share >= FEWEST) & (share <= 1 - FEWEST)
    tags = tagger.vocabulary.tags
    found = [
        Direction(tag, _step(weights[: space.size, place], covariance), float(strengths[place]))
        for place, tag in enumerate(tags)
        if usable[place]
    ]
    return found, [tag for place, tag in enumerate(tags) if not usable[place]]


def _ridge(codes, logits):
    """Slopes of a linear model, `[components, tags]`."""
    codes, logits = codes - codes.mean(axis=0), logits - logits.mean(axis=0)
    covariance = codes.T @ codes / len(codes)
    penalty = RIDGE * np.trace(covariance) / len(covariance)
    return np.linalg.solve(covariance + penalty * np.eye(len(covariance)), codes.T @ logits / len(codes))


def moved(points, step, amount, layers=None):
    """Points moved along a direction.

    Args:
        points: `Points`.
        step: The `step` of a `Direction`.
        amount: Number of steps; a negative number reverses the direction.
        layers: Which layers are moved, a list of ints; default: all.
    """
    where = np.ones(points.codes.shape[1]) if layers is None else np.isin(np.arange(points.codes.shape[1]), layers)
    return points.with_codes(points.codes + (amount * where[:, None] * step).astype(np.float32))


def write_directions(path, space, directions):
    """Writes `Direction`s as a file for `read_directions`; `space` is the `LatentSpace` to which they belong."""
    about = [{"name": each.name, "worth": round(each.strength, 4)} for each in directions]
    steps = np.stack([each.step for each in directions]).astype(np.float32)
    with replacing(path) as temporary, open(temporary, "wb") as file:  # `savez` would add a suffix to a path
        np.savez(file, network=space.fingerprint, about=json.dumps(about), steps=steps)


def read_directions(path, space):
    """Directions that `write_directions` wrote.

    Args:
        path: The file.
        space: The `LatentSpace` to which they must belong.

    Returns:
        A dictionary from name to `Direction`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or its directions are another network's.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"directions must be a file that `python -m tfanime.directions` wrote. Received: {str(path)!r}, which "
            "does not exist"
        )
    what = "a file of directions, which `python -m tfanime.directions` writes"
    arrays = read_arrays(path, {"network", "about", "steps"}, what)
    require_same_network(path, arrays, space)
    about = json.loads(str(arrays["about"]))
    pairs = zip(about, arrays["steps"], strict=True)
    return {each["name"]: Direction(each["name"], step, each["worth"]) for each, step in pairs}
