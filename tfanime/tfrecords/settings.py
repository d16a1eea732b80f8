"""What a conversion is told: the flags of `python -m tfanime.tfrecords`, which are also the keys of a card."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

from tfanime.tfrecords.crop import CropSettings
from tfanime.tfrecords.detect import DetectSettings, detector_name
from tfanime.tfrecords.filters import FilterSettings
from tfanime.tfrecords.sources import SourceSettings
from tfanime.tfrecords.tagging import TaggingSettings

DRAWN = "drawn"
FILES = ("source", "tags", "exclude", "cascade", "detector_model", "vocabulary", "tagger_model", "tagger_tags")


@dataclass(frozen=True, kw_only=True)
class ShardSettings:
    """How shards are written

    Args:
        name: Name of the data set and of its shards. Default: the name of OUT.
        holdout: Share of the pictures that is kept from training, in shards of its own, for judging: 0 to 0.5. Which
            pictures depends on their paths alone.
        shard_records: About how many pictures go into one shard.
        count: For `drawn`: how many avatars.
        seed: For `drawn`: the first avatar's seed; the others count up from it.
        workers: Number of processes. Default: one for each core. The shards are the same for any number.
        runner: What runs the work: `local` (processes here), or a runner of Apache Beam such as DirectRunner,
            FlinkRunner, SparkRunner or DataflowRunner (needs `pip install 'tfanime[beam]'`). The shards are the same.
        beam_options: Options of the Beam runner as one string, such as "--project=P --region=R".
        progress: Show a progress bar.
        overwrite: Replace the shards in OUT that other settings or other pictures gave.
    """

    name: str | None = None
    holdout: float = 0.0
    shard_records: int = 2048
    count: int = 10_000
    seed: int = 0
    workers: int | None = None
    runner: str = "local"
    beam_options: str = ""
    progress: bool = True
    overwrite: bool = False

    def rules(self):
        """Yields `(flag, whether its rule holds, the rule)`."""
        yield "holdout", 0 <= self.holdout <= 0.5, "between 0 and 0.5"
        yield "shard_records", self.shard_records >= 1, "at least 1"
        yield "count", self.count >= 1, "at least 1"
        yield "seed", self.seed >= 0, "at least 0"
        yield "workers", self.workers is None or self.workers >= 1, "at least 1"
        yield "name", self.name is None or (self.name and not set(self.name) & set("/\\\0")), "a file name"
        yield "beam_options", not self.beam_options or self.runner != "local", "empty with --runner local"

    def idle(self):
        """Yields the fields that decide nothing in the shards: where they are written, how, and how fast."""
        yield from ("out", "workers", "runner", "beam_options", "progress", "overwrite")
        if self.source != DRAWN:
            yield from ("count", "seed")


ROOMS = (SourceSettings, DetectSettings, CropSettings, FilterSettings, TaggingSettings, ShardSettings)


@dataclass(frozen=True)
class Settings(ShardSettings, TaggingSettings, FilterSettings, CropSettings, DetectSettings, SourceSettings):
    """Pictures, faces, tags and shards

    Args:
        source: Folder of pictures (JPEG, PNG, WebP, GIF, BMP; all folders below it too), or the word `drawn` for
            avatars that tfanime draws itself.
        out: Folder for the shards and their manifest.json. An interrupted conversion goes on there.
    """

    source: str
    out: str

    def __post_init__(self):
        # Those of the other rooms look at the detector, hence it is settled first.
        object.__setattr__(self, "detector", detector_name(self))
        for flag, holds, rule in self.rules():
            if not holds:
                raise ValueError(f"--{flag} must be {rule}. Received: {getattr(self, flag)!r}")
        object.__setattr__(self, "name", self.name or Path(self.out).resolve().name or "pictures")
        object.__setattr__(self, "workers", self.workers or _cores())

    def rules(self):
        """Yields `(flag, whether its rule holds, the rule)` of all rooms."""
        for room in ROOMS:
            yield from room.rules(self)

    def idle(self):
        """The names of all fields that decide nothing in the shards, as a set."""
        return {name for room in ROOMS for name in room.idle(self)}

    def card(self):
        """What decides the contents of the shards, as plain values for the manifest.

        Left out is where they are written and how fast, and what has no effect: the zoom without a detector, for
        instance. Folders and files go in by their last name, so that the same pictures give the same manifest anywhere.
        """
        idle = self.idle()
        values = {name: value for name, value in dataclasses.asdict(self).items() if name not in idle}
        return {name: _last_name(value) if name in FILES else value for name, value in values.items()}


def _last_name(value):
    name = value and Path(value).resolve().name
    return name and os.fsencode(name).decode("utf-8", "replace")  # the manifest is UTF-8, which a name need not be


def _cores():
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
