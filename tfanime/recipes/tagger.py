"""The tagger: a network that predicts the tags of avatars and of new faces, and whose features evaluate generators.

A small residual network (`tfanime.tagger.network`) learns the tags of shards, exclusive groups by softmax, independent
tags by sigmoid. Unknown tags have no loss: a group of which a face has no tag or several, and a tag that nobody looked
for (docs/tags.md, "Absence"). The optimizer is AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101), with a rate that
rises over the first twentieth of the steps and falls to zero as a cosine. Faces are mirrored and cropped, and their
brightness and contrast vary. Hues never change, because tags are colours.

The shards must have held-out faces (the converter's `--holdout 0.05`): on these the trained network is evaluated, as it
is written, against the majority class and the nearest colour. docs/tagger.md is about the one that tfanime carries.
"""

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tfanime import command_line
from tfanime.limits import SHARE, Limit, above, at_least
from tfanime.recipes.driver import Recipe
from tfanime.recipes.faces import open_faces
from tfanime.recipes.settings import RESUMABLE, DataSettings, RunSettings, multiple_of
from tfanime.runs import RunFolder

TERMS = "Statistics of the pictures that it was trained on, whose licences bound its use. It contains no picture."
NAME = Limit(
    "a word of small letters, digits and _, such as mine1", lambda value: bool(re.fullmatch("[a-z0-9_]+", value))
)


@dataclass(frozen=True)
class Config(DataSettings, RunSettings):
    """A tagger of faces.

    Args:
        data: Folder of shards with tags and held-out faces.
        out: Path of the trained network's two files without their endings. Default: tagger in the run folder.
        name: Its name and version in one word; metrics of its features are named after it. Default: the run folder's
            name.
        terms: Terms of use, for its card.
        batch_size: Pictures in a step.
        seed: Seed of weights, order of the data and augmentation.
        steps: Training steps; the learning rate falls to zero at the last one, so a run keeps its steps.
        learning_rate: AdamW's highest learning rate.
        weight_decay: AdamW's weight decay, of kernels only.
        balance: Strength of the logit adjustment that balances the tags of an exclusive group: 0 keeps their
            frequencies, 1 makes them equal.
        least_side: Smallest side of a random crop, as a share of the picture's; 1 for no crops.
        light: Largest change of contrast and brightness, as a share of white; 0 for none.
    """

    out: Annotated[str | None, RESUMABLE] = None
    name: Annotated[str | None, RESUMABLE, NAME] = None
    terms: Annotated[str, RESUMABLE] = TERMS
    image_size: Annotated[int, multiple_of(8)] = 64
    batch_size: int = 128
    steps: int = 1500
    learning_rate: Annotated[float, above(0)] = 2e-3
    weight_decay: Annotated[float, at_least(0)] = 0.05
    balance: Annotated[float, SHARE] = 0.75
    least_side: Annotated[float, above(0, most=1)] = 0.85
    light: Annotated[float, SHARE] = 0.1
    epoch_steps: int = 50
    checkpoint_minutes: float = 1

    def rules(self):
        yield "data", bool(self.data), "a folder of shards with tags and held-out faces"

    @property
    def resumable(self):
        """Names of the fields that may change when a run is resumed."""
        return super().resumable - {"steps"}

    @property
    def network(self):
        """The form of the network, see `tfanime.tagger.files.from_arrays`."""
        from tfanime.tagger.network import CHANNELS

        return {"image_size": self.image_size, "channels": list(CHANNELS), "blocks": 1}

    @property
    def written(self):
        """The path of the trained network's files, without endings."""
        return Path(self.out) if self.out else RunFolder(self.run).tagger

    @property
    def called(self):
        """The trained network's name."""
        return self.name or re.sub("[^a-z0-9_]+", "_", Path(self.run).resolve().name.lower()).strip("_") or "tagger"


