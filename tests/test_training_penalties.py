import numpy as np
import pytest
import tensorflow as tf

from tfanime.training import Penalty
from tfanime.training.penalties import r1

IMAGES = np.random.default_rng(0).normal(size=(3, 2, 2, 3)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).normal(size=(2, 2, 3)).astype(np.float32)


def test_r1_of_a_linear_critic():
    # D(x) = <w, x> has the gradient w everywhere.
    value = r1(lambda images: tf.reduce_sum(WEIGHTS * images, [1, 2, 3]), tf.constant(IMAGES), None)
    np.testing.assert_allclose(value, 0.5 * np.square(WEIGHTS).sum(), rtol=1e-6)
    constant = tf.fill((2, 2, 3), 0.5)
    value = r1(lambda images: tf.reduce_sum(constant * images, [1, 2, 3]), tf.constant(IMAGES), None)
    np.testing.assert_allclose(value, 0.5 * 12 * 0.25, rtol=1e-6)


def test_r1_of_a_quadratic_critic():
    # D(x) = |x|^2 has the gradient 2x, |2x|^2 = 4 |x|^2: pictures of ones and of twos have |x|^2 = 12 and 48.
    images = tf.concat([tf.ones((1, 2, 2, 3)), 2 * tf.ones((1, 2, 2, 3))], 0)
    value = r1(lambda images: tf.reduce_sum(images**2, [1, 2, 3]), images, None)
    np.testing.assert_allclose(value, 0.5 * (4 * 12 + 4 * 48) / 2, rtol=1e-6)


def test_r1_looks_at_real_images_only():
    def critic(images):
        return tf.reduce_sum(images**2, [1, 2, 3])

    assert r1(critic, tf.constant(IMAGES), 1e6 * IMAGES) == r1(critic, tf.constant(IMAGES), None)


def test_the_gradient_of_r1_reaches_the_weights():
    # D(x) = a |x|^2: R1 = 0.5 * 4 a^2 E|x|^2, whose derivative by a is 4 a E|x|^2.
    factor = tf.Variable(0.7)
    with tf.GradientTape() as tape:
        value = r1(lambda images: factor * tf.reduce_sum(images**2, [1, 2, 3]), tf.constant(IMAGES), None)
    expected = 4 * 0.7 * np.square(IMAGES).sum() / 3
    np.testing.assert_allclose(tape.gradient(value, factor), expected, rtol=1e-5)


def test_a_penalty_cannot_run_more_often_than_every_step():
    with pytest.raises(ValueError, match=r"every must be at least 1. Received: 0"):
        Penalty(r1, 10.0, every=0)
