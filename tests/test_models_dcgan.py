import keras
import numpy as np
import pytest
import tensorflow as tf

from tfanime.models import dcgan
from tfanime.models.layers import MinibatchStddev
from tfanime.recipes.recipe import precision_policy


def norms(network):
    return [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]


@pytest.mark.parametrize("size", [16, 32, 64])
def test_shapes_and_ranges(size):
    generator = dcgan.generator(size, latent_size=5, channels=2)
    images = generator(tf.random.normal((3, 5)) * 1000)
    assert images.shape == (3, size, size, 3) and images.dtype == tf.float32
    assert -1 <= np.min(images) < np.max(images) <= 1
    logits = dcgan.discriminator(size, channels=2)(images)
    assert logits.shape == (3,) and logits.dtype == tf.float32
    assert generator.output_shape == (None, size, size, 3)


@pytest.mark.parametrize(
    ("size", "widths"), [(16, (6, 3)), (32, (12, 6, 3)), (64, (24, 12, 6, 3)), (128, (24, 24, 12, 6, 3))]
)
@pytest.mark.parametrize("norm", dcgan.NORMS)
@pytest.mark.parametrize("kernel", [4, 5])
def test_numbers_of_parameters(size, widths, norm, kernel):
    # widths: channels at 4x4, 8x8 ..., at most eightfold. A bias or a norm's scale and shift: 1 or 2 a channel.
    per_channel = 2 if norm == "batch" else 1
    pairs = list(zip(widths, (*widths[1:], 3), strict=True))
    generator = dcgan.generator(size, 7, 3, kernel, norm)
    expected = 7 * 16 * widths[0] + (per_channel * widths[0] if norm == "batch" else 16 * widths[0])
    expected += sum(kernel**2 * above * below for above, below in pairs)
    expected += per_channel * sum(widths[1:]) + 3
    assert sum(weight.numpy().size for weight in generator.trainable_weights) == expected
    discriminator = dcgan.discriminator(size, 3, kernel, norm)
    expected = sum(kernel**2 * above * below for above, below in pairs)
    expected += widths[-1] + per_channel * sum(widths[:-1]) + 16 * widths[0] + 1
    assert sum(weight.numpy().size for weight in discriminator.trainable_weights) == expected


def test_initial_weights():
    for network in (dcgan.generator(32, 64, 32), dcgan.discriminator(32, 32)):
        kernels = [weight.numpy() for weight in network.weights if weight.name == "kernel"]
        assert len(kernels) == 4
        for kernel in kernels:
            assert abs(kernel.mean()) < 4 * 0.02 / np.sqrt(kernel.size)
            assert abs(kernel.std() / 0.02 - 1) < 4 / np.sqrt(2 * kernel.size)
        scales = np.concatenate([norm.gamma.numpy() for norm in norms(network)])
        assert abs(scales.mean() - 1) < 0.01 and 0.015 < scales.std() < 0.025
        for norm in norms(network):
            assert norm.synchronized and norm.momentum == 0.9 and norm.epsilon == 1e-5


def test_where_there_is_a_norm():
    assert len(norms(dcgan.generator(32, channels=2))) == 3
    assert not norms(dcgan.generator(32, channels=2, norm="none"))
    assert len(norms(dcgan.discriminator(32, channels=2))) == 2  # none after the first layer
    assert not norms(dcgan.discriminator(32, channels=2, norm="none"))


def test_without_a_norm_a_logit_is_one_pictures():
    images = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 3)).astype(np.float32)
    critic = dcgan.discriminator(16, channels=2, norm="none")
    np.testing.assert_allclose(critic(images, training=True)[:2], critic(images[:2], training=True), rtol=1e-4)


def test_minibatch_stddev_is_before_the_last_layer():
    plain = dcgan.discriminator(16, channels=2)
    assert not any(isinstance(layer, MinibatchStddev) for layer in plain.layers)
    network = dcgan.discriminator(16, channels=2, minibatch_stddev=True)
    position = [isinstance(layer, MinibatchStddev) for layer in network.layers].index(True)
    assert isinstance(network.layers[position + 1], keras.layers.Conv2D)
    assert network.count_params() == plain.count_params() + 4 * 4


def test_low_precision_stays_inside():
    with precision_policy("mixed_bfloat16"):
        networks = dcgan.generator(16, 5, 2), dcgan.discriminator(16, 2, minibatch_stddev=True)
    assert keras.config.dtype_policy().name == "float32"
    images = networks[0](tf.random.normal((4, 5)))
    assert images.dtype == tf.float32 and networks[1](images).dtype == tf.float32
    for network in networks:
        assert any(layer.compute_dtype == "bfloat16" for layer in network.layers)
        assert {weight.dtype for weight in network.weights} == {"float32"}


@pytest.mark.parametrize("size", [8, 0, 48, 100])
def test_bad_sizes(size):
    for make in (dcgan.generator, dcgan.discriminator):
        with pytest.raises(ValueError, match=f"image_size must be a power of two from 16. Received: {size}"):
            make(size)


def test_bad_norms():
    for make in (dcgan.generator, dcgan.discriminator):
        with pytest.raises(ValueError, match=r"norm must be one of .* Received: 'layer'"):
            make(16, norm="layer")
