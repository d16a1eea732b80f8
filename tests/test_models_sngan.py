import keras
import numpy as np
import pytest
import tensorflow as tf

from tfanime.models import sngan
from tfanime.models.spectral import spectral_layers


def test_layers_of_the_discriminator():
    network = sngan.discriminator(tag_count=3)
    inside = [layer.layer for layer in spectral_layers(network)]
    expected = [(3, 64, 1), (4, 128, 2), (3, 128, 1), (4, 256, 2), (3, 256, 1), (4, 512, 2), (3, 512, 1)]
    assert [(layer.kernel_size[0], layer.filters, layer.strides[0]) for layer in inside[:-2]] == expected
    assert [layer.kernel.shape for layer in inside[-2:]] == [(4 * 4 * 512, 1), (4 * 4 * 512, 3)]
    assert all(layer.use_bias for layer in inside)
    plain = keras.layers.Conv2D | keras.layers.Dense | keras.layers.BatchNormalization
    assert not any(isinstance(layer, plain) for layer in network.layers)
    slopes = {layer.negative_slope for layer in network.layers if isinstance(layer, keras.layers.LeakyReLU)}
    assert slopes == {0.1}


def test_layers_of_the_generator():
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
def test_shapes(size):
    generator = sngan.generator(size, latent_size=5, channels=2, tag_count=3)
    images = generator([tf.random.normal((4, 5)), tf.ones((4, 3))])
    assert images.shape == (4, size, size, 3) and images.dtype == tf.float32
    logits, tag_logits = sngan.discriminator(size, channels=2, tag_count=3)(images)
    assert logits.shape == (4,) and tag_logits.shape == (4, 3)
    assert sngan.discriminator(size, channels=2)(images).shape == (4,)
    assert sngan.generator(size, latent_size=5, channels=2).input_shape == (None, 5)


@pytest.mark.parametrize("make", [sngan.generator, sngan.discriminator])
def test_bad_arguments(make):
    for size in (8, 36):
        with pytest.raises(ValueError, match=f"image_size must be a multiple of 8 from 16. Received: {size}"):
            make(size)
    with pytest.raises(ValueError, match=r"channels must be at least 1. Received: 0"):
        make(channels=0)
    with pytest.raises(ValueError, match=r"tag_count must be at least 0. Received: -2"):
        make(tag_count=-2)
