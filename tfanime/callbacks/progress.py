"""The progress bar of a training."""

import time

import keras
from tqdm import tqdm

# Values of a step's logs that are shown, if they are there.
SHOWN = {"discriminator_loss": "D", "generator_loss": "G", "loss": "loss", "accuracy": "accuracy"}


class Progress(keras.callbacks.Callback):
    """One line: steps done and expected, time left, images a second, losses.

    Args:
        budget: The `Budget`, which knows when the training ends.
        images_per_step: Real pictures that a training step sees.
    """

    def __init__(self, budget, images_per_step):
        super().__init__()
        self.budget = budget
        self.bar = None
        self.images_per_step = images_per_step

    def on_train_begin(self, logs=None):
        self._first = self.model.step
        self._begin = None
        self._shown = 0.0
        self.bar = tqdm(total=self.budget.steps, initial=self._first, unit="step", desc="training", dynamic_ncols=True)

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        step = self.model.step
        if self._begin is None:  # the first step includes tracing and is not typical
            self._begin = now, step
        if now - self._shown < 0.5:
            return
        self._shown = now
        pace = (step - self._begin[1]) / (now - self._begin[0]) if step > self._begin[1] else 0.0
        self.bar.total = self.budget.expected_steps(pace)
        values = [f"{name} {logs[key]:.3f}" for key, name in SHOWN.items() if key in logs]
        self.bar.set_postfix_str(", ".join([f"{pace * self.images_per_step:.0f} images/s", *values]), refresh=False)
        self.bar.update(step - self.bar.n)

    def on_train_end(self, logs=None):
        self.bar.total = max(self.model.step, 1)
        self.bar.update(self.model.step - self.bar.n)
        self.close()

    def close(self):
        """Ends the line, also of an interrupted training."""
        if self.bar is not None:
            self.bar.close()
