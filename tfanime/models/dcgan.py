"""The networks of DCGAN (Radford et al. 2016, arXiv 1511.06434, section 3), at any power-of-two size from 16 px.

The defaults are those of most ports (4x4 kernels, LeakyReLU 0.2, no biases before a norm, weights N(0, 0.02), batch
norm scales N(1, 0.02)); the paper's own code has 5x5 kernels, `kernel_size=5`.

Both networks can be made deeper than their size needs, `convolutions=`. The further layers are 3x3 convolutions of
stride 1, as wide as the layer they follow, with its norm and activation. They are assigned one by one to the
resolutions of the hidden layers, from 4x4 upwards and then again from 4x4, so that the highest resolution, where a
layer takes the most time, gets its share last.

With tags the networks are an ACGAN's (Odena et al. 2017, arXiv 1610.09585): the generator is given the tags, the
discriminator predicts them.
"""

import keras
from keras import layers

from tfanime.models.convolution import Conv2D, Conv2DTranspose
from tfanime.models.heads import check_tag_count, generator_inputs, images_output, logits_outputs
from tfanime.models.layers import BatchNormalization, MinibatchStddev
from tfanime.models.spectral import SpectralNormalization

NORMS = ("batch", "none", "spectral")


def normal_weights():
    """The initializer of DCGAN's kernels, N(0, 0.02)."""
    return keras.initializers.RandomNormal(0.0, 0.02)


def batch_norm():
    """Batch norm as in DCGAN's code, with statistics over all replicas."""
    # synchronized: over all replicas, or their moving statistics would part; momentum .9 and epsilon 1e-5 as in the
    # authors' code (Keras' own defaults are .99 and 1e-3).
    return BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer=keras.initializers.RandomNormal(1.0, 0.02), synchronized=True
    )


def _blocks(image_size):
    blocks = image_size.bit_length() - 3  # 16 px: 2, 32 px: 3, 64 px: 4
    if image_size < 16 or image_size & (image_size - 1):
        raise ValueError(f"image_size must be a power of two from 16. Received: {image_size}")
    return blocks


def _check_norm(norm):
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {NORMS}. Received: {norm!r}")


def _deal_out(convolutions, needed, stages, image_size):
    # How many further convolutions each resolution gets, that of 4x4 first.
    if convolutions is None:
        convolutions = needed
    if convolutions < needed:
        raise ValueError(f"convolutions must be at least {needed} at {image_size} px. Received: {convolutions}")
    return [len(range(stage, convolutions - needed, stages)) for stage in range(stages)]


def _spectral(norm, layer):
    return SpectralNormalization(layer) if norm == "spectral" else layer


def generator(image_size=64, latent_size=100, channels=64, kernel_size=4, norm="batch", convolutions=None, tag_count=0):
    """DCGAN's generator: a 4x4 seed, then transposed convolutions that double the size, ReLU, tanh at the end.

    Args:
        image_size: Height and width of the pictures, a power of two from 16.
        latent_size: Components of the latents.
        channels: Channels of the last hidden layer; doubled at every halving of the size, at most eightfold.
        kernel_size: Side of the transposed convolutions' kernels.
        norm: `"batch"` after every hidden layer, `"spectral"` for `SpectralNormalization` of every layer, or `"none"`.
        convolutions: Convolution layers in all, transposed ones and the last one included, the dense layer not;
            default: as many as the size needs, 3 at 32 px and 4 at 64 px. See the module's text.
        tag_count: Number of tags that the pictures are to have, 0 for none.

    Returns:
        A `keras.Model`, latents `[batch, latent_size]` -> pictures `[batch, image_size, image_size, 3]` in [-1, 1].
        With tags its input is `[latents, tags]`, tags +-1 `[batch, tag_count]`.

    Raises:
        ValueError: An argument is out of its range.
    """
    _check_norm(norm)
    blocks = _blocks(image_size)
    further = _deal_out(convolutions, blocks, blocks, image_size)
    use_bias = norm != "batch"

    def width(level):
        return channels * min(2**level, 8)

    def activate(x):
        return layers.ReLU()(batch_norm()(x) if norm == "batch" else x)

    inputs, x = generator_inputs(latent_size, tag_count)
    dense = layers.Dense(4 * 4 * width(blocks - 1), use_bias=use_bias, kernel_initializer=normal_weights())
    x = layers.Reshape((4, 4, -1))(_spectral(norm, dense)(x))
    for level in reversed(range(blocks)):
        x = activate(x)
        for _ in range(further[blocks - 1 - level]):
            layer = Conv2D(width(level), 3, padding="same", use_bias=use_bias, kernel_initializer=normal_weights())
            x = activate(_spectral(norm, layer)(x))
        if level:
            layer = Conv2DTranspose(
                width(level - 1),
                kernel_size,
                strides=2,
                padding="same",
                use_bias=use_bias,
                kernel_initializer=normal_weights(),
            )
            x = _spectral(norm, layer)(x)
    last = Conv2DTranspose(3, kernel_size, strides=2, padding="same", kernel_initializer=normal_weights())
    return keras.Model(inputs, images_output(_spectral(norm, last)(x)), name="dcgan_generator")


