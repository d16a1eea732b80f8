"""The networks of Ledig et al. 2017 (SRGAN, arXiv 1609.04802, section 2.1.1 and figure 4).

The generator enlarges pictures 2 or 4 times, whatever their size. The discriminator judges pictures of one size.

Differences from the paper:

- Both networks take pictures in [-1, 1], as everything here does. The paper's low-resolution inputs are in [0, 1]; the
  generator rescales its input to that range first.
- Batch norm has Keras' epsilon of every network here (1e-5), and statistics of the global batch.
"""

import keras
from keras import layers

from tfanime.models.heads import images_output, logits_outputs
from tfanime.models.layers import BatchNormalization
from tfanime.models.resample import BilinearDoubling
from tfanime.models.srresnet import PixelShuffle


def _batch_norm():
    # The momentum of the moving statistics is not in the paper; 0.8 is that of its reimplementations.
    return BatchNormalization(momentum=0.8, epsilon=1e-5, synchronized=True)


def _conv(channels, kernel_size, strides=1):
    return layers.Conv2D(channels, kernel_size, strides=strides, padding="same")


def _prelu():
    # One slope for each channel: slopes for each place would fix the picture's size.
    return layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=(1, 2))


def generator(scale=4, channels=64, blocks=16):
    """The residual generator that enlarges pictures (figure 4, top).

    With the defaults it has 1,550,659 trainable weights.

    Args:
        scale: How many times height and width grow: 2 or 4.
        channels: Channels of the hidden layers, 64 in the paper.
        blocks: Residual blocks, 16 in the paper.

    Returns:
        A `keras.Model`, pictures `[batch, height, width, 3]` in [-1, 1] -> pictures
        `[batch, scale * height, scale * width, 3]` in [-1, 1].

    Raises:
        ValueError: An argument is out of its range.
    """
    if scale not in (2, 4):
        raise ValueError(f"scale must be 2 or 4. Received: {scale}")
    _require_counts(channels=channels, blocks=blocks)
    inputs = layers.Input((None, None, 3), name="small_images")
    x = layers.Rescaling(0.5, 0.5)(inputs)  # [-1, 1] -> [0, 1]
    x = trunk = _prelu()(_conv(channels, 9)(x))
    for _ in range(blocks):
        branch = _prelu()(_batch_norm()(_conv(channels, 3)(x)))
        x = layers.Add()([x, _batch_norm()(_conv(channels, 3)(branch))])
    x = layers.Add()([trunk, _batch_norm()(_conv(channels, 3)(x))])
    for _ in range(scale // 2):
        x = _prelu()(PixelShuffle()(_conv(4 * channels, 3)(x)))
    return keras.Model(inputs, images_output(_conv(3, 9)(x)), name="srgan_generator")


def small_generator(scale=2, channels=32, blocks=6):
    """A generator that learns in an hour on two cores what the paper's learns in days: what a bilinear enlargement
    lacks, which is less to learn than the whole picture. Without batch norm, as Lim et al. 2017 (EDSR, arXiv
    1707.02921) found better, with kernels of 3x3 alone, and with bilinear doubling instead of shuffled pixels, which a
    loss of content leaves as a checkerboard. With the defaults it has 131,459 trainable weights.

    Args:
        scale: How many times height and width grow: 2 or 4.
        channels: Channels of the hidden layers.
        blocks: Residual blocks.

    Returns:
        A `keras.Model` as `generator`'s, whose pictures may leave [-1, 1] by a little.

    Raises:
        ValueError: An argument is out of its range.
    """
    if scale not in (2, 4):
        raise ValueError(f"scale must be 2 or 4. Received: {scale}")
    _require_counts(channels=channels, blocks=blocks)
    inputs = layers.Input((None, None, 3), name="small_images")
    plain, x = inputs, _conv(channels, 3)(inputs)
    trunk = x
    for _ in range(blocks):
        x = layers.Add()([x, _conv(channels, 3)(_prelu()(_conv(channels, 3)(x)))])
    x = layers.Add()([trunk, _conv(channels, 3)(x)])
    for _ in range(scale // 2):
        x = _prelu()(_conv(channels, 3)(BilinearDoubling()(x)))
        plain = BilinearDoubling()(plain)
    # The first picture is the plain one, and float32 is what is added to it.
    lacking = layers.Conv2D(3, 3, padding="same", kernel_initializer="zeros", dtype="float32")(x)
    return keras.Model(inputs, layers.Add(dtype="float32", name="images")([plain, lacking]), name="small_generator")


def reach(blocks=16):
    """How many pixels around it, in the small picture, a pixel of the large one depends on, at most.

    Args:
        blocks: See `generator`; `small_generator` reaches less far.

    Returns:
        The sum of all kernels' halves: of 9, twice 3 a block, 3, 3 before shuffling, and what is behind it in two.
    """
    return 4 + 2 * blocks + 1 + 1 + 2


def discriminator(image_size=96, channels=64, dense=1024):
    """The discriminator (figure 4, bottom): eight convolutions, every second one with stride 2, and two dense layers.

    Args:
        image_size: Height and width of the pictures, a multiple of 16; 96 in the paper.
        channels: Channels of the first layer; they double three times. 64 in the paper.
        dense: Units of the hidden dense layer, 1,024 in the paper.

    Returns:
        A `keras.Model`, pictures `[batch, image_size, image_size, 3]` in [-1, 1] -> logits `[batch]`.

    Raises:
        ValueError: An argument is out of its range.
    """
    if image_size < 16 or image_size % 16:
        raise ValueError(f"image_size must be a multiple of 16. Received: {image_size}")
    _require_counts(channels=channels, dense=dense)
    images = layers.Input((image_size, image_size, 3), name="images")
    x = layers.LeakyReLU(0.2)(_conv(channels, 3)(images))  # the only convolution without batch norm
    for factor, strides in ((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)):
        x = layers.LeakyReLU(0.2)(_batch_norm()(_conv(factor * channels, 3, strides)(x)))
    x = layers.LeakyReLU(0.2)(layers.Dense(dense)(layers.Flatten()(x)))
    return keras.Model(images, logits_outputs(layers.Dense(1)(x)), name="srgan_discriminator")


def _require_counts(**counts):
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1. Received: {count}")
