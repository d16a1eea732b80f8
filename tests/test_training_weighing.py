"""Weights by measured gradients."""

import numpy as np
import pytest
import tensorflow as tf

from tfanime.training.weighing import Weighing, size


def as_tensors(values):
    return {name: tf.constant(value) for name, value in values.items()}


def test_weighing_divides_shares_by_mean_gradient_sizes():
    weighing = Weighing({"adversarial": 2.0, "Content": 1.0, "nothing": 3.0}, steps=3)
    state = as_tensors(weighing.state)
    for first, second in ((1.0, 10.0), (2.0, 20.0), (6.0, 0.0), (100.0, 100.0), (7.0, 7.0)):
        state = weighing.next_state(state, as_tensors({"adversarial": first, "Content": second, "nothing": 0.0}))
    assert {name: float(value) for name, value in state.items()} == pytest.approx(
        {"adversarial": 3.0, "Content": 10.0, "nothing": 0.0, "steps": 3.0}
    )
    weights = {name: float(value) for name, value in weighing.weights(state).items()}
    assert weights == pytest.approx({"adversarial": 2 / 3, "Content": 0.1, "nothing": 0.0})


def test_size_is_for_one_picture():
    slopes = np.random.default_rng(0).normal(size=(6, 4, 4, 3)).astype(np.float32)
    expected = 6 * np.sqrt(np.mean(slopes**2))
    np.testing.assert_allclose(size(tf.constant(slopes)), expected, rtol=1e-6)
    np.testing.assert_allclose(size(tf.constant(np.tile(slopes, (2, 1, 1, 1)) / 2)), expected, rtol=1e-6)


def test_weighing_refuses_bad_numbers():
    with pytest.raises(ValueError, match=r"steps must be at least 1. Received: 0"):
        Weighing({}, 0)
    with pytest.raises(ValueError, match=r"the share of Style must be at least 0. Received: -1.0"):
        Weighing({"Style": -1.0})
