"""The converter on Apache Beam: the same functions, and the same shards byte for byte, on many machines.

SOURCE and OUT must be folders that all workers see under the same paths (a network file system, a mounted bucket).
Beam itself repeats what fails. A conversion that was cut short starts over there; `--runner local` goes on from the
shards that it finished.
"""

import json
import logging
import os
import shlex
import sys

import cv2
import numpy as np

from tfanime.files import replacing
from tfanime.tfrecords.duplicates import Duplicate, bands, earliest
from tfanime.tfrecords.pictures import without
from tfanime.tfrecords.settings import DRAWN
from tfanime.tfrecords.shards import shard_writer

_disabled = logging.root.manager.disable
try:
    logging.disable(logging.WARNING)  # about optional packages
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
finally:
    logging.disable(_disabled)

TASKS = ".tasks.jsonl"


def run(name, conversion, folder, plan, progress):
    """Converts with Beam's runner `name`; otherwise a runner of `tfanime.tfrecords.runners`.

    Raises:
        ValueError: A path is not absolute, and the workers are elsewhere.
        OSError: Beam could not finish the work; the message is Beam's.
    """
    settings = conversion.settings
    _require_absolute(name, settings)
    tasks = folder.folder / TASKS
    # A file, because a graph sent to a service must not contain millions of names.
    with replacing(tasks) as temporary, open(temporary, "w", encoding="ascii") as file:
        rank = 0
        for shard in plan:
            for id in shard.ids:
                task = {"id": id, "words": conversion.source.words_of(id), "rank": rank, "shard": shard.file}
                file.write(json.dumps(task) + "\n")
                rank += 1
    if progress:
        print(f"converting {rank:,} pictures with Beam's {name}", file=sys.stderr, flush=True)
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    options = ["--runner", name, "--default_sdk_harness_log_level=ERROR", *shlex.split(settings.beam_options)]
    if name == "DirectRunner" and "direct_num_workers" not in settings.beam_options:
        mode = "multi_processing" if settings.workers > 1 else "in_memory"
        options += [f"--direct_num_workers={settings.workers}", f"--direct_running_mode={mode}"]
    distance = -1 if settings.source == DRAWN else settings.duplicates
    write = shard_writer(conversion, folder, len(plan))
    try:
        with beam.Pipeline(options=PipelineOptions(options)) as pipeline:
            outcomes = (
                pipeline
                | "Tasks" >> beam.io.ReadFromText(str(tasks))
                | "Spread" >> beam.Reshuffle()
                | "Convert" >> beam.ParDo(_Convert(conversion.converter))
            )
            if distance >= 0:
                outcomes = _without_duplicates(outcomes, distance)
            (
                outcomes
                | "Count" >> beam.ParDo(_Count())
                | "By shard" >> beam.Map(lambda item: (item[1][0], (item[0], item[1][1])))
                | "Shards" >> beam.GroupByKey()
                | "Write" >> beam.Map(_write, write)
            )
        _write_empty(folder, plan, write)
    except Exception as error:  # Beam wraps exceptions of workers in its own classes
        reason = next((line for line in reversed(str(error).splitlines()) if "Error" in line), str(error))
        raise OSError(f"--runner {name} must finish its work. Received: {reason.strip()}") from error
    finally:
        tasks.unlink(missing_ok=True)
    return [folder.account(shard.file) | {"filed": []} for shard in plan]


def _require_absolute(name, settings):
    """Remote workers have a working directory of their own."""
    if name == "DirectRunner":
        return
    for flag in ("source", "out", "cascade", "detector_model", "tagger_model", "tagger_tags"):
        value = getattr(settings, flag)
        if value and value != DRAWN and not os.path.isabs(value):
            raise ValueError(f"{flag} must be an absolute path with --runner {name}. Received: {value!r}")


def _without_duplicates(outcomes, distance):
    """Removes duplicates from `(rank, (shard, outcome))`: near hashes share at least one key."""
    duplicates = (
        outcomes
        | "Bands" >> beam.FlatMap(_filed, distance)
        | "By band" >> beam.GroupByKey()
        | "Near" >> beam.FlatMap(lambda item: _near(item[1], distance))
    )
    return (
        {"outcome": outcomes, "duplicates": duplicates}
        | "By picture" >> beam.CoGroupByKey()
        | "Sift" >> beam.MapTuple(_sift)
    )


class _Convert(beam.DoFn):
    """From a line of tasks to `(rank, (shard, outcome))`."""

    def __init__(self, converter):
        self.converter = converter

    def setup(self):
        cv2.setNumThreads(1)  # the workers are the threads

    def process(self, line):
        task = json.loads(line)
        yield task["rank"], (task["shard"], self.converter(task["id"], task["words"]))


class _Count(beam.DoFn):
    """Counts kept faces, and dropped ones by reason, for the runner's own pages."""

    def process(self, item):
        outcome = item[1][1]
        beam.metrics.Metrics.counter("tfanime", "kept").inc(len(outcome.faces))
        for drop in outcome.drops:
            beam.metrics.Metrics.counter("tfanime", f"dropped {drop.reason}").inc()
        yield item


def _filed(item, distance):
    """The faces of a picture under each of their keys: `(band, (rank, number, id, hash))`."""
    rank, (_, outcome) = item
    for number, (id, hash) in enumerate(outcome.filed):
        for index, bits in bands(hash, distance):
            yield f"{index}/{bits}", (rank, number, id, hash)


def _near(faces, distance):
    """Yields `(rank, (id, rank and number of the earlier one, its id, differing bits))` of each duplicate."""
    faces = sorted(faces)
    hashes = np.array([hash for *_, hash in faces], np.uint64)
    for index, first, differing in earliest(hashes, distance):
        (rank, _, id, _), (*place, earlier, _) = faces[index], faces[first]
        yield rank, (id, tuple(place), earlier, differing)


def _sift(rank, found):
    """The outcome of a picture without its duplicates; of several earlier faces the earliest is named."""
    ((shard, outcome),) = found["outcome"]
    duplicates = {}
    for id, _, earlier, differing in sorted(found["duplicates"], key=lambda each: each[1]):
        duplicates.setdefault(id, Duplicate(earlier, differing))
    return rank, (shard, without(outcome, duplicates))


def _write(item, write):
    file, ranked = item
    # A record is a few kilobytes and a shard some thousands of them.
    write(file, (outcome for _, outcome in sorted(ranked, key=lambda each: each[0])))


def _write_empty(folder, plan, write):
    """Writes shards without pictures, so that every planned shard has its account."""
    for shard in plan:
        if folder.account(shard.file) is None:
            write(shard.file, ())
