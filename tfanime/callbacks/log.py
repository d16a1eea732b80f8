"""Writes the numbers of a training: `metrics.jsonl` and TensorBoard."""

import time

import keras
import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from tfanime.callbacks.checkpoints import State
from tfanime.metrics.names import is_frechet

# TensorBoard makes a section of the part before the slash; other names stand alone.
SECTIONS = {
    "discriminator_loss": "loss/discriminator",
    "generator_loss": "loss/generator",
    "penalty": "loss/penalty",
    "generator_terms": "loss/generator_terms",
    "discriminator_adversarial_loss": "loss_parts/discriminator_adversarial",
    "generator_adversarial_loss": "loss_parts/generator_adversarial",
    "generator_tag_loss": "loss_parts/generator_tags",
    "real_tag_loss": "loss_parts/real_tags",
    "fake_tag_loss": "loss_parts/fake_tags",
    "real_tag_accuracy": "tag_accuracy/real",
    "fake_tag_accuracy": "tag_accuracy/fake",
    "real_logits": "logits/real",
    "fake_logits": "logits/fake",
    "augmentation_probability": "augmentation/probability",
    "real_sign": "augmentation/real_sign",
    "discriminator_gradient_norm": "gradient_norm/discriminator",
    "generator_gradient_norm": "gradient_norm/generator",
    "discriminator_weight_norm": "weight_norm/discriminator",
    "generator_weight_norm": "weight_norm/generator",
    "discriminator_learning_rate": "learning_rate/discriminator",
    "generator_learning_rate": "learning_rate/generator",
    "images_per_second": "speed/images_per_second",
}


def _section(name):
    """The name of a curve in TensorBoard; Frechet distances have the name of their protocol."""
    return SECTIONS.get(name) or (f"judge/{name}" if is_frechet(name) else name)


def _empty():
    return {"steps": 0, "sums": {}, "counts": {}, "timed_steps": 0, "seconds": 0.0}


class RunLog(keras.callbacks.Callback):
    """Averages the logs of every step over an epoch and writes them, with images a second, norms and learning rates.

    The means replace the last step's values in the `logs` that later callbacks see at the epoch's end.

    `state` holds the sums of an unfinished epoch. Save it in the checkpoint, so that an epoch with a restart in it has
    the means of the whole epoch.

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
        self.state = State(_empty())

    @property
    def unreported(self):
        """Whether there are steps since the end of the last epoch."""
        return self.state.value["steps"] > 0

    def on_train_begin(self, logs=None):
        self.state.value = _empty() | self.state.value  # an older version stored no time
        # From the second such event on, TensorBoard drops points of that step and later ones: those that a killed
        # process had written after the checkpoint.
        start = Event(step=self.model.step + (0 if self.unreported else 1), wall_time=time.time())
        start.session_log.status = SessionLog.START
        self.run.tensorboard.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads files in alphabetical order; this name makes it read this event before the points that
        # follow.
        path = self.run.tensorboard / f"events.out.tfevents.{int(time.time()):010d}.!start"
        with tf.io.TFRecordWriter(str(path)) as file:
            for event in (Event(wall_time=time.time(), file_version="brain.Event:2"), start):
                file.write(event.SerializeToString())
        self.writer = tf.summary.create_file_writer(str(self.run.tensorboard))

    def on_epoch_begin(self, epoch, logs=None):
        self._last = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()  # other callbacks' work at the epoch's end is not training time
        self.state.value["seconds"] += now - self._last
        self._last = now
        self.state.value["timed_steps"] += 1
        self.state.value["steps"] += 1
        sums, counts = self.state.value["sums"], self.state.value["counts"]
        for name, value in logs.items():
            sums[name] = sums.get(name, 0.0) + float(value)
            counts[name] = counts.get(name, 0) + 1  # the phases of a game may have different logs

    def on_epoch_end(self, epoch, logs=None):
        if not self.unreported:
            return
        done, self.state.value = self.state.value, _empty()
        logs.update({name: total / done["counts"].get(name, done["steps"]) for name, total in done["sums"].items()})
        logs |= self._of_players()
        if done["timed_steps"]:
            logs["images_per_second"] = done["timed_steps"] * self.images_per_step / done["seconds"]
        step = self.model.step
        self.run.append_metrics({"step": step, "seconds": round(float(self.seconds), 3), **logs})
        with self.writer.as_default(step):
            for name, value in logs.items():
                tf.summary.scalar(_section(name), value)

    def _of_players(self):
        """Values that change only from step to step: norms of all trainable weights together, and learning rates."""
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
