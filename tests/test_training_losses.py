from math import exp, log

import numpy as np
import pytest
import tensorflow as tf

from tfanime.training.losses import LOSSES

REAL = np.float32([2.0, -1.0, 0.5])
FAKE = np.float32([-3.0, 1.0, 0.0])


def sigmoid(value):
    return 1 / (1 + exp(-value))


def test_non_saturating():
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


def test_wasserstein():
    loss = LOSSES["wasserstein"]
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE), (-3 + 1 + 0) / 3 - (2 - 1 + 0.5) / 3, rtol=1e-6)
    np.testing.assert_allclose(loss.generator(FAKE), 2 / 3, rtol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_each_side_pulls_its_way(name):
    loss = LOSSES[name]
    real, fake = tf.constant(REAL), tf.constant(FAKE)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        discriminator, generator = loss.discriminator(real, fake), loss.generator(fake)
    assert discriminator.shape == generator.shape == ()
    assert (tape.gradient(discriminator, real).numpy() < 0).all()  # the discriminator raises real logits
    assert (tape.gradient(discriminator, fake).numpy() > 0).all()  # and lowers those of fakes,
    assert (tape.gradient(generator, fake).numpy() < 0).all()  # which the generator raises


@pytest.mark.parametrize("name", LOSSES)
def test_extreme_logits_stay_finite(name):
    loss = LOSSES[name]
    high, low = tf.constant([1e4, 1e4]), tf.constant([-1e4, -1e4])
    for real, fake in ((high, low), (low, high)):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([real, fake])
            values = loss.discriminator(real, fake), loss.generator(fake)
        assert np.isfinite(values).all()
        assert np.isfinite(tape.gradient(values[0], [real, fake])).all()
        assert np.isfinite(tape.gradient(values[1], fake)).all()
    assert float(LOSSES["non_saturating"].discriminator(low, high)) == pytest.approx(2e4)
