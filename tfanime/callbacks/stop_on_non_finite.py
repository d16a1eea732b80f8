"""Ends a training whose numbers have become infinite or undefined."""

import math

import keras

from tfanime.callbacks.checkpoints import after_non_finite
from tfanime.checkpoints import newest


class StopOnNonFinite(keras.callbacks.Callback):
    """Raises an error, which ends the training, as soon as a value in a step's logs is not finite.

    Put it first among the callbacks, so that no other callback writes such a value.

    Args:
        checkpoints: Folder of `Checkpoints`, to name the last good one; None without one.

    Raises:
        FloatingPointError: In `fit`; the message names the value, the step and the last good checkpoint.
    """

    def __init__(self, checkpoints=None):
        super().__init__()
        self.checkpoints = checkpoints

    def on_train_batch_end(self, batch, logs=None):
        wrong = {name: value for name, value in (logs or {}).items() if not math.isfinite(value)}
        if wrong:
            good = newest(self.checkpoints) if self.checkpoints else None
            raise FloatingPointError(
                f"losses must be finite. Received: {', '.join(f'{name} = {value}' for name, value in wrong.items())} "
                f"at step {self.model.step}. {after_non_finite(good)}"
            )
