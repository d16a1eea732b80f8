"""CartoonGAN's networks and AnimeGANv2's generator: weight counts, and each against a transcription into NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy_layers import Weights, conv, conv_transpose, relu

from tfanime.models import cartoon
from tfanime.precision import precision_policy

IMAGES = np.random.default_rng(3).uniform(-1, 1, (2, 16, 12, 3))


def trainable(network):
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


class Layers:
    """A network's weights, taken layer by layer in the order in which the network was built."""

    def __init__(self, network):
        self._weights = Weights(network)
        self.all_taken = self._weights.all_taken

    def conv(self, x, bias=True, **options):
        kernel, *biases = self._weights.take(1 + bias)
        return conv(x, kernel, *biases, **options)

    def conv_transpose(self, x):
        return conv_transpose(x, *self._weights.take(2))

    def mirrored(self, x, before, after, bias=True, stride=1, depthwise=False):
        """A convolution without padding of its own, on a picture that is mirrored at its edges."""
        kernel, *biases = self._weights.take(1 + bias)
        pads = (before, after)
        x = np.pad(x, ((0, 0), pads, pads, (0, 0)), mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], (1, 2))[:, ::stride, ::stride]
        if depthwise:
            return np.einsum("nhwcij,ijc->nhwc", windows, kernel[..., 0]) + biases[0]
        return np.einsum("nhwcij,ijco->nhwo", windows, kernel) + (biases[0] if bias else 0.0)

    def norm(self, x, axes):
        scale, shift = self._weights.take(2)
        return scale * (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5) + shift


def test_generator_has_the_published_weight_count():
    def conv3(before, after):
        return 9 * before * after + after

    expected = 49 * 3 * 64 + 64 + 2 * 64
    expected += conv3(64, 128) + conv3(128, 128) + 2 * 128 + conv3(128, 256) + conv3(256, 256) + 2 * 256
    expected += 8 * 2 * (conv3(256, 256) + 2 * 256)
    expected += conv3(256, 128) + conv3(128, 128) + 2 * 128 + conv3(128, 64) + conv3(64, 64) + 2 * 64
    expected += 49 * 64 * 3 + 3
    assert trainable(cartoon.generator()) == expected == 11_129_667


def test_generator_equals_numpy():
    network = cartoon.generator(channels=2, blocks=2)
    layers = Layers(network)

    def norm(x):
        return layers.norm(x, (1, 2))

    x = relu(norm(layers.mirrored(IMAGES, 3, 3)))
    for _ in range(2):
        x = relu(norm(layers.conv(layers.conv(x, stride=2))))
    for _ in range(2):
        branch = relu(norm(layers.mirrored(x, 1, 1)))
        x = x + norm(layers.mirrored(branch, 1, 1))
    for _ in range(2):
        x = relu(norm(layers.conv(layers.conv_transpose(x))))
    expected = np.tanh(layers.mirrored(x, 3, 3))
    assert layers.all_taken()
    np.testing.assert_allclose(network(IMAGES.astype("float32")), expected, atol=2e-3)


def test_discriminator_equals_numpy():
    network = cartoon.discriminator(channels=2)
    layers = Layers(network)
    x = relu(layers.conv(IMAGES), 0.2)
    for _ in range(2):
        x = relu(layers.conv(x, stride=2), 0.2)
        x = relu(layers.norm(layers.conv(x), (1, 2)), 0.2)
    x = relu(layers.norm(layers.conv(x), (1, 2)), 0.2)
    expected = layers.conv(x)[..., 0]
    assert layers.all_taken() and expected.shape == (2, 4, 3)
    np.testing.assert_allclose(network(IMAGES.astype("float32")), expected, rtol=1e-3, atol=1e-3)


def bilinear(x):
    """Doubles height and width; the centres of pixels stay where they are, edges are repeated."""
    for axis in (1, 2):
        length = x.shape[axis]
        before = x.take(np.maximum(np.arange(length) - 1, 0), axis)
        after = x.take(np.minimum(np.arange(length) + 1, length - 1), axis)
        shape = list(x.shape)
        shape[axis] *= 2
        x = np.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis + 1).reshape(shape)
    return x


def test_small_generator_equals_numpy():
    network = cartoon.small_generator(channels=2, blocks=2)
    layers = Layers(network)

    def normed(x, before, after, **options):
        return relu(layers.norm(layers.mirrored(x, before, after, bias=False, **options), (1, 2, 3)), 0.2)

    x = normed(IMAGES, 3, 3)
    for _ in range(2):
        x = normed(normed(x, 0, 1, stride=2), 1, 1)
    x = normed(x, 1, 1)
    for block in range(2):
        branch = relu(layers.norm(layers.mirrored(normed(x, 0, 0), 1, 1, depthwise=True), (1, 2, 3)), 0.2)
        branch = layers.norm(layers.mirrored(branch, 0, 0, bias=False), (1, 2, 3))
        x = x + branch if block else branch
    x = normed(x, 1, 1)
    for _ in range(2):
        x = normed(normed(bilinear(x), 1, 1), 1, 1)
    x = normed(x, 3, 3)
    expected = np.tanh(layers.mirrored(x, 0, 0, bias=False))
    assert layers.all_taken()
    np.testing.assert_allclose(network(IMAGES.astype("float32")), expected, atol=2e-3)


@pytest.mark.parametrize("make", [cartoon.generator, cartoon.small_generator])
def test_networks_keep_sizes_and_can_be_saved(make, tmp_path):
    network = make(2, 1)
    images = tf.random.uniform((1, 20, 8, 3), -1, 1)
    drawn = network(images)
    assert drawn.shape == images.shape and tf.reduce_max(tf.abs(drawn)) <= 1
    network.save(tmp_path / "network.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "network.keras")(images), drawn)


def test_outputs_are_float32_in_bfloat16():
    with precision_policy("mixed_bfloat16"):
        networks = cartoon.generator(2, 1), cartoon.small_generator(2, 1), cartoon.discriminator(2)
    assert all(network(tf.zeros((1, 16, 16, 3))).dtype == tf.float32 for network in networks)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cartoon.generator(channels=0), "channels must be at least 1. Received: 0"),
        (lambda: cartoon.small_generator(blocks=0), "blocks must be at least 1. Received: 0"),
        (lambda: cartoon.discriminator(0), "channels must be at least 1. Received: 0"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
