"""The layers of the tagger that tfanime carries, as a network that losses look through."""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from tfanime.tagger.files import from_arrays, open_tagger


@dataclass(frozen=True, eq=False)
class TaggerLayers:
    """The residual blocks of a tagger, called as the convolutions of a `tfanime.models.vgg.VGG`.

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

    def require_layer(self, layer: str) -> None:
        """Refuses a block that there is none of.

        Raises:
            ValueError: It is such a one.
        """
        if layer not in self.layers:
            raise ValueError(f"layer must be one of {', '.join(self.layers)} of {self.name}. Received: {layer!r}")

    def __call__(
        self, pixels: tf.Tensor, layers: tuple[str, ...], rectified: bool = False, dtype: str = "float32"
    ) -> list[tf.Tensor]:
        """What blocks answer to pictures.

        Args:
            pixels: Red, green and blue in 0 to 255, `[batch, height, width, 3]`, both multiples of 8.
            layers: Names of blocks.
            rectified: Whether the answers are those after the ReLU behind the sum, or before.
            dtype: What convolutions are computed in: float32 always, as in all that the tagger is for.

        Returns:
            For each of `layers` float32 `[batch, height / 2^k, width / 2^k, channels]`.

        Raises:
            ValueError: There is no such block.
        """
        del dtype
        for layer in layers:
            self.require_layer(layer)
        ending = "relu_2" if rectified else "add"
        outputs = [self.model.get_layer(f"{layer}_{ending}").output for layer in layers]
        answers = keras.Model(self.model.inputs, outputs)(tf.cast(pixels, tf.float32) / 127.5 - 1.0, training=False)
        return tf.nest.flatten(answers)  # one alone is no list


def tagger_layers() -> TaggerLayers:
    """Those of the tagger that tfanime carries.

    Raises:
        FileNotFoundError, ValueError: See `open_tagger`.
    """
    network = open_tagger()
    arrays = {weight.path: weight.numpy() for weight in network.model.weights}
    form = network.card["network"] | {"image_size": None}
    return TaggerLayers(network.name, from_arrays(form, network.vocabulary, arrays))
