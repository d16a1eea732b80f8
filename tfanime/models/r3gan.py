"""The networks of R3GAN (Huang et al. 2024, arXiv 2501.05441, "a modern GAN baseline"), after its authors' code.

Residual blocks without norms, small at first (Zhang et al. 2019, arXiv 1901.09321), grouped
convolutions, filtered resampling. No noise, no tanh, no w. Both networks have one stage a size, from 4x4, of the widths
`min(channel_base // size, channel_max)`, which are the paper's at 64 px (768, 768, 768, 768, 384) and 256 px.

In a mixed precision the 4x4 stages and the last layers stay in float32.
"""

import math

import keras
import tensorflow as tf
from keras import layers, ops

from tfanime.models.heads import check_tag_count, logits_outputs
from tfanime.models.resample import Resample

SLOPE = 0.2  # of LeakyReLU
GAIN = math.sqrt(2.0 / (1.0 + SLOPE**2))  # makes up for the mean square that LeakyReLU removes
EXPANSION = 2  # channels inside a block, relative to its outputs


def _normal(deviation):
    return keras.initializers.RandomNormal(0.0, deviation)


@keras.saving.register_keras_serializable("tfanime")
class GroupedConv2D(layers.Layer):
    """A convolution of stride 1 and equal size without biases; kernels N(0, gain^2 / inputs of one output).

    Keras' layer compiles grouped convolutions with XLA; TensorFlow itself has them, derivatives included.

    Args:
        filters: Channels of the output.
        kernel_size: Side of the kernels.
        groups: Groups of channels that do not see each other.
        gain: Standard deviation of the initial outputs for inputs with a deviation of 1.

    Input and output: `[batch, height, width, channels]` -> `[batch, height, width, filters]`.
    """

    def __init__(self, filters, kernel_size=1, groups=1, gain=1.0, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.groups = groups
        self.gain = gain

    def build(self, input_shape):
        shape = (self.kernel_size, self.kernel_size, input_shape[-1] // self.groups, self.filters)
        self.kernel = self.add_weight(
            shape=shape, initializer=_normal(self.gain / math.sqrt(math.prod(shape[:3]))), name="kernel"
        )

    def call(self, inputs):
        return tf.nn.conv2d(inputs, tf.convert_to_tensor(self.kernel), 1, "SAME")

    def compute_output_shape(self, input_shape):
        return *input_shape[:3], self.filters

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "groups": self.groups,
            "gain": self.gain,
        }


@keras.saving.register_keras_serializable("tfanime")
class BiasedLeakyReLU(layers.Layer):
    """Biases, 0 at first, then LeakyReLU 0.2; `[..., channels]`."""

    def build(self, input_shape):
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")

    def call(self, inputs):
        return tf.nn.leaky_relu(inputs + self.bias, SLOPE)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable("tfanime")
class Basis(layers.Layer):
    """Learned 4x4 maps, one a channel, N(0, 1): `[batch, channels]` are how much of each there is.

    Input and output: `[batch, channels]` -> `[batch, 4, 4, channels]`.
    """

    def build(self, input_shape):
        self.maps = self.add_weight(shape=(4, 4, input_shape[-1]), initializer=_normal(1.0), name="maps")

    def call(self, inputs):
        return inputs[:, None, None, :] * self.maps

    def compute_output_shape(self, input_shape):
        return input_shape[0], 4, 4, input_shape[1]


@keras.saving.register_keras_serializable("tfanime")
class BasisProduct(layers.Layer):
    """How much of each of the learned 4x4 maps, N(0, 1/16), is seen: a depthwise convolution of the maps' own size.

    Input and output: `[batch, 4, 4, channels]` -> `[batch, channels]`.
    """

    def build(self, input_shape):
        self.maps = self.add_weight(shape=(4, 4, input_shape[-1]), initializer=_normal(0.25), name="maps")

    def call(self, inputs):
        return tf.reduce_sum(inputs * self.maps, axis=(1, 2))

    def compute_output_shape(self, input_shape):
        return input_shape[0], input_shape[3]


def _widths(image_size, channel_base, channel_max, blocks, group_channels):
    if image_size < 16 or image_size & (image_size - 1):
        raise ValueError(f"image_size must be a power of two from 16. Received: {image_size}")
    for name, count in {"channel_max": channel_max, "blocks": blocks, "group_channels": group_channels}.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1. Received: {count}")
    widths = {2**level: min(channel_base // 2**level, channel_max) for level in range(2, image_size.bit_length())}
    for size, width in widths.items():
        if width < 1 or EXPANSION * width % group_channels:
            raise ValueError(
                f"channel_base and channel_max must give widths of which {EXPANSION} times is a multiple of "
                f"group_channels, {group_channels}. Received: {width} at {size} px"
            )
    return widths


def _block(x, total_blocks, group_channels, dtype):
    # x + L3 a(b2 + L2 a(b1 + L1 x)); L3 is 0 at first, the others are smaller the more blocks there are.
    width = x.shape[-1]
    inner = EXPANSION * width
    gain = GAIN * total_blocks**-0.25
    y = GroupedConv2D(inner, gain=gain, dtype=dtype)(x)
    y = BiasedLeakyReLU(dtype=dtype)(y)
    y = GroupedConv2D(inner, 3, groups=inner // group_channels, gain=gain, dtype=dtype)(y)
    y = BiasedLeakyReLU(dtype=dtype)(y)
    return layers.Add(dtype=dtype)([x, GroupedConv2D(width, gain=0.0, dtype=dtype)(y)])


def _linear(units, gain=1.0, name=None):
    # N(0, gain^2 / inputs), no biases
    initializer = keras.initializers.VarianceScaling(gain**2, "fan_in", "untruncated_normal")
    return layers.Dense(units, use_bias=False, kernel_initializer=initializer, dtype="float32", name=name)


def generator(
    image_size=64,
    latent_size=64,
    channel_base=24576,
    channel_max=768,
    blocks=2,
    group_channels=16,
    tag_count=0,
    embedding_size=64,
):
    """R3GAN's generator: learned 4x4 maps, residual blocks, a doubling after each stage, a 1x1 convolution to colours.

    Args:
        image_size: Height and width of the pictures, a power of two from 16.
        latent_size: Components of the latents.
        channel_base: Channels times size.
        channel_max: Most channels of a stage.
        blocks: Residual blocks a stage.
        group_channels: Channels of a group in the 3x3 convolutions.
        tag_count: Number of tags that the pictures are to have, 0 for none.
        embedding_size: Components of the tags' embedding.

    Returns:
        A `keras.Model`, latents `[batch, latent_size]` -> pictures, float32 `[batch, image_size, image_size, 3]`, about
        in [-1, 1]: there is no tanh. With tags its input is `[latents, tags]`, tags +-1 `[batch, tag_count]`.

    Raises:
        ValueError: An argument is out of its range.
    """
    widths = _widths(image_size, channel_base, channel_max, blocks, group_channels)
    check_tag_count(tag_count)
    latents = layers.Input((latent_size,), name="latents")
    inputs = x = latents
    if tag_count:
        tags = layers.Input((tag_count,), name="tags")
        inputs = [latents, tags]
        x = layers.Concatenate(dtype="float32")([latents, _linear(embedding_size, name="embedding")(tags)])
    x = Basis(dtype="float32")(_linear(widths[4])(x))
    for size, width in widths.items():
        dtype = "float32" if size == 4 else None
        if size > 4:
            if width != widths[size // 2]:
                x = GroupedConv2D(width, dtype=dtype)(x)
            x = Resample("up", dtype=dtype)(x)
        for _ in range(blocks):
            x = _block(x, blocks * len(widths), group_channels, dtype)
    x = GroupedConv2D(3)(x)
    return keras.Model(inputs, layers.Activation("linear", dtype="float32", name="images")(x), name="r3gan_generator")


def discriminator(
    image_size=64, channel_base=24576, channel_max=768, blocks=2, group_channels=16, tag_count=0, embedding_size=None
):
    """R3GAN's discriminator, the generator's mirror image.

    Args:
        image_size: Height and width of the pictures, a power of two from 16.
        channel_base: Channels times size.
        channel_max: Most channels of a stage.
        blocks: Residual blocks a stage.
        group_channels: Channels of a group in the 3x3 convolutions.
        tag_count: Number of tags that it is shown beside the picture, 0 for none.
        embedding_size: Components of the tags' embedding and of the picture's features, of which the logit is the
            product; default: the width of the 4x4 stage. There is no bias: tags must be +-1, for tags that are all 0
            would give the logit 0, whatever the picture.

    Returns:
        A `keras.Model`, pictures `[batch, image_size, image_size, 3]` in [-1, 1] -> logits, float32 `[batch]`. With
        tags its input is `[images, tags]`, tags +-1 `[batch, tag_count]`.

    Raises:
        ValueError: An argument is out of its range.
    """
    widths = _widths(image_size, channel_base, channel_max, blocks, group_channels)
    check_tag_count(tag_count)
    images = layers.Input((image_size, image_size, 3), name="images")
    x = GroupedConv2D(widths[image_size])(images)
    for size in sorted(widths, reverse=True):
        dtype = "float32" if size == 4 else None
        for _ in range(blocks):
            x = _block(x, blocks * len(widths), group_channels, dtype)
        if size > 4:
            x = Resample("down", dtype=dtype)(x)
            if widths[size // 2] != widths[size]:
                x = GroupedConv2D(widths[size // 2], dtype=dtype)(x)
    x = BasisProduct(dtype="float32")(x)
    if not tag_count:
        return keras.Model(images, logits_outputs(_linear(1)(x)), name="r3gan_discriminator")
    embedding_size = embedding_size or widths[4]
    tags = layers.Input((tag_count,), name="tags")
    seen = _linear(embedding_size, gain=1.0 / math.sqrt(embedding_size), name="embedding")(tags)
    logits = ops.sum(_linear(embedding_size)(x) * seen, axis=1, keepdims=True)
    return keras.Model([images, tags], logits_outputs(logits), name="r3gan_discriminator")
