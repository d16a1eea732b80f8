"""Content: what a picture shows must be found again in the picture that a generator makes of it."""

from dataclasses import dataclass
from typing import Literal

import tensorflow as tf

from tfanime.models.vgg import VGG
from tfanime.tagger.layers import TaggerLayers
from tfanime.training.terms import Sight

DISTANCES = {
    "absolute": lambda first, second: tf.reduce_mean(tf.abs(first - second)),
    "squared": lambda first, second: tf.reduce_mean(tf.square(first - second)),
}


@dataclass(frozen=True, eq=False)
class Content:
    """E[d(F(x) / s, F(G(x)) / s)], F a layer of a network that knows pictures and d a mean over its numbers.

    Chen et al. 2018 (CartoonGAN, CVPR), equation 3: x is the photo, d the absolute difference, F conv4_4 of VGG19,
    before the ReLU in the authors' code. Ledig et al. 2017 (SRGAN, arXiv 1609.04802), equation 5: x is the true
    picture, d the squared difference, F conv5_4 after the ReLU, s 12.75. Both count sums or means of their own; here
    d is a mean over places and channels, so that a weight fits any size of picture.

    Args:
        network: The `tfanime.models.vgg.VGG`, or a `tfanime.tagger.layers.TaggerLayers`.
        layer: Its layer that answers; default: of a VGG conv4_4, or the last one of that block.
        rectified: Whether its answers are those after the ReLU.
        distance: `"absolute"` or `"squared"`, the name of one of `DISTANCES`.
        scale: s, by which all answers are divided.
        of: `"inputs"` or `"reals"`: which of a `Sight` the generated pictures are to resemble.
        dtype: What the network computes in.

    Raises:
        ValueError: The network has no such layer, or another argument is out of its range.
    """

    network: VGG | TaggerLayers
    layer: str | None = None
    rectified: bool = False
    distance: Literal["absolute", "squared"] = "absolute"
    scale: float = 1.0
    of: Literal["inputs", "reals"] = "inputs"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        layer = self.layer
        if layer is None and isinstance(self.network, VGG):
            layer = f"conv4_{len(self.network.blocks[3])}"
        self.network.require_layer(layer)
        object.__setattr__(self, "layer", layer)
        if self.distance not in DISTANCES:
            raise ValueError(f"distance must be one of {', '.join(DISTANCES)}. Received: {self.distance!r}")
        if not self.scale > 0:
            raise ValueError(f"scale must be above 0. Received: {self.scale}")
        if self.of not in ("inputs", "reals"):
            raise ValueError(f"of must be one of inputs, reals. Received: {self.of!r}")

    def features(self, images: tf.Tensor) -> tf.Tensor:
        """F / s of pictures.

        Args:
            images: `[batch, height, width, 3]` in [-1, 1].

        Returns:
            float32 `[batch, places down, places across, channels]`.
        """
        pixels = (tf.cast(images, tf.float32) + 1.0) * 127.5
        (answers,) = self.network(pixels, (self.layer,), self.rectified, self.dtype)
        return answers / self.scale

    def of_fakes(self, sight: Sight) -> tf.Tensor:
        """The features of a sight's fakes, computed once for all terms that ask for them."""
        if self not in sight.shared:
            sight.shared[self] = self.features(sight.fakes)
        return sight.shared[self]

    def __call__(self, sight: Sight) -> tf.Tensor:
        wanted = tf.stop_gradient(self.features(getattr(sight, self.of)))
        return DISTANCES[self.distance](wanted, self.of_fakes(sight))
