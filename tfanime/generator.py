"""A trained generator as a thing of its own: a folder that draws without the recipe that made it.

    card.json               what it is: kind, vocabulary, latents, image size, origin, licence note; and of the file
    generator-HASH.keras    of its network the name and the SHA-256
    discriminator-HASH.keras    where there is one, for `--begin_with`

A training replaces both with every checkpoint. The network's name holds its hash, so that a new one never takes an old
one's place: whichever card a reader finds, at any moment, names a file that is that card's or, for the blink of an eye
in which a newer card has replaced it, none. (A folder that is swapped as a whole would need a link, which copies lose.)
"""

import hashlib
import importlib
import io
import json
import os
import pkgutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfanime import __version__, pretrained
from tfanime.files import replacing, versions, without_wildcards, write_text
from tfanime.pretrained import CARD
from tfanime.runs import RunFolder
from tfanime.tags import TagVocabulary

if TYPE_CHECKING:  # TensorFlow takes seconds to load
    import keras
    import numpy as np

    from tfanime.inputs import Inputs
    from tfanime.latents import Latents

FORMAT = 1
KINDS = ("seeds",)
"""What a generator draws from: `"seeds"` is latents and tags that a seed names."""
LICENCE = "The pictures that a generator was trained on bound what may be done with it and with its avatars."


class Generator:
    """A trained generator: seeds to pictures.

    Args:
        draw: Seeds, int64 `[batch]` -> pictures, uint8 `[batch, height, width, 3]`; of a generator with tags, seeds and
            wanted tags (see `TagSampler.from_uniform`), float32 `[batch, len(vocabulary)]`.
        vocabulary: The `tfanime.tags.TagVocabulary` of a generator with tags, or None.
        network: The `keras.Model` behind it, the inputs of `tfanime.inputs.Inputs` -> pictures in [-1, 1]; None for a
            SavedModel.
        latents: The `tfanime.latents.Latents` that it draws from; None for a SavedModel.
        card: What is known of its origin, a dictionary.
        variables: What the network has learned, in its order; default: the weights of `network`.
        licence: What is known of what may be done with it.

    Attributes:
        signatures: Of a SavedModel its functions by name; else None.
    """

    signatures = None

    def __init__(
        self,
        draw: Callable[..., Any],
        vocabulary: TagVocabulary | None = None,
        network: "keras.Model | None" = None,
        latents: "Latents | None" = None,
        card: dict[str, Any] | None = None,
        variables: list[Any] | None = None,
        licence: str = LICENCE,
    ) -> None:
        self._draw = draw
        self.vocabulary = vocabulary
        self.network = network
        self.latents = latents
        self.card = card or {}
        self.variables = network.weights if network else variables or []
        self.licence = licence

    @property
    def inputs(self) -> "Inputs | None":
        """The `tfanime.inputs.Inputs` of its network; None for a SavedModel."""
        from tfanime.inputs import Inputs

        return Inputs.of_network(self.network, self.latents, self.vocabulary) if self.latents else None

    def images(
        self, seeds: Sequence[int], tags: str = "", batch: int = 64, allow_untrained_tags: bool = False
    ) -> "np.ndarray":
        """Draws avatars.

        Args:
            seeds: Sequence of ints; a seed is the same avatar at any place and in any batch, within one grey level.
            tags: What they are to show, such as `"blonde hair, smile, no hat"`; the seed decides about all other tags.
            batch: Pictures drawn at once.
            allow_untrained_tags: Whether they may be tags that no training face had.

        Returns:
            uint8 array `[len(seeds), height, width, 3]`.

        Raises:
            ValueError: The generator was trained without tags, or does not know one of these, or no training face had
                one.
        """
        import numpy as np

        return np.concatenate(
            [images for _, images in self.images_in_batches(seeds, tags, batch, allow_untrained_tags)]
        )

    def truncated(self, psi: float) -> "Generator":
        """This generator with its styles pulled towards their mean: less variety, fewer broken avatars.

        Args:
            psi: 1 changes nothing, 0 draws the mean avatar of the tags; see section B of arXiv 1812.04948.

        Raises:
            ValueError: The network has no styles: it is no StyleGAN2, or a SavedModel.
        """
        names = {layer.name for layer in self.network.layers} if self.network else set()
        if not {"mapping", "synthesis"} <= names:
            raise ValueError(f"psi must be 1 for a generator without styles, which StyleGAN2 has. Received: {psi}")
        return _drawing(self.network, self.inputs, self.card, self.licence, psi)

    def images_in_batches(
        self, seeds: Sequence[int], tags: str = "", batch: int = 64, allow_untrained_tags: bool = False
    ) -> "Iterator[tuple[Sequence[int], np.ndarray]]":
        """Like `images`, for lists that are long.

        Yields:
            `(seeds, images)`: at most `batch` seeds and their avatars, uint8 `[len(seeds), height, width, 3]`.
        """
        import numpy as np

        if tags and not self.vocabulary:
            raise ValueError(f"tags must be left out for a generator that was trained without. Received: {tags!r}")
        wanted = [self.vocabulary.wanted(tags, allow_untrained_tags)] if self.vocabulary else []
        for begin in range(0, len(seeds), batch):
            part = seeds[begin : begin + batch]
            rows = (np.tile(row, (len(part), 1)) for row in wanted)
            yield part, np.asarray(self._draw(np.asarray(part, np.int64), *rows))


