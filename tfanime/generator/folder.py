"""The folder of a trained network on disk.

A training replaces card and network with every checkpoint. The network's file name holds its hash, so a new network
never overwrites an old one: the card that a reader finds names its own network, or, for a moment after a newer card
replaced it, a file that is gone. (Swapping the whole folder would need a symbolic link, which copies lose.)
"""

import hashlib
import importlib
import io
import json
import os
import pkgutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfanime import __version__
from tfanime.files import replacing, write_text
from tfanime.generator.pictures import PICTURE_KINDS, Form
from tfanime.pretrained import CARD

if TYPE_CHECKING:  # TensorFlow takes seconds to load
    import keras

    from tfanime.inputs import Inputs

FORMAT = 1
KINDS = ("seeds", *PICTURE_KINDS)
"""Kinds of networks by their input: `"seeds"` take latents and tags made from a seed, all others take pictures."""
LICENCE = "The licences of the pictures that a generator was trained on limit the use of it and of its avatars."


def write_generator(
    folder: str | os.PathLike[str],
    network: "keras.Model",
    inputs: "Inputs",
    provenance: dict[str, Any],
    licence: str = LICENCE,
    half: bool = False,
    discriminator: "keras.Model | None" = None,
) -> None:
    """Writes or replaces a generator's folder; it is complete at any moment, for readers and after a kill.

    Args:
        folder: Path of the folder.
        network: The `keras.Model`, inputs -> pictures in [-1, 1]. All its layers must be registered with Keras.
        inputs: The `tfanime.inputs.Inputs` that it draws from.
        provenance: Its origin, a dictionary that JSON can represent, see `origin`.
        licence: A note on its permitted use.
        half: Whether the weights are rounded to float16, for a file of half the size. Loading gives float32.
        discriminator: The `keras.Model` of the other player, so that `--begin_with` starts from both.

    Raises:
        OSError: The folder cannot be written; its old content stays.
    """
    description = {
        "kind": "seeds",
        "image_size": list(network.output_shape[1:3]),
        "latents": {"size": inputs.latents.size, "distribution": inputs.latents.distribution},
        "vocabulary": inputs.vocabulary.to_json() if inputs.vocabulary else None,
    }
    _write(folder, description, network, discriminator, provenance, licence, half)


def write_picture_network(
    folder: str | os.PathLike[str],
    network: "keras.Model",
    form: Form,
    provenance: dict[str, Any],
    licence: str = LICENCE,
    half: bool = False,
    discriminator: "keras.Model | None" = None,
) -> None:
    """Like `write_generator`, for a network from pictures to pictures.

    Args:
        folder: Path of the folder.
        network: The `keras.Model`, pictures in [-1, 1] of any height and width -> pictures in [-1, 1].
        form: Its `Form`.
        provenance: See `write_generator`, as for all that follow.

    Raises:
        OSError: The folder cannot be written; its old content stays.
    """
    _write(folder, form.to_json(), network, discriminator, provenance, licence, half)


def _write(folder, description, network, discriminator, provenance, licence, half):
    folder = Path(folder)
    file, digest = _write_network(folder, "generator", network, half)
    card = {
        "format": FORMAT,
        "kind": description["kind"],
        "file": file,
        "sha256": digest,
        **description,
        "provenance": provenance,
        "licence": licence,
    }
    if discriminator is not None:
        file, digest = _write_network(folder, "discriminator", discriminator, half)
        card["discriminator"] = {"file": file, "sha256": digest}
    write_text(folder / CARD, json.dumps(card, indent=1) + "\n")
    kept = {each["file"] for each in (card, card.get("discriminator")) if each}
    patterns = ("generator-*.keras", "discriminator-*.keras", ".*.part")  # the last is left by a kill
    for old in (path for pattern in patterns for path in folder.glob(pattern)):
        if old.name not in kept:
            old.unlink(missing_ok=True)


