"""Checkpoints from which a training goes on as if nothing had happened."""

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
    """A value that JSON knows, to be put into checkpoints beside variables.

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
        "The same settings lead here again: a new training may need a lower learning rate or clipped gradients"
    )


def require_kept(run):
    """Makes sure that a run which wrote checkpoints still has one. Without it would start over and drop its results.

    A run that was killed before its first checkpoint begins again all the same.

    Args:
        run: A `tfanime.runs.RunFolder`.

    Raises:
        ValueError: There is none, and it trained for longer than it takes to write one.
    """
    lines = run.read_metrics()
    if not lines or newest(run.checkpoints):
        return
    seconds = 60 * run.load()["config"]["checkpoint_minutes"]
    # The checkpoint of a step is written after its line: that of the last line may be missing, however long it took.
    last = lines[-1]
    if any(line["seconds"] >= seconds for line in lines[:-1]) or (last["step"] > 1 and last["seconds"] >= 2 * seconds):
        raise ValueError(
            f"{run.checkpoints} must hold this run's checkpoints. Received: none, after {lines[-1]['step']:,} steps. "
            "Name a new folder with --run"
        )


class Keeper:
    """Writes checkpoints into a folder and removes the oldest ones there.

    Args:
        objects: By name, what they hold; `gan` is the model, with `step`, `weights` and `optimizers`.
        folder: The folder.
        count: How many stay.
    """

    def __init__(self, objects, folder, count):
        self.folder = Path(folder)
        self.count = count
        self._model = objects["gan"]
        self._checkpoint = tf.train.Checkpoint(**objects)

    def save(self):
        """Writes a checkpoint of the present step.

        Raises:
            FloatingPointError: A weight or an optimizer's variable is not finite: such a checkpoint could not be
                resumed from.
            OSError: The disk is full, for instance; older checkpoints stay.
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
            # A manager a checkpoint, because it knows the folder by a path that may be gone by the next one. It reads
            # there which ones are kept.
            with without_wildcards(self.folder) as folder:
                tf.train.CheckpointManager(self._checkpoint, folder, self.count).save(checkpoint_number=model.step)
        except tf.errors.OpError as error:  # TensorFlow has its own exceptions for what the system refuses
            for remains in self.folder.glob("*_temp"):
                shutil.rmtree(remains, ignore_errors=True)
            raise OSError(
                f"a checkpoint cannot be written into {self.folder}: {error.message}. The last good one is "
                f"{newest(self.folder) or 'none'}; free some space and run the same command again"
            ) from error

    def tidy(self):
        """Removes the files of half checkpoints, which a process left that was killed while it wrote or removed one."""
        listed = {Path(path).name for path in kept(self.folder)}
        for path in self.folder.glob("ckpt-*"):
            if path.name.endswith("_temp"):
                shutil.rmtree(path, ignore_errors=True)
            elif listed and path.name.partition(".")[0] not in listed:  # without a list, any may be a good one
                path.unlink()


class Checkpoints(keras.callbacks.Callback):
    """Saves everything a training needs: networks, averaged generator, both optimizers (and so the step), time.

    A checkpoint is written beside the older ones and becomes the newest only when it is whole.

    One more is written when the training ends: after the last report where its budget is spent, since nothing would
    make that again; before it where a signal breaks the training off, because the sender may not wait for long.

    Args:
        folder: Where the checkpoints lie.
        every_minutes: Minutes between two of them.
        keep: How many of the newest stay.
        clock: Called for the time in seconds; default: this machine's. Several workers must have the same, so that
            they save at the same step.
        budget: The `Budget` that ends the training, among the callbacks before this one; None without one.
        also: Called after each checkpoint, to write what goes with it; None for nothing.
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
            folder: Where to look for it; default: where this callback saves.

        Returns:
            The step it was written at, 0 without one.

        Raises:
            ValueError: It cannot be loaded, see `load`.
        """
        self.keeper.tidy()
        found = newest(folder) if folder else next(reversed(kept(self.folder)), None)  # one that is gone is an error
        if found:
            load(found, self.objects, gan=self.model)
        return self.model.step

    def save(self):
        """Writes a checkpoint of the present step.

        Raises:
            FloatingPointError: See `Keeper.save`.
            OSError: It, or what goes with it, cannot be written.
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
