"""Checkpoints, from which a training resumes exactly."""

import json
import shutil
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfanime.checkpoints import kept, load, newest
from tfanime.files import without_wildcards


class State(tf.train.experimental.PythonState):
    """A value that JSON can represent, to be stored in checkpoints beside variables.

    Args:
        value: The value; `State.value` may be changed or replaced.
    """

    def __init__(self, value):
        self.value = value

    def serialize(self):
        return json.dumps(self.value)

    def deserialize(self, string_value):
        self.value = json.loads(string_value)


def after_non_finite(checkpoint):
    """Advice after a training has become infinite or undefined.

    Args:
        checkpoint: Path of the last good checkpoint, or None.
    """
    return (
        f"The last good checkpoint is {checkpoint or 'none: no checkpoint was written yet'}. "
        "The same settings would fail again: a new training may need a lower learning rate or clipped gradients"
    )


def require_kept(run):
    """Raises an error if a run has lost its checkpoints, because it would start over and remove its results.

    A run that was killed before its first checkpoint may start over.

    Args:
        run: A `tfanime.runs.RunFolder`.

    Raises:
        ValueError: There is no checkpoint, and the run trained for longer than the time between two.
    """
    lines = run.read_metrics()
    if not lines or newest(run.checkpoints):
        return
    seconds = 60 * run.load()["config"]["checkpoint_minutes"]
    # The checkpoint of a step is written after its line, so that of the last line may be missing.
    last = lines[-1]
    if any(line["seconds"] >= seconds for line in lines[:-1]) or (last["step"] > 1 and last["seconds"] >= 2 * seconds):
        raise ValueError(
            f"{run.checkpoints} must hold this run's checkpoints. Received: none, after {lines[-1]['step']:,} steps. "
            "Name a new folder with --run"
        )


class Keeper:
    """Writes checkpoints into a folder and removes the oldest ones there.

    Args:
        objects: The objects to save, by name; `gan` is the model, with `step`, `weights` and `optimizers`.
        folder: The folder.
        count: Number of checkpoints to keep.
    """

    def __init__(self, objects, folder, count):
        self.folder = Path(folder)
        self.count = count
        self._model = objects["gan"]
        self._checkpoint = tf.train.Checkpoint(**objects)

    def save(self):
        """Writes a checkpoint of the present step.

        Raises:
            FloatingPointError: A weight or an optimizer's variable is not finite, so training could not resume from it.
            OSError: It cannot be written, for example to a full disk; older checkpoints stay.
        """
        model = self._model
        moments = [variable for optimizer in model.optimizers for variable in optimizer.variables]
        for weight in (*model.weights, *moments):
            if not np.isfinite(weight.value.numpy()).all():
                raise FloatingPointError(
                    f"weights must be finite. Received: {weight.path} is not, at step {model.step}. "
                    f"{after_non_finite(newest(self.folder))}"
                )
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            # A new manager for each checkpoint, because its path of the folder may be gone by the next one. It reads
            # there which checkpoints are kept.
            with without_wildcards(self.folder) as folder:
                tf.train.CheckpointManager(self._checkpoint, folder, self.count).save(checkpoint_number=model.step)
        except tf.errors.OpError as error:  # TensorFlow's own exceptions for errors of the system
            for remains in self.folder.glob("*_temp"):
                shutil.rmtree(remains, ignore_errors=True)
            raise OSError(
                f"a checkpoint cannot be written into {self.folder}: {error.message}. The last good one is "
                f"{newest(self.folder) or 'none'}; free some space and run the same command again"
            ) from error

    def tidy(self):
        """Removes files of incomplete checkpoints, left by a process that was killed while writing or removing."""
        listed = {Path(path).name for path in kept(self.folder)}
        for path in self.folder.glob("ckpt-*"):
            if path.name.endswith("_temp"):
                shutil.rmtree(path, ignore_errors=True)
            elif (
                listed and path.name.partition(".")[0] not in listed
            ):  # without a list any file may belong to a good one
                path.unlink()


class Checkpoints(keras.callbacks.Callback):
    """Saves everything that a training needs to resume: networks, averaged generator, optimizers (and so the step),
    time.

    A checkpoint is written beside the older ones and becomes the newest only when it is complete.

    One more is written when the training ends. If the budget is spent, it comes after the last report, which would not
    be made again. If a signal ends the training, it comes before, because the sender may not wait for long.

    Args:
        folder: Folder of the checkpoints.
        every_minutes: Minutes between two of them.
        keep: Number of newest checkpoints to keep.
        clock: Called for the time in seconds; default: this machine's. Several workers must share one, so that they
            save at the same step.
        budget: The `Budget` that ends the training, among the callbacks before this one; None without one.
        also: Called after each checkpoint, to write files that belong to it; or None.
        **objects: Further trackable objects to save, such as `seconds=Budget.seconds` or a `State`.
    """

    def __init__(self, folder, every_minutes=2.0, keep=3, clock=None, budget=None, also=None, **objects):
        super().__init__()
        self.folder = str(folder)
        self.every_minutes = every_minutes
        self.keep = keep
        self.clock = clock or time.monotonic
        self.budget = budget
        self.also = also
        self.objects = objects

    def set_model(self, model):
        super().set_model(model)
        self.keeper = Keeper({"gan": model, **self.objects}, self.folder, self.keep)

    def restore(self, folder=None):
        """Loads the newest checkpoint into the model, if there is one.

        Args:
            folder: The folder to search; default: the one in which this callback saves.

        Returns:
            The step it was written at, 0 without one.

        Raises:
            ValueError: It cannot be loaded, see `load`.
        """
        self.keeper.tidy()
        found = newest(folder) if folder else next(reversed(kept(self.folder)), None)  # a missing file is an error
        if found:
            load(found, self.objects, gan=self.model)
        return self.model.step

    def save(self):
        """Writes a checkpoint of the present step.

        Raises:
            FloatingPointError: See `Keeper.save`.
            OSError: It cannot be written, or `also` failed.
        """
        self.keeper.save()
        if self.also:
            self.also()
        self._saved = self.clock(), self.model.step

    def on_train_begin(self, logs=None):
        self._saved = self.clock(), self.model.step

    def on_train_batch_end(self, batch, logs=None):
        due = self.clock() - self._saved[0] >= self.every_minutes * 60
        if self.budget is not None and (self.budget.broken_off or self.budget.spent()):
            due = self.budget.broken_off
        if due:
            self.save()

    def on_train_end(self, logs=None):
        if self.model.step > self._saved[1]:
            self.save()
