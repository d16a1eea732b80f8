"""The mapping network of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958), from latents and tags to styles w.

The authors' code, StyleGAN2-ADA (arXiv 2006.06676), adds the labels and gives the discriminator a mapping of its own.
"""

import keras
import tensorflow as tf
from keras import layers, ops

from tfanime.models.heads import check_tag_count
from tfanime.models.stylegan2_layers import EPSILON, EqualizedDense

PACE = 0.01  # learning rate of the mapping's dense layers, relative to all others


@keras.saving.register_keras_serializable("tfanime")
class SecondMomentNorm(keras.layers.Layer):
    """Vectors `[batch, size]` over their root mean square."""

    def call(self, inputs):
        return inputs * tf.math.rsqrt(tf.reduce_mean(inputs**2, axis=1, keepdims=True) + EPSILON)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable("tfanime")
class ScaledNoise(keras.layers.Layer):
    """Adds noise in training, none in inference.

    Args:
        deviation: Factor on the noise.

    Input and output: `[values, noise]`, two tensors of one shape -> one of that shape.
    """

    def __init__(self, deviation, **kwargs):
        super().__init__(**kwargs)
        self.deviation = deviation

    def call(self, inputs, training=None):
        values, noise = inputs
        return values + self.deviation * noise if training else values

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "deviation": self.deviation}


@keras.saving.register_keras_serializable("tfanime")
class StyleAverage(keras.layers.Layer):
    """Keeps a moving average of its inputs, `average`, the centre of truncation; calls in training update it.

    Args:
        decay: Share of the average that a call keeps.

    Input and output: `[batch, size]`, unchanged.
    """

    def __init__(self, decay=0.995, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.decay = decay

    def build(self, input_shape):
        self.average = self.add_weight(shape=(input_shape[-1],), initializer="zeros", trainable=False, name="average")

    def call(self, inputs, training=None):
        if training:
            mean = tf.stop_gradient(tf.reduce_mean(inputs, axis=0))
            context = tf.distribute.get_replica_context()
            if context is not None and context.num_replicas_in_sync > 1:
                mean = context.all_reduce(
                    tf.distribute.ReduceOp.MEAN, mean
                )  # several devices have the same average as one
            self.average.assign(self.decay * self.average + (1.0 - self.decay) * mean)
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "decay": self.decay}


def check_counts(**counts):
    """Raises a ValueError unless all of the numbers are 1 or more."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1. Received: {count}")


def _dense_layers(x, units, count):
    for index in range(count):
        x = EqualizedDense(units, activate=True, learning_rate=PACE, name=f"dense_{index}")(x)
    return x


def mapping(z_size=512, w_size=512, mapping_layers=8, tag_count=0, embedding_noise=0.0):
    """The mapping network: latents, over their root mean square, through dense layers of learning rate 0.01.

    Args:
        z_size: Components of the latents.
        w_size: Components of w, and of the tags' embedding.
        mapping_layers: Dense layers, 8 in the paper, 2 in the "auto" settings of StyleGAN2-ADA.
        tag_count: Number of tags that the pictures are to have, 0 for none.
        embedding_noise: Standard deviation of noise on the tags' embedding in training, before its normalisation, so
            that rare combinations of tags are not memorised. If it is not 0, the noise is a further input,
            which matters in training only.

    Returns:
        A `keras.Model`, latents `[batch, z_size]` -> w, float32 `[batch, w_size]`. With tags its input is
        `[latents, tags]`, tags +-1 `[batch, tag_count]`; with `embedding_noise`, `[latents, tags, embedding_noise]`,
        the last N(0, 1) `[batch, w_size]`.

    Raises:
        ValueError: An argument is out of its range.
    """
    check_counts(z_size=z_size, w_size=w_size, mapping_layers=mapping_layers)
    check_tag_count(tag_count)
    if embedding_noise < 0 or (embedding_noise and not tag_count):
        raise ValueError(f"embedding_noise must be at least 0, and 0 without tags. Received: {embedding_noise}")
    latents = layers.Input((z_size,), name="latents")
    inputs, x = latents, SecondMomentNorm(dtype="float32")(latents)
    if tag_count:
        tags = layers.Input((tag_count,), name="tags")
        inputs, embedding = [latents, tags], EqualizedDense(w_size, name="embedding")(tags)
        if embedding_noise:
            noise = layers.Input((w_size,), name="embedding_noise")
            inputs.append(noise)
            embedding = ScaledNoise(embedding_noise, dtype="float32")([embedding, noise])
        x = layers.Concatenate(dtype="float32")([x, SecondMomentNorm(dtype="float32")(embedding)])
    x = _dense_layers(x, w_size, mapping_layers)
    return keras.Model(inputs, StyleAverage(name="style_average")(x), name="mapping")


def tag_mapping(size, tag_count, mapping_layers=8):
    """The discriminator's mapping network, for tags only.

    Args:
        size: Components of the output, and of the embedding.
        tag_count: Number of tags.
        mapping_layers: Dense layers after the embedding.

    Returns:
        A `keras.Model`, tags +-1 `[batch, tag_count]` -> float32 `[batch, size]`.
    """
    check_counts(size=size, tag_count=tag_count, mapping_layers=mapping_layers)
    tags = layers.Input((tag_count,), name="tags")
    x = SecondMomentNorm(dtype="float32")(EqualizedDense(size, name="embedding")(tags))
    return keras.Model(tags, _dense_layers(x, size, mapping_layers), name="tag_mapping")


def truncate(styles, average, psi, cutoff=None):
    """Pulls styles towards the average one: less variety, fewer broken pictures (section B of arXiv 1812.04948).

    Args:
        styles: float32 `[batch, styles, w_size]`.
        average: w at psi 0: `[w_size]`, the `average` of `average_style`, or `[batch, w_size]`, one for each picture.
        psi: 1 changes nothing, 0 gives the average; a number or a scalar tensor.
        cutoff: Number of styles that are pulled, the coarse ones first; None for all.

    Returns:
        float32 `[batch, styles, w_size]`.
    """
    average = ops.expand_dims(average, -2)
    pulled = average + psi * (styles - average)
    if cutoff is None:
        return pulled
    return ops.concatenate([pulled[:, :cutoff], styles[:, cutoff:]], axis=1)


def average_style(network):
    """The moving average of w, a variable `[w_size]`.

    Args:
        network: The model of `mapping`, or a generator that it is part of.

    Raises:
        ValueError: The network has no w.
    """
    for each in (network, *network.layers):
        for layer in getattr(each, "layers", ()):
            if isinstance(layer, StyleAverage):
                return layer.average
    raise ValueError(f"network must have a mapping to w, as StyleGAN2's generator has. Received: {network.name}")


def unaveraged(network):
    """The same mapping with the same weights, whose calls do not update the moving average of w.

    Args:
        network: The model of `mapping`.
    """
    return keras.Model(network.inputs, network.get_layer("style_average").input)
