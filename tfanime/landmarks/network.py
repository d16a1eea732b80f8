"""The landmark network: finds points of a face by a few convolutions.

It is small on purpose. A loss looks through it at every step of a training, so that it must cost little, and its
gradients must reach the picture: it has no heat maps and no largest places, but gives coordinates.
"""

import keras
from keras import layers

from tfanime.landmarks.points import NAMES
from tfanime.models.layers import BatchNormalization

CHANNELS = (16, 32, 64, 96)
HIDDEN = 96


def landmark_network(image_size=64, channels=CHANNELS, hidden=HIDDEN):
    """The landmark network: pairs of 3x3 convolutions at 1/2, 1/4, 1/8 ... of the size, and two dense layers.

    Args:
        image_size: Height and width of the pictures, a multiple of 2^(number of channels).
        channels: Channels at each of the sizes.
        hidden: Units of the hidden dense layer.

    Returns:
        A `keras.Model`, pictures `[batch, image_size, image_size, 3]` in [-1, 1] -> points
        `[batch, len(tfanime.landmarks.points.NAMES), 2]` (x, y) as shares of width and height, float32.

    Raises:
        ValueError: An argument is out of its range.
    """
    sizes = len(channels)
    if image_size < 2**sizes or image_size % 2**sizes:
        raise ValueError(f"image_size must be a multiple of {2**sizes}. Received: {image_size}")
    for name, value in (("hidden", hidden), ("channels", min(channels))):
        if value < 1:
            raise ValueError(f"{name} must be at least 1. Received: {value}")
    x = images = layers.Input((image_size, image_size, 3), name="images")
    for size, width in enumerate(channels):
        x = _conv(x, width, f"block_{size}_0", strides=2)
        if size:  # at half the size, where most of the work would be, one is enough
            x = _conv(x, width, f"block_{size}_1")
    x = layers.Dense(hidden, activation="relu", kernel_initializer="he_normal", name="hidden")(layers.Flatten()(x))
    # A new network says that all points lie in the middle. float32: bfloat16's 8 bits are a quarter of a pixel there.
    points = layers.Dense(
        2 * len(NAMES),
        kernel_initializer=keras.initializers.RandomNormal(stddev=1e-3),
        bias_initializer=keras.initializers.Constant(0.5),
        dtype="float32",
        name="coordinates",
    )(x)
    return keras.Model(
        images, layers.Reshape((len(NAMES), 2), dtype="float32", name="points")(points), name="landmarks"
    )


def _conv(x, channels, name, strides=1):
    x = layers.Conv2D(
        channels,
        3,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = BatchNormalization(momentum=0.95, epsilon=1e-5, synchronized=True, name=f"{name}_norm")(x)
    return layers.LeakyReLU(0.1, name=f"{name}_relu")(x)
