from types import SimpleNamespace

import pytest
import tensorflow as tf

from tfanime.callbacks import Budget, Progress, progress

GAME = {"discriminator_loss": 0.5, "generator_loss": 2.25}


def train(monkeypatch, count, *, start=0, seconds_each=1.0, logs=GAME, **budget):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock.now)
    model = SimpleNamespace(step=start)
    budget = Budget(seconds=tf.Variable(0.0, dtype=tf.float64), **budget)
    callback = Progress(budget, images_per_step=32)
    for each in (budget, callback):
        each.set_model(model)
    callback.on_train_begin()
    for _ in range(count):
        clock.now += seconds_each
        model.step += 1
        budget.seconds.assign_add(seconds_each)
        callback.on_train_batch_end(0, logs)
    return callback


def test_progress_shows_steps_pace_and_losses(monkeypatch, capsys):
    callback = train(monkeypatch, 5, start=10, steps=100)
    assert callback.bar.n == 15 and callback.bar.total == 100 and callback.bar.initial == 10
    assert callback.bar.postfix == "32 images/s, D 0.500, G 2.250"
    callback.on_train_end()
    assert "15/15" in capsys.readouterr().err.splitlines()[-1].rsplit("\r", 1)[-1]


def test_progress_of_a_classifier_shows_its_loss(monkeypatch, capsys):
    logs = {"loss": 1.5, "accuracy": 0.25, "gradient_norm": 3.0}
    callback = train(monkeypatch, 3, steps=100, logs=logs)
    assert callback.bar.postfix == "32 images/s, loss 1.500, accuracy 0.250"
    callback.on_train_end()


def test_progress_total_follows_the_minutes(monkeypatch, capsys):
    callback = train(monkeypatch, 5, steps=100, minutes=1, seconds_each=2.0)
    assert callback.bar.total == 30
    callback.on_train_end()
    assert callback.bar.total == callback.bar.n == 5


@pytest.mark.parametrize("steps", [0, 1])
def test_progress_of_a_training_of_one_step_is_shown(monkeypatch, capsys, steps):
    callback = train(monkeypatch, steps, steps=3)
    assert (callback.bar.n, callback.bar.total) == (steps, 3)
    callback.on_train_end()
    assert (callback.bar.n, callback.bar.total) == (steps, 1)  # a bar of nothing has no width
    assert f" {steps}/1 " in capsys.readouterr().err


def test_progress_pace_excludes_the_first_step(monkeypatch, capsys):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock.now)
    callback = train(monkeypatch, 1, steps=100, seconds_each=60.0)
    assert callback.bar.postfix.startswith("0 images/s")
    monkeypatch.setattr(progress.time, "monotonic", lambda: 62.0)
    callback.model.step += 4
    callback.on_train_batch_end(0, {"discriminator_loss": 0.5, "generator_loss": 2.25})
    assert callback.bar.postfix.startswith("64 images/s")  # 4 steps of 32 in 2 seconds
    callback.on_train_end()
