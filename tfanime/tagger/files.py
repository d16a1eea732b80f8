"""The files of taggers. The tagger that tfanime carries gives features and tags of faces without a download.

A network is two files: `tagger.npz`, its weights (kernels in float16, all else in float32), and `tagger.json`, its
model card: name, form, vocabulary, the weights' SHA-256, its training data and its accuracy on held-out faces.
docs/tagger.md says more. `python -m tfanime.recipes.tagger` trains another one.
"""

import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfanime import __version__
from tfanime.files import replacing, write_text
from tfanime.precision import without_tf32
from tfanime.tags import KONACHAN26, TagVocabulary

NAME = "tagger"
VERSION = 1  # another network is another name, because values of its features cannot be compared with this one's
VOCABULARY = KONACHAN26  # of the network that tfanime carries
PACKAGED = Path(__file__).parent / "tagger"
FORMAT = 1


@dataclass(frozen=True)
class TaggerNetwork:
    """A tagger with its vocabulary and card.

    Args:
        model: `keras.Model`, pictures float32 in [-1, 1] `[batch, image_size, image_size, 3]` -> (features
            `[batch, dimensions]`, tag logits `[batch, len(vocabulary)]`), in float32.
        vocabulary: The `TagVocabulary`.
        card: The content of `tagger.json`, a dictionary; `card["sha256"]` is the weights' hash.
    """

    model: Any
    vocabulary: TagVocabulary
    card: dict[str, Any]

    @property
    def name(self) -> str:
        """Its name and version in one word, such as `tagger1`."""
        return self.card["name"]

    @property
    def image_size(self) -> int:
        """Height and width of the pictures that it takes."""
        return self.card["network"]["image_size"]

    def predict(self, images: np.ndarray, batch: int = 64) -> tuple[np.ndarray, np.ndarray]:
        """Features and tag logits of pictures of any size.

        Args:
            images: uint8 `[count, height, width, 3]`; they are resized to the network's size (antialiased bicubic,
                rounded to uint8), as `tfanime.data` resizes training pictures.
            batch: Pictures computed at once.

        Returns:
            `(features, tag_logits)`, float32 arrays `[count, dimensions]` and `[count, len(vocabulary)]`.

        Raises:
            ValueError: `images` is not such an array.
        """
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(f"images must be uint8 [count, height, width, 3]. Received: {images.dtype} {images.shape}")
        parts = [self._predict(images[begin : begin + batch]) for begin in range(0, len(images), batch)]
        if not parts:
            return tuple(np.zeros((0, shape[-1]), np.float32) for shape in self.model.output_shape)
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    def _predict(self, images):
        import tensorflow as tf

        from tfanime.images import to_float

        size = self.image_size
        if images.shape[1:3] != (size, size):
            images = tf.image.resize(images, (size, size), "bicubic", antialias=True)
            images = tf.cast(tf.round(tf.clip_by_value(images, 0.0, 255.0)), tf.uint8)
        with without_tf32():
            return [values.numpy() for values in self.model(to_float(images), training=False)]


def open_tagger(path: str | os.PathLike[str] | None = None) -> TaggerNetwork:
    """Opens a tagger.

    Args:
        path: The path of its two files without their endings, such as `runs/tagger/tagger`. Default: the network that
            tfanime carries.

    Returns:
        A `TaggerNetwork`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, is another's, or is of another version of tfanime.
    """
    weights, card_path = pair_of(path or PACKAGED)
    for file in (card_path, weights):
        if not file.is_file():
            hint = (
                "which this installation lacks: install tfanime again, or train it as docs/tagger.md says"
                if path is None
                else "which does not exist; `python -m tfanime.recipes.tagger` writes both"
            )
            raise FileNotFoundError(
                f"a tagger must have the files {weights.name} and {card_path.name}. {_got(file, hint)}"
            )
    card = _read_card(card_path)
    vocabulary = TagVocabulary.from_json(card["vocabulary"])
    if path is None and (card["name"] != f"{NAME}{VERSION}" or vocabulary.tags != VOCABULARY.tags):
        raise ValueError(f"the tagger that tfanime carries must be {NAME}{VERSION}. {_got(card_path, card['name'])}")
    arrays = read_weights(weights, card["sha256"], "a tagger")
    return TaggerNetwork(from_arrays(card["network"], vocabulary, arrays), vocabulary, card)


