from math import exp, log

import numpy as np
import pytest
import tensorflow as tf

from tfanime.training.losses import LOSSES

REAL = np.float32([2.0, -1.0, 0.5])
FAKE = np.float32([-3.0, 1.0, 0.0])


def sigmoid(value):
    return 1 / (1 + exp(-value))


def test_non_saturating_equals_hand_computation():
    loss = LOSSES["non_saturating"]
    real = -(log(sigmoid(2)) + log(sigmoid(-1)) + log(sigmoid(0.5))) / 3
    fake = -(log(1 - sigmoid(-3)) + log(1 - sigmoid(1)) + log(1 - sigmoid(0))) / 3
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE), real + fake, rtol=1e-6)
    np.testing.assert_allclose(
        loss.generator(FAKE), -(log(sigmoid(-3)) + log(sigmoid(1)) + log(sigmoid(0))) / 3, rtol=1e-6
    )
    # A discriminator that cannot tell: 2 log 2 and log 2.
    np.testing.assert_allclose(loss.discriminator(tf.zeros(4), tf.zeros(4)), 1.3862944, rtol=1e-6)
    np.testing.assert_allclose(loss.generator(tf.zeros(4)), 0.6931472, rtol=1e-6)


def test_wasserstein_equals_hand_computation():
    loss = LOSSES["wasserstein"]
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE), (-3 + 1 + 0) / 3 - (2 - 1 + 0.5) / 3, rtol=1e-6)
    np.testing.assert_allclose(loss.generator(FAKE), 2 / 3, rtol=1e-6)


def test_hinge_equals_hand_computation():
    loss = LOSSES["hinge"]
    # real: 2 is beyond the margin, 1 - -1 = 2, 1 - 0.5; fake: -3 is beyond the margin, 1 + 1 = 2, 1 + 0 = 1
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE), (0 + 2 + 0.5) / 3 + (0 + 2 + 1) / 3, rtol=1e-6)
    np.testing.assert_allclose(loss.generator(FAKE), 2 / 3, rtol=1e-6)
    assert float(loss.discriminator(tf.constant([1.0, 5.0]), tf.constant([-1.0, -5.0]))) == 0  # all good enough
    assert float(loss.discriminator(tf.zeros(4), tf.zeros(4))) == 2


def test_least_squares_equals_hand_computation():
    loss = LOSSES["least_squares"]
    # real: (1 + 4 + 0.25) / 3 / 2 from label 1, fake: (9 + 1 + 0) / 3 / 2 from label 0
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE), 5.25 / 6 + 10 / 6, rtol=1e-6)
    np.testing.assert_allclose(loss.generator(FAKE), (16 + 0 + 1) / 6, rtol=1e-6)
    assert float(loss.discriminator(tf.ones(4), tf.zeros(4))) == 0
    assert float(loss.generator(tf.ones(4))) == 0


def test_relativistic_equals_hand_computation():
    loss = LOSSES["relativistic"]
    # D(x) - D(G(z)) is 2 + 3, -1 - 1, 0.5 - 0
    of_discriminator = -(log(sigmoid(5)) + log(sigmoid(-2)) + log(sigmoid(0.5))) / 3
    of_generator = -(log(sigmoid(-5)) + log(sigmoid(2)) + log(sigmoid(-0.5))) / 3
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE), of_discriminator, rtol=1e-6)
    np.testing.assert_allclose(loss.generator(FAKE, REAL), of_generator, rtol=1e-6)
    np.testing.assert_allclose(loss.generator(tf.ones(4), tf.ones(4)), log(2), rtol=1e-6)


def test_relativistic_average_equals_hand_computation():
    loss = LOSSES["relativistic_average"]
    # The mean of the reals is 0.5, of the fakes -2/3.
    real = [log(sigmoid(each + 2 / 3)) for each in (2, -1, 0.5)]
    fake = [log(1 - sigmoid(each - 0.5)) for each in (-3, 1, 0)]
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE), -(sum(real) + sum(fake)) / 3, rtol=1e-6)
    fake = [log(sigmoid(each - 0.5)) for each in (-3, 1, 0)]
    real = [log(1 - sigmoid(each + 2 / 3)) for each in (2, -1, 0.5)]
    np.testing.assert_allclose(loss.generator(FAKE, REAL), -(sum(real) + sum(fake)) / 3, rtol=1e-6)


