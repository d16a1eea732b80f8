"""Runs of recipes as users start them, and what they leave, for the recipes' tests."""

import os
import subprocess
import sys
import time
from pathlib import Path

import tensorflow as tf


def running(arguments, recipe="wgan", **environment):
    """Starts a recipe's command in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONUNBUFFERED": "1"} | environment
    command = [sys.executable, "-m", f"tfanime.recipes.{recipe}", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


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


def tensors(run):
    """What the newest checkpoint of a run holds, by name."""
    reader = tf.train.load_checkpoint(str(Path(run) / "checkpoints"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT" not in name and "seconds" not in name]
    return {name: reader.get_tensor(name) for name in names if "save_counter" not in name}