def open_generator(path: str | os.PathLike[str], checkpoint: str = "newest") -> Generator:
    """Opens what draws avatars.

    Args:
        path: A run folder, a generator's folder (with card.json), a SavedModel, a folder of SavedModels by version (the
            highest is taken), or a name, see `tfanime.pretrained`.
        checkpoint: Of a run folder: `"newest"`, `"best"`, or a step, see `tfanime.checkpoints.find`.

    Returns:
        A `Generator`.

    Raises:
        OSError: There is nothing of the kind, the run has no such checkpoint, or a name cannot be downloaded.
        ValueError: A file in it cannot be read, or a checkpoint of what is no run folder was asked for.
    """
    folder = _place(path)
    if (folder / "run.json").is_file():
        run = RunFolder(folder)
        if checkpoint == "newest" and (run.generator / CARD).is_file():
            return _from_folder(run.generator)
        gan, details = load_game(run, checkpoint)
        return _drawing(gan.ema_generator, gan.inputs, origin(details, gan.step))
    if checkpoint != "newest":
        raise ValueError(f"checkpoint must be left out for what is no run folder. Received: {checkpoint!r}")
    if (folder / CARD).is_file():
        return _from_folder(folder)
    if (folder / "saved_model.pb").is_file():
        return _from_saved_model(folder)
    found = {version: each for version, each in versions(folder).items() if (each / "saved_model.pb").is_file()}
    if found:
        return _from_saved_model(found[max(found)])
    if folder.is_dir() and any(folder.glob("*.keras")):
        raise FileNotFoundError(
            f"a generator's folder must hold {CARD}, which says what its network draws from: copy the whole folder. "
            f"Received: {str(path)!r}, which has none"
        )
    raise FileNotFoundError(
        f"model must be a run folder (with run.json), a generator's folder (with {CARD}), a SavedModel, a folder of "
        f"its versions, or one of the names {', '.join(pretrained.names()) or '(there are none yet)'}. "
        f"Received: {str(path)!r}, {'which is none of these' if folder.is_dir() else 'which does not exist'}"
    )


