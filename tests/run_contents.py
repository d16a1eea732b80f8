"""What a training has left, for the tests that two trainings left the same."""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

TIMES = ("seconds", "images_per_second")  # what two trainings do not have in common


def tensors(folder):
    """What the newest checkpoint in a folder holds, by name, without times and TensorFlow's own counter."""
    reader = tf.train.load_checkpoint(str(folder))
    names = reader.get_variable_to_shape_map()
    return {
        name: reader.get_tensor(name)
        for name in names
        if not name.startswith(("seconds/", "save_counter/", "_CHECKPOINTABLE_OBJECT_GRAPH"))
    }


def same(first, second):
    """Whether two checkpoints hold the same names and bits."""
    return set(first) == set(second) and all(np.array_equal(value, second[name]) for name, value in first.items())


def metrics(run):
    """The lines of `metrics.jsonl` as they are there, without times."""
    lines = [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


def sheets(run):
    """The sheets of avatars by name."""
    return {path.name: path.read_bytes() for path in (Path(run) / "samples").iterdir()}


def points(run):
    """By name of the curve (or of the sheets), all (step, value) that TensorBoard shows, without times."""
    events = EventAccumulator(str(Path(run) / "tensorboard"), size_guidance={"tensors": 0}).Reload()
    return {
        tag: [(event.step, event.tensor_proto.SerializeToString()) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
        if not tag.startswith("speed/")
    }
