import keras
import pytest
import tensorflow as tf
import tiny_networks

from tfanime.callbacks import Budget, Epochs

DUE = 12  # an epoch that a resumed training ends before any step has logs


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
        assert "generator_loss" in logs or self.model.step == DUE
        logs.setdefault("writers", []).append(self.name)
        self.events.append((self.name, "ends", epoch, self.model.step, list(logs["writers"])))

    def on_train_batch_begin(self, batch, logs=None):
        self.events.append((self.name, "step"))

    def on_train_batch_end(self, batch, logs=None):
        assert "writers" not in logs


def fit(start, steps, every, signal_at=None, **options):
    gan = tiny_networks.gan()
    gan.generator_optimizer.iterations.assign(start)
    events, budget = [], Budget(1000)
    dataset = tf.data.Dataset.from_tensors(tiny_networks.pictures(2)).repeat()
    signal = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: gan.step + 1 == signal_at and budget.interrupt(15)
    )
    witnesses = [Witness("a", events), Witness("b", events)]
    callback = Epochs(every, witnesses, budget, brief=witnesses[1:], **options)
    saving = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: budget.broken_off and events.append(("saves", gan.step))
    )
    callbacks = [signal, budget, callback, saving]
    gan.fit(dataset, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=callbacks)
    return events


def test_epochs_end_at_multiples_of_their_steps():
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


def test_epochs_end_once_at_the_end_of_the_training():
    ends = [event[2:4] for event in fit(start=0, steps=4, every=2) if event[:2] == ("a", "ends")]
    assert ends == [(0, 2), (1, 4)]


def ends(events):
    return [(event[0], event[-2]) for event in events if event[1] == "ends"]


@pytest.mark.parametrize("at", [12, 13])
def test_epochs_postpone_their_end_after_a_signal(at):
    events = fit(start=8, steps=9, every=4, signal_at=at)
    before, after = events[: events.index(("saves", at))], events[events.index(("saves", at)) :]
    assert ends(before) == ([] if at == 12 else [("a", 12), ("b", 12)]) and ends(after) == [("b", at)]


def test_epochs_begin_with_a_postponed_end():
    events = fit(start=DUE, steps=5, every=4, due=True)
    assert ends(events) == [(name, step) for step in (12, 16, 17) for name in "ab"]
    assert ends(events[: events.index(("a", "step"))]) == [("a", 12), ("b", 12)]


def test_epochs_refuse_bad_arguments():
    with pytest.raises(ValueError, match=r"steps must be at least 1. Received: 0"):
        Epochs(0, [])
