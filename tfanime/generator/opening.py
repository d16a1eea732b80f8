"""Opens trained networks: from their own folders, from runs, from SavedModels, and by name."""

import importlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfanime import __version__, pretrained
from tfanime.files import versions, without_wildcards
from tfanime.generator.drawing import Generator, drawing
from tfanime.generator.folder import KINDS, LICENCE, card_and_network, load_network, read_card
from tfanime.generator.pictures import LEAST, PICTURE_KINDS, Form, PictureNetwork, picture_network
from tfanime.pretrained import CARD
from tfanime.runs import RunFolder
from tfanime.tags import TagVocabulary

if TYPE_CHECKING:  # TensorFlow takes seconds to load
    import keras


def open_generator(path: str | os.PathLike[str], checkpoint: str = "newest") -> Generator:
    """Opens a generator of avatars.

    Args:
        path: A run folder, a generator's folder (with card.json), a SavedModel, a folder of SavedModels by version (the
            highest is taken), or a name, see `tfanime.pretrained`.
        checkpoint: Of a run folder: `"newest"`, `"best"`, or a step, see `tfanime.checkpoints.find`.

    Returns:
        A `Generator`.

    Raises:
        OSError: The path does not exist, the run has no such checkpoint, or a name cannot be downloaded.
        ValueError: A file in it cannot be read, or `checkpoint` is given for a path that is not a run folder.
    """
    return open_network(path, checkpoint, ("seeds",))


def open_network(
    path: str | os.PathLike[str], checkpoint: str = "newest", kinds: Sequence[str] = KINDS
) -> Generator | PictureNetwork:
    """Opens a trained network of any kind.

    Args:
        path: See `open_generator`.
        checkpoint: See `open_generator`.
        kinds: The allowed kinds, of `"seeds"`, `"upscale"`, `"stylise"`.

    Returns:
        A `Generator`, or a `PictureNetwork` for a network from pictures to pictures.

    Raises:
        OSError: See `open_generator`.
        ValueError: See `open_generator`, or it is of another kind.
    """
    found = _opened(path, checkpoint)
    if found.kind not in kinds:
        raise ValueError(f"model must be of kind {' or '.join(kinds)}. Received: {str(path)!r}, of kind {found.kind}")
    return found


def _opened(path, checkpoint):
    folder = _place(path)
    if (folder / "run.json").is_file():
        run = RunFolder(folder)
        if checkpoint == "newest" and (run.generator / CARD).is_file():
            return _from_folder(run.generator)
        gan, details = load_game(run, checkpoint)
        if gan.form:
            return picture_network(gan.ema_generator, gan.form, origin(details, gan.step), LICENCE)
        return drawing(gan.ema_generator, gan.inputs, origin(details, gan.step))
    if checkpoint != "newest":
        raise ValueError(f"checkpoint must be left out unless model is a run folder. Received: {checkpoint!r}")
    if (folder / CARD).is_file():
        return _from_folder(folder)
    if (folder / "saved_model.pb").is_file():
        return _from_saved_model(folder)
    found = {version: each for version, each in versions(folder).items() if (each / "saved_model.pb").is_file()}
    if found:
        return _from_saved_model(found[max(found)])
    if folder.is_dir() and any(folder.glob("*.keras")):
        raise FileNotFoundError(
            f"a generator's folder must hold {CARD}, which describes the inputs of its network: copy the whole folder. "
            f"Received: {str(path)!r}, which has none"
        )
    raise FileNotFoundError(
        f"model must be a run folder (with run.json), a generator's folder (with {CARD}), a SavedModel, a folder of "
        f"its versions, or one of the names {', '.join(pretrained.names()) or '(there are none yet)'}. "
        f"Received: {str(path)!r}, {'which is none of these' if folder.is_dir() else 'which does not exist'}"
    )


def load_game(run: RunFolder, checkpoint: str = "newest") -> "tuple[keras.Model, dict[str, Any]]":
    """The game of a run with the weights of a checkpoint, built by the run's recipe in float32.

    Args:
        run: A `RunFolder`.
        checkpoint: See `tfanime.checkpoints.find`.

    Returns:
        `(gan, details)`: the `tfanime.training.GAN`, and the content of run.json.

    Raises:
        FileNotFoundError: The run has no such checkpoint.
        ValueError: The run is not one of a game, its settings are of another version, or the checkpoint is damaged.
    """
    import dataclasses

    from tfanime.checkpoints import find, load
    from tfanime.precision import precision_policy

    details = run.load()
    # Imported by name, because recipes are above this module; only they can build the networks of older versions.
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
    config = recipe.Config(**{**details["config"], "precision": "float32"}).to_open()
    with precision_policy("float32"):
        vocabulary = TagVocabulary.from_json(details["vocabulary"]) if details.get("vocabulary") else None
        gan = recipe.build(config, vocabulary)
    load(found, gan=gan)
    return gan, details