def load_game(run: RunFolder, checkpoint: str = "newest") -> "tuple[keras.Model, dict[str, Any]]":
    """The game of a run as one of its checkpoints has it, built by the run's recipe in float32.

    Args:
        run: A `RunFolder`.
        checkpoint: See `tfanime.checkpoints.find`.

    Returns:
        `(gan, details)`: the `tfanime.training.GAN`, and what is in run.json.

    Raises:
        FileNotFoundError: The run has no such checkpoint.
        ValueError: It is no run of a game, its settings are of another version, or the checkpoint is damaged.
    """
    import dataclasses

    from tfanime.checkpoints import find, load
    from tfanime.precision import precision_policy

    details = run.load()
    # By name, as the run has it: recipes stand on all of this, and only they can build what older versions left.
    if details["recipe"] not in importlib.import_module("tfanime.recipes").RECIPES:
        raise ValueError(
            f"model must be the run of a generator. Received: {str(run.path)!r}, a run of {details['recipe']!r}"
        )
    recipe = importlib.import_module(f"tfanime.recipes.{details['recipe']}")
    unknown = set(details["config"]) - {field.name for field in dataclasses.fields(recipe.Config)}
    if unknown:
        raise ValueError(
            f"model must be a run whose settings tfanime {__version__} knows. Received: {str(run.path)!r}, made by "
            f"tfanime {details['tfanime']}, with {', '.join(sorted(unknown))}"
        )
    found = find(run, checkpoint)
    config = recipe.Config(**{**details["config"], "precision": "float32"})
    with precision_policy("float32"):
        vocabulary = TagVocabulary.from_json(details["vocabulary"]) if details.get("vocabulary") else None
        gan = recipe.build(config, vocabulary)
    load(found, gan=gan)
    return gan, details


def origin(details, step):
    """Where a generator comes from, for its card: nothing of the machine's folders but the data set's name.

    Args:
        details: What is in the run's run.json.
        step: The training step.
    """
    config = details["config"]
    return {
        "tfanime": details["tfanime"],
        "recipe": details["recipe"],
        "step": step,
        "data_set": Path(config["data"]).name if config.get("data") else "drawn",
        "data": details["data"],
        "config": {name: value for name, value in config.items() if name not in ("data", "run", "begin_with")},
    }


def write_generator(
    folder: str | os.PathLike[str],
    network: "keras.Model",
    inputs: "Inputs",
    provenance: dict[str, Any],
    licence: str = LICENCE,
    half: bool = False,
    discriminator: "keras.Model | None" = None,
) -> None:
    """Writes a generator's folder, or replaces what is in it; a reader or a kill at any moment finds a whole one.

    Args:
        folder: Where it shall be.
        network: The `keras.Model`, inputs -> pictures in [-1, 1]. All its layers must be registered with Keras.
        inputs: The `tfanime.inputs.Inputs` that it draws from.
        provenance: Where it comes from, a dictionary that JSON knows, see `origin`.
        licence: A sentence on what may be done with it.
        half: Whether the weights are rounded to float16, for a file of half the size. Loading gives float32.
        discriminator: The `keras.Model` of the other player, so that `--begin_with` starts from both.

    Raises:
        OSError: The folder cannot be written; what was in it stays.
    """
    folder = Path(folder)
    file, digest = _write_network(folder, "generator", network, half)
    card = {
        "format": FORMAT,
        "kind": "seeds",
        "file": file,
        "sha256": digest,
        "image_size": list(network.output_shape[1:3]),
        "latents": {"size": inputs.latents.size, "distribution": inputs.latents.distribution},
        "vocabulary": inputs.vocabulary.to_json() if inputs.vocabulary else None,
        "provenance": provenance,
        "licence": licence,
    }
    if discriminator is not None:
        file, digest = _write_network(folder, "discriminator", discriminator, half)
        card["discriminator"] = {"file": file, "sha256": digest}
    write_text(folder / CARD, json.dumps(card, indent=1) + "\n")
    kept = {each["file"] for each in (card, card.get("discriminator")) if each}
    for old in (*folder.glob("*-*.keras"), *folder.glob(".*.part")):  # the latter by a kill
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
    """What is in a generator's card.json, checked for what this version can draw.

    Raises:
        OSError: There is none.
        ValueError: It is damaged, or of a newer version.
    """
    path = Path(folder) / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if card["format"] != FORMAT:
            raise ValueError(f"its format is {card['format']}, and this version reads {FORMAT}: take a newer tfanime")
        if card["kind"] not in KINDS:
            raise ValueError(
                f"its kind is {card['kind']!r}, and this version draws {', '.join(KINDS)}: take a newer tfanime"
            )
        for each in (card, card.get("discriminator")):
            if each and Path(each["file"]).name != each["file"]:
                raise ValueError(f"its file must lie beside it, and is {each['file']!r}")
        missing = {"sha256", "image_size", "latents", "vocabulary", "provenance", "licence"} - set(card)
        if missing:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    except (ValueError, KeyError, TypeError) as error:
        cause = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path} must be a card that tfanime {__version__} can read: {cause}") from error
    return card


