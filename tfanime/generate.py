"""Draws avatars from a run folder or a SavedModel. Run as `python -m tfanime.generate RUN --seeds 0-63 --out a.png`."""

import dataclasses
import importlib
import json
from dataclasses import dataclass
from pathlib import Path

from tfanime import __version__, command_line
from tfanime.files import versions
from tfanime.recipes import RECIPES
from tfanime.runs import RunFolder
from tfanime.seeds import parse_seeds, require_writable_out, write_in_batches
from tfanime.tags import TagVocabulary


class Generator:
    """A trained generator: seeds to pictures.

    Args:
        draw: Seeds, int64 `[batch]` -> pictures, uint8 `[batch, height, width, 3]`; of a generator with tags, seeds and
            wanted tags (see `TagSampler.from_uniform`), float32 `[batch, len(vocabulary)]`.
        vocabulary: The `tfanime.tags.TagVocabulary` of a generator with tags, or None.
        network: The `keras.Model` behind it, latents, or `[latents, tags]`, -> pictures in [-1, 1]; None for a
            SavedModel.
        latents: The `tfanime.latents.Latents` that it draws from; None for a SavedModel.
        card: What is known of its origin, a dictionary.
    """

    def __init__(self, draw, vocabulary=None, network=None, latents=None, card=None):
        self._draw = draw
        self.vocabulary = vocabulary
        self.network = network
        self.latents = latents
        self.card = card or {}

    @property
    def inputs(self):
        """The `tfanime.inputs.Inputs` of its network; None for a SavedModel."""
        from tfanime.inputs import Inputs

        return self.latents and Inputs(self.latents, self.vocabulary)

    def images(self, seeds, tags="", batch=64):
        """Draws avatars.

        Args:
            seeds: Sequence of ints; a seed is the same avatar at any place and in any batch, within one grey level.
            tags: What they are to show, such as `"blonde hair, smile, no hat"`; the seed decides about all other tags.
            batch: Pictures drawn at once.

        Returns:
            uint8 array `[len(seeds), height, width, 3]`.

        Raises:
            ValueError: The generator was trained without tags, or does not know one of these.
        """
        import numpy as np

        return np.concatenate([images for _, images in self.images_in_batches(seeds, tags, batch)])

    def images_in_batches(self, seeds, tags="", batch=64):
        """Like `images`, for lists that are long.

        Yields:
            `(seeds, images)`: at most `batch` seeds and their avatars, uint8 `[len(seeds), height, width, 3]`.
        """
        import numpy as np

        if tags and not self.vocabulary:
            raise ValueError(f"tags must be left out for a generator that was trained without. Received: {tags!r}")
        wanted = [self.vocabulary.wanted(tags).astype(np.float32)] if self.vocabulary else []
        for begin in range(0, len(seeds), batch):
            part = seeds[begin : begin + batch]
            rows = (np.tile(row, (len(part), 1)) for row in wanted)
            yield part, np.asarray(self._draw(np.asarray(part, np.int64), *rows))


def open_generator(path, checkpoint="newest"):
    """Opens what draws avatars.

    Args:
        path: A run folder, a SavedModel, or a folder of SavedModels by version (the highest is taken).
        checkpoint: Of a run folder: `"newest"`, `"best"`, or a step, see `tfanime.callbacks.checkpoints.find`.

    Returns:
        A `Generator`.

    Raises:
        FileNotFoundError: There is nothing of the kind, or the run has no such checkpoint.
        ValueError: A file in it cannot be read, or a checkpoint of a SavedModel was asked for.
    """
    path = Path(path)
    if (path / "run.json").is_file():
        return _from_run(RunFolder(path), checkpoint)
    if checkpoint != "newest":
        raise ValueError(f"checkpoint must be left out for what is no run folder. Received: {checkpoint!r}")
    if (path / "saved_model.pb").is_file():
        return _from_saved_model(path)
    found = {version: folder for version, folder in versions(path).items() if (folder / "saved_model.pb").is_file()}
    if not found:
        raise FileNotFoundError(
            f"model must be a run folder (with run.json), a SavedModel, or a folder of its versions. "
            f"Received: {str(path)!r}, {'which is none of these' if path.is_dir() else 'which does not exist'}"
        )
    return _from_saved_model(found[max(found)])


