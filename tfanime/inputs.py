"""What a generator is given: latents and, where it knows tags, tags beside them; one object that makes both."""

import functools
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfanime.latents import Latents
from tfanime.tag_sampling import TagSampler
from tfanime.tags import TagVocabulary


@dataclass(frozen=True)
class Inputs:
    """The inputs of a generator, as its `keras.Model` takes them: latents `[batch, latents.size]`, float32; with a
    vocabulary `[latents, tags]`, tags of +1 and -1, float32 `[batch, len(vocabulary)]`.

    Args:
        latents: The `Latents` that it draws from.
        vocabulary: The `TagVocabulary` of a generator with tags, whose priors draw those that nobody chose; or None.
    """

    latents: Latents
    vocabulary: TagVocabulary | None = None

    @functools.cached_property
    def tags(self) -> TagSampler | None:
        """The `TagSampler` of a generator with tags, or None."""
        return TagSampler(self.vocabulary) if self.vocabulary else None

    @property
    def specs(self) -> tuple[tf.TensorSpec, ...]:
        """A `tf.TensorSpec` for each part, `latents` and, where there are tags, `tags`; a tuple."""
        sizes = {"latents": self.latents.size} | ({"tags": self.tags.size} if self.tags else {})
        return tuple(tf.TensorSpec([None, size], tf.float32, name=name) for name, size in sizes.items())

    @property
    def seed_specs(self) -> tuple[tf.TensorSpec, ...]:
        """A `tf.TensorSpec` for each argument of `from_seeds`: `seed` and, where there are tags, `tags`; a tuple."""
        return (tf.TensorSpec([None], tf.int64, name="seed"), *self.specs[1:])

    def of(self, latents: tf.Tensor, *tags: tf.Tensor) -> tf.Tensor | list[tf.Tensor]:
        """Joins the parts, in the order of `specs`, to what the network takes."""
        return [latents, *tags] if tags else latents

    def from_seeds(self, seeds: Any, wanted: Any = None) -> tf.Tensor | list[tf.Tensor]:
        """The inputs that seeds name.

        Args:
            seeds: int64 `[batch]`.
            wanted: Which tags must hold or not, see `TagSampler.from_uniform`. Default: all are drawn.
        """
        return self.of(self.latents.from_seeds(seeds), *([self.tags.from_seeds(seeds, wanted)] if self.tags else []))

    def batch(self, count: int, seed: int, step: int | tf.Tensor) -> tf.Tensor | list[tf.Tensor]:
        """The inputs of one draw of a training, a pure function of (seed, step, place in the batch).

        Args:
            count: Number of rows, an int.
            seed: Seed of the run, int.
            step: Number of the draw, scalar int64 tensor or int.
        """
        tags = [self.tags.batch(count, seed, step)] if self.tags else []
        return self.of(self.latents.batch(count, seed, step), *tags)

    def between(self, first: Any, second: Any, share: Any) -> tf.Tensor | list[tf.Tensor]:
        """Inputs on the way from some to others: latents by `Latents.interpolate`, tags in a line.

        A network knows tags of +1 and -1 only, yet what lies between makes a fade of what would be a jump, and both
        ends are what they were.

        Args:
            first: Inputs, as `from_seeds` returns them.
            second: Likewise.
            share: How far from `first` to `second`, float32 `[batch]`, 0 to 1.
        """
        if not self.tags:
            return self.latents.interpolate(first, second, share)
        latents = self.latents.interpolate(first[0], second[0], share)
        return self.of(latents, first[1] + tf.cast(share, tf.float32)[:, None] * (second[1] - first[1]))
