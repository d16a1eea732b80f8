"""Networks that turn photos into anime pictures of the same size.

`generator` and `discriminator` are those of Chen et al. 2018 (CartoonGAN, CVPR, section 3.1 and figure 2). What the
paper leaves open follows the authors' published network: reflection padding before the 7x7 convolutions and inside the
residual blocks, zero padding elsewhere, tanh at the end. One difference: strided and transposed convolutions pad as
TensorFlow's `"same"` does, one place further to the lower right than theirs.

`small_generator` has the layers of AnimeGANv2's generator (Chen et al. 2020 and the authors' code): inverted residual
blocks, layer norm over places and channels, and bilinear resizing before a convolution instead of transposed
convolutions, which leave checkerboards (Odena et al. 2016). It has 2.1 million weights instead of 11.1, and avoids the
blobs that instance norm draws. One difference: it resizes with half-pixel centres, theirs as TensorFlow 1 did.

All are fully convolutional: height and width are free, multiples of 4.
"""

import keras
from keras import layers, ops

from tfanime.models.heads import images_output
from tfanime.models.layers import GroupNormalization
from tfanime.models.resample import BilinearDoubling

NORM_EPSILON = 1e-5


@keras.saving.register_keras_serializable("tfanime")
class ReflectionPadding(layers.Layer):
    """Pads height and width by mirroring pictures at their edges, which are not repeated.

    Args:
        before: Places on the upper and the left side.
        after: Places on the lower and the right side. Default: `before`.

    Input and output: `[batch, height, width, channels]` -> `[batch, before + height + after, before + width + after,
    channels]`; height and width must be above `before` and `after`.
    """

    def __init__(self, before=1, after=None, **kwargs):
        super().__init__(**kwargs)
        self.before = before
        self.after = before if after is None else after

    def call(self, inputs):
        pads = (self.before, self.after)
        return ops.pad(inputs, ((0, 0), pads, pads, (0, 0)), mode="reflect")

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        more = self.before + self.after
        return batch, height and height + more, width and width + more, channels

    def get_config(self):
        return {**super().get_config(), "before": self.before, "after": self.after}


def _require_counts(**counts):
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1. Received: {count}")


def _instance_norm():
    # One group for each channel: Ulyanov et al. 2016 (arXiv 1607.08022).
    return GroupNormalization(groups=-1, epsilon=NORM_EPSILON)


def _layer_norm():
    # One group of all channels: statistics over places and channels, one scale and shift for each channel.
    return GroupNormalization(groups=1, epsilon=NORM_EPSILON)


def _conv(x, channels, kernel_size, strides=1):
    return layers.Conv2D(channels, kernel_size, strides=strides, padding="same")(x)


def _mirrored_conv(x, channels, kernel_size):
    x = ReflectionPadding(kernel_size // 2)(x)
    return layers.Conv2D(channels, kernel_size)(x)


def generator(channels=64, blocks=8):
    """CartoonGAN's generator. With the defaults it has 11,129,667 trainable weights.

    Args:
        channels: Channels of the first layer; they double twice. 64 in the paper.
        blocks: Residual blocks, 8 in the paper.

    Returns:
        A `keras.Model`, pictures `[batch, height, width, 3]` in [-1, 1] -> pictures of the same shape and range.

    Raises:
        ValueError: An argument is out of its range.
    """
    _require_counts(channels=channels, blocks=blocks)
    photos = layers.Input((None, None, 3), name="photos")
    x = layers.ReLU()(_instance_norm()(_mirrored_conv(photos, channels, 7)))
    for width in (2 * channels, 4 * channels):
        x = _conv(_conv(x, width, 3, strides=2), width, 3)
        x = layers.ReLU()(_instance_norm()(x))
    for _ in range(blocks):
        branch = layers.ReLU()(_instance_norm()(_mirrored_conv(x, 4 * channels, 3)))
        x = layers.Add()([x, _instance_norm()(_mirrored_conv(branch, 4 * channels, 3))])
    for width in (2 * channels, channels):
        x = layers.Conv2DTranspose(width, 3, strides=2, padding="same")(x)
        x = layers.ReLU()(_instance_norm()(_conv(x, width, 3)))
    return keras.Model(photos, images_output(_mirrored_conv(x, 3, 7)), name="cartoon_generator")


def discriminator(channels=32):
    """CartoonGAN's patch discriminator: each logit judges a patch of the picture.

    Args:
        channels: Channels of the first layer, 32 in the paper.

    Returns:
        A `keras.Model`, pictures `[batch, height, width, 3]` in [-1, 1] -> logits `[batch, height / 4, width / 4]`.

    Raises:
        ValueError: `channels` is below 1.
    """
    _require_counts(channels=channels)
    images = layers.Input((None, None, 3), name="images")
    x = layers.LeakyReLU(0.2)(_conv(images, channels, 3))
    for factor in (2, 4):
        x = layers.LeakyReLU(0.2)(_conv(x, factor * channels, 3, strides=2))
        x = layers.LeakyReLU(0.2)(_instance_norm()(_conv(x, 2 * factor * channels, 3)))
    x = layers.LeakyReLU(0.2)(_instance_norm()(_conv(x, 8 * channels, 3)))
    logits = ops.squeeze(_conv(x, 1, 3), axis=-1)
    logits = layers.Activation("linear", dtype="float32", name="logits")(logits)
    return keras.Model(images, logits, name="cartoon_discriminator")


def small_generator(channels=32, blocks=4):
    """AnimeGANv2's generator.

    Args:
        channels: Channels of the first layer, 32 there; the widest layers have 16 times as many.
        blocks: Inverted residual blocks, 4 there.

    Returns:
        A `keras.Model`, pictures `[batch, height, width, 3]` in [-1, 1] -> pictures of the same shape and range.

    Raises:
        ValueError: An argument is out of its range.
    """
    _require_counts(channels=channels, blocks=blocks)

    def normed(x, width, kernel_size=3, strides=1):
        if strides == 2:
            x = ReflectionPadding(0, 1)(x)
        elif kernel_size > 1:
            x = ReflectionPadding(kernel_size // 2)(x)
        x = layers.Conv2D(width, kernel_size, strides=strides, use_bias=False, kernel_initializer="he_normal")(x)
        return layers.LeakyReLU(0.2)(_layer_norm()(x))

    def inverted_residual(x, width):
        expanded = normed(x, 2 * x.shape[-1], 1)
        branch = layers.DepthwiseConv2D(3, depthwise_initializer="he_normal")(ReflectionPadding(1)(expanded))
        branch = layers.LeakyReLU(0.2)(_layer_norm()(branch))
        branch = layers.Conv2D(width, 1, use_bias=False, kernel_initializer="he_normal")(branch)
        branch = _layer_norm()(branch)
        return layers.Add()([x, branch]) if x.shape[-1] == width else branch  # the first block widens

    photos = layers.Input((None, None, 3), name="photos")
    x = normed(photos, channels, 7)
    for width in (2 * channels, 4 * channels):
        x = normed(normed(x, width, strides=2), width)
    x = normed(x, 4 * channels)
    for _ in range(blocks):
        x = inverted_residual(x, 8 * channels)
    x = normed(x, 4 * channels)
    for width in (4 * channels, 2 * channels):
        x = normed(normed(BilinearDoubling()(x), width), width)
    x = normed(x, channels, 7)
    x = layers.Conv2D(3, 1, use_bias=False)(x)
    return keras.Model(photos, images_output(x), name="small_cartoon_generator")
