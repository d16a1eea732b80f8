"""The inner layers of the tagger that tfanime carries, for content losses."""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from tfanime.models.vgg import LayeredNetwork
from tfanime.tagger.files import from_arrays, open_tagger


@dataclass(frozen=True, eq=False)
class TaggerLayers(LayeredNetwork):
    """The residual blocks of a tagger, with the interface of a `tfanime.models.vgg.VGG`.

    Args:
        name: The tagger's name, such as tagger1.
        model: The `keras.Model` of `tfanime.tagger.network.tagger`, for pictures of any size.
    """

    name: str
    model: Any

    @property
    def layers(self) -> list[str]:
        """Names of the blocks in order, such as block_1_0, the first one at a quarter of the size."""
        return [layer.name.removesuffix("_add") for layer in self.model.layers if layer.name.endswith("_add")]

    def __call__(
        self, pixels: tf.Tensor, layers: tuple[str, ...], rectified: bool = False, dtype: str = "float32"
    ) -> list[tf.Tensor]:
        """The outputs of some blocks for pictures.

        Args:
            pixels: Red, green and blue in 0 to 255, `[batch, height, width, 3]`, both multiples of 8.
            layers: Names of blocks.
            rectified: Whether to take outputs after the ReLU that follows the block's sum, instead of before it.
            dtype: Not used: a tagger always computes in float32.

        Returns:
            For each of `layers` float32 `[batch, height / 2^k, width / 2^k, channels]`.

        Raises:
            ValueError: A block is unknown.
        """
        del dtype
        for layer in layers:
            self.require_layer(layer)
        ending = "relu_2" if rectified else "add"
        outputs = [self.model.get_layer(f"{layer}_{ending}").output for layer in layers]
        found = keras.Model(self.model.inputs, outputs)(tf.cast(pixels, tf.float32) / 127.5 - 1.0, training=False)
        return tf.nest.flatten(found)  # Keras gives a single output without a list


def tagger_layers() -> TaggerLayers:
    """The layers of the tagger that tfanime carries.

    Raises:
        FileNotFoundError, ValueError: See `open_tagger`.
    """
    network = open_tagger()
    arrays = {weight.path: weight.numpy() for weight in network.model.weights}
    form = network.card["network"] | {"image_size": None}
    return TaggerLayers(network.name, from_arrays(form, network.vocabulary, arrays))
