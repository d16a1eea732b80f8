"""Latents: a generator's random input, as a pure function of a seed.

A seed must give the same latents (bitwise, on one kind of device) here, inside a SavedModel and behind a server, alone
or in any batch. Latents therefore come from a counter-based generator (Philox, stated by name, because TensorFlow may
otherwise choose by device), with one call for each seed.
"""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

DISTRIBUTIONS = ("normal", "uniform")


@dataclass(frozen=True)
class Latents:
    """The distribution of a generator's input.

    Args:
        size: Components of one latent vector.
        distribution: `"normal"` is N(0, 1), `"uniform"` is U(-1, 1) (Radford et al. 2016).

    Raises:
        ValueError: `size` is below 1, or `distribution` is unknown.
    """

    size: int = 128
    distribution: str = "normal"

    def __post_init__(self):
        if self.size < 1:
            raise ValueError(f"size must be at least 1. Received: {self.size}")
        if self.distribution not in DISTRIBUTIONS:
            raise ValueError(f"distribution must be one of {DISTRIBUTIONS}. Received: {self.distribution!r}")

    def _draw(self, shape, seed):
        if self.distribution == "normal":
            return tf.random.stateless_normal(shape, seed, alg="philox")
        return tf.random.stateless_uniform(shape, seed, minval=-1.0, maxval=1.0, alg="philox")

    def from_seeds(self, seeds: Any) -> tf.Tensor:
        """The latents for seeds.

        Args:
            seeds: int64 tensor or array `[batch]`, any values.

        Returns:
            float32 tensor `[batch, size]`; a seed's row depends on nothing but the seed.
        """
        seeds = tf.cast(seeds, tf.int64)
        return tf.map_fn(
            lambda seed: self._draw([self.size], tf.stack([seed, tf.constant(0, tf.int64)])),
            seeds,
            fn_output_signature=tf.TensorSpec([self.size], tf.float32),
        )

    def interpolate(self, first: tf.Tensor, second: tf.Tensor, share: Any) -> tf.Tensor:
        """Latents between two others: on the great circle for N(0, 1), whose typical lengths stay the same (White 2016,
        arXiv 1609.04468), on the line for U(-1, 1).

        Args:
            first: float32 or float64 `[batch, size]`.
            second: Latents of the same shape.
            share: How far from `first` to `second`, float `[batch]`, 0 to 1.

        Returns:
            `[batch, size]` of the type of `first`.
        """
        share = tf.cast(share, first.dtype)[:, None]
        line = first + share * (second - first)
        if self.distribution == "uniform":
            return line
        lengths = tf.norm(first, axis=1) * tf.norm(second, axis=1)
        cosine = tf.math.divide_no_nan(tf.reduce_sum(first * second, axis=1), lengths)[:, None]
        angle = tf.acos(tf.clip_by_value(cosine, -1.0, 1.0))
        circle = tf.math.divide_no_nan(
            tf.sin((1.0 - share) * angle) * first + tf.sin(share * angle) * second, tf.sin(angle)
        )
        # Parallel vectors do not define a circle.
        return tf.where(tf.abs(cosine) < 1.0 - 1e-6, circle, line)

    def batch(self, count: int, seed: int, step: int | tf.Tensor) -> tf.Tensor:
        """The latents of one training step, a pure function of (seed, step, place in the batch).

        Args:
            count: Number of latents, an int.
            seed: Seed of the run, int.
            step: Number of the draw, scalar int64 tensor or int.

        Returns:
            float32 tensor `[count, size]`.
        """
        return self._draw([count, self.size], tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)]))
