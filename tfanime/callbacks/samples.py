"""Sheets of avatars while a GAN trains."""

import keras
import tensorflow as tf

import tfanime.sheets
from tfanime.images import write_png


class Samples(keras.callbacks.Callback):
    """Draws fixed sheets by the averaged generator, as PNG and in TensorBoard (`tfanime.sheets`).

    Args:
        run: A `tfanime.runs.RunFolder`.
        every: Training steps between two drawings, checked when an epoch ends. A last one is always made. Make it a
            multiple of an epoch's steps, so that a resumed training draws at the same steps as an undisturbed one.
        seeds: The avatars' seeds.
        sheets: Game -> its `Sheet`s by name. Default: `tfanime.sheets.sheets` of the seeds.

    Raises:
        ValueError: `every` is below 1.
    """

    def __init__(self, run, every, seeds=range(64), sheets=None):
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be at least 1. Received: {every}")
        self.run = run
        self.every = every
        self._make = sheets or (lambda game: tfanime.sheets.sheets(game, seeds))

    def on_train_begin(self, logs=None):
        self.sheets = self._make(self.model)
        self.writer = tf.summary.create_file_writer(str(self.run.tensorboard))
        self._drawn = self.model.step

    def on_epoch_end(self, epoch, logs=None):
        step = self.model.step
        # The first step counts too, because a resumed training may begin with an epoch's end.
        if step % self.every == 0 or step // self.every > self._drawn // self.every:
            self.draw()

    def on_train_end(self, logs=None):
        if self.model.step > self._drawn:
            self.draw()
        self.writer.close()

    def draw(self):
        """Draws the sheets at the present step."""
        step = self._drawn = self.model.step
        for name, sheet in self.sheets.items():
            image = sheet.draw(self.model)
            write_png(self.run.sample(step, None if name == "samples" else name), image)
            with self.writer.as_default(step):
                tf.summary.image(name if name == "samples" else f"samples/{name}", image[None])
