"""SRGAN's networks: weight counts of the paper's layers, and both networks against a transcription into NumPy."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy_layers import Weights, conv, relu

from tfanime.models import srgan
from tfanime.precision import precision_policy


def trainable(network):
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def by_layer(network, kind):
    return [layer for layer in network.layers if isinstance(layer, kind)]


def test_generator_has_the_published_weight_count():
    network = srgan.generator()
    block = 2 * (9 * 64 * 64 + 64 + 2 * 64) + 64  # two convolutions with batch norm, one PReLU
    expected = 81 * 3 * 64 + 64 + 64 + 16 * block + 9 * 64 * 64 + 64 + 2 * 64
    expected += 2 * (9 * 64 * 256 + 256 + 64) + 81 * 64 * 3 + 3
    assert trainable(network) == expected == 1_550_659
    assert all(norm.momentum == 0.8 for norm in by_layer(network, keras.layers.BatchNormalization))
    assert all(prelu.alpha.shape[-1] == np.prod(prelu.alpha.shape) for prelu in by_layer(network, keras.layers.PReLU))


def test_discriminator_has_the_published_weight_count():
    network = srgan.discriminator()
    convolutions = by_layer(network, keras.layers.Conv2D)
    assert [(each.filters, each.strides[0]) for each in convolutions] == [
        *((64, 1), (64, 2), (128, 1), (128, 2)),
        *((256, 1), (256, 2), (512, 1), (512, 2)),
    ]
    assert len(by_layer(network, keras.layers.BatchNormalization)) == 7  # all but the first
    widths = [3, 64, 64, 128, 128, 256, 256, 512, 512]
    count = sum(9 * before * after + after for before, after in itertools.pairwise(widths))
    count += 2 * sum(widths[2:]) + (6 * 6 * 512 + 1) * 1024 + 1025
    assert trainable(network) == count
    assert network.output_shape == (None,)


@pytest.mark.parametrize("scale", [2, 4])
def test_generator_enlarges_pictures_of_any_size(scale):
    network = srgan.generator(scale, channels=4, blocks=1)
    images = network(tf.random.uniform((2, 5, 7, 3), -1, 1))
    assert images.shape == (2, 5 * scale, 7 * scale, 3)
    assert tf.reduce_max(tf.abs(images)) <= 1


def shuffle(x):
    """`[n, h, w, 4 c]` -> `[n, 2 h, 2 w, c]`, the first quarter of the channels to the upper left."""
    count, height, width, channels = x.shape
    x = x.reshape(count, height, width, 2, 2, channels // 4)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(count, 2 * height, 2 * width, channels // 4)


def test_generator_equals_numpy():
    network = srgan.generator(4, channels=2, blocks=2)
    weights = Weights(network)
    images = np.random.default_rng(1).uniform(-1, 1, (2, 4, 6, 3))

    def prelu(x):
        (slope,) = weights.take(1)
        return np.where(x > 0, x, slope * x)

    x = trunk = prelu(conv(images / 2 + 0.5, *weights.take(2)))
    for _ in range(2):
        branch = prelu(weights.norm(conv(x, *weights.take(2))))
        x = x + weights.norm(conv(branch, *weights.take(2)))
    x = trunk + weights.norm(conv(x, *weights.take(2)))
    for _ in range(2):
        x = prelu(shuffle(conv(x, *weights.take(2))))
    expected = np.tanh(conv(x, *weights.take(2)))
    assert weights.all_taken()
    np.testing.assert_allclose(network(images.astype("float32"), training=False), expected, atol=1e-4)


def test_discriminator_equals_numpy():
    network = srgan.discriminator(16, channels=1, dense=3)
    weights = Weights(network)
    images = np.random.default_rng(2).uniform(-1, 1, (2, 16, 16, 3))
    x = relu(conv(images, *weights.take(2)), 0.2)
    for stride in (2, 1, 2, 1, 2, 1, 2):
        x = relu(weights.norm(conv(x, *weights.take(2), stride=stride)), 0.2)
    kernel, bias = weights.take(2)
    x = relu(x.reshape(2, -1) @ kernel + bias, 0.2)
    kernel, bias = weights.take(2)
    expected = (x @ kernel + bias)[:, 0]
    assert weights.all_taken()
    np.testing.assert_allclose(network(images.astype("float32"), training=False), expected, rtol=1e-3)


def test_networks_can_be_saved(tmp_path):
    network = srgan.generator(2, channels=2, blocks=1)
    network.save(tmp_path / "enlarger.keras")
    images = tf.random.uniform((1, 4, 4, 3), -1, 1)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "enlarger.keras")(images), network(images))


def test_outputs_are_float32_in_bfloat16():
    with precision_policy("mixed_bfloat16"):
        networks = srgan.generator(2, 2, 1), srgan.discriminator(16, 1, 1)
    assert all(network(tf.zeros((1, 16, 16, 3))).dtype == tf.float32 for network in networks)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: srgan.generator(3), "scale must be 2 or 4. Received: 3"),
        (lambda: srgan.generator(channels=0), "channels must be at least 1. Received: 0"),
        (lambda: srgan.discriminator(40), "image_size must be a multiple of 16. Received: 40"),
        (lambda: srgan.discriminator(16, dense=0), "dense must be at least 1. Received: 0"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize(("make", "less"), [(srgan.generator, 1), (srgan.small_generator, 5)])
def test_pixels_depend_on_their_receptive_field_only(scale, make, less):
    network, reach = make(scale, channels=4, blocks=2), srgan.reach(blocks=2)
    side = 2 * reach + 5
    for weight in network.weights:  # all positive, so that nothing cancels
        weight.assign(tf.abs(weight) + 0.01)
    network = keras.Model(network.inputs, network.layers[-2].output)  # without tanh, which is flat out there
    images = tf.Variable(tf.zeros([1, side, side, 3]))
    with tf.GradientTape() as tape:
        centre = network(images, training=False)[0, scale * side // 2, scale * side // 2, 0]
    seen = np.flatnonzero(np.abs(tape.gradient(centre, images)[0]).sum((1, 2)))
    assert reach - less <= max(side // 2 - seen.min(), seen.max() - side // 2) <= reach


@pytest.mark.parametrize("scale", [2, 4])
def test_small_generator_begins_as_a_bilinear_enlargement(scale):
    network = srgan.small_generator(scale, channels=4, blocks=2)
    images = tf.random.stateless_uniform([2, 7, 9, 3], [0, 1], -1, 1)
    expected = images
    for _ in range(scale // 2):
        expected = keras.layers.UpSampling2D(interpolation="bilinear")(expected)
    np.testing.assert_allclose(network(images), expected, atol=1e-5)
    for weight in network.trainable_weights:
        weight.assign(np.random.default_rng(0).normal(0, 0.1, weight.shape))
    assert np.abs(network(images) - np.asarray(expected)).max() > 0.01
    with precision_policy("mixed_bfloat16"):
        low = srgan.small_generator(scale, channels=4, blocks=2)
    low.set_weights(network.get_weights())
    assert low(images).dtype == tf.float32 and np.abs(low(images) - network(images)).max() < 0.1


def test_small_generator_has_its_weight_count():
    assert (
        trainable(srgan.small_generator())
        == 131_459
        == sum(
            [
                3 * 9 * 32 + 32,
                6 * (2 * (9 * 32 * 32 + 32) + 32),
                9 * 32 * 32 + 32,
                9 * 32 * 32 + 32,
                32,
                9 * 32 * 3 + 3,
            ]
        )
    )
    with pytest.raises(ValueError, match=r"scale must be 2 or 4\. Received: 3"):
        srgan.small_generator(3)
