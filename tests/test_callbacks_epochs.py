import keras
import pytest
import tensorflow as tf
import tiny_networks

from tfanime.callbacks import Epochs


class Witness(keras.callbacks.Callback):
    """Notes what it is told, and adds to the logs of an epoch's end."""

    def __init__(self, name, events):
        super().__init__()
        self.name = name
        self.events = events

    def on_train_begin(self, logs=None):
        self.events.append((self.name, "train begins"))

    def on_train_end(self, logs=None):
        self.events.append((self.name, "train ends"))

    def on_epoch_begin(self, epoch, logs=None):
        self.events.append((self.name, "begins", epoch, self.model.step))

    def on_epoch_end(self, epoch, logs=None):
        assert "generator_loss" in logs
        logs.setdefault("writers", []).append(self.name)
        self.events.append((self.name, "ends", epoch, self.model.step, list(logs["writers"])))

    def on_train_batch_begin(self, batch, logs=None):
        self.events.append((self.name, "step"))

    def on_train_batch_end(self, batch, logs=None):
        assert "writers" not in logs


def fit(start, steps, every):
    gan = tiny_networks.gan()
    gan.generator_optimizer.iterations.assign(start)
    events = []
    dataset = tf.data.Dataset.from_tensors(tiny_networks.pictures(2)).repeat()
    callback = Epochs(every, [Witness("a", events), Witness("b", events)])
    gan.fit(dataset, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[callback])
    return events


def test_epochs_end_at_multiples_wherever_a_training_starts():
    events = fit(start=3, steps=7, every=4)
    of_a = [event[1:] for event in events if event[0] == "a" and event[1] != "step"]
    assert of_a == [
        ("train begins",),
        ("begins", 0, 3),
        ("ends", 0, 4, ["a"]),
        ("begins", 1, 4),
        ("ends", 1, 8, ["a"]),
        ("begins", 2, 8),
        ("ends", 2, 10, ["a"]),  # with the training
        ("train ends",),
    ]
    assert events.count(("a", "step")) == events.count(("b", "step")) == 7
    assert [event[4] for event in events if event[:2] == ("b", "ends")] == [["a", "b"]] * 3  # one epoch's logs for both


def test_a_training_that_ends_with_an_epoch_ends_it_once():
    ends = [event[2:4] for event in fit(start=0, steps=4, every=2) if event[:2] == ("a", "ends")]
    assert ends == [(0, 2), (1, 4)]


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"steps must be at least 1. Received: 0"):
        Epochs(0, [])