def _from_run(run, checkpoint):
    import tensorflow as tf

    from tfanime.callbacks.checkpoints import find, load
    from tfanime.images import to_uint8
    from tfanime.precision import precision_policy

    details = run.load()
    if details["recipe"] not in RECIPES:
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
    # float32 whatever it was trained in: with 8 bits of mantissa a picture would depend on the batch it is drawn in.
    config = recipe.Config(**{**details["config"], "precision": "float32"})
    with precision_policy("float32"):
        vocabulary = TagVocabulary.from_json(details["vocabulary"]) if details.get("vocabulary") else None
        gan = recipe.build(config, vocabulary)
    load(found, gan=gan)
    network = gan.ema_generator

    @tf.function(input_signature=gan.inputs.seed_specs)
    def draw(seeds, *wanted):
        return to_uint8(network(gan.inputs.from_seeds(seeds, *wanted), training=False))

    return Generator(draw, vocabulary, network, gan.latents, {**details, "step": gan.step})


def _from_saved_model(path):
    import tensorflow as tf

    model = tf.saved_model.load(str(path))
    if "images" not in model.signatures:
        raise ValueError(
            f"model must have the signature 'images'. Received: {str(path)!r} with {sorted(model.signatures)}"
        )
    card = path / "assets" / "model_card.json"
    card = json.loads(card.read_text(encoding="utf-8")) if card.is_file() else {}
    vocabulary = TagVocabulary.from_json(card["vocabulary"]) if card.get("vocabulary") else None
    signature = model.signatures["images_with_tags" if vocabulary else "images"]

    def draw(seeds, wanted=None, model=model):  # the signature alone does not keep the model's variables alive
        tags = {} if wanted is None else {"tags": tf.constant(wanted)}
        return signature(seed=tf.constant(seeds), **tags)["images"]

    return Generator(draw, vocabulary, card=card)


@dataclass(frozen=True)
class Config:
    """Draw avatars.

    Args:
        model: A run folder, a SavedModel, or a folder of SavedModels by version.
        seeds: Which avatars, such as 0-63 or 3,5,8-10. A seed is always the same avatar.
        tags: What they are to show, such as "blonde hair, smile, no hat", if the generator was trained with tags; the
            seed decides about all other tags.
        checkpoint: Which state of a run draws them: newest, best (of a run trained with --best_by), or one of the steps
            whose checkpoints are there.
        out: A path that ends in .png for one sheet, or a folder for single PNGs.
        batch: Pictures drawn at once.
    """

    model: str
    seeds: str = "0-63"
    tags: str = ""
    checkpoint: str = "newest"
    out: str = "avatars.png"
    batch: int = 64

    def __post_init__(self):
        parse_seeds(self.seeds)
        if self.batch < 1:
            raise ValueError(f"--batch must be at least 1. Received: {self.batch}")


def main(arguments=None):
    """Draws; `--help` lists the flags."""
    config = command_line.parse(
        Config,
        program="python -m tfanime.generate",
        description="Draw avatars from a trained run or an exported model.",
        epilog="""examples:
  python -m tfanime.generate runs/wgan --seeds 0-63 --out avatars.png
  python -m tfanime.generate runs/dragan --tags "blonde hair, blue eyes, smile" --out blonde.png
  python -m tfanime.generate exports/tfanime --seeds 7,12,100-199 --out avatars/
""",
        positional=("model",),
        arguments=arguments,
    )
    command_line.load_tensorflow()
    seeds = parse_seeds(config.seeds)
    require_writable_out(config.out, len(seeds))  # before the networks, whose opening takes longer
    generator = open_generator(config.model, config.checkpoint)
    write_in_batches(generator.images_in_batches(seeds, config.tags, config.batch), seeds, config.out)
    print(f"wrote {len(seeds):,} avatar{'s' if len(seeds) > 1 else ''} to {config.out}")


if __name__ == "__main__":
    command_line.run(main)
