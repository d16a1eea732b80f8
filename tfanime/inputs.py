"""The inputs of a generator: latents, tags if it has them, and noise."""

import functools
import zlib
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from keras import ops

from tfanime.latents import Latents
from tfanime.tag_sampling import TagSampler
from tfanime.tags import TagVocabulary

TRAINING_NOISE = "embedding_noise"
"""The input that matters in training only; it is zeros for drawing."""
NOISES = (TRAINING_NOISE, "noise")
"""Names of a network's inputs that are always N(0, 1)."""


@dataclass(frozen=True)
class Inputs:
    """The inputs of a generator, as its `keras.Model` takes them: latents `[batch, latents.size]`, float32; or a list
    of these, tags of +1 and -1 `[batch, len(vocabulary)]` with a vocabulary, and noise N(0, 1) `[batch, size]`.

    Args:
        latents: The `Latents` that it draws from.
        vocabulary: The `TagVocabulary` of a generator with tags, whose priors draw unspecified tags; or None.
        noise: Pairs of a name in `NOISES` and a size, one for each further input.
    """

    latents: Latents
    vocabulary: TagVocabulary | None = None
    noise: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of_network(cls, network, latents, vocabulary=None):
        """The inputs of a network; which noise it takes follows from its input names.

        Args:
            network: The generator, a functional `keras.Model`.
            latents: See `Inputs`.
            vocabulary: See `Inputs`.
        """
        further = network.inputs[2 if vocabulary else 1 :]
        return cls(latents, vocabulary, tuple((each.name, each.shape[-1]) for each in further if each.name in NOISES))

    @functools.cached_property
    def tags(self) -> TagSampler | None:
        """The `TagSampler` of a generator with tags, or None."""
        return TagSampler(self.vocabulary) if self.vocabulary else None

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each input by name, in the network's order."""
        return {"latents": self.latents.size, **({"tags": self.tags.size} if self.tags else {}), **dict(self.noise)}

    @property
    def specs(self) -> tuple[tf.TensorSpec, ...]:
        """A tuple of `tf.TensorSpec`s, one for each input that matters when drawing: `latents`, then `tags` and `noise`
        if the network takes them.
        """
        sizes = self.sizes.items()
        return tuple(tf.TensorSpec([None, size], tf.float32, name=name) for name, size in sizes if name in self._drawn)

    @property
    def seed_specs(self) -> tuple[tf.TensorSpec, ...]:
        """A tuple of `tf.TensorSpec`s for the arguments of `from_seeds`: `seed` and, with a vocabulary, `tags`."""
        tags = [spec for spec in self.specs if spec.name == "tags"]
        return (tf.TensorSpec([None], tf.int64, name="seed"), *tags)

    @property
    def _drawn(self):
        return [name for name in self.sizes if name != TRAINING_NOISE]

    def of(self, latents: tf.Tensor, *others: tf.Tensor) -> tf.Tensor | list[tf.Tensor]:
        """Joins the parts, in the order of `specs`, to the network's input."""
        parts = dict(zip(self._drawn, (latents, *others), strict=True))
        if TRAINING_NOISE in self.sizes:
            zeros = ops.zeros_like(latents[:, :1])  # works for Keras' symbolic tensors too
            parts[TRAINING_NOISE] = ops.repeat(zeros, self.sizes[TRAINING_NOISE], axis=1)
        joined = [parts[name] for name in self.sizes]
        return joined if len(joined) > 1 else joined[0]

    def beside_latents(self, seeds, wanted=None):
        """The inputs for seeds without the latents, a list; arguments as for `from_seeds`."""
        tags = [self.tags.from_seeds(seeds, wanted)] if self.tags else []
        return tags + [_noise_from_seeds(name, size, seeds) for name, size in self.noise if name in self._drawn]

    def from_seeds(self, seeds: Any, wanted: Any = None) -> tf.Tensor | list[tf.Tensor]:
        """The inputs for seeds.

        Args:
            seeds: int64 `[batch]`.
            wanted: Tags that must hold or must not, see `TagSampler.from_uniform`. Default: all tags are drawn.
        """
        return self.of(self.latents.from_seeds(seeds), *self.beside_latents(seeds, wanted))

    def batch(self, count: int, seed: int, step: int | tf.Tensor) -> tf.Tensor | list[tf.Tensor]:
        """The inputs of one draw of a training, a pure function of (seed, step, place in the batch).

        Args:
            count: Number of rows, an int.
            seed: Seed of the run, int.
            step: Number of the draw, scalar int64 tensor or int.
        """
        parts = [self.latents.batch(count, seed, step)]
        parts += [self.tags.batch(count, seed, step)] if self.tags else []
        key = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
        for name, size in self.noise:
            own = tf.random.fold_in(key, tf.constant(stream_of(name), tf.int64), alg="philox")
            parts.append(tf.random.stateless_normal([count, size], own, alg="philox"))
        return parts if len(parts) > 1 else parts[0]

    def between(self, first: Any, second: Any, share: Any) -> tf.Tensor | list[tf.Tensor]:
        """Interpolates inputs: latents by `Latents.interpolate`, noise on the great circle, tags linearly.

        The network was trained on tags of +1 and -1 only, but values between them give a fade instead of a jump, and
        both ends stay exact.

        Args:
            first: Inputs, as `from_seeds` returns them.
            second: Inputs of the same form.
            share: How far from `first` to `second`, float32 `[batch]`, 0 to 1.
        """
        found = []
        for name, one, other in zip(self.sizes, tf.nest.flatten(first), tf.nest.flatten(second), strict=True):
            if name == "tags":
                found.append(one + tf.cast(share, tf.float32)[:, None] * (other - one))
            else:
                latents = self.latents if name == "latents" else Latents(self.sizes[name])
                found.append(latents.interpolate(one, other, share))
        return found if len(found) > 1 else found[0]


def stream_of(name):
    """The stream of a seed's random numbers that a noise of this name is drawn from, an int."""
    # Apart from the streams of latents, tags and the game. Not hash(): it differs between processes.
    return zlib.crc32(f"input {name}".encode())


def _noise_from_seeds(name, size, seeds):
    stream = tf.constant(stream_of(name), tf.int64)
    return tf.map_fn(
        lambda seed: tf.random.stateless_normal([size], tf.stack([seed, stream]), alg="philox"),
        tf.cast(seeds, tf.int64),
        fn_output_signature=tf.TensorSpec([size], tf.float32),
    )
