"""The networks of DCGAN (Radford et al. 2016, arXiv 1511.06434, section 3), at any power-of-two size from 16 px.

The defaults are the port most codebases share (4x4 kernels, LeakyReLU 0.2, no biases before a norm, weights N(0, 0.02),
batch norm scales N(1, 0.02)); the paper's own code has 5x5 kernels, `kernel_size=5`.
"""

import keras
from keras import layers

from tfanime.models.layers import MinibatchStddev

NORMS = ("batch", "none")


def _blocks(image_size):
    blocks = image_size.bit_length() - 3  # 16 px: 2, 32 px: 3, 64 px: 4
    if image_size < 16 or image_size & (image_size - 1):
        raise ValueError(f"image_size must be a power of two from 16. Received: {image_size}")
    return blocks


def _check_norm(norm):
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {NORMS}. Received: {norm!r}")


def _weights():
    return keras.initializers.RandomNormal(0.0, 0.02)


def _batch_norm():
    # synchronized: over all replicas, or their moving statistics would part; momentum .9 and epsilon 1e-5 as in the
    # authors' code (Keras' own defaults are .99 and 1e-3).
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer=keras.initializers.RandomNormal(1.0, 0.02), synchronized=True
    )


def generator(image_size=64, latent_size=100, channels=64, kernel_size=4, norm="batch"):
    """DCGAN's generator: a 4x4 seed, then transposed convolutions that double the size, ReLU, tanh at the end.

    Args:
        image_size: Height and width of the pictures, a power of two from 16.
        latent_size: Components of the latents.
        channels: Channels of the last hidden layer; doubled at every halving of the size, at most eightfold.
        kernel_size: Side of the transposed convolutions' kernels.
        norm: `"batch"` after every hidden layer, or `"none"`.

    Returns:
        A `keras.Model`, latents `[batch, latent_size]` -> pictures `[batch, image_size, image_size, 3]` in [-1, 1].
    """
    _check_norm(norm)
    blocks = _blocks(image_size)

    def width(level):
        return channels * min(2**level, 8)

    latents = layers.Input((latent_size,), name="latents")
    x = layers.Dense(4 * 4 * width(blocks - 1), use_bias=norm == "none", kernel_initializer=_weights())(latents)
    x = layers.Reshape((4, 4, -1))(x)
    for level in reversed(range(blocks)):
        if norm == "batch":
            x = _batch_norm()(x)
        x = layers.ReLU()(x)
        if level:
            x = layers.Conv2DTranspose(
                width(level - 1),
                kernel_size,
                strides=2,
                padding="same",
                use_bias=norm == "none",
                kernel_initializer=_weights(),
            )(x)
    x = layers.Conv2DTranspose(3, kernel_size, strides=2, padding="same", kernel_initializer=_weights())(x)
    # float32 out of the network, whatever it computes in: pictures and losses must not be rounded to 8 bits twice.
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(latents, images, name="dcgan_generator")


def discriminator(image_size=64, channels=64, kernel_size=4, norm="batch", minibatch_stddev=False):
    """DCGAN's discriminator (or WGAN's critic): strided convolutions with LeakyReLU 0.2 down to 4x4, then one logit.

    Args:
        image_size: Height and width of the pictures, a power of two from 16.
        channels: Channels of the first layer; doubled at every halving of the size, at most eightfold.
        kernel_size: Side of the kernels.
        norm: `"batch"` after every hidden layer but the first, or `"none"` (needed by gradient penalties, whose
            gradient is one picture's: Gulrajani et al. 2017, section 4).
        minibatch_stddev: Whether the last layer sees `MinibatchStddev`.

    Returns:
        A `keras.Model`, pictures `[batch, image_size, image_size, 3]` in [-1, 1] -> logits `[batch]`.
    """
    _check_norm(norm)
    images = layers.Input((image_size, image_size, 3), name="images")
    x = images
    for level in range(_blocks(image_size)):
        x = layers.Conv2D(
            channels * min(2**level, 8),
            kernel_size,
            strides=2,
            padding="same",
            use_bias=norm == "none" or level == 0,
            kernel_initializer=_weights(),
        )(x)
        if norm == "batch" and level:
            x = _batch_norm()(x)
        x = layers.LeakyReLU(0.2)(x)
    if minibatch_stddev:
        x = MinibatchStddev()(x)
    x = layers.Conv2D(1, 4, kernel_initializer=_weights())(x)  # [batch, 1, 1, 1]
    x = layers.Reshape(())(x)
    logits = layers.Activation("linear", dtype="float32", name="logits")(x)
    return keras.Model(images, logits, name="dcgan_discriminator")
