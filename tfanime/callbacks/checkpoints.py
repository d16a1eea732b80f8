"""Checkpoints from which a training goes on as if nothing had happened."""

import re
import shutil
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf


def load(path, **objects):
    """Loads objects from a checkpoint, which may hold more than these.

    Args:
        path: The checkpoint, such as `RUN/checkpoints/ckpt-100`.
        **objects: What `Checkpoints` saved under these names; its model is `gan`.

    Raises:
        ValueError: The checkpoint is damaged, or is one of other objects.
    """
    try:
        tf.train.Checkpoint(**objects).restore(path).assert_existing_objects_matched().expect_partial()
    except (AssertionError, ValueError, LookupError, RuntimeError, tf.errors.OpError) as error:
        cause = re.sub(r"\{\{.*?\}\} ?", "", str(error))[:200]  # without the graph's names
        raise ValueError(f"{path} must be a whole checkpoint of this run's networks: {cause}") from error


class Checkpoints(keras.callbacks.Callback):
    """Saves everything a training needs: networks, averaged generator, both optimizers (and so the step), time.

    A checkpoint is written beside the older ones and becomes the newest only when it is whole.

    Args:
        folder: Where the checkpoints lie.
        every_minutes: Minutes between two of them. One more is written when the training ends.
        keep: How many of the newest stay.
        clock: Called for the time in seconds; default: this machine's. Several workers must have the same, so that
            they save at the same step.
        **objects: Further trackable objects to save, such as `seconds=Budget.seconds`.
    """

    def __init__(self, folder, every_minutes=2.0, keep=3, clock=None, **objects):
        super().__init__()
        self.folder = str(folder)
        self.every_minutes = every_minutes
        self.keep = keep
        self.clock = clock or time.monotonic
        self.objects = objects

    def set_model(self, model):
        super().set_model(model)
        checkpoint = tf.train.Checkpoint(gan=model, **self.objects)
        self.manager = tf.train.CheckpointManager(checkpoint, self.folder, max_to_keep=self.keep)

    def restore(self, folder=None):
        """Loads the newest checkpoint into the model, if there is one.

        Args:
            folder: Where to look for it; default: where this callback saves.

        Returns:
            The step it was written at, 0 without one.

        Raises:
            ValueError: It cannot be loaded, see `load`.
        """
        newest = tf.train.latest_checkpoint(str(folder)) if folder else self.manager.latest_checkpoint
        if newest:
            load(newest, gan=self.model, **self.objects)
        return self.model.step

    def save(self):
        """Writes a checkpoint.

        Raises:
            FloatingPointError: A weight is not finite: such a checkpoint could not be resumed from.
            OSError: The disk is full, for instance; older checkpoints stay.
        """
        for network in (self.model.generator, self.model.discriminator, self.model.ema_generator):
            for weight in network.weights:
                if not np.isfinite(weight.value.numpy()).all():
                    raise FloatingPointError(
                        f"weights must be finite. Received: {weight.path} is not, at step {self.model.step}. "
                        f"The last good checkpoint is {self.manager.latest_checkpoint or 'none'}"
                    )
        try:
            self.manager.save(checkpoint_number=self.model.step)
        except tf.errors.OpError as error:  # TensorFlow has its own exceptions for what the system refuses
            for remains in Path(self.folder).glob("*_temp"):
                shutil.rmtree(remains, ignore_errors=True)
            raise OSError(
                f"a checkpoint cannot be written into {self.folder}: {error.message}. The last good one is "
                f"{self.manager.latest_checkpoint or 'none'}; make room and run the same command again"
            ) from error
        self._saved = self.clock(), self.model.step

    def on_train_begin(self, logs=None):
        self._saved = self.clock(), self.model.step

    def on_train_batch_end(self, batch, logs=None):
        if self.clock() - self._saved[0] >= self.every_minutes * 60:
            self.save()

    def on_train_end(self, logs=None):
        if self.model.step > self._saved[1]:
            self.save()
