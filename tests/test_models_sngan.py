import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy_layers import Weights, conv, conv_transpose, relu

from tfanime.models import sngan
from tfanime.models.spectral import spectral_layers


def test_discriminator_has_the_published_layers():
    network = sngan.discriminator(tag_count=3)
    inside = [layer.layer for layer in spectral_layers(network)]
    expected = [(3, 64, 1), (4, 64, 2), (3, 128, 1), (4, 128, 2), (3, 256, 1), (4, 256, 2), (3, 512, 1)]
    assert [(layer.kernel_size[0], layer.filters, layer.strides[0]) for layer in inside[:-2]] == expected
    assert [layer.kernel.shape for layer in inside[-2:]] == [(4 * 4 * 512, 1), (4 * 4 * 512, 3)]
    assert all(layer.use_bias for layer in inside)
    plain = keras.layers.Conv2D | keras.layers.Dense | keras.layers.BatchNormalization
    assert not any(isinstance(layer, plain) for layer in network.layers)
    slopes = {layer.negative_slope for layer in network.layers if isinstance(layer, keras.layers.LeakyReLU)}
    assert slopes == {0.1}


def test_generator_has_the_published_layers():
    network = sngan.generator()
    convolutions = [layer for layer in network.layers if hasattr(layer, "filters")]
    expected = [("Conv2DTranspose", 4, 256, 2), ("Conv2DTranspose", 4, 128, 2), ("Conv2DTranspose", 4, 64, 2)]
    assert [
        (type(layer).__name__, layer.kernel_size[0], layer.filters, layer.strides[0]) for layer in convolutions
    ] == [*expected, ("Conv2D", 3, 3, 1)]
    count = 128 * 16 * 512 + 2 * 512
    count += sum(16 * 2 * width * width + 2 * width for width in (256, 128, 64)) + 9 * 64 * 3 + 3
    assert sum(int(np.prod(weight.shape)) for weight in network.trainable_weights) == count


@pytest.mark.parametrize("size", [16, 32, 48, 64])
def test_networks_have_shapes(size):
    generator = sngan.generator(size, latent_size=5, channels=2, tag_count=3)
    images = generator([tf.random.normal((4, 5)), tf.ones((4, 3))])
    assert images.shape == (4, size, size, 3) and images.dtype == tf.float32
    logits, tag_logits = sngan.discriminator(size, channels=2, tag_count=3)(images)
    assert logits.shape == (4,) and tag_logits.shape == (4, 3)
    assert sngan.discriminator(size, channels=2)(images).shape == (4,)
    assert sngan.generator(size, latent_size=5, channels=2).input_shape == (None, 5)


def test_generator_equals_numpy():
    network = sngan.generator(16, latent_size=2, channels=1, tag_count=1)
    weights = Weights(network)
    latents, tags = np.random.default_rng(1).normal(size=(3, 2)), np.array([[1.0], [-1.0], [1.0]])
    x = np.concatenate([latents, tags], axis=1) @ weights.take(1)[0]
    x = relu(weights.norm(x.reshape(3, 2, 2, 8)))
    for _ in range(3):
        x = relu(weights.norm(conv_transpose(x, *weights.take(1))))
    np.testing.assert_allclose(network([latents, tags]), np.tanh(conv(x, *weights.take(2))), atol=1e-3)
    assert weights.all_taken()


def test_discriminator_equals_numpy():
    network = sngan.discriminator(16, channels=1, tag_count=2)
    Weights(network)  # u and v become any vectors, no singular ones: sigma is then any number, too
    images = np.random.default_rng(1).uniform(-1, 1, (3, 16, 16, 3))

    def normalized(layer):
        kernel, bias, u, v = (
            value.numpy().astype("float64") for value in (layer.kernel, layer.layer.bias, layer.u, layer.v)
        )
        matrix = np.moveaxis(kernel, -1, 0).reshape(len(u), -1)
        return kernel / (u @ matrix @ v), bias

    x = images
    *convolutions, logit, tags = spectral_layers(network)
    for index, layer in enumerate(convolutions):
        x = relu(conv(x, *normalized(layer), stride=1 + index % 2), 0.1)
    found = network(images)
    for layer, values in ((logit, found[0][:, None]), (tags, found[1])):
        kernel, bias = normalized(layer)
        np.testing.assert_allclose(values, x.reshape(3, -1) @ kernel + bias, rtol=1e-3)


@pytest.mark.parametrize("make", [sngan.generator, sngan.discriminator])
def test_bad_arguments_are_refused(make):
    for size in (8, 36):
        with pytest.raises(ValueError, match=f"image_size must be a multiple of 8 from 16. Received: {size}"):
            make(size)
    with pytest.raises(ValueError, match=r"channels must be at least 1. Received: 0"):
        make(channels=0)
    with pytest.raises(ValueError, match=r"tag_count must be at least 0. Received: -2"):
        make(tag_count=-2)
