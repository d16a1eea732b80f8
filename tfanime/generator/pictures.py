"""Networks from pictures to pictures: they enlarge, or draw in another style."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # TensorFlow takes seconds to load
    import keras
    import numpy as np
    import tensorflow as tf

PICTURE_KINDS = ("upscale", "stylise")
LEAST = 4
"""The smallest side of a picture, in multiples of `Form.multiple`; smaller pictures are continued at their edges,
because layers with reflection padding need this size."""
MOST_AT_ONCE = 2**22
"""The most pixels that a network is given at once: 64 float32 channels of them take 1 GB."""


@dataclass(frozen=True)
class Form:
    """The form of a network from pictures to pictures.

    Args:
        kind: `"upscale"` or `"stylise"`, which is also the name of its signature.
        scale: Factor by which height and width grow.
        multiple: Height and width must be multiples of it; other pictures are padded at their edges and cut.
        reach: Radius of the receptive field in pixels; tiles with such a margin have no seams. None if a pixel depends
            on the whole picture.

    Raises:
        ValueError: A value is out of its range.
    """

    kind: str
    scale: int = 1
    multiple: int = 1
    reach: int | None = None

    FIELDS = ("kind", "scale", "multiple", "reach")

    def __post_init__(self):
        for name, holds, rule in (
            ("kind", self.kind in PICTURE_KINDS, f"one of {', '.join(PICTURE_KINDS)}"),
            ("scale", _is_count(self.scale), "a whole number from 1"),
            ("multiple", _is_count(self.multiple), "a whole number from 1"),
            ("reach", self.reach is None or _is_count(self.reach), "a whole number from 1, or None"),
        ):
            if not holds:
                raise ValueError(f"{name} must be {rule}. Received: {getattr(self, name)!r}")

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary that JSON can represent."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Form":
        """The form in a card.

        Args:
            values: A dictionary with at least the keys of `to_json`.

        Raises:
            KeyError, ValueError: A key is missing, or its value is out of range.
        """
        return cls(**{name: values[name] for name in cls.FIELDS})

    def through(self, network: "keras.Model", images: "tf.Tensor") -> "tf.Tensor":
        """Applies a network to pictures.

        Args:
            network: The `keras.Model` of this form.
            images: uint8 `[batch, height, width, 3]`, both at least 1.

        Returns:
            uint8 `[batch, scale * height, scale * width, 3]`.
        """
        import tensorflow as tf

        from tfanime.images import to_float, to_uint8

        height, width = tf.shape(images)[1], tf.shape(images)[2]
        for axis, side in ((1, height), (2, width)):
            whole = tf.maximum(-(-side // self.multiple), LEAST) * self.multiple
            images = tf.gather(images, tf.minimum(tf.range(whole), side - 1), axis=axis)
        drawn = to_uint8(network(to_float(images), training=False))
        return drawn[:, : self.scale * height, : self.scale * width]


class PictureNetwork:
    """A trained network from pictures to pictures.

    Args:
        function: uint8 `[batch, height, width, 3]` -> uint8 `[batch, scale * height, scale * width, 3]`.
        form: Its `Form`.
        network: The `keras.Model` behind it, from and to [-1, 1]; None for a SavedModel.
        card: Description of its origin, a dictionary.
        variables: The network's variables; default: the weights of `network`.
        licence: A note on its permitted use.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        form: Form,
        network: "keras.Model | None" = None,
        card: dict[str, Any] | None = None,
        variables: list[Any] | None = None,
        licence: str = "",
    ) -> None:
        self._function = function
        self.form = form
        self.network = network
        self.card = card or {}
        self.variables = network.weights if network else variables or []
        self.licence = licence

    @property
    def kind(self) -> str:
        """`"upscale"` or `"stylise"`."""
        return self.form.kind

    def images(self, images: "np.ndarray") -> "np.ndarray":
        """Applies the network to pictures of one size; see `tfanime.generator.tiles` for large ones.

        Args:
            images: uint8 array `[batch, height, width, 3]`, all at least 1.

        Returns:
            uint8 array `[batch, scale * height, scale * width, 3]`.

        Raises:
            ValueError: `images` is no such array.
        """
        import numpy as np

        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or 0 in images.shape:
            raise ValueError(
                f"images must be uint8 [batch, height, width, 3], all at least 1. Received: {images.dtype} "
                f"{images.shape}"
            )
        return np.asarray(self._function(images))


def picture_network(network, form, provenance, licence):
    """The `PictureNetwork` of a `keras.Model`; its card is `provenance`."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)])
    def function(images):
        return form.through(network, images)

    return PictureNetwork(function, form, network, provenance, licence=licence)


def _is_count(value):
    return isinstance(value, int) and value >= 1
