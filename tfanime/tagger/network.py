"""The tagger's network: predicts the tags of a face, and its features evaluate generators.

It is a small residual network after He et al. 2016 (arXiv 1512.03385).

Its features are the means of the last maps: 256 numbers, whatever the vocabulary. That is far fewer than the 2,048 of
Inception, so that the covariance of a few thousand pictures has full rank, the bias of a Frechet distance between few
pictures stays small, and the distance takes milliseconds.

At 64 px it has 1.2 million weights and takes 0.2 billion multiplications, a thirtieth of Inception's at 299 px.
"""

import keras
from keras import layers

from tfanime.models.layers import BatchNormalization

CHANNELS = (64, 128, 256)


def tagger(tag_count, image_size=64, channels=CHANNELS, blocks=1):
    """The tagger: a convolution of stride 2, residual blocks at 1/2, 1/4 and 1/8 of the size, the mean of all places.

    Args:
        tag_count: Number of tags.
        image_size: Height and width of the pictures, a multiple of 8; None for any height and width.
        channels: Channels at each of the sizes; the last one is the number of features.
        blocks: Residual blocks at each of the sizes.

    Returns:
        A `keras.Model`, pictures `[batch, image_size, image_size, 3]` in [-1, 1] -> (features
        `[batch, channels[-1]]`, tag logits `[batch, tag_count]`), both float32 whatever it computes in.

    Raises:
        ValueError: An argument is out of its range.
    """
    sizes = len(channels)
    if image_size is not None and (image_size < 2**sizes or image_size % 2**sizes):
        raise ValueError(f"image_size must be a multiple of {2**sizes}. Received: {image_size}")
    for name, value in (("tag_count", tag_count), ("blocks", blocks), ("channels", min(channels))):
        if value < 1:
            raise ValueError(f"{name} must be at least 1. Received: {value}")
    images = layers.Input((image_size, image_size, 3), name="images")
    x = _conv(images, channels[0], 3, "stem", strides=2)
    x = layers.ReLU(name="stem_relu")(_norm(x, "stem"))
    for size, width in enumerate(channels):
        for block in range(blocks):
            x = _block(x, width, 2 if size and not block else 1, f"block_{size}_{block}")
    # float32: features and logits must not be rounded to bfloat16's 8 bits.
    features = layers.GlobalAveragePooling2D(dtype="float32", name="features")(x)
    tag_logits = layers.Dense(tag_count, dtype="float32", name="tag_logits")(features)
    return keras.Model(images, (features, tag_logits), name="tagger")


def _conv(x, channels, kernel_size, name, strides=1):
    layer = layers.Conv2D(
        channels,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )
    return layer(x)


def _norm(x, name, **options):
    # A momentum for trainings of a thousand steps; Keras' .99 would still know the first weights.
    return BatchNormalization(momentum=0.95, epsilon=1e-5, synchronized=True, name=f"{name}_norm", **options)(x)


def _block(x, channels, strides, name):
    branch = layers.ReLU(name=f"{name}_relu_1")(_norm(_conv(x, channels, 3, f"{name}_1", strides), f"{name}_1"))
    # Each block begins as its shortcut alone, which makes the first steps safe (Goyal et al. 2017, arXiv 1706.02677).
    branch = _norm(_conv(branch, channels, 3, f"{name}_2"), f"{name}_2", gamma_initializer="zeros")
    if strides > 1 or x.shape[-1] != channels:
        x = _norm(_conv(x, channels, 1, f"{name}_shortcut", strides), f"{name}_shortcut")
    return layers.ReLU(name=f"{name}_relu_2")(layers.Add(name=f"{name}_add")([x, branch]))