FOLDERS = ("data", "photos", "run", "begin_with")  # settings that are paths of this machine


def origin(details, step):
    """The origin of a generator, for its card, without paths of this machine.

    Args:
        details: The content of the run's run.json.
        step: The training step.
    """
    config = details["config"]
    if config.get("artefacts"):
        config = config | {"artefacts": Path(config["artefacts"]).name}
    return {
        "tfanime": details["tfanime"],
        "recipe": details["recipe"],
        "step": step,
        "data_set": Path(config["data"]).name if config.get("data") else "drawn",
        "data": details["data"],
        "config": {name: value for name, value in config.items() if name not in FOLDERS},
    }


def _place(path):
    """The path, or the folder of the pretrained generator of this name."""
    return pretrained.folder_of(path) if not Path(path).exists() and str(path) in pretrained.names() else Path(path)


def open_discriminator(path):
    """The discriminator beside a generator, a `keras.Model`; None if there is none.

    Args:
        path: A generator's folder (with card.json) or a name, as for `open_generator`; anything else has no
            discriminator.

    Raises:
        OSError: The folder lacks the file that its card names.
        ValueError: The card or the network cannot be read.
    """
    folder = _place(path)
    if not (folder / CARD).is_file() or "discriminator" not in read_card(folder):
        return None
    card, content = card_and_network(folder, "discriminator")
    return load_network(folder / card["discriminator"]["file"], content)


def _from_folder(folder):
    from tfanime.inputs import Inputs
    from tfanime.latents import Latents

    card, content = card_and_network(folder)
    if card["kind"] in PICTURE_KINDS:
        return _of_pictures(folder, card, content)
    try:
        vocabulary = TagVocabulary.from_json(card["vocabulary"]) if card["vocabulary"] else None
        latents = Latents(**card["latents"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / CARD} must describe the inputs of its network: {error}") from error
    network = load_network(folder / card["file"], content)
    inputs = Inputs.of_network(network, latents, vocabulary)
    takes = [(None, size) for size in inputs.sizes.values()], tuple(card["image_size"])
    found = [each.shape for each in network.inputs], tuple(network.output_shape[1:3])
    if found != takes:
        raise ValueError(f"{folder / CARD} must describe its network, {found}. Received: {takes}")
    return drawing(network, inputs, card["provenance"], card["licence"])


def _of_pictures(folder, card, content):
    try:
        form = Form.from_json(card)
    except ValueError as error:
        raise ValueError(f"{folder / CARD} must describe the inputs of its network: {error}") from error
    network = load_network(folder / card["file"], content)
    takes, found = [(None, None, None, 3)], [each.shape for each in network.inputs]
    if found != takes:
        raise ValueError(f"{folder / CARD} must describe its network, from {found}. Received: {takes}")
    side = LEAST * form.multiple
    takes = (1, form.scale * side, form.scale * side, 3)
    found = tuple(network.compute_output_shape((1, side, side, 3)))
    if found != takes:
        raise ValueError(f"{folder / CARD} must describe its network, {found}. Received: {takes}")
    return picture_network(network, form, card["provenance"], card["licence"])


def _from_saved_model(path):
    import tensorflow as tf

    with without_wildcards(path) as plain:
        model = tf.saved_model.load(plain)
    file = path / "assets" / "model_card.json"
    card = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    variables, licence = list(getattr(model, "variables", [])), card.get("licence", LICENCE)
    if card.get("kind") in PICTURE_KINDS:
        form = Form.from_json(card)
        function = model.signatures[form.kind]

        def draw_again(pictures, model=model):  # the signature alone does not keep the model's variables alive
            return function(pictures=tf.constant(pictures))["images"]

        return PictureNetwork(draw_again, form, None, card, variables, licence)
    if "images" not in model.signatures:
        raise ValueError(
            f"model must have the signature 'images'. Received: {str(path)!r} with {sorted(model.signatures)}"
        )
    vocabulary = TagVocabulary.from_json(card["vocabulary"]) if card.get("vocabulary") else None
    signature = model.signatures["images_with_tags" if vocabulary else "images"]

    def draw(seeds, wanted=None, model=model):  # as above
        tags = {} if wanted is None else {"tags": tf.constant(wanted)}
        return signature(seed=tf.constant(seeds), **tags)["images"]

    generator = Generator(draw, vocabulary, card=card, variables=variables, licence=licence)
    generator.signatures = dict(model.signatures)
    return generator
