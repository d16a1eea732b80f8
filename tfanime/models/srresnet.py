"""The networks of Jin et al. 2017 (arXiv 1708.05509, section 3.2, "MakeGirlsMoe"): a generator after SRResNet, a
residual discriminator without normalization, and tags.

The paper has them at 128 px. At other sizes the generator keeps its 16x16 trunk and doubles as often as needed; the
discriminator halves the picture to 2x2, and its layers are those next to the picture: at 64 px the stage of 1024
channels is left out, at 32 px that of 512 too.

Two reimplementations agree on what the paper's drawings leave open: the dense layer's batch norm is by channel, the
generator's long skip begins after that norm and its ReLU, and LeakyReLU follows the strided convolutions too.

The paper does not give the initial weights. Adam moves every weight by about its learning rate, so the initial weights
decide how fast a layer learns. Here all layers are about as fast as DCGAN's (docs/reports/results.md describes how they
were found):

- the discriminator has Glorot's. It has no norm, and with He's its residual sums grow so large that one step turned
  the mean logit by 40; with the N(0, 0.02) of one reimplementation it learned hardly anything.
- the generator has He's, in all layers that are followed by batch norm; with N(0, 0.02) they ran ahead.
- the generator's last layer, 9x9 without a norm, sees its input times `OUTPUT_PACE` and has kernels that are larger in
  return: an equalized learning rate (Karras et al. 2018, arXiv 1710.10196, section 4.1) for one layer. As it stands in
  the paper it moves pictures ten times as far as DCGAN's last layer does, and they flicker.
"""

import keras
from keras import layers, ops

from tfanime.models.dcgan import batch_norm
from tfanime.models.heads import generator_inputs, images_output, logits_outputs
from tfanime.models.spectral import SpectralNormalization

TRUNK = 16  # height and width of the generator's residual blocks
OUTPUT_PACE = 0.1  # factor in front of the generator's last convolution
OUTPUT_DEVIATION = 0.2  # of the first pictures before tanh: grey ones, from which all colours are equally far


@keras.saving.register_keras_serializable("tfanime")
class PixelShuffle(layers.Layer):
    """Doubles height and width, four channels becoming one place's four (Shi et al. 2016, arXiv 1609.05158).

    Input and output: `[batch, height, width, 4 channels]` -> `[batch, 2 height, 2 width, channels]`; of the inputs'
    channels the first quarter goes to the upper left.
    """

    def call(self, inputs):
        return ops.depth_to_space(inputs, 2, data_format="channels_last")

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, height and 2 * height, width and 2 * width, channels // 4


def _check(image_size, **counts):
    if image_size < 2 * TRUNK or image_size & (image_size - 1):
        raise ValueError(f"image_size must be a power of two from {2 * TRUNK}. Received: {image_size}")
    for name, count in counts.items():
        if count < (name == "channels"):
            raise ValueError(f"{name} must be at least {int(name == 'channels')}. Received: {count}")


def _maker(spectral_norm):
    # Biases throughout, before batch norm too, as in the published number of parameters.
    def wrap(layer):
        return SpectralNormalization(layer) if spectral_norm else layer

    def conv(channels, kernel_size, strides=1, initializer="glorot_uniform"):
        layer = layers.Conv2D(channels, kernel_size, strides=strides, padding="same", kernel_initializer=initializer)
        return wrap(layer)

    def dense(units, initializer="glorot_uniform"):
        return wrap(layers.Dense(units, kernel_initializer=initializer))

    return conv, dense


