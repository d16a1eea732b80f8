from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tfanime.callbacks import Budget, budget


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(budget.time, "monotonic", lambda: clock.now)
    return clock


def attached(step=0, **options):
    callback = Budget(**options)
    callback.set_model(SimpleNamespace(step=step, stop_training=False))
    return callback


def run(callback, clock, steps, seconds_each):
    """Steps until the callback stops the training, as `fit` does; how many there were."""
    callback.on_train_begin()
    for done in range(steps):
        if callback.model.stop_training:
            return done
        clock.now += seconds_each
        callback.model.step += 1
        callback.on_train_batch_end(0, {})
    return steps


def test_budget_steps_include_restarts(clock):
    assert run(attached(steps=5), clock, 100, 1) == 5
    assert run(attached(steps=5, step=3), clock, 100, 1) == 2


def test_budget_minutes_include_restarts(clock):
    first = attached(steps=1000, minutes=1)
    assert run(first, clock, 4, 10) == 4
    clock.now += 10_000  # between two sessions nothing is trained
    resumed = attached(steps=1000, minutes=1, step=4, seconds=tf.Variable(first.seconds))
    assert float(resumed.seconds) == 40
    assert run(resumed, clock, 100, 10) == 2
    assert float(resumed.seconds) == 60 and resumed.spent()


def test_budget_ends_at_the_first_limit(clock):
    assert run(attached(steps=3, minutes=1), clock, 100, 1) == 3
    assert run(attached(steps=300, minutes=1), clock, 100, 30) == 2


def test_budget_spent_is_true_at_the_end():
    assert not attached(steps=5, step=4).spent() and attached(steps=5, step=5).spent()
    assert not attached(steps=5, minutes=1, seconds=tf.Variable(59.9, dtype=tf.float64)).spent()
    assert attached(steps=5, minutes=1, seconds=tf.Variable(60.0, dtype=tf.float64)).spent()


def test_budget_stops_workers_by_the_time_of_the_first(clock):
    said = []

    def gather(*numbers):
        """Two workers: the first one's clock is half as fast, the second one gets a signal in its third step."""
        said.append(numbers)
        return np.array([[numbers[0] / 2, 0], [numbers[0], 15 if len(said) == 3 else 0]])

    timed = attached(steps=100, minutes=1, gather=gather)
    assert run(timed, clock, 2, 10) == 2 and said == [(10, 0)] * 2
    assert float(timed.seconds) == 10
    assert run(timed, clock, 100, 10) == 1  # by the signal
    assert timed.interrupted == 15
    late = attached(steps=100, minutes=1, gather=lambda *numbers: np.array([[numbers[0] / 2, 0], [99, 0]]))
    assert run(late, clock, 100, 20) == 6 and late.interrupted == 0


def test_budget_interrupt_ends_after_the_step_in_progress(clock):
    callback = attached(steps=100)
    callback.interrupt(2)
    assert run(callback, clock, 100, 1) == 1 and callback.interrupted == 2 and callback.broken_off
    last = attached(steps=1)
    last.interrupt(2)
    assert run(last, clock, 100, 1) == 1 and last.interrupted == 2 and not last.broken_off  # nothing is left to be done


def test_budget_expected_steps_follow_the_pace():
    assert attached(steps=500, step=7).expected_steps(3.0) == 500
    timed = attached(steps=500, step=7, minutes=2, seconds=tf.Variable(20.0, dtype=tf.float64))
    assert timed.expected_steps(2.0) == 7 + 100 * 2
    assert timed.expected_steps(100.0) == 500
    assert timed.expected_steps(0.0) == 500  # no pace is known yet


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, r"steps must be at least 1. Received: 0"),
        ({"steps": 1, "minutes": 0}, r"minutes must be above 0. Received: 0"),
        ({"steps": 1, "minutes": float("nan")}, r"minutes must be above 0. Received: nan"),
    ],
)
def test_budget_refuses_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        Budget(**options)
