"""Ends a training after a number of steps or of minutes."""

import time

import keras
import numpy as np
import tensorflow as tf


class Budget(keras.callbacks.Callback):
    """Stops the training at a total of steps or of training time, whichever comes first.

    Args:
        steps: Total training steps, those before a restart included.
        minutes: Total minutes of training, those before a restart included; None for no limit.
        seconds: A float64 `tf.Variable` that holds the training time so far; put into the checkpoint, it makes the
            time a total over all restarts. Default: a new one.
        gather: With several workers: (*numbers) -> the numbers of all workers, `[workers, numbers]`, see
            `tfanime.devices.Workers.gather`. They use the time of the first worker, and stop at the same step.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(self, steps, minutes=None, seconds=None, gather=None):
        super().__init__()
        if steps < 1:
            raise ValueError(f"steps must be at least 1. Received: {steps}")
        if minutes is not None and not minutes > 0:
            raise ValueError(f"minutes must be above 0. Received: {minutes}")
        self.steps = steps
        self.minutes = minutes
        self.seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False) if seconds is None else seconds
        self.gather = gather or (lambda *numbers: np.array([numbers]))
        self.interrupted = 0
        self.broken_off = False  # whether a signal has ended the training before its budget was spent

    def interrupt(self, signal_number):
        """Ends the training after the step in progress, on all workers; `interrupted` is then the signal's number."""
        self.interrupted = signal_number

    def spent(self):
        """Whether nothing of the budget is left."""
        out_of_time = self.minutes is not None and float(self.seconds) >= self.minutes * 60
        return self.model.step >= self.steps or out_of_time

    def expected_steps(self, steps_per_second):
        """The step at which the training will end if it goes on at this pace."""
        step = self.model.step
        if self.minutes is None or not steps_per_second:
            return self.steps
        return min(self.steps, step + round((self.minutes * 60 - float(self.seconds)) * steps_per_second))

    def on_train_begin(self, logs=None):
        self._last = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        elapsed, interrupted = self.gather(now - self._last, self.interrupted).T
        self.seconds.assign_add(elapsed[0])
        self.interrupted = int(max(interrupted))
        self._last = now
        if self.spent() or self.interrupted:
            self.model.stop_training = True
            self.broken_off = not self.spent()
