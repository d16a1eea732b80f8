"""Perceptual distances between pictures, by the feature maps of a network; a projection minimises one.

The channels of a network's maps are scaled to length 1 at every place, and squared differences are added up over
channels and maps and averaged over places: LPIPS (Zhang et al. 2018, arXiv 1801.03924, equation 1) without its learned
weights, which come from photographs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

LARGEST = 256  # pictures are looked at in this size at most, as the projector of StyleGAN2 does
EPSILON = 1e-8
VGG_LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")


@dataclass(frozen=True, eq=False)
class Distance:
    """A distance between pictures.

    Args:
        name: Its name in flags and output.
        maps: Pictures, float32 `[batch, height, width, 3]` in [-1, 1] -> a list of maps, float32
            `[batch, height, width, channels]`.
    """

    name: str
    maps: Callable

    def features(self, images):
        """Maps of pictures `[batch, height, width, 3]` in [-1, 1], with channels of length 1, for `between`."""
        size = images.shape[1]
        if size > LARGEST:
            images = tf.image.resize(images, (LARGEST, LARGEST), "area")
        maps = self.maps(images)
        return [each * tf.math.rsqrt(tf.reduce_sum(each**2, axis=-1, keepdims=True) + EPSILON) for each in maps]

    @staticmethod
    def between(first, second):
        """Distances of pictures whose `features` are given, float32 `[batch]`."""
        parts = [
            tf.reduce_mean(tf.reduce_sum((one - other) ** 2, axis=-1), axis=(1, 2))
            for one, other in zip(first, second, strict=True)
        ]
        return tf.add_n(parts)


def of_tagger():
    """`tagger`: the maps of the tagger that tfanime carries, at 1/2, 1/4 and 1/8 of 64 px; sensitive to what tags
    describe.
    """
    import keras

    from tfanime.tagger.files import open_tagger

    tagger = open_tagger()
    names = ["stem_relu", *(layer.name for layer in tagger.model.layers if layer.name.endswith("_relu_2"))]
    network = keras.Model(tagger.model.inputs, [tagger.model.get_layer(name).output for name in names])
    size = tagger.image_size

    def maps(images):
        if images.shape[1] != size:
            images = tf.image.resize(images, (size, size), "bicubic", antialias=True)
        return network(images, training=False)

    return Distance(tagger.name, maps)


def of_vgg():
    """`hed_vgg16`: the last maps of blocks 1 to 4 of `tfanime.models.vgg.hed_vgg16`, which sees lines and colours.

    Raises:
        ImportError: The extra `judge` is not installed.
    """
    from tfanime.models.vgg import open_vgg

    network = open_vgg("hed_vgg16")
    return Distance(network.name, lambda images: network((images + 1) * 127.5, VGG_LAYERS, rectified=True))


DISTANCES = {"tagger": of_tagger, "hed_vgg16": of_vgg}