def read_weights(path, sha256, owner):
    """Reads a file of `write_weights`.

    Args:
        path: The file.
        sha256: Its SHA-256, which its card states.
        owner: What kind of network it belongs to, such as "a tagger", for messages.

    Returns:
        The arrays of `to_arrays`.

    Raises:
        OSError: The file cannot be read.
        ValueError: It has another SHA-256, or holds no arrays.
    """
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise ValueError(
            f"the weights of {owner} must be those of its card, SHA-256 {sha256}. "
            f"{_got(path, f'with {digest}: the file is damaged or another network')}"
        )
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return dict(file)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"the weights of {owner} must be arrays that NumPy reads. {_got(path, error)}") from error


def write_weights(path, arrays):
    """Writes arrays of `to_arrays` through a temporary file; returns the SHA-256 of the file."""
    with replacing(path) as temporary:
        with open(temporary, "wb") as file:  # `savez` would give a path its own ending
            np.savez(file, **arrays)
        return hashlib.sha256(temporary.read_bytes()).hexdigest()


def from_arrays(network, vocabulary, arrays):
    """A network of its weights, in float32.

    Args:
        network: Arguments of `tfanime.tagger.network.tagger` but for the number of tags, a dictionary.
        vocabulary: The `TagVocabulary`.
        arrays: From `to_arrays`.

    Returns:
        A `keras.Model` that cannot be trained.

    Raises:
        ValueError: The arrays are those of another network.
    """
    from tfanime.precision import precision_policy
    from tfanime.tagger.network import tagger

    with precision_policy("float32"):
        model = tagger(len(vocabulary), **network)
    model.trainable = False
    assign_arrays(model, arrays, network)
    return model


def assign_arrays(model, arrays, network):
    """Sets the weights of a model.

    Args:
        model: The `keras.Model`.
        arrays: From `to_arrays`.
        network: What the model was made of, for messages.

    Raises:
        ValueError: The arrays are those of another network.
    """
    missing = {weight.path for weight in model.weights} ^ set(arrays)
    if missing:
        raise ValueError(f"the weights must be those of the network {network}. Received: not in both {sorted(missing)}")
    for weight in model.weights:
        if arrays[weight.path].shape != tuple(weight.shape):
            raise ValueError(
                f"the weight {weight.path} must have shape {tuple(weight.shape)}. Received: {arrays[weight.path].shape}"
            )
        weight.assign(arrays[weight.path].astype(np.float32))


def to_arrays(model):
    """The weights of a network as they are shipped, by path: kernels in float16, vectors in float32.

    Raises:
        ValueError: A weight is not finite, or too large for float16.
    """
    arrays = {}
    for weight in model.weights:
        values = weight.numpy()
        with np.errstate(over="ignore"):
            arrays[weight.path] = values.astype(np.float16 if values.ndim > 1 else np.float32)
        if not np.isfinite(arrays[weight.path]).all():
            raise ValueError(f"weights must be finite, also in float16. Received: {weight.path} is not")
    return arrays


def save(path, name, network, vocabulary, arrays, **card):
    """Writes a tagger's two files, the card last: a network without its card, or with an older one, is refused.

    Args:
        path: Their path without endings.
        name: The network's name and version in one word; metrics of its features are called by it.
        network: See `from_arrays`.
        vocabulary: The `TagVocabulary`.
        arrays: From `to_arrays`.
        **card: What else the card is to say, plain values.

    Raises:
        OSError: A file cannot be written.
    """
    weights, card_path = pair_of(path)
    digest = write_weights(weights, arrays)
    values = {"format": FORMAT, "name": name, "tfanime": __version__, "sha256": digest, "network": network}
    values |= card | {"vocabulary": vocabulary.to_json()}
    write_text(card_path, json.dumps(values, indent=1, ensure_ascii=False) + "\n")


def pair_of(path):
    """The paths of a network's two files, weights and card, from their path without endings."""
    path = Path(path)
    return path.with_name(f"{path.name}.npz"), path.with_name(f"{path.name}.json")


def _read_card(path):
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if card["format"] != FORMAT:
            raise ValueError(f"its format is {card['format']}, this version of tfanime reads {FORMAT}")
        missing = {"name", "sha256", "network", "vocabulary"} - set(card)
        if missing:
            raise ValueError(f"it does not say {', '.join(sorted(missing))}")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the card of a tagger must be a file that tfanime wrote. {_got(path, error)}") from error
    return card


def _got(path, what):
    return f"Received: {str(path)!r}, {what}"


def recall_of(network, vocabulary):
    """A tagger's recall on held-out real faces, from its card, by tag of a vocabulary."""
    told = {entry["tag"]: entry["recall"] for entry in network.card.get("holdout", {}).get("tags", ())}
    found = {tag: told.get(network.vocabulary.canonical(tag)) for tag in vocabulary.tags}
    return {tag: value for tag, value in found.items() if value is not None}