# The losses again in NumPy, by the papers' formulas.
PLAIN = {
    "non_saturating": (
        lambda real, fake: np.mean(np.log(1 + np.exp(-real))) + np.mean(np.log(1 + np.exp(fake))),
        lambda fake: np.mean(np.log(1 + np.exp(-fake))),
    ),
    "wasserstein": (lambda real, fake: np.mean(fake) - np.mean(real), lambda fake: -np.mean(fake)),
    "hinge": (
        lambda real, fake: -np.mean(np.minimum(0, -1 + real)) - np.mean(np.minimum(0, -1 - fake)),
        lambda fake: -np.mean(fake),
    ),
    "least_squares": (
        lambda real, fake: np.mean((real - 1) ** 2) / 2 + np.mean((fake - 0) ** 2) / 2,
        lambda fake: np.mean((fake - 1) ** 2) / 2,
    ),
    "relativistic": (
        lambda real, fake: np.mean(np.log(1 + np.exp(fake - real))),
        lambda fake, real: np.mean(np.log(1 + np.exp(real - fake))),
    ),
    "relativistic_average": (
        lambda real, fake: (
            -np.mean(np.log(1 / (1 + np.exp(fake.mean() - real))))
            - np.mean(np.log(1 - 1 / (1 + np.exp(real.mean() - fake))))
        ),
        lambda fake, real: (
            -np.mean(np.log(1 / (1 + np.exp(real.mean() - fake))))
            - np.mean(np.log(1 - 1 / (1 + np.exp(fake.mean() - real))))
        ),
    ),
}


def slopes(function, values, width=1e-6):
    """The derivatives of `function` at `values`, by central differences."""
    steps = width * np.eye(len(values))
    return np.array([function(values + step) - function(values - step) for step in steps]) / (2 * width)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_gradients_equal_a_plain_transcription(name):
    loss, (discriminator, generator) = LOSSES[name], PLAIN[name]
    random = np.random.default_rng(0)
    # Two means are over batches of their own, a pair needs two of one size.
    real, fake = random.normal(0, 2, 7), random.normal(0, 2, 7 if name == "relativistic" else 5)
    real_logits, fake_logits = tf.constant(real), tf.constant(fake)
    others = (real,) if loss.paired else ()
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real_logits, fake_logits])
        values = loss.discriminator(real_logits, fake_logits), loss.generator(fake_logits, *map(tf.constant, others))
    np.testing.assert_allclose(values, [discriminator(real, fake), generator(fake, *others)], rtol=1e-12)
    for value, by, expected in (
        (values[0], real_logits, slopes(lambda real: discriminator(real, fake), real)),
        (values[0], fake_logits, slopes(lambda fake: discriminator(real, fake), fake)),
        (values[1], fake_logits, slopes(lambda fake: generator(fake, *others), fake)),
    ):
        np.testing.assert_allclose(tape.gradient(value, by), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_move_each_players_logits_in_its_direction(name):
    # Logits inside the hinge's margin and between the labels of least squares: there no side is content.
    loss = LOSSES[name]
    real, fake = tf.constant([0.5, 0.1, 0.9]), tf.constant([0.1, 0.9, 0.5])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        discriminator, generator = loss.discriminator(real, fake), loss.generator(fake, real)
    assert discriminator.shape == generator.shape == ()
    assert (tape.gradient(discriminator, real).numpy() < 0).all()  # the discriminator raises real logits
    assert (tape.gradient(discriminator, fake).numpy() > 0).all()  # and lowers those of fakes,
    assert (tape.gradient(generator, fake).numpy() < 0).all()  # which the generator raises


def test_hinge_has_no_gradient_beyond_its_margin():
    real, fake = tf.constant([2.0, -2.0]), tf.constant([-2.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch([real, fake])
        value = LOSSES["hinge"].discriminator(real, fake)
    np.testing.assert_array_equal(tape.gradient(value, [real, fake]), [[0, -0.5], [0, 0.5]])


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_extreme_logits_are_finite(name):
    loss = LOSSES[name]
    high, low = tf.constant([1e4, 1e4]), tf.constant([-1e4, -1e4])
    for real, fake in ((high, low), (low, high)):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([real, fake])
            values = loss.discriminator(real, fake), loss.generator(fake, real)
        assert np.isfinite(values).all()
        assert np.isfinite(tape.gradient(values[0], [real, fake])).all()
        assert np.isfinite(tape.gradient(values[1], fake)).all()
    assert float(LOSSES["non_saturating"].discriminator(low, high)) == pytest.approx(2e4)