def build(config, vocabulary):
    """The network with its losses and optimizer, compiled.

    Args:
        config: A `Config`.
        vocabulary: The `TagVocabulary`, with the faces' frequencies as its priors.

    Returns:
        A `tfanime.training.tag_classifier.TagClassifier`.
    """
    import keras

    from tfanime.tagger.network import tagger
    from tfanime.training.tag_classifier import TagClassifier

    warm_up = max(1, config.steps // 20)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, config.steps - warm_up), warmup_target=config.learning_rate, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(schedule, config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    classifier = TagClassifier(tagger(len(vocabulary), **config.network), vocabulary, config.balance)
    classifier.compile(optimizer)
    return classifier


def open_data(config, run, warn):
    """The `Recipe.data`: a `FaceData` whose priors are the frequencies of its tags. Faces must be held out, too."""
    from tfanime.files import require_writable_folder

    faces = open_faces(run, config.data, config.image_size)
    if not faces.vocabulary:
        raise ValueError(f"--data must be shards with tags. Received: {config.data!r}, which have no vocabulary")
    open_faces(run, config.data, config.image_size, split="holdout")
    absent = faces.vocabulary.unseen(faces.tags)
    if absent:
        warn(f"no face has {', '.join(absent)}: the network cannot learn to see it")
    if config.out:
        require_writable_folder(config.written.parent, "the folder of out")  # before any work
    return faces.described_by(faces.vocabulary.with_frequencies(faces.tags))


def batches(config, faces, start=0, parts=1, own=(0,)):
    """The `Recipe.batches`: pairs of pictures, float32 `[batch_size / parts, image_size, image_size, 3]` in [-1, 1],
    and tags, float32 `[batch_size / parts, len(vocabulary)]`; a pure function of (seed, step).
    """
    import tensorflow as tf

    from tfanime.training.augment import varied

    stream = faces.batches(config.batch_size, seed=config.seed, start=start, horizontal_flip=True, parts=parts, own=own)

    def one(step, pair):
        images, tags = (values[:, 0] for values in pair)  # there is one critic step
        return varied(images, config.seed, start + step, config.least_side, config.light), tags

    numbered = tf.data.Dataset.zip(tf.data.Dataset.counter(), stream)
    return numbered.map(one, num_parallel_calls=2).prefetch(2)


def evaluate_and_write(session):
    """The `Recipe.finish`: evaluates the network and writes it; once more for a run that has spent its budget."""
    from tfanime.files import write_text
    from tfanime.recipes.tagger_scores import as_markdown, evaluate
    from tfanime.tagger import files as tagger_files
    from tfanime.tfrecords.manifest import Manifest

    if session.status:  # interrupted
        return
    config, run, faces = session.config, session.run, session.data
    held_out = open_faces(run, config.data, config.image_size, split="holdout")
    vocabulary = held_out.vocabulary
    # The written network is evaluated: float32, from weights that were rounded to float16.
    arrays = tagger_files.to_arrays(session.model.network)
    scores = evaluate(tagger_files.from_arrays(config.network, vocabulary, arrays), faces, held_out)
    manifest = Manifest.load(config.data)
    tagger_files.save(
        config.written,
        config.called,
        config.network,
        vocabulary,
        arrays,
        trained_on={
            "name": manifest.name,
            "faces": faces.count,
            "fingerprint": faces.fingerprint,
            "taggers": [tagger["name"] for tagger in manifest.taggers],
            "steps": session.model.step,
            "batch_size": config.batch_size,
        },
        terms=config.terms,
        holdout=scores,
    )
    text = as_markdown(scores)
    write_text(run.scores, text)
    print(text)
    paths = [config.written.with_name(f"{config.written.name}.{ending}") for ending in ("npz", "json")]
    print(f"network: {paths[0]} ({os.path.getsize(paths[0]) / 1e6:.1f} MB), card: {paths[1]}")
    print(f"tables:  {run.scores}")
    print(f"curves:  tensorboard --logdir {shlex.quote(str(run.path))}")


recipe = Recipe(
    "tagger",
    Config,
    "Train the network that predicts tags, and whose features evaluate generators.",
    build,
    data=open_data,
    batches=batches,
    finish=evaluate_and_write,
    examples="""\
  python -m tfanime.tfrecords faces/ tfrecords/faces --detector none --vocabulary konachan26 --holdout 0.05
  python -m tfanime.recipes.tagger --data tfrecords/faces --run runs/tagger --name mine1
  python -m tfanime.recipes.tagger --run runs/tagger --out mine        evaluate and write it once more
""",
)
main = recipe.main


if __name__ == "__main__":
    command_line.run(main)
