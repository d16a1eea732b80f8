"""Profiles some training steps, for TensorBoard's profiler."""

from pathlib import Path

import keras
import tensorflow as tf


class Profile(keras.callbacks.Callback):
    """Profiles some of the steps of a training, counted from 1 where `fit` begins.

    The trace appears below `plugins/profile`, which TensorBoard shows with the package `tensorboard-plugin-profile`.
    Put it first among the callbacks, so that a step does not contain their work.

    Args:
        folder: TensorBoard's folder.
        first: The first step in the trace. The very first steps compile the program and are not typical.
        last: The last step in the trace.

    Raises:
        ValueError: `first` and `last` are not steps from 1, in order.
    """

    def __init__(self, folder, first, last):
        super().__init__()
        if not 1 <= first <= last:
            raise ValueError(f"first and last must be steps from 1, in order. Received: {first} and {last}")
        self.folder = Path(folder)
        self.first = first
        self.last = last
        self.traced = None  # the steps in the trace, such as "20 to 30"
        self._running = False

    def on_train_begin(self, logs=None):
        self._step = 0

    def on_train_batch_begin(self, batch, logs=None):
        self._step += 1
        if self._step == self.first:
            tf.profiler.experimental.start(str(self.folder))
            self._running = True
        if self._running:
            self._trace = tf.profiler.experimental.Trace("train", step_num=self.model.step + 1, _r=1)
            self._trace.__enter__()

    def on_train_batch_end(self, batch, logs=None):
        if self._running:
            self._trace.__exit__(None, None, None)
            self.traced = f"{self.first} to {self._step}"
            if self._step == self.last:
                self.close()

    def on_train_end(self, logs=None):
        self.close()

    def close(self):
        """Writes the trace, also of an interrupted training."""
        if self._running:
            self._running = False
            tf.profiler.experimental.stop()
