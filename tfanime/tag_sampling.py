"""Draws tags as a pure function of a seed, as `tfanime.latents` draws latents."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfanime.tags import TagVocabulary

_STREAM = 1  # a seed's latents are drawn under 0


@dataclass(frozen=True)
class TagSampler:
    """Draws tags by the vocabulary's priors: one of each exclusive group, each independent tag for itself.

    Jin et al. 2017 (arXiv 1708.05509), section 3.3, draw colours uniformly and every other tag with probability 0.25,
    which is what a vocabulary without priors of its own does.

    Args:
        vocabulary: The `TagVocabulary`.
    """

    vocabulary: TagVocabulary

    @property
    def size(self) -> int:
        """Number of tags."""
        return len(self.vocabulary)

    def from_uniform(self, uniform: tf.Tensor, wanted: Any = None) -> tf.Tensor:
        """Turns uniform numbers into tags.

        Args:
            uniform: float32 `[batch, size]` in [0, 1); an exclusive group uses its first column.
            wanted: float32 `[batch, size]`: +1 where a tag must hold, -1 where it must not, 0 where it is drawn. In an
                exclusive group of which one tag must hold, the others do not. Default: all are drawn.

        Returns:
            float32 `[batch, size]` of +1 and -1.
        """
        wanted = tf.zeros_like(uniform) if wanted is None else tf.cast(wanted, tf.float32)
        columns = []
        for group, where in self.vocabulary.slices:
            choose = self._one_of if group.exclusive else self._any_of
            drawn = choose(group.tags, uniform[:, where], wanted[:, where])
            columns.append(tf.where(wanted[:, where] == 0.0, drawn, wanted[:, where]))
        return tf.concat(columns, axis=1)

    def _one_of(self, tags, uniform, wanted):
        priors = np.array([self.vocabulary.probabilities[tag] for tag in tags], np.float32)
        decided = tf.reduce_any(wanted > 0.0, axis=1, keepdims=True)
        weights = tf.where((wanted == 0.0) & ~decided, priors, 0.0)
        sums = tf.cumsum(weights, axis=1)
        total = sums[:, -1:]
        # The first tag whose bound lies above the number. The last bound is 1 whatever rounding took.
        bounds = tf.where(sums >= total, 1.0, tf.math.divide_no_nan(sums, total))
        chosen = tf.reduce_sum(tf.cast(uniform[:, :1] >= bounds, tf.int32), axis=1)
        drawn = tf.one_hot(chosen, len(tags), on_value=1.0, off_value=-1.0)
        return tf.where(total > 0.0, drawn, -1.0)

    def _any_of(self, tags, uniform, wanted):
        del wanted
        priors = np.array([self.vocabulary.probabilities[tag] for tag in tags], np.float32)
        return tf.where(uniform < priors, 1.0, -1.0)

    def from_seeds(self, seeds: Any, wanted: Any = None) -> tf.Tensor:
        """The tags that seeds name.

        Args:
            seeds: int64 tensor or array `[batch]`.
            wanted: Which tags must hold or not, float32 `[batch, size]`, see `from_uniform`. Default: all are drawn.

        Returns:
            float32 `[batch, size]` of +1 and -1; a seed's row depends only on the seed and the wanted tags.
        """
        uniform = tf.map_fn(
            lambda seed: self._uniform([self.size], seed, tf.constant(_STREAM, tf.int64)),
            tf.cast(seeds, tf.int64),
            fn_output_signature=tf.TensorSpec([self.size], tf.float32),
        )
        return self.from_uniform(uniform, wanted)

    def batch(self, count: int, seed: int, step: int | tf.Tensor) -> tf.Tensor:
        """The tags of one draw of a training, a pure function of (seed, step, place in the batch).

        Args:
            count: Number of rows, an int.
            seed: Seed of the run, int.
            step: Number of the draw, scalar int64 tensor or int.

        Returns:
            float32 `[count, size]` of +1 and -1.
        """
        return self.from_uniform(self.uniform(count, seed, step))

    def uniform(self, count, seed, step):
        """The numbers of which `batch` makes tags, float32 `[count, size]` in [0, 1); arguments as there."""
        key = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
        key = tf.random.fold_in(key, tf.constant(_STREAM, tf.int64), alg="philox")
        return tf.random.stateless_uniform([count, self.size], key, alg="philox")

    def _uniform(self, shape, seed, stream):
        return tf.random.stateless_uniform(shape, tf.stack([seed, stream]), alg="philox")
