import keras
import numpy as np
import pytest

from tfanime.training.optimizers import DECAYS, OPTIMIZERS, After, Falling, Rising, schedule


def rates(decay, begin, steps=100):
    falling = schedule(0.5, decay, begin, steps)
    return [float(falling(step)) for step in (0, 25, 50, 75, 100, 150)]


def test_linear_decay_ends_at_zero():
    assert rates("linear", 0.0) == pytest.approx([0.5, 0.375, 0.25, 0.125, 0, 0])
    assert rates("linear", 0.5) == pytest.approx([0.5, 0.5, 0.5, 0.25, 0, 0])


def test_exponential_decay_leaves_a_tenth():
    assert rates("exponential", 0.0) == pytest.approx([0.5 * 0.1**done for done in (0, 0.25, 0.5, 0.75, 1, 1)])
    assert rates("exponential", 0.5) == pytest.approx([0.5, 0.5, 0.5, 0.5 * 0.1**0.5, 0.05, 0.05])


def test_schedule_without_decay_is_a_number():
    assert schedule(0.5, "none", 0.0, 10) == 0.5
    with pytest.raises(ValueError, match=r"one of none, linear, exponential. Received: 'cosine'"):
        schedule(0.5, "cosine", 0.0, 10)


@pytest.mark.parametrize("decay", DECAYS[1:])
def test_schedules_can_be_saved(decay):
    falling = schedule(0.5, decay, 0.2, 10)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(falling))
    assert isinstance(again, Falling) and float(again(7)) == float(falling(7))


def updates(name, gradients, beta_1, beta_2):
    """Where a weight goes that begins at 0."""
    variable = keras.Variable(np.zeros(1, np.float32))
    optimizer = OPTIMIZERS[name](0.1, beta_1, beta_2)
    places = []
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor([gradient], "float32")], [variable])
        places.append(float(variable.numpy()[0]))
    return places


def test_after_switches_the_rate():
    rate = After(0.3, 0.1, 5)
    assert [float(rate(step)) for step in (0, 4, 5, 9)] == pytest.approx([0.3, 0.3, 0.1, 0.1])
    falling = After(0.3, Falling(0.1, "linear", 0, 10), 5)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(After(0.3, 0.1, 5)))
    assert [float(falling(step)) for step in (4, 5, 10)] == pytest.approx([0.3, 0.05, 0.0])
    assert [float(again(step)) for step in (4, 5)] == pytest.approx([0.3, 0.1])


def test_rising_increases_the_weight():
    weight = Rising(0.8, 10, 4)
    assert [float(weight(step)) for step in (0, 10, 11, 14, 99)] == pytest.approx([0.0, 0.0, 0.2, 0.8, 0.8])


def test_optimizers_follow_their_formulas():
    gradients, beta_1, beta_2 = [1.0, -0.5, 2.0, 0.25], 0.5, 0.9
    place, mean, square, momentum, rms = np.zeros(3), 0.0, 0.0, 0.0, 0.0
    expected = {"adam": [], "sgd": [], "rmsprop": []}
    velocity = 0.0
    for step, gradient in enumerate(gradients, 1):
        mean = beta_1 * mean + (1 - beta_1) * gradient
        square = beta_2 * square + (1 - beta_2) * gradient**2
        place[0] -= 0.1 * (mean / (1 - beta_1**step)) / (np.sqrt(square / (1 - beta_2**step)) + 1e-8)
        momentum = beta_1 * momentum - 0.1 * gradient
        place[1] += momentum
        rms = beta_2 * rms + (1 - beta_2) * gradient**2
        velocity = beta_1 * velocity + 0.1 * gradient / np.sqrt(rms)
        place[2] -= velocity
        for name, value in zip(expected, place, strict=True):
            expected[name].append(value)
    for name in expected:
        assert updates(name, gradients, beta_1, beta_2) == pytest.approx(expected[name], rel=1e-4), name
