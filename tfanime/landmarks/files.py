"""The files of landmark networks: `NAME.npz`, the weights, and `NAME.json`, the card with their SHA-256.

tfanime carries one; `python -m tfanime.recipes.landmarks` trains another one.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfanime import __version__
from tfanime.files import write_text
from tfanime.images import to_float
from tfanime.landmarks.points import NAMES
from tfanime.tagger.files import pair_of, read_weights, write_weights

PACKAGED = Path(__file__).parent / "landmarks"
FORMAT = 1


@dataclass(frozen=True)
class LandmarkNetwork:
    """A landmark network and what is known of it.

    Args:
        model: `keras.Model`, pictures float32 in [-1, 1] `[batch, image_size, image_size, 3]` -> points float32
            `[batch, len(NAMES), 2]`, shares of width and height.
        card: What its card says, a dictionary.
    """

    model: Any
    card: dict[str, Any]

    @property
    def image_size(self) -> int:
        """Height and width of the pictures that it takes."""
        return self.card["network"]["image_size"]

    def __call__(self, images: Any) -> Any:
        """The points of pictures of any size, differentiable.

        Args:
            images: `[batch, height, width, 3]` in [-1, 1]; others than of the network's size are resized
                (bilinear, antialiased).

        Returns:
            float32 `[batch, len(NAMES), 2]`, shares of width and height.
        """
        import tensorflow as tf

        images, size = tf.cast(images, tf.float32), self.image_size
        if images.shape[1:3] != (size, size):
            images = tf.image.resize(images, (size, size), antialias=True)
        return self.model(images, training=False)

    def predict(self, images: Any) -> Any:
        """The points of a few pictures of the network's size, faster than by a call, without gradients.

        Args:
            images: uint8 `[batch, image_size, image_size, 3]`.

        Returns:
            float32 array `[batch, len(NAMES), 2]`, shares of width and height.
        """
        return self.model.predict_on_batch(to_float(images).numpy())


def packaged_version() -> str:
    """The version of the network that tfanime carries: the beginning of its weights' SHA-256."""
    return json.loads(pair_of(PACKAGED)[1].read_text(encoding="utf-8"))["sha256"][:8]


def open_landmarks(path: str | os.PathLike[str] | None = None) -> LandmarkNetwork:
    """Opens a landmark network.

    Args:
        path: The path of its two files without their endings, such as `runs/landmarks/landmarks`. Default: the network
            that tfanime carries.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, is another's, or is of another version of tfanime.
    """
    weights, card_path = pair_of(path or PACKAGED)
    for file in (card_path, weights):
        if not file.is_file():
            raise FileNotFoundError(
                f"a landmark network must have the files {weights.name} and {card_path.name}, which "
                f"`python -m tfanime.recipes.landmarks` writes. Received: {str(file)!r}, which does not exist"
            )
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        known = (card["format"], card["points"], card["network"], card["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"the card of a landmark network must be a file that tfanime wrote. Received: {str(card_path)!r}, {error!r}"
        ) from error
    if known[:2] != (FORMAT, list(NAMES)):
        raise ValueError(
            f"a landmark network must be of format {FORMAT} and give the {len(NAMES)} points of "
            f"tfanime.landmarks.points. Received: {str(card_path)!r} of format {card['format']}"
        )
    arrays = read_weights(weights, card["sha256"], "a landmark network")
    return LandmarkNetwork(from_arrays(card["network"], arrays), card)


def from_arrays(network, arrays):
    """A network of its weights, in float32, which cannot be trained.

    Args:
        network: Arguments of `tfanime.landmarks.network.landmark_network`, a dictionary.
        arrays: From `tfanime.tagger.files.to_arrays`.

    Raises:
        ValueError: The arrays are those of another network.
    """
    from tfanime.landmarks.network import landmark_network
    from tfanime.precision import precision_policy
    from tfanime.tagger.files import assign_arrays

    with precision_policy("float32"):
        model = landmark_network(**network)
    model.trainable = False
    assign_arrays(model, arrays, network)
    return model


def save(path, network, arrays, **card):
    """Writes a landmark network's two files, the card last.

    Args:
        path: Their path without endings.
        network: See `from_arrays`.
        arrays: From `tfanime.tagger.files.to_arrays`.
        **card: What else the card is to say, plain values.
    """
    weights, card_path = pair_of(path)
    digest = write_weights(weights, arrays)
    values = {"format": FORMAT, "tfanime": __version__, "sha256": digest, "network": network, "points": list(NAMES)}
    write_text(card_path, json.dumps(values | card, indent=1, ensure_ascii=False) + "\n")
