"""What a conversion is told: the flags of `python -m tfanime.tfrecords`, which are also the keys of a card."""

import dataclasses
import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tfanime.tags import VOCABULARIES, TagVocabulary
from tfanime.tfrecords.detect import DETECTORS
from tfanime.tfrecords.tagging import TAGGERS

DRAWN = "drawn"


@dataclass(frozen=True)
class Settings:
    """Pictures, faces, tags and shards

    Args:
        source: Folder of pictures (JPEG, PNG, WebP, GIF, BMP; all folders below it too), or the word `drawn` for
            avatars that tfanime draws itself.
        out: Folder for the shards and their manifest.json. An interrupted conversion goes on there.
        name: Name of the data set and of its shards. Default: the name of OUT.
        detector: What finds the faces: `none` (each picture is a face already) or `animeface`
            (needs `pip install 'tfanime[faces]'`).
        faces: Keep all faces of a picture, or the best one.
        threshold: Least likelihood of a face, 0 to 1.
        zoom: Side of the crop relative to the face that was found, about its centre (Jin et al. 2017: 1.5).
        size: Height and width of every crop, in pixels, at least 8.
        format: How crops are stored. A picture that is a crop of the right size already keeps its own bytes.
        quality: Quality of JPEG crops, 1 to 100.
        tagger: Where tags come from: `sidecar` (the tags file beside the pictures) or `none`.
        tags: The tags file, CSV with the columns file,tags (tags separated by spaces). Default: tags.csv in SOURCE.
        vocabulary: Which tags are kept: `jin34`, `konachan26`, `none`, or a JSON or TOML file of a vocabulary.
        shard_records: About how many pictures go into one shard.
        count: For `drawn`: how many avatars.
        seed: For `drawn`: the first avatar's seed; the others count up from it.
        workers: Number of processes. Default: one for each core. The shards are the same for any number.
        progress: Show a progress bar.
        overwrite: Replace the shards in OUT that other settings or other pictures gave.
    """

    source: str
    out: str
    name: str | None = None
    detector: str = "none"
    faces: Literal["all", "best"] = "all"
    threshold: float = 0.8
    zoom: float = 1.5
    size: int = 96
    format: Literal["png", "jpeg"] = "png"
    quality: int = 95
    tagger: str = "sidecar"
    tags: str | None = None
    vocabulary: str = "jin34"
    shard_records: int = 2048
    count: int = 10_000
    seed: int = 0
    workers: int | None = None
    progress: bool = True
    overwrite: bool = False

    def __post_init__(self):
        for flag, known in (("detector", DETECTORS), ("tagger", TAGGERS)):
            if getattr(self, flag) not in known:
                raise ValueError(f"--{flag} must be one of {', '.join(known)}. Received: {getattr(self, flag)!r}")
        rules = (
            ("size", self.size >= 8, "at least 8 (pixels)"),
            ("quality", 1 <= self.quality <= 100, "between 1 and 100"),
            ("threshold", 0 <= self.threshold <= 1, "between 0 and 1"),
            ("zoom", 0 < self.zoom <= 10, "above 0 and at most 10"),
            ("shard_records", self.shard_records >= 1, "at least 1"),
            ("count", self.count >= 1, "at least 1"),
            ("seed", self.seed >= 0, "at least 0"),
            ("workers", self.workers is None or self.workers >= 1, "at least 1"),
            ("name", self.name is None or (self.name and not set(self.name) & set("/\\\0")), "a file name"),
        )
        for flag, holds, rule in rules:
            if not holds:
                raise ValueError(f"--{flag} must be {rule}. Received: {getattr(self, flag)!r}")
        if self.tags is not None and not Path(self.tags).is_file():
            raise ValueError(f"--tags must be an existing CSV file. Received: {self.tags!r}")
        object.__setattr__(self, "name", self.name or Path(self.out).resolve().name or "pictures")
        object.__setattr__(self, "workers", self.workers or _cores())
        load_vocabulary(self.vocabulary)

    def card(self):
        """What decides the contents of the shards, as plain values for the manifest.

        Left out is where they are written and how fast, and what has no effect: the zoom without a detector, for
        instance. Folders go in by their last name, so that the same pictures give the same manifest anywhere.
        """
        values = dataclasses.asdict(self)
        idle = ["out", "workers", "progress", "overwrite"]
        idle += ["faces", "threshold", "zoom"] if self.detector == "none" else []
        idle += ["tags"] if self.source == DRAWN else ["count", "seed"]
        idle += ["quality"] if self.format == "png" else []
        values["source"] = self.source if self.source == DRAWN else Path(self.source).resolve().name
        values["tags"] = self.tags and Path(self.tags).name
        return {name: value for name, value in values.items() if name not in idle}


def _cores():
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_vocabulary(value):
    """The `TagVocabulary` that `--vocabulary` names.

    Args:
        value: Name of a built-in vocabulary, `none`, or the path of a JSON or TOML file of `TagVocabulary.to_json`.

    Returns:
        The vocabulary; None for `none`.

    Raises:
        ValueError: There is no such vocabulary, or its file cannot be read as one.
    """
    if value == "none":
        return None
    if value in VOCABULARIES:
        return VOCABULARIES[value]
    path = Path(value)
    if not path.is_file():
        known = ", ".join(VOCABULARIES)
        raise ValueError(f"--vocabulary must be {known}, none, or a JSON or TOML file. Received: {value!r}")
    try:
        text = path.read_text(encoding="utf-8")
        return TagVocabulary.from_json(tomllib.loads(text) if path.suffix == ".toml" else json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"--vocabulary must be a file with name and groups (each with name, exclusive and tags). "
            f"Received: {value!r}: {type(error).__name__} {error}"
        ) from error
