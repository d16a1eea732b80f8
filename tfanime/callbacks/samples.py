"""Sheets of avatars while a GAN trains."""

import keras
import numpy as np
import tensorflow as tf

from tfanime.images import grid, to_uint8, write_png


class Samples(keras.callbacks.Callback):
    """Draws the same seeds again and again, by the averaged generator, as PNG and in TensorBoard.

    Args:
        run: A `tfanime.runs.RunFolder`.
        every: Training steps from one sheet to the next; looked at when an epoch ends. A last one is always drawn.
        seeds: The avatars' seeds.
    """

    def __init__(self, run, every, seeds=range(64)):
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be at least 1. Received: {every}")
        self.run = run
        self.every = every
        self.seeds = np.array(seeds, np.int64)

    def on_train_begin(self, logs=None):
        self.latents = self.model.latents.from_seeds(self.seeds)
        self.writer = tf.summary.create_file_writer(str(self.run.tensorboard))
        self._drawn = self.model.step

    def on_epoch_end(self, epoch, logs=None):
        if self.model.step // self.every > self._drawn // self.every:
            self.draw()

    def on_train_end(self, logs=None):
        if self.model.step > self._drawn:
            self.draw()
        self.writer.close()

    def draw(self):
        """Draws a sheet at the present step."""
        step = self._drawn = self.model.step
        sheet = grid(to_uint8(self.model(self.latents)).numpy())
        write_png(self.run.sample(step), sheet)
        with self.writer.as_default(step):
            tf.summary.image("samples", sheet[None])
