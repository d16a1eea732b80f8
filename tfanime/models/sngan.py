"""The plain convolutional networks of SN-GAN (Miyato et al. 2018, arXiv 1802.05957).

Layers, widths and the slope of LeakyReLU, 0.1, are those of the paper's table 3. The code of the authors' group
(pfnet-research/chainer-gan-lib) and google/compare_gan widen one layer earlier, 64, 128, 128, 256, 256, 512, 512, for
which they have twice as many weights.
"""

import keras
from keras import layers

from tfanime.models.convolution import Conv2D, Conv2DTranspose
from tfanime.models.dcgan import batch_norm, normal_weights
from tfanime.models.heads import check_tag_count, generator_inputs, images_output, logits_outputs
from tfanime.models.spectral import SpectralNormalization


def _check(image_size, channels, tag_count):
    if image_size < 16 or image_size % 8:
        raise ValueError(f"image_size must be a multiple of 8 from 16. Received: {image_size}")
    if channels < 1:
        raise ValueError(f"channels must be at least 1. Received: {channels}")
    check_tag_count(tag_count)


def generator(image_size=32, latent_size=128, channels=64, tag_count=0):
    """SN-GAN's generator: a seed of an eighth of the size, three 4x4 transposed convolutions, one of 3x3; batch norm.

    Args:
        image_size: Height and width of the pictures, a multiple of 8 from 16; 32 and 48 in the paper.
        latent_size: Components of the latents.
        channels: Channels of the last hidden layer; doubled at every halving of the size.
        tag_count: Number of tags that the pictures are to have, 0 for none.

    Returns:
        A `keras.Model`, latents `[batch, latent_size]` -> pictures `[batch, image_size, image_size, 3]` in [-1, 1].
        With tags its input is `[latents, tags]`, tags +-1 `[batch, tag_count]`.

    Raises:
        ValueError: An argument is out of its range.
    """
    _check(image_size, channels, tag_count)
    inputs, x = generator_inputs(latent_size, tag_count)
    seed = image_size // 8
    x = layers.Dense(seed * seed * 8 * channels, use_bias=False, kernel_initializer=normal_weights())(x)
    x = layers.Reshape((seed, seed, 8 * channels))(x)
    x = layers.ReLU()(batch_norm()(x))
    for width in (4 * channels, 2 * channels, channels):
        x = Conv2DTranspose(width, 4, strides=2, padding="same", use_bias=False, kernel_initializer=normal_weights())(x)
        x = layers.ReLU()(batch_norm()(x))
    x = Conv2D(3, 3, padding="same", kernel_initializer=normal_weights())(x)
    return keras.Model(inputs, images_output(x), name="sngan_generator")


def discriminator(image_size=32, channels=64, tag_count=0):
    """SN-GAN's discriminator: 3x3 and strided 4x4 convolutions in turns, LeakyReLU 0.1, spectral norm everywhere.

    Args:
        image_size: Height and width of the pictures, a multiple of 8 from 16; 32 and 48 in the paper.
        channels: Channels of the first layer; doubled after every halving of the size.
        tag_count: Number of tags to predict, 0 for none.

    Returns:
        A `keras.Model`, pictures `[batch, image_size, image_size, 3]` in [-1, 1] -> logits `[batch]`. With tags its
        output is the pair `(logits, tag_logits)`, tag logits `[batch, tag_count]`.

    Raises:
        ValueError: An argument is out of its range.
    """
    _check(image_size, channels, tag_count)
    images = layers.Input((image_size, image_size, 3), name="images")
    x = images
    for index, factor in enumerate((1, 1, 2, 2, 4, 4, 8)):
        strided = index % 2
        layer = Conv2D(
            channels * factor,
            4 if strided else 3,
            strides=2 if strided else 1,
            padding="same",
            kernel_initializer=normal_weights(),
        )
        x = layers.LeakyReLU(0.1)(SpectralNormalization(layer)(x))
    x = layers.Flatten()(x)

    def head(units):
        return SpectralNormalization(layers.Dense(units, kernel_initializer=normal_weights()))(x)

    return keras.Model(
        images, logits_outputs(head(1), head(tag_count) if tag_count else None), name="sngan_discriminator"
    )