def generator(image_size=128, latent_size=128, channels=64, blocks=16, tag_count=0, spectral_norm=False):
    """Jin et al.'s generator: a dense layer to 16x16, residual blocks, pixel shuffles.

    At 128 px with 34 tags it has 4,352,643 weights to train.

    Args:
        image_size: Height and width of the pictures, a power of two from 32.
        latent_size: Components of the latents.
        channels: Channels of all hidden layers.
        blocks: Residual blocks at 16x16.
        tag_count: Number of tags that the pictures are to have, 34 in the paper, 0 for none.
        spectral_norm: Whether every layer is under `SpectralNormalization` (besides batch norm).

    Returns:
        A `keras.Model`, latents `[batch, latent_size]` -> pictures `[batch, image_size, image_size, 3]` in [-1, 1].
        With tags its input is `[latents, tags]`, tags +-1 `[batch, tag_count]`.

    Raises:
        ValueError: An argument is out of its range.
    """
    _check(image_size, channels=channels, blocks=blocks)
    conv, dense = _maker(spectral_norm)
    inputs, x = generator_inputs(latent_size, tag_count)
    x = layers.Reshape((TRUNK, TRUNK, channels))(dense(TRUNK * TRUNK * channels, "he_normal")(x))
    x = trunk = layers.ReLU()(batch_norm()(x))

    def hidden(x, channels):
        return conv(channels, 3, initializer="he_normal")(x)

    for _ in range(blocks):
        branch = layers.ReLU()(batch_norm()(hidden(x, channels)))
        x = layers.Add()([x, batch_norm()(hidden(branch, channels))])
    x = layers.ReLU()(batch_norm()(hidden(x, channels)))
    x = layers.Add()([x, trunk])
    size = TRUNK
    while size < image_size:
        x = PixelShuffle()(hidden(x, 4 * channels))
        x = layers.ReLU()(batch_norm()(x))
        size *= 2
    x = layers.Rescaling(OUTPUT_PACE)(x)
    # The mean square after a norm and a ReLU is 1/2.
    scale = 2 * (OUTPUT_DEVIATION / OUTPUT_PACE) ** 2
    last = conv(3, 9, initializer=keras.initializers.VarianceScaling(scale, "fan_in", "truncated_normal"))
    return keras.Model(inputs, images_output(last(x)), name="srresnet_generator")


def discriminator(image_size=128, channels=32, blocks=2, tag_count=0, spectral_norm=False):
    """Jin et al.'s discriminator: strided convolutions down to 2x2 with residual blocks between, LeakyReLU 0.2.

    There is no norm, so that a penalty's gradient is one picture's.

    Args:
        image_size: Height and width of the pictures, a power of two from 32.
        channels: Channels of the first layer; doubled at every halving of the size, at most 32-fold.
        blocks: Residual blocks after each strided convolution but the last.
        tag_count: Number of tags to predict, 34 in the paper, 0 for none.
        spectral_norm: Whether every layer is under `SpectralNormalization`.

    Returns:
        A `keras.Model`, pictures `[batch, image_size, image_size, 3]` in [-1, 1] -> logits `[batch]`. With tags its
        output is the pair `(logits, tag_logits)`, tag logits `[batch, tag_count]`.

    Raises:
        ValueError: An argument is out of its range.
    """
    _check(image_size, channels=channels, blocks=blocks, tag_count=tag_count)
    conv, dense = _maker(spectral_norm)
    images = layers.Input((image_size, image_size, 3), name="images")
    x = images
    stages = image_size.bit_length() - 2  # 128 px: 6, the last from 4x4 to 2x2
    for stage in range(stages):
        width = channels * min(2**stage, 32)
        x = layers.LeakyReLU(0.2)(conv(width, 4 if stage < 3 else 3, strides=2)(x))
        for _ in range(blocks if stage < stages - 1 else 0):
            branch = conv(width, 3)(layers.LeakyReLU(0.2)(conv(width, 3)(x)))
            x = layers.LeakyReLU(0.2)(layers.Add()([x, branch]))
    x = layers.Flatten()(x)
    logits = dense(1)(x)
    tag_logits = dense(tag_count)(x) if tag_count else None
    return keras.Model(images, logits_outputs(logits, tag_logits), name="srresnet_discriminator")
