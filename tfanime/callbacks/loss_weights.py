"""Writes the loss weights that a game has measured."""

import json

import keras

from tfanime.files import write_text


class LossWeights(keras.callbacks.Callback):
    """Writes `loss_weights.json` into the run folder at the end of each epoch, until the weights stay.

    Args:
        run: A `tfanime.runs.RunFolder`.
    """

    def __init__(self, run):
        super().__init__()
        self.run = run
        self._written = None

    def on_epoch_end(self, epoch, logs=None):
        if self.model.step <= self.model.content_steps:  # none has been measured
            return
        weights = self.model.weights_of_losses()
        if weights != self._written:
            content = {"step": self.model.step, "measured": self.model.weighing is not None, "weights": weights}
            write_text(self.run.loss_weights, json.dumps(content, indent=1) + "\n")
            self._written = weights
