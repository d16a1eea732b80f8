"""Runs of recipes as users start them, and what they leave, for the recipes' tests."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

TIMES = ("seconds", "images_per_second")  # what two trainings do not have in common


def environment(**further):
    """This process's environment, for one that runs the same code."""
    return os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONUNBUFFERED": "1"} | further


def running(arguments, recipe="wgan", **further):
    """Starts a recipe's command in a process of its own."""
    command = [sys.executable, "-m", f"tfanime.recipes.{recipe}", *arguments]
    return subprocess.Popen(
        command, env=environment(**further), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_for_step(process, run, step):
    """Waits until a checkpoint of `step` or later is there."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        newest = tf.train.latest_checkpoint(str(run / "checkpoints"))
        if newest and int(newest.rpartition("-")[2]) >= step:
            return
        time.sleep(0.05)
    process.kill()
    raise AssertionError(process.communicate()[0])


def tensors(run, folder="checkpoints"):
    """The numbers that the newest checkpoint of a run holds, by name, without times and TensorFlow's own counter."""
    reader = tf.train.load_checkpoint(str(Path(run) / folder))
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    return {
        name: value
        for name, value in values.items()
        if not isinstance(value, bytes) and not name.startswith(("seconds/", "save_counter/"))
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
