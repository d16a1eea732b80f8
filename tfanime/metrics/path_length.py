"""Perceptual path length: how much a picture changes, in features, per step between two latents.

    PPL = E[ |f(G(z(t))) - f(G(z(t + epsilon)))|^2 ] / epsilon^2,    z(t) from a to b, t uniform in [0, 1] or 0

(Karras et al. 2019, arXiv 1812.04948, section 4.1; Karras et al. 2020, arXiv 1912.04958, section 3). It is small where
neighbours in latent space are neighbours to the eye. The paper's f is LPIPS over VGG16; here it is any feature network,
which the metric's name says.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from tfanime.metrics.metric import Metric, Number, digits
from tfanime.precision import without_tf32

SAMPLING = ("full", "end")
EPSILON = 1e-4
TRIMMED = (1, 99)  # percentiles outside which distances do not count
BATCH = 32  # pairs, that is twice as many pictures


def path_length(
    draw: Callable[..., Any],
    latents: Any,
    features: Callable[..., Any],
    pairs: int,
    seed: int = 0,
    sampling: Literal["full", "end"] = "full",
    epsilon: float = EPSILON,
    progress: bool = False,
) -> float:
    """The perceptual path length of a generator.

    Differences over 1e-4 are only a little larger than the rounding of float32. So nothing is rounded to bytes, the
    latents of both ends are computed in float64, both pictures of a pair go through the networks in one batch and
    without TF32, and their features are subtracted in float64.

    Args:
        draw: Latents, float32 `[batch, latents.size]`, and the int64 seeds `[batch]` of whatever else is drawn ->
            pictures, float32 `[batch, height, width, 3]` in [-1, 1]. Both ends of a pair get the same seed.
        latents: The `tfanime.latents.Latents` whose `interpolate` is the path.
        features: Pictures, float32 `[batch, height, width, 3]` in 0 to 255, not rounded -> array `[batch, dimensions]`.
        pairs: How many paths are sampled, at least 2.
        seed: Of the paths: path n goes from the latents of seed + 2 n to those of seed + 2 n + 1.
        sampling: `full`: at a random place of each path. `end`: at its beginning.
        epsilon: The length of a step, as a share of the path.
        progress: Whether to show a progress bar.

    Returns:
        A float: the mean of the distances that lie from the 1st to the 99th percentile, as in the authors' code.

    Raises:
        ValueError: A number is out of its range, or a distance is not finite.
    """
    from tqdm import tqdm

    require_options(pairs, sampling, epsilon)
    places = np.random.Generator(np.random.Philox(key=seed)).random(pairs) * (sampling == "full")
    distances = []
    with without_tf32(), tqdm(total=pairs, desc="path length", unit=" paths", disable=not progress) as bar:
        for begin in range(0, pairs, BATCH):
            share = places[begin : begin + BATCH]
            seeds = seed + 2 * np.arange(begin, begin + len(share), dtype=np.int64)
            ends = [np.asarray(latents.from_seeds(each), np.float64) for each in (seeds, seeds + 1)]
            both = [np.asarray(latents.interpolate(*ends, each), np.float32) for each in (share, share + epsilon)]
            pictures = np.asarray(draw(np.concatenate(both), np.tile(seeds, 2)))
            found = np.asarray(features((pictures + 1.0) * 127.5), np.float64)
            steps = (found[len(share) :] - found[: len(share)]) / epsilon
            distances.append(np.sum(steps**2, axis=1))
            bar.update(len(share))
    return trimmed_mean(np.concatenate(distances))


def trimmed_mean(distances):
    """The mean of the values that lie between two percentiles, both of which are values themselves and count.

    Args:
        distances: Array `[count]`.

    Returns:
        A float.

    Raises:
        ValueError: A value is not finite.
    """
    if not np.isfinite(distances).all():
        raise ValueError("distances along paths must be finite. Received: some that are not")
    low = np.percentile(distances, TRIMMED[0], method="lower")
    high = np.percentile(distances, TRIMMED[1], method="higher")
    return float(np.mean(distances[(distances >= low) & (distances <= high)]))


def require_options(pairs, sampling, epsilon):
    """Refuses what `path_length` cannot work with, with a `ValueError`."""
    if pairs < 2:
        raise ValueError(f"pairs must be at least 2. Received: {pairs}")
    if sampling not in SAMPLING:
        raise ValueError(f"sampling must be one of {', '.join(SAMPLING)}. Received: {sampling!r}")
    if not 0 < epsilon < 1:
        raise ValueError(f"epsilon must be above 0 and below 1. Received: {epsilon}")


def _compute(latent_generator, float_network, seed, progress, pairs, sampling, epsilon):
    import tensorflow as tf

    network, inputs = latent_generator.network, latent_generator.inputs

    @tf.function(reduce_retracing=True)
    def draw(latents, seeds):
        return network(inputs.of(latents, *inputs.beside_latents(seeds)), training=False)

    value = path_length(
        draw, latent_generator.latents, float_network.of_floats, pairs, seed, sampling, epsilon, progress
    )
    return {"path_length": value}


def _heading(protocol):
    features = protocol["network"]["value"].removeprefix("fd_")
    return f"ppl_{features}{'_end' if protocol['ppl']['sampling'] == 'end' else ''}"


METRIC = Metric(
    "ppl",
    (
        Number(
            "path_length",
            _heading,
            "less",
            digits(4),
            lambda protocol: (
                "Perceptual path length: how much pictures change per step between latents, squared, over "
                f"{protocol['ppl']['pairs']:,} paths; less is smoother."
            ),
        ),
    ),
    _compute,
    options={"pairs": 2048, "sampling": "full", "epsilon": EPSILON},
    check=require_options,
)
