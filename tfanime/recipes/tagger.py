"""The tagger: the network whose features judge generators, and that tells the tags of their avatars and of new faces.

A small residual network (`tfanime.tagger.network`) learns the tags of shards, exclusive groups by softmax, independent
tags by sigmoid. A tag that is not known teaches nothing: neither a group of which a face has no tag or several, nor a
tag that nobody looked for (docs/tags.md, "Absence"). AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101), with a rate
that rises over the first twentieth of the steps and falls to zero as a cosine. Faces are mirrored, cropped and shown in
other light, but never in other hues, because tags are colours.

The shards must have held-out faces (the converter's `--holdout 0.05`): on these the trained network is judged, as it is
written, against the commonest answer and the nearest colour. docs/tagger.md is about the one that tfanime carries.
"""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tfanime import command_line
from tfanime.recipes.recipe import parse_config
from tfanime.runs import RunFolder

TERMS = "Statistics of the pictures that it was trained on, whose licences bound its use. It contains no picture."


@dataclass(frozen=True)
class Config:
    """A tagger of faces.

    Args:
        data: Folder of shards with tags and held-out faces.
        run: The run folder. One that exists already is resumed with its own settings. Default: runs/tagger.
        out: Path of the trained network's two files without their endings. Default: tagger in the run folder.
        name: Its name and version in one word, by which metrics of its features are called. Default: the run folder's.
        terms: What its card is to say about its use.
        image_size: Height and width of the pictures, a multiple of 8; shards with larger pictures are resized.
        batch_size: Pictures a step.
        seed: Seed of weights, order of the data and its variations.
        steps: Training steps; the learning rate falls to zero at the last one, hence a run keeps its steps.
        minutes: Minutes of training over all restarts after which it ends too early. Default: no limit.
        learning_rate: Of AdamW, at its highest.
        weight_decay: Of AdamW, for kernels.
        balance: How far rare tags of an exclusive group are taught as if they were as frequent as the others, 0 to 1.
        least_side: Least side of a random crop, as a share of the picture's; 1 for none.
        light: Most that contrast and brightness vary by, as a share of white; 0 for none.
        precision: What layers compute in while they learn. auto is mixed_bfloat16 where the machine has it.
        epoch_steps: Training steps from one line of metrics to the next.
        checkpoint_minutes: Minutes from one checkpoint to the next.
    """

    data: str | None = None
    run: str | None = None
    out: str | None = None
    name: str | None = None
    terms: str = TERMS
    image_size: int = 64
    batch_size: int = 128
    seed: int = 0
    steps: int = 1500
    minutes: float | None = None
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    balance: float = 0.75
    least_side: float = 0.85
    light: float = 0.1
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    epoch_steps: int = 50
    checkpoint_minutes: float = 1

    require = command_line.require

    def __post_init__(self):
        self.require("a folder of shards with tags and held-out faces", lambda value: value, "data")
        self.require("at least 1", lambda value: value >= 1, "batch_size", "steps", "epoch_steps")
        self.require("above 0", lambda value: value > 0, "learning_rate", "checkpoint_minutes")
        self.require("above 0", lambda value: value is None or value > 0, "minutes")
        self.require("at least 0", lambda value: value >= 0, "weight_decay")
        self.require("from 0 to 1", lambda value: 0 <= value <= 1, "balance", "light")
        self.require("above 0 and at most 1", lambda value: 0 < value <= 1, "least_side")
        self.require("from 0 to 2**32 - 1", lambda value: 0 <= value < 2**32, "seed")
        self.require("a multiple of 8", lambda value: value > 0 and value % 8 == 0, "image_size")
        rule = "a word of small letters, digits and _, such as mine1"
        self.require(rule, lambda value: value is None or re.fullmatch("[a-z0-9_]+", value), "name")

    @property
    def network(self):
        """The form of the network, see `tfanime.tagger.files.from_arrays`."""
        from tfanime.tagger.network import CHANNELS

        return {"image_size": self.image_size, "channels": list(CHANNELS), "blocks": 1}

    @property
    def written(self):
        """The path of the trained network's files, without endings."""
        return Path(self.out) if self.out else RunFolder(self.run).tagger


def build(config, vocabulary):
    """The network and what teaches it, compiled.

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


def main(arguments=None):
    """Trains and judges; `--help` lists the flags."""
    config = parse_config(
        Config,
        "tagger",
        "Train the network whose features judge generators, and that tells tags.",
        arguments,
        epilog="""examples:
  python -m tfanime.tfrecords faces/ tfrecords/faces --detector none --vocabulary konachan26 --holdout 0.05
  python -m tfanime.recipes.tagger --data tfrecords/faces --run runs/tagger --name mine1
  python -m tfanime.recipes.tagger --run runs/tagger --out mine        judge and write it once more
""",
    )
    command_line.load_tensorflow()
    from tfanime.recipes.tagger_training import train

    return train(dataclasses.replace(config, name=config.name or _word(config.run)), build)


def _word(run):
    """The run folder's name as a network is named."""
    return re.sub("[^a-z0-9_]+", "_", Path(run).resolve().name.lower()).strip("_") or "tagger"


if __name__ == "__main__":
    command_line.run(main)
