"""The settings of a conversion: flags of `python -m tfanime.tfrecords`, which are also the keys of a card."""

import dataclasses
import importlib.util
import math
import numbers
import os
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tfanime.limits import Checked, Limit, at_least, between
from tfanime.tfrecords.crop import CropSettings
from tfanime.tfrecords.detectors.registry import DetectSettings, detector_name
from tfanime.tfrecords.filters import FilterSettings
from tfanime.tfrecords.sources.sources import SourceSettings
from tfanime.tfrecords.taggers.tagging import TaggingSettings

DRAWN = "drawn"
# A copy of Beam's list, because Beam is slow to import.
BEAM_RUNNERS = ("DirectRunner", "FlinkRunner", "SparkRunner", "DataflowRunner", "PrismRunner", "PortableRunner")
RUNNERS = ("local", *BEAM_RUNNERS)
MOST_NAME_BYTES = 190  # of the 255 that file systems allow; names of shards and other files add to it
NAME = Limit(
    f"a file name of at most {MOST_NAME_BYTES} bytes that does not begin with a dot", lambda value: _is_name(value)
)
FILES = ("source", "tags", "exclude", "cascade", "detector_model", "vocabulary", "tagger_model", "tagger_tags")


@dataclass(frozen=True, kw_only=True)
class ShardSettings:
    """Writing of shards

    Args:
        name: Name of the data set and of its shards. Default: the name of the folder OUT.
        holdout: Share of the pictures that is held out of training, in shards of its own, for evaluation. The choice
            depends only on the pictures' paths.
        shard_records: Approximate number of pictures in a shard.
        count: For `drawn`: number of avatars.
        seed: For `drawn`: the first avatar's seed; the others count up from it.
        workers: Number of processes. Default: one for each core. The shards are the same for any number. With 2 or
            more the conversion survives a picture that crashes a decoder; 1 works in this process and does not.
        runner: `local` (processes on this machine), or a runner of Apache Beam (needs
            `pip install 'tfanime[beam]'`). The shards are the same.
        beam_options: Options of the Beam runner as one string, with an equals sign because it begins with dashes:
            --beam_options="--project=P --region=R".
        progress: Show a progress bar.
        overwrite: Replace shards in OUT that were made with other settings or of other pictures.
    """

    name: Annotated[str | None, NAME] = None
    holdout: Annotated[float, between(0, 0.5)] = 0.0
    shard_records: Annotated[int, at_least(1)] = 2048
    count: Annotated[int, at_least(1)] = 10_000
    seed: Annotated[int, at_least(0)] = 0
    workers: Annotated[int | None, at_least(1)] = None
    runner: Annotated[str, Limit(f"one of {', '.join(RUNNERS)}", RUNNERS.__contains__)] = "local"
    beam_options: str = ""
    progress: bool = True
    overwrite: bool = False

    def rules(self):
        """Yields `(flag, whether its rule holds, the rule)`; raises ImportError without Apache Beam if it is to run."""
        if self.runner != "local" and importlib.util.find_spec("apache_beam") is None:
            raise ImportError(
                f"--runner {self.runner} needs apache-beam, which is not installed: pip install 'tfanime[beam]'; "
                "without it --runner local"
            )
        yield "beam_options", not self.beam_options or self.runner != "local", "empty with --runner local"

    def idle(self):
        """Yields the fields that do not change the shards, such as the output folder and the number of workers."""
        yield from HOW
        if self.source != DRAWN:
            yield from ("count", "seed")


HOW = ("out", "workers", "runner", "beam_options", "progress", "overwrite")
DETECTION = ("faces", "threshold", "detect_size", "cascade", "detector_model")
ROOMS = (SourceSettings, DetectSettings, CropSettings, FilterSettings, TaggingSettings, ShardSettings)


