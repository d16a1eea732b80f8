"""Tags for faces that nobody described, as a pure function of a seed; the counterpart of `tfanime.latents` for tags."""

from dataclasses import dataclass

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
    def size(self):
        """Number of tags."""
        return len(self.vocabulary)

    def from_uniform(self, uniform):
        """Turns uniform numbers into tags.

        Args:
            uniform: float32 `[batch, size]` in [0, 1); an exclusive group uses its first column.

        Returns:
            float32 `[batch, size]` of +1 and -1.
        """
        columns = []
        for group, where in self.vocabulary.slices:
            priors = self.vocabulary.priors
            if group.exclusive:
                weights = np.array([priors.get(tag, 1 / len(group.tags)) for tag in group.tags])
                bounds = np.cumsum(weights / weights.sum()).astype(np.float32)
                bounds[-1] = 1.0  # what rounding took
                # The first tag whose bound lies above the number.
                chosen = tf.reduce_sum(tf.cast(uniform[:, where.start, None] >= bounds, tf.int32), axis=1)
                columns.append(tf.one_hot(chosen, len(group.tags), on_value=1.0, off_value=-1.0))
            else:
                weights = np.array([priors.get(tag, 0.25) for tag in group.tags], np.float32)
                columns.append(tf.where(uniform[:, where] < weights, 1.0, -1.0))
        return tf.concat(columns, axis=1)

    def from_seeds(self, seeds):
        """The tags that seeds name.

        Args:
            seeds: int64 tensor or array `[batch]`.

        Returns:
            float32 `[batch, size]` of +1 and -1; a seed's row depends on nothing but the seed.
        """
        uniform = tf.map_fn(
            lambda seed: self._uniform([self.size], seed, tf.constant(_STREAM, tf.int64)),
            tf.cast(seeds, tf.int64),
            fn_output_signature=tf.TensorSpec([self.size], tf.float32),
        )
        return self.from_uniform(uniform)

    def batch(self, count, seed, step):
        """The tags of one draw of a training, a pure function of (seed, step, place in the batch).

        Args:
            count: Number of rows, an int.
            seed: Seed of the run, int.
            step: Number of the draw, scalar int64 tensor or int.

        Returns:
            float32 `[count, size]` of +1 and -1.
        """
        key = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
        key = tf.random.fold_in(key, tf.constant(_STREAM, tf.int64), alg="philox")
        return self.from_uniform(tf.random.stateless_uniform([count, self.size], key, alg="philox"))

    def _uniform(self, shape, seed, stream):
        return tf.random.stateless_uniform(shape, tf.stack([seed, stream]), alg="philox")