def _write_network(folder, name, network, half):
    """Writes NAME-HASH.keras; returns its name and its SHA-256."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / f"{name}.keras"
        network.save(path)
        if half:
            _halve(path)
        content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    file = f"{name}-{digest[:16]}.keras"
    with replacing(folder / file) as temporary:
        temporary.write_bytes(content)
    return file, digest


def _halve(path):
    """Rounds the weights in a .keras file, an archive with an HDF5 file, to float16."""
    import h5py

    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    whole, small = io.BytesIO(parts["model.weights.h5"]), io.BytesIO()
    with h5py.File(whole) as source, h5py.File(small, "w") as target:

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                new = target.create_dataset(name, data=item[()], dtype="float16" if item.dtype.kind == "f" else None)
            else:
                new = target.require_group(name)
            new.attrs.update(item.attrs)

        source.visititems(copy)
        target.attrs.update(source.attrs)
    parts["model.weights.h5"] = small.getvalue()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def read_card(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads a generator's card.json and checks that this version can read it.

    Raises:
        OSError: There is no card.
        ValueError: It is damaged, or of a newer version.
    """
    path = Path(folder) / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if card["format"] != FORMAT:
            raise ValueError(f"its format is {card['format']}, and this version reads {FORMAT}: take a newer tfanime")
        if card["kind"] not in KINDS:
            raise ValueError(
                f"its kind is {card['kind']!r}, and this version knows {', '.join(KINDS)}: take a newer tfanime"
            )
        for each in (card, card.get("discriminator")):
            if each and Path(each["file"]).name != each["file"]:
                raise ValueError(f"its file must lie beside it, and is {each['file']!r}")
        described = Form.FIELDS if card["kind"] in PICTURE_KINDS else ("image_size", "latents", "vocabulary")
        missing = {"sha256", *described, "provenance", "licence"} - set(card)
        if missing:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    except (ValueError, KeyError, TypeError) as error:
        cause = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path} must be a card that tfanime {__version__} can read: {cause}") from error
    return card


def card_and_network(folder, player=None):
    """A card and the bytes of the network that it names: the generator's, or that of `player`."""
    while True:
        card = read_card(folder)
        named = card[player] if player else card
        try:
            content = (folder / named["file"]).read_bytes()
        except FileNotFoundError as error:
            if read_card(folder) != card:  # a training has just replaced both
                continue
            raise FileNotFoundError(
                f"a generator's folder must hold the file that its card names: copy the whole folder. "
                f"Received: {str(folder)!r} without {named['file']}"
            ) from error
        if hashlib.sha256(content).hexdigest() != named["sha256"]:
            raise ValueError(
                f"{folder / named['file']} must have the SHA-256 that is in {CARD}, {named['sha256'][:16]}...: "
                "copy the folder again"
            )
        return card, content


def load_network(path, content):
    """The network in a .keras file, in float32 whatever it was trained in. (With bfloat16's 8 bits of mantissa a
    picture would depend on its batch.)
    """
    import keras

    from tfanime import models

    for module in pkgutil.iter_modules(models.__path__):  # registers all layers of tfanime
        importlib.import_module(f"tfanime.models.{module.name}")
    with tempfile.TemporaryDirectory() as temporary:  # a copy, because a training may remove the file now
        copy = Path(temporary) / "generator.keras"
        copy.write_bytes(content)
        try:
            network = keras.saving.load_model(copy, compile=False)
        except Exception as error:  # Keras raises different errors for unknown and unsafe layers
            cause = " ".join(str(error).split())[:300]
            raise ValueError(f"{path} must be a network of layers that tfanime {__version__} knows: {cause}") from error
    if all(layer.compute_dtype == "float32" for layer in network._flatten_layers()):
        return network
    again = keras.saving.deserialize_keras_object(_in_float32(keras.saving.serialize_keras_object(network)))
    again.set_weights(network.get_weights())
    return again


def _in_float32(config):
    """A serialized network whose layers compute in float32."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": "float32"}}
        return {name: _in_float32(value) for name, value in config.items()}
    return [_in_float32(value) for value in config] if isinstance(config, list | tuple) else config