@dataclass(frozen=True)
class Settings(ShardSettings, TaggingSettings, FilterSettings, CropSettings, DetectSettings, SourceSettings, Checked):
    """Pictures, faces, tags and shards

    Args:
        source: Folder of pictures (JPEG, PNG, WebP, GIF, BMP; all folders below it too), or the word `drawn` for
            avatars that tfanime draws itself.
        out: Folder for the shards and their manifest.json. An interrupted conversion goes on there.
    """

    source: str
    out: str

    def __post_init__(self):
        self._require_types()
        # Rules of other groups depend on the detector, so it is resolved first.
        object.__setattr__(self, "detector", detector_name(self))
        super().__post_init__()
        object.__setattr__(self, "name", self.name or _name_of(self.out))
        object.__setattr__(self, "workers", self.workers or _cores())

    def _require_types(self):
        """Checks types as the command line does, so that `Settings` in Python is as strict.

        Raises:
            ValueError: A value is not of its field's type.
        """
        for name, hint in typing.get_type_hints(type(self)).items():
            value = getattr(self, name)
            plain = _as_plain(value, hint)
            if plain is _WRONG:
                flag = name.upper() if name in ("source", "out") else f"--{name}"
                raise ValueError(f"{flag} must be {_described(hint)}. Received: {value!r}")
            object.__setattr__(self, name, plain)

    def idle(self):
        """The names of all fields that do not change the shards, as a set."""
        return {name for room in ROOMS for name in room.idle(self)}

    def unused(self):
        """The fields that were set and have no effect, in order, as `(name, because of what)`."""
        used = {"lbpcascade": "cascade", "onnx": "detector_model"}.get(self.detector)
        idle = self.idle() - {used} - set(HOW)
        if self.vocabulary == "none":
            idle.discard("vocabulary")
        return [
            (field.name, self._cause(field.name))
            for field in dataclasses.fields(self)
            if field.name in idle and getattr(self, field.name) != field.default
        ]

    def _cause(self, name):
        """The setting that leaves the field `name` without effect, as the user may have given it."""
        if name in ("count", "seed"):
            return "a folder of pictures"
        if name == "tagger" or (name.startswith(("tagger_", "absence")) and self.vocabulary == "none"):
            return "--vocabulary none"
        if name in ("vocabulary", "absence") or name.startswith("tagger_"):
            return f"--tagger {self.tagger}"
        if name == "quality":
            return f"--format {self.format}"
        if name in DETECTION or (name == "zoom" and self.source != DRAWN):
            return f"--detector {self.detector}"
        return "SOURCE drawn"

    def notes(self):
        """Yields a line of text for each field of `unused`."""
        for name, cause in self.unused():
            yield f"--{name} has no effect with {cause}"

    def card(self):
        """The settings that decide the contents of the shards, as plain values for the manifest.

        Other settings are left out, such as the output folder, the number of workers, or the zoom without a detector.
        Only the last names of folders and files are stored, so that the same pictures give the same manifest anywhere.
        """
        idle = self.idle()
        values = {name: value for name, value in dataclasses.asdict(self).items() if name not in idle}
        return {name: _last_name(value) if name in FILES else value for name, value in values.items()}


_WRONG = object()


def _as_plain(value, hint):
    """A value as its type hint has it (2 as 2.0 for a float, a `Path` as text); `_WRONG` if it is of no such type."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next((plain for one in typing.get_args(hint) if (plain := _as_plain(value, one)) is not _WRONG), _WRONG)
    if typing.get_origin(hint) is typing.Literal:
        return value if isinstance(value, str) and value in typing.get_args(hint) else _WRONG
    if hint is str and isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if hint is int and isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    if hint is float and isinstance(value, numbers.Real) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else _WRONG
    return value if hint in (str, bool, types.NoneType) and isinstance(value, hint) else _WRONG


def _described(hint):
    """A type hint in words."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(map(_described, typing.get_args(hint)))
    if typing.get_origin(hint) is typing.Literal:
        return f"one of {', '.join(typing.get_args(hint))}"
    names = {str: "text", int: "a whole number", float: "a finite number", bool: "True or False"}
    return names.get(hint, "None")


def _is_name(name):
    """Whether it is a valid name of a file that is not hidden."""
    try:
        short = 0 < len(name.encode()) <= MOST_NAME_BYTES
    except UnicodeEncodeError:  # the bytes of an argument that are not UTF-8
        return False
    return short and name[0] != "." and not any(letter in "/\\\x7f" or letter < " " for letter in name)


def _name_of(out):
    """The name of a folder, as far as files can be named so."""
    name = _last_name(out) or ""
    name = "".join("_" if letter in "\\\x7f" or letter < " " else letter for letter in name).lstrip(".")
    return name.encode()[:MOST_NAME_BYTES].decode(errors="ignore") or "pictures"


def _last_name(value):
    name = value and Path(value).resolve().name
    return name and os.fsencode(name).decode("utf-8", "replace")  # the manifest is UTF-8, which a name need not be


def _cores():
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
