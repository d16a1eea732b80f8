"""The latent space of a generator: its points, and the network that draws them.

In a StyleGAN2 a point has one w for each layer of the synthesis network ("w+", Abdal et al. 2019, arXiv 1904.03189):
layers can be mixed, and w contains the tags. In any other network a point has one layer, its latents z, and tags beside
them.
"""

import dataclasses
import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from tfanime.images import to_uint8
from tfanime.metrics.feature_network import hash_of_weights
from tfanime.models.stylegan2 import centre_styles, has_styles
from tfanime.models.stylegan2_mapping import truncate

BATCH = 64


@dataclass(frozen=True)
class Points:
    """Avatars as points of a `LatentSpace`.

    Args:
        codes: float32 `[count, layers, size]`; edits, mixing and projection change them.
        others: The network's other inputs by name, float32 `[count, ...]`: `tags`, which are +1 and -1, and `noise`,
            if it takes them. In a StyleGAN2 tags decide only the centre of truncation.
    """

    codes: Any
    others: dict[str, Any] = field(default_factory=dict)

    def __len__(self):
        return len(self.codes)

    def __getitem__(self, rows):
        """The points at `rows`, a slice or ints `[count]`."""
        return Points(_rows(self.codes, rows), {name: _rows(each, rows) for name, each in self.others.items()})

    def with_codes(self, codes):
        """Points with the same tags and noise, and other codes."""
        return dataclasses.replace(self, codes=codes)


def _rows(values, rows):
    return values[rows] if isinstance(rows, slice) else tf.gather(values, rows)


def joined(several):
    """Several `Points` as one, in order."""
    names = several[0].others
    others = {name: tf.concat([each.others[name] for each in several], axis=0) for name in names}
    return Points(tf.concat([each.codes for each in several], axis=0), others)


class LatentSpace:
    """The latent space of a trained generator.

    Args:
        generator: A `tfanime.generator.Generator` with its network.

    Attributes:
        has_styles: Whether points are w, as a StyleGAN2 has them, and not z.
        layers: Codes a point has.
        size: Components of a code.

    Raises:
        ValueError: The generator is a SavedModel, whose layers cannot be reached.
    """

    def __init__(self, generator):
        if generator.network is None or generator.inputs is None:
            raise ValueError(
                "model must be a run folder, a generator's folder (with card.json) or a name: only these contain a "
                "network whose latents can be reached. Received: a SavedModel"
            )
        self.network, self.inputs, self.vocabulary = generator.network, generator.inputs, generator.vocabulary
        self.has_styles = has_styles(self.network)
        if self.has_styles:
            self.mapping, self.synthesis = (self.network.get_layer(name) for name in ("mapping", "synthesis"))
            self.layers, self.size = self.synthesis.inputs[0].shape[1:]
        else:
            self.layers, self.size = 1, self.inputs.latents.size

    @functools.cached_property
    def fingerprint(self):
        """SHA-256 (hex) of the network's weights: points of one network mean nothing to another."""
        return hash_of_weights(self.network.get_weights())

    def from_seeds(self, seeds, tags="", allow_untrained_tags=False):
        """The points of the avatars of seeds.

        Args:
            seeds: int64 `[count]`.
            tags: Tags to draw, see `Generator.images`; the seed decides about all other tags.
            allow_untrained_tags: Whether to allow tags that no training face had.

        Returns:
            `Points`.

        Raises:
            ValueError: The generator was trained without tags, or does not know one of these.
        """
        seeds = np.asarray(seeds, np.int64)
        if tags and not self.vocabulary:
            raise ValueError(f"tags must be left out for a generator that was trained without. Received: {tags!r}")
        if not self.vocabulary:
            return self.from_wanted(seeds)
        wanted = self.vocabulary.wanted(tags, allow_untrained_tags).astype(np.float32)
        return self.from_wanted(seeds, np.tile(wanted, (len(seeds), 1)))

    def from_wanted(self, seeds, wanted=None):
        """Like `from_seeds`, with wanted tags as `Inputs.from_seeds` takes them."""
        names = [spec.name for spec in self.inputs.specs[1:]]
        others = dict(zip(names, self.inputs.beside_latents(seeds, wanted), strict=True))
        return self.of_latents(self.inputs.latents.from_seeds(seeds), others)

    def sample(self, count, step=0, alike=1):
        """Points as a training draws them, a pure function of (step, place).

        Args:
            count: How many.
            step: Number of the draw, an int.
            alike: Number of consecutive points that share their tags; `count` must be a multiple of it.

        Returns:
            `Points`.
        """
        given = tf.nest.flatten(self.inputs.batch(count, 0, step))
        given = dict(zip(self.inputs.sizes, given, strict=True))
        others = {spec.name: given[spec.name] for spec in self.inputs.specs[1:]}
        if "tags" in others and alike > 1:
            others["tags"] = tf.repeat(others["tags"][::alike], alike, axis=0)
        return self.of_latents(given["latents"], others)

    def of_latents(self, latents, others):
        """The points of latents, float32 `[count, latents.size]`, and of all other inputs, see `Points`."""
        if not self.has_styles:
            return Points(latents[:, None], others)
        parts = self._mapping_inputs(latents, others)
        w = self.mapping(parts if len(parts) > 1 else parts[0], training=False)
        return Points(tf.repeat(w[:, None], self.layers, axis=1), others)

    def _mapping_inputs(self, latents, others):
        return self.inputs.of(latents, *others.values())[:-1]  # the last one is noise

    def truncated(self, points, psi):
        """Points pulled towards the mean w of their own tags.

        Args:
            points: `Points`.
            psi: 1 changes nothing, 0 gives the mean.

        Raises:
            ValueError: The network has no styles.
        """
        if psi == 1:
            return points
        if not self.has_styles:
            raise ValueError(f"psi must be 1 for a generator without styles, which StyleGAN2 has. Received: {psi}")
        return points.with_codes(truncate(points.codes, self.centres(points), psi))

    def centres(self, points):
        """The mean w under each point's tags, `[count, size]`; of a network without styles the mean z, which is 0."""
        if not self.has_styles:
            return tf.zeros_like(points.codes[:, 0])
        latents = tf.zeros([tf.shape(points.codes)[0], self.inputs.latents.size])
        return centre_styles(self.mapping, self._mapping_inputs(latents, points.others))

    def pictures(self, points):
        """Draws points, differentiably.

        Args:
            points: `Points`; their codes may be watched by a `tf.GradientTape`.

        Returns:
            float32 `[count, height, width, 3]`, approximately in [-1, 1].
        """
        if self.has_styles:
            return self.synthesis([points.codes, points.others["noise"]], training=False)
        return self.network(self.inputs.of(points.codes[:, 0], *points.others.values()), training=False)

    def images(self, points, batch=BATCH):
        """Draws points.

        Args:
            points: `Points`.
            batch: Pictures drawn at once.

        Returns:
            uint8 array `[count, height, width, 3]`.
        """
        parts = (points[begin : begin + batch] for begin in range(0, len(points), batch))
        return np.concatenate([to_uint8(self.pictures(part)).numpy() for part in parts])
