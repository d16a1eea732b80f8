"""The seconds from a recipe's command to the end of its first training step, and where they go.

`measure` runs this file in a new process, which does what `python -m tfanime.recipes.NAME` does, with a clock around
its parts, and ends after the first step.
"""

import dataclasses
import functools
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

PARTS = ("command line", "imports", "data", "building", "run folder", "tracing", "first step")


def measure(recipe, flags):
    """Starts a recipe anew.

    Args:
        recipe: Its name.
        flags: Its command line.

    Returns:
        Seconds by the names of `PARTS`, in order.

    Raises:
        ChildProcessError: The recipe failed; the message ends with its own.
    """
    command = [sys.executable, str(Path(__file__).resolve()), recipe, *flags]
    begin = time.monotonic()  # one clock for all processes
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise ChildProcessError(
            f"recipe {recipe} must start. Received: status {result.returncode}: {result.stderr[-500:]}"
        )
    seconds = {}
    for part, end in json.loads(result.stdout.splitlines()[-1]).items():
        seconds[part], begin = end - begin, end
    return seconds


def run(recipe, flags):
    """Runs a recipe to the end of its first step, prints when its parts ended and ends the process."""
    ends = {}

    def mark(part):
        ends.setdefault(part, time.monotonic())

    def marking(function, before=None, after=None):
        @functools.wraps(function)
        def marked(*arguments, **options):
            if before:
                mark(before)
            result = function(*arguments, **options)
            if after:
                mark(after)
            return result

        return marked

    from tfanime import command_line

    module = importlib.import_module(f"tfanime.recipes.{recipe}")
    load_tensorflow = command_line.load_tensorflow

    def load_and_watch():
        mark("command line")
        tensorflow = load_tensorflow()
        # What the recipe would import next.
        from tfanime import callbacks, data
        from tfanime.training import GAN

        command_line.load_tensorflow = load_tensorflow
        data.load = marking(data.load, before="imports")
        GAN.fit = marking(GAN.fit, before="run folder")
        GAN.train_step = marking(GAN.train_step, after="tracing")
        callbacks.Progress.on_train_batch_end = end_of_first_step
        return tensorflow

    def end_of_first_step(self, batch, logs=None):
        mark("first step")
        print("\n" + json.dumps({part: ends[part] for part in PARTS}), flush=True)
        os._exit(0)

    command_line.load_tensorflow = load_and_watch
    marked = dataclasses.replace(module.recipe, build=marking(module.build, before="data", after="building"))
    sys.argv = [f"python -m tfanime.recipes.{recipe}", *flags]
    command_line.run(marked.main)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])
