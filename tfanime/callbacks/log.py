"""Writes the numbers of a training: `metrics.jsonl` and TensorBoard."""

import time

import keras
import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer.event_file_writer import EventFileWriter

# TensorBoard lays out what stands before the slash as a section; other names stand alone.
SECTIONS = {
    "discriminator_loss": "loss/discriminator",
    "generator_loss": "loss/generator",
    "penalty": "loss/penalty",
    "discriminator_adversarial_loss": "loss_parts/discriminator_adversarial",
    "generator_adversarial_loss": "loss_parts/generator_adversarial",
    "generator_tag_loss": "loss_parts/generator_tags",
    "real_tag_loss": "loss_parts/real_tags",
    "fake_tag_loss": "loss_parts/fake_tags",
    "real_tag_accuracy": "tag_accuracy/real",
    "fake_tag_accuracy": "tag_accuracy/fake",
    "real_logits": "logits/real",
    "fake_logits": "logits/fake",
    "discriminator_gradient_norm": "gradient_norm/discriminator",
    "generator_gradient_norm": "gradient_norm/generator",
    "discriminator_weight_norm": "weight_norm/discriminator",
    "generator_weight_norm": "weight_norm/generator",
    "discriminator_learning_rate": "learning_rate/discriminator",
    "generator_learning_rate": "learning_rate/generator",
    "images_per_second": "speed/images_per_second",
}


class RunLog(keras.callbacks.Callback):
    """Averages the logs of every step over an epoch and writes them, with images a second, norms and learning rates.

    The means replace the last step's values in the `logs` that later callbacks see at the epoch's end.

    Args:
        run: A `tfanime.runs.RunFolder`.
        images_per_step: Real pictures that a training step sees.
        seconds: The `Budget`'s variable of training time, for `metrics.jsonl`.
    """

    def __init__(self, run, images_per_step, seconds):
        super().__init__()
        self.run = run
        self.images_per_step = images_per_step
        self.seconds = seconds

    def on_train_begin(self, logs=None):
        # From its second such event on, TensorBoard drops what is there of that step and later ones: what a killed
        # process had written after the checkpoint.
        start = Event(step=self.model.step + 1, wall_time=time.time())
        start.session_log.status = SessionLog.START
        writer = EventFileWriter(str(self.run.tensorboard))
        writer.add_event(start)
        writer.close()
        self.writer = tf.summary.create_file_writer(str(self.run.tensorboard))

    def on_epoch_begin(self, epoch, logs=None):
        self._sums = {}
        self._steps = 0
        self._begin = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1
        for name, value in logs.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def on_epoch_end(self, epoch, logs=None):
        if not self._steps:
            return
        logs.update({name: total / self._steps for name, total in self._sums.items()})
        logs |= self._of_players()
        logs["images_per_second"] = self._steps * self.images_per_step / (time.monotonic() - self._begin)
        step = self.model.step
        self.run.append_metrics({"step": step, "seconds": round(float(self.seconds), 3), **logs})
        with self.writer.as_default(step):
            for name, value in logs.items():
                tf.summary.scalar(SECTIONS.get(name, name), value)

    def _of_players(self):
        """What is the same all through a step: norms of all trainable weights together, and learning rates."""
        values = {}
        for player in ("generator", "discriminator"):
            network = getattr(self.model, player, None)
            optimizer = getattr(self.model, f"{player}_optimizer", None)
            if network is not None and optimizer is not None:
                weights = [weight.value for weight in network.trainable_weights]
                values[f"{player}_weight_norm"] = float(tf.linalg.global_norm(weights))
                values[f"{player}_learning_rate"] = float(tf.convert_to_tensor(optimizer.learning_rate))
        return values

    def on_train_end(self, logs=None):
        self.writer.close()
