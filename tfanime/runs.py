"""The run folder: all files of a training, and the only module that knows their paths.

config.toml      the resolved settings; `--config RUN/config.toml` starts another run with them
run.json         which recipe, on which data, by which version of tfanime
metrics.jsonl    one line an epoch: step, seconds of training, losses, images/s
checkpoints/     the newest checkpoints, `tf.train.Checkpoint`
generator/       the averaged generator of the newest checkpoint, which draws without the recipe (`tfanime.generator`)
best/            the checkpoint at which the metric of `--best_by` was best
samples/         sheets of avatars, by step
tagger.*         of the recipe tagger: the trained network and its card, and scores.md, tables of how good it is
loss_weights.json    of games that measure them: the weight of each part of the generator's loss
tensorboard/     event files, and the traces of `--profile`
"""

import contextlib
import dataclasses
import json
import os
from pathlib import Path

import toml

from tfanime import __version__
from tfanime.files import replacing, require_writable_folder, write_text

FORMAT = 1


class RunFolder:
    """A run folder, new or to be resumed.

    Args:
        path: Where it is or shall be.
    """

    def __init__(self, path):
        self.path = Path(path)

    config = property(lambda self: self.path / "config.toml")
    details = property(lambda self: self.path / "run.json")
    metrics = property(lambda self: self.path / "metrics.jsonl")
    checkpoints = property(lambda self: self.path / "checkpoints")
    generator = property(lambda self: self.path / "generator")
    best = property(lambda self: self.path / "best")
    tensorboard = property(lambda self: self.path / "tensorboard")
    tagger = property(lambda self: self.path / "tagger")  # without the endings of its two files
    loss_weights = property(lambda self: self.path / "loss_weights.json")
    scores = property(lambda self: self.path / "scores.md")

    def sample(self, step, kind=None):
        """The path of a sheet drawn after `step` steps; `kind` is the name of one that shows more than avatars."""
        return self.path / "samples" / f"step-{step:08d}{f'-{kind}' if kind else ''}.png"

    def load(self):
        """What `run.json` says, a dictionary with `recipe`, `config`, `data`, `vocabulary` and `tfanime`.

        Raises:
            FileNotFoundError: It is not a run folder.
            ValueError: `run.json` cannot be read or has another format.
        """
        if not self.details.is_file():
            raise FileNotFoundError(f"a run folder must hold run.json. Received: {str(self.path)!r}, which does not")
        try:
            details = json.loads(self.details.read_text(encoding="utf-8"))
            if details["format"] != FORMAT:
                raise ValueError(f"its format is {details['format']}, this version of tfanime reads {FORMAT}")
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self.details} must be a file that tfanime wrote: {error}") from error
        return details

    def check(self, recipe, config, data, resumable):
        """Checks that the folder is new, or that the run in it is the one to be continued. Writes nothing.

        Args:
            recipe: Name of the recipe.
            config: Its resolved config, a dataclass.
            data: A dictionary that identifies the data, kept under `data`.
            resumable: Names of the config's fields that a resumed run may change.

        Raises:
            ValueError: The folder holds another run: of another recipe, with other settings or other data.
        """
        if not self.details.is_file():
            if self.path.is_dir() and any(self.path.iterdir()):
                raise ValueError(f"run must be a new or empty folder, or a run folder. Received: {str(self.path)!r}")
            return
        details = self.load()
        if details["recipe"] != recipe:
            raise ValueError(
                f"run must be a run folder of recipe {recipe!r} or a new one. Received: {str(self.path)!r}, "
                f"a run of {details['recipe']!r}"
            )
        # A setting that an older version did not have had today's default then, or no effect.
        settings = (
            (f"--{field.name}", details["config"].get(field.name, field.default), getattr(config, field.name))
            for field in dataclasses.fields(config)
            if field.name not in resumable
        )
        identity = ((f"data's {name}", details["data"].get(name, value), value) for name, value in data.items())
        for name, old, new in (*settings, *identity):
            if old != new:
                raise ValueError(
                    f"{name} must stay what it was when the run in {str(self.path)!r} began, {old!r}. "
                    f"Received: {new!r}. Name a new folder with --run"
                )

    def start(self, recipe, config, data, resumable, vocabulary=None):
        """Makes the folder, or notes with which settings the run in it is continued; see `check`.

        Args:
            recipe: Name of the recipe.
            config: Its resolved config, a dataclass.
            data: A dictionary that identifies the data.
            resumable: Names of the config's fields that a resumed run may change.
            vocabulary: The `TagVocabulary` of a game with tags.

        Raises:
            OSError: The folder cannot be written.
            ValueError: The folder holds another run.
        """
        self.check(recipe, config, data, resumable)
        require_writable_folder(self.path, "run")
        values = dataclasses.asdict(config)
        details = {"format": FORMAT, "tfanime": __version__, "recipe": recipe, "config": values, "data": data}
        details["vocabulary"] = vocabulary.to_json() if vocabulary else None
        write_text(self.details, json.dumps(details, indent=1) + "\n")
        settings = {field.name: _in_toml(field, values[field.name]) for field in dataclasses.fields(config)}
        write_text(
            self.config,
            f"# python -m tfanime.recipes.{recipe} --config {self.config.name}\n"
            + toml.dumps({name: value for name, value in settings.items() if value is not None and name != "run"}),
        )

    def append_metrics(self, values):
        """Adds one line to `metrics.jsonl`."""
        with open(self.metrics, "a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")

    def read_metrics(self):
        """The lines of `metrics.jsonl` as dictionaries; a last line cut short by a kill is passed over."""
        if not self.metrics.is_file():
            return []
        entries = []
        for line in self.metrics.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                entries.append(json.loads(line))
        return entries

    def forget_after(self, step):
        """Removes results of steps after `step`, which a resumed run makes again."""
        if self.metrics.is_file():
            kept = [entry for entry in self.read_metrics() if entry["step"] <= step]
            with replacing(self.metrics) as temporary:
                temporary.write_text("".join(json.dumps(entry) + "\n" for entry in kept), encoding="utf-8")
        for sheet in (self.path / "samples").glob(f"step-{'[0-9]' * 8}*.png"):
            if int(sheet.stem.split("-")[1]) > step:
                os.remove(sheet)


def _in_toml(field, value):
    """A setting in the form of `config.toml`; None for one that is left out because None is its default."""
    # TOML has no None; `command_line.parse` reads this word as one.
    return "null" if value is None and field.default is not None else value