def discriminator(
    image_size=64,
    channels=64,
    kernel_size=4,
    norm="batch",
    minibatch_stddev=False,
    convolutions=None,
    tag_count=0,
):
    """DCGAN's discriminator (or WGAN's critic): strided convolutions with LeakyReLU 0.2 down to 4x4, then one logit.

    Args:
        image_size: Height and width of the pictures, a power of two from 16.
        channels: Channels of the first layer; doubled at every halving of the size, at most eightfold.
        kernel_size: Side of the strided convolutions' kernels.
        norm: `"batch"` after every hidden layer but the first, `"spectral"` for `SpectralNormalization` of every layer
            (Miyato et al. 2018), or `"none"` (needed by gradient penalties, whose gradient is one picture's:
            Gulrajani et al. 2017, section 4).
        minibatch_stddev: Whether the last layer sees `MinibatchStddev`.
        convolutions: Convolution layers from the picture to the logit, the last one included; default: as many as
            the size needs, 4 at 32 px and 5 at 64 px. See the module's text.
        tag_count: Number of tags to predict, 0 for none. Their layer sees what the logit's layer sees, but for
            `MinibatchStddev`: a picture's tags are its own.

    Returns:
        A `keras.Model`, pictures `[batch, image_size, image_size, 3]` in [-1, 1] -> logits `[batch]`. With tags its
        output is the pair `(logits, tag_logits)`, tag logits `[batch, tag_count]`.

    Raises:
        ValueError: An argument is out of its range.
    """
    _check_norm(norm)
    check_tag_count(tag_count)
    blocks = _blocks(image_size)
    further = _deal_out(convolutions, blocks + 1, blocks, image_size)
    images = layers.Input((image_size, image_size, 3), name="images")
    x = images
    for level in range(blocks):
        # the strided one, then those of stride 1
        for index in range(1 + further[blocks - 1 - level]):
            first = level == index == 0
            layer = Conv2D(
                channels * min(2**level, 8),
                3 if index else kernel_size,
                strides=1 if index else 2,
                padding="same",
                use_bias=norm != "batch" or first,
                kernel_initializer=normal_weights(),
            )
            x = _spectral(norm, layer)(x)
            if norm == "batch" and not first:
                x = batch_norm()(x)
            x = layers.LeakyReLU(0.2)(x)
    features = x
    if minibatch_stddev:
        x = MinibatchStddev()(x)
    logits = _spectral(norm, Conv2D(1, 4, kernel_initializer=normal_weights()))(x)  # [batch, 1, 1, 1]
    tag_logits = None
    if tag_count:
        tag_logits = _spectral(norm, Conv2D(tag_count, 4, kernel_initializer=normal_weights()))(features)
    return keras.Model(images, logits_outputs(logits, tag_logits), name="dcgan_discriminator")