def _from_folder(folder):
    from tfanime.inputs import Inputs
    from tfanime.latents import Latents

    card, content = _card_and_network(folder)
    try:
        vocabulary = TagVocabulary.from_json(card["vocabulary"]) if card["vocabulary"] else None
        latents = Latents(**card["latents"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / CARD} must describe what its network draws from: {error}") from error
    network = _network(folder / card["file"], content)
    inputs = Inputs.of_network(network, latents, vocabulary)
    takes = [(None, size) for size in inputs.sizes.values()], tuple(card["image_size"])
    found = [each.shape for each in network.inputs], tuple(network.output_shape[1:3])
    if found != takes:
        raise ValueError(f"{folder / CARD} must describe its network, {found}. Received: {takes}")
    return _drawing(network, inputs, card["provenance"], card["licence"])


def _place(path):
    """The path, or the folder of the pretrained generator of this name."""
    return pretrained.folder_of(path) if not Path(path).exists() and str(path) in pretrained.names() else Path(path)


def open_discriminator(path):
    """The discriminator beside a generator, a `keras.Model`; None where there is none.

    Args:
        path: A generator's folder (with card.json) or a name, as for `open_generator`; anything else has none.

    Raises:
        OSError: The folder lacks the file that its card names.
        ValueError: The card or the network cannot be read.
    """
    folder = _place(path)
    if not (folder / CARD).is_file() or "discriminator" not in read_card(folder):
        return None
    card, content = _card_and_network(folder, "discriminator")
    return _network(folder / card["discriminator"]["file"], content)


def _card_and_network(folder, player=None):
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


def _network(path, content):
    """The network in a .keras file, in float32 whatever it was trained in: with 8 bits of mantissa a picture would
    depend on the batch it is drawn in."""
    import keras

    from tfanime import models

    for module in pkgutil.iter_modules(models.__path__):  # all layers of tfanime's own make themselves known
        importlib.import_module(f"tfanime.models.{module.name}")
    with tempfile.TemporaryDirectory() as temporary:  # not the file itself: a training may remove it now
        copy = Path(temporary) / "generator.keras"
        copy.write_bytes(content)
        try:
            network = keras.saving.load_model(copy, compile=False)
        except Exception as error:  # Keras raises whatever an unknown or unsafe layer leads to
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


def _drawing(network, inputs, provenance, licence=LICENCE, psi=1.0):
    import tensorflow as tf

    from tfanime.images import to_uint8
    from tfanime.models.stylegan2 import draw_truncated

    @tf.function(input_signature=inputs.seed_specs)
    def draw(seeds, *wanted):
        given = inputs.from_seeds(seeds, *wanted)
        return to_uint8(network(given, training=False) if psi == 1.0 else draw_truncated(network, given, psi))

    return Generator(draw, inputs.vocabulary, network, inputs.latents, provenance, licence=licence)


def _from_saved_model(path):
    import tensorflow as tf

    with without_wildcards(path) as plain:
        model = tf.saved_model.load(plain)
    if "images" not in model.signatures:
        raise ValueError(
            f"model must have the signature 'images'. Received: {str(path)!r} with {sorted(model.signatures)}"
        )
    file = path / "assets" / "model_card.json"
    card = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    vocabulary = TagVocabulary.from_json(card["vocabulary"]) if card.get("vocabulary") else None
    signature = model.signatures["images_with_tags" if vocabulary else "images"]

    def draw(seeds, wanted=None, model=model):  # the signature alone does not keep the model's variables alive
        tags = {} if wanted is None else {"tags": tf.constant(wanted)}
        return signature(seed=tf.constant(seeds), **tags)["images"]

    licence = card.get("licence", LICENCE)
    variables = list(getattr(model, "variables", []))
    generator = Generator(draw, vocabulary, card=card, variables=variables, licence=licence)
    generator.signatures = dict(model.signatures)
    return generator
