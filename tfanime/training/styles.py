"""StyleGAN2's treatment of styles in training: mixing, and path length regularisation.

Both are for generators with the parts `mapping` and `synthesis`, such as `tfanime.models.stylegan2.generator`.
"""

from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from tfanime.models.stylegan2_mapping import unaveraged
from tfanime.training.terms import EPSILON


def styles(generator, inputs, draw, mixing, counted=True):
    """One w for each layer; with probability `mixing`, those from some layer on come from another latent vector.

    Karras et al. 2019 (arXiv 1812.04948), section 3.1. As in the code of StyleGAN2-ADA (arXiv 2006.06676), the whole
    batch changes at one layer, any but the first; the other vector has the same tags, and its w does not count for the
    moving average.

    Args:
        generator: The generator.
        inputs: The inputs of its mapping network, a list, latents first.
        draw: The `draw` of a `Sight`.
        mixing: Probability of mixing, 0 to 1.
        counted: Whether the first vector's w updates the moving average, for which devices communicate.

    Returns:
        float32 `[batch, layers, w_size]`.
    """
    mapping = generator.get_layer("mapping")
    plain = unaveraged(mapping)
    count = generator.get_layer("synthesis").inputs[0].shape[1]

    def mapped(network, parts):
        return tf.repeat(network(parts if len(parts) > 1 else parts[0], training=True)[:, None], count, axis=1)

    found = mapped(mapping if counted else plain, inputs)
    if not mixing:
        return found
    other = mapped(plain, [draw("mixed latents", inputs[0].shape[1:], normal=True), *inputs[1:]])
    chance, place = tf.unstack(draw("mixed layers", (2,), common=True))
    first = tf.where(chance < mixing, 1 + tf.cast(place * (count - 1), tf.int32), count)
    return tf.where((tf.range(count) < first)[:, None], found, other)


def _require(mixing):
    if not 0 <= mixing <= 1:
        raise ValueError(f"mixing must be from 0 to 1. Received: {mixing}")


@dataclass(frozen=True)
class StyleMixing:
    """Draws pictures of mixed styles: the `draw_images` of `tfanime.training.GAN`.

    Args:
        mixing: Probability of mixing, 0.9 in the papers.

    Raises:
        ValueError: `mixing` is out of its range.
    """

    mixing: float = 0.9

    def __post_init__(self):
        _require(self.mixing)

    def __call__(self, generator, inputs, draw):
        """Pictures `[batch, height, width, 3]`; arguments as `GAN.compile` says."""
        *given, noise = inputs
        return generator.get_layer("synthesis")([styles(generator, given, draw, self.mixing), noise], training=True)


@dataclass(frozen=True)
class PathLength:
    """E[(|J^T y| - a)^2]: a step in w of a given length changes the picture by about the same length everywhere.

    J is the pictures' Jacobian by w, y is pictures of N(0, 1) over the root of their number of places, a is the running
    mean of the lengths. |J^T y| is the root of the mean over layers of the squared length in one layer's w. Karras et
    al. 2020 (arXiv 1912.04958), section 3.2 and equation 4, on every second picture of the batch. a is the mean before
    this run (the code of StyleGAN2-ADA updates it first), so that devices need not communicate. Use it as
    `Term(PathLength(...), "generator", ..., state=PathLength.STATE)`.

    Args:
        mixing: Probability of mixing.
        decay: Share by which one run of the term moves a.

    Raises:
        ValueError: `mixing` is out of its range.
    """

    STATE: ClassVar[dict] = {"mean": 0.0}

    mixing: float = 0.9
    decay: float = 0.01

    def __post_init__(self):
        _require(self.mixing)

    def __call__(self, sight):
        synthesis = sight.generator.get_layer("synthesis")
        *given, noise = [part[::2] for part in sight.inputs]  # two devices together take the same rows as one

        def draw(name, shape=(), common=False, **options):
            numbers = sight.draw(name, shape, common=common, **options)
            return numbers if common else numbers[::2]

        w = styles(sight.generator, given, draw, self.mixing, counted=False)
        height, width, channels = synthesis.output_shape[1:]
        directions = draw("path directions", (height, width, channels), normal=True) / (height * width) ** 0.5
        with tf.GradientTape() as tape:
            tape.watch(w)
            total = tf.reduce_sum(synthesis([w, noise], training=True) * directions)
        slopes = tape.gradient(total, w)  # [batch, layers, w_size]
        lengths = tf.sqrt(tf.reduce_mean(tf.reduce_sum(tf.square(slopes), axis=2), axis=1) + EPSILON)
        mean = sight.state["mean"]
        moved = mean + self.decay * (tf.stop_gradient(tf.reduce_mean(lengths)) - mean)
        return tf.reduce_mean(tf.square(lengths - mean)), {"mean": moved}
