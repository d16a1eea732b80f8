import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy_layers import Weights, conv, conv_transpose, relu

from tfanime.models import dcgan
from tfanime.models.layers import MinibatchStddev
from tfanime.models.spectral import SpectralNormalization, spectral_layers
from tfanime.precision import precision_policy


def norms(network):
    return [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]


@pytest.mark.parametrize("size", [16, 32, 64])
def test_networks_have_shapes_and_ranges(size):
    generator = dcgan.generator(size, latent_size=5, channels=2)
    images = generator(tf.random.normal((3, 5)) * 1000)
    assert images.shape == (3, size, size, 3) and images.dtype == tf.float32
    assert -1 <= np.min(images) < np.max(images) <= 1
    logits = dcgan.discriminator(size, channels=2)(images)
    assert logits.shape == (3,) and logits.dtype == tf.float32
    assert generator.output_shape == (None, size, size, 3)


@pytest.mark.parametrize(
    ("size", "widths"),
    [
        (16, (6, 3)),
        pytest.param(32, (12, 6, 3), marks=pytest.mark.slow),
        pytest.param(64, (24, 12, 6, 3), marks=pytest.mark.slow),
        pytest.param(128, (24, 24, 12, 6, 3), marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("norm", dcgan.NORMS)
@pytest.mark.parametrize("kernel", [4, 5])
def test_networks_have_the_published_weight_counts(size, widths, norm, kernel):
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


def convolutions(network):
    """(kind, side of kernels, channels, stride) of each convolution layer in its order, wrapped or not."""
    found = [getattr(layer, "layer", layer) for layer in network.layers]
    return [
        (type(layer).__name__, layer.kernel_size[0], layer.filters, layer.strides[0])
        for layer in found
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Conv2DTranspose)
    ]


@pytest.mark.parametrize("kernel_size", [4, 5])
def test_generator_equals_numpy(kernel_size):
    network = dcgan.generator(16, 2, channels=1, kernel_size=kernel_size, tag_count=1)
    weights = Weights(network)
    latents, tags = np.random.default_rng(1).normal(size=(3, 2)), np.array([[1.0], [-1.0], [1.0]])
    x = np.concatenate([latents, tags], axis=1) @ weights.take(1)[0]
    x = relu(weights.norm(x.reshape(3, 4, 4, 2)))
    x = relu(weights.norm(conv_transpose(x, *weights.take(1))))
    np.testing.assert_allclose(network([latents, tags]), np.tanh(conv_transpose(x, *weights.take(2))), atol=1e-3)
    assert weights.all_taken()


@pytest.mark.parametrize("kernel_size", [4, 5])
def test_discriminator_equals_numpy(kernel_size):
    network = dcgan.discriminator(32, channels=1, kernel_size=kernel_size, tag_count=2)
    weights = Weights(network)
    images = np.random.default_rng(1).uniform(-1, 1, (3, 32, 32, 3))
    x = relu(conv(images, *weights.take(2), stride=2), 0.2)
    for _ in range(2):
        x = relu(weights.norm(conv(x, *weights.take(1), stride=2)), 0.2)
    for found in network(images):  # the heads see all of the 4x4 places
        kernel, bias = weights.take(2)
        expected = np.einsum("nhwi,hwio->no", x, kernel) + bias
        np.testing.assert_allclose(np.reshape(found, expected.shape), expected, rtol=1e-3)
    assert weights.all_taken()


UP = "Conv2DTranspose", 4
FLAT = "Conv2D", 3
DOWN = "Conv2D", 4
LOGIT = (*DOWN, 1, 1)


@pytest.mark.parametrize(
    ("size", "count", "expected"),
    [
        (32, 3, [(*UP, 4, 2), (*UP, 2, 2), (*UP, 3, 2)]),
        (32, 5, [(*FLAT, 8, 1), (*UP, 4, 2), (*FLAT, 4, 1), (*UP, 2, 2), (*UP, 3, 2)]),
        (32, 6, [(*FLAT, 8, 1), (*UP, 4, 2), (*FLAT, 4, 1), (*UP, 2, 2), (*FLAT, 2, 1), (*UP, 3, 2)]),
        (32, 7, [*[(*FLAT, 8, 1)] * 2, (*UP, 4, 2), (*FLAT, 4, 1), (*UP, 2, 2), (*FLAT, 2, 1), (*UP, 3, 2)]),
        (64, 5, [(*FLAT, 16, 1), (*UP, 8, 2), (*UP, 4, 2), (*UP, 2, 2), (*UP, 3, 2)]),
        (64, 6, [(*FLAT, 16, 1), (*UP, 8, 2), (*FLAT, 8, 1), (*UP, 4, 2), (*UP, 2, 2), (*UP, 3, 2)]),
        (64, 7, [(*FLAT, 16, 1), (*UP, 8, 2), (*FLAT, 8, 1), (*UP, 4, 2), (*FLAT, 4, 1), (*UP, 2, 2), (*UP, 3, 2)]),
    ],
)
def test_generator_depth_follows_convolutions(size, count, expected):
    network = dcgan.generator(size, 5, channels=2, convolutions=count)
    assert len(expected) == count and convolutions(network) == expected
    assert len(norms(network)) == count  # one after the dense layer, none after the last
    assert network.output_shape == (None, size, size, 3)
    assert not [layer for layer in network.layers[:-2] if getattr(layer, "use_bias", False)]


@pytest.mark.parametrize(
    ("size", "count", "expected"),
    [
        (32, 4, [(*DOWN, 2, 2), (*DOWN, 4, 2), (*DOWN, 8, 2), LOGIT]),
        (32, 5, [(*DOWN, 2, 2), (*DOWN, 4, 2), (*DOWN, 8, 2), (*FLAT, 8, 1), LOGIT]),
        (32, 6, [(*DOWN, 2, 2), (*DOWN, 4, 2), (*FLAT, 4, 1), (*DOWN, 8, 2), (*FLAT, 8, 1), LOGIT]),
        (
            32,
            8,
            [(*DOWN, 2, 2), (*FLAT, 2, 1), (*DOWN, 4, 2), (*FLAT, 4, 1), (*DOWN, 8, 2), *[(*FLAT, 8, 1)] * 2, LOGIT],
        ),
        (64, 5, [(*DOWN, 2, 2), (*DOWN, 4, 2), (*DOWN, 8, 2), (*DOWN, 16, 2), LOGIT]),
        (64, 6, [(*DOWN, 2, 2), (*DOWN, 4, 2), (*DOWN, 8, 2), (*DOWN, 16, 2), (*FLAT, 16, 1), LOGIT]),
        (
            64,
            8,
            [
                *[(*DOWN, 2, 2), (*DOWN, 4, 2), (*FLAT, 4, 1), (*DOWN, 8, 2)],
                *[(*FLAT, 8, 1), (*DOWN, 16, 2), (*FLAT, 16, 1), LOGIT],
            ],
        ),
    ],
)
def test_discriminator_depth_follows_convolutions(size, count, expected):
    network = dcgan.discriminator(size, channels=2, convolutions=count)
    assert len(expected) == count and convolutions(network) == expected
    assert len(norms(network)) == count - 2  # none after the first and the last
    assert network.output_shape == (None,)
    assert [layer.use_bias for layer in network.layers if hasattr(layer, "use_bias")] == [True] + [False] * (
        count - 2
    ) + [True]


@pytest.mark.parametrize(("make", "needed"), [(dcgan.generator, 4), (dcgan.discriminator, 5)])
def test_too_few_convolutions_are_refused(make, needed):
    with pytest.raises(ValueError, match=rf"convolutions must be at least {needed} at 64 px. Received: 3"):
        make(64, convolutions=3)


@pytest.mark.parametrize("make", [dcgan.generator, dcgan.discriminator])
def test_spectral_norm_wraps_every_layer(make):
    network = make(16, channels=2, norm="spectral", convolutions=5, tag_count=3)
    assert not norms(network)
    assert not any(isinstance(layer, keras.layers.Conv2D | keras.layers.Dense) for layer in network.layers)
    inside = [layer.layer for layer in spectral_layers(network)]
    assert len(inside) == 6 and all(layer.use_bias for layer in inside)  # with the dense layer or the tags' head
    assert len([layer for layer in network.layers if isinstance(layer, SpectralNormalization)]) == 6


def test_tags_are_input_and_output():
    generator = dcgan.generator(16, latent_size=5, channels=2, tag_count=3)
    latents, tags = tf.random.normal((4, 5)), tf.constant([[1.0, -1.0, 1.0]] * 4)
    images = generator([latents, tags])
    assert images.shape == (4, 16, 16, 3)
    assert [tuple(shape) for shape in generator.input_shape] == [(None, 5), (None, 3)]
    for other in ([latents + 1, tags], [latents, -tags]):
        assert np.abs(generator(other) - images).max() > 1e-6
    logits, tag_logits = dcgan.discriminator(16, channels=2, tag_count=3)(images)
    assert logits.shape == (4,) and tag_logits.shape == (4, 3)
    assert logits.dtype == tag_logits.dtype == tf.float32


def test_heads_share_all_layers_but_the_last():
    plain, tagged = dcgan.discriminator(16, channels=2), dcgan.discriminator(16, channels=2, tag_count=3)
    assert tagged.count_params() - plain.count_params() == 3 * (16 * 4 + 1)
    tagged.set_weights([*plain.get_weights(), *tagged.get_weights()[-2:]])
    images = tf.random.uniform((4, 16, 16, 3), -1, 1)
    np.testing.assert_allclose(tagged(images)[0], plain(images), rtol=1e-6)


def test_tag_logits_depend_on_their_picture_only():
    images = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 3)).astype(np.float32)
    network = dcgan.discriminator(16, channels=2, norm="none", minibatch_stddev=True, tag_count=3)
    (logits, tags), (logits_of_two, tags_of_two) = network(images), network(images[:2])
    np.testing.assert_allclose(tags[:2], tags_of_two, rtol=1e-4, atol=1e-7)
    assert np.abs(logits[:2] - logits_of_two).max() > 1e-7


def test_bad_tag_counts_are_refused():
    for make in (dcgan.generator, dcgan.discriminator):
        with pytest.raises(ValueError, match=r"tag_count must be at least 0. Received: -1"):
            make(16, tag_count=-1)


def test_initial_weights_have_the_published_deviation():
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


def test_norm_is_in_the_published_layers():
    assert len(norms(dcgan.generator(32, channels=2))) == 3
    assert not norms(dcgan.generator(32, channels=2, norm="none"))
    assert len(norms(dcgan.discriminator(32, channels=2))) == 2  # none after the first layer
    assert not norms(dcgan.discriminator(32, channels=2, norm="none"))


def test_logits_without_a_norm_depend_on_their_picture_only():
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


def test_low_precision_keeps_outputs_and_weights_in_float32():
    with precision_policy("mixed_bfloat16"):
        networks = dcgan.generator(16, 5, 2), dcgan.discriminator(16, 2, minibatch_stddev=True)
    assert keras.config.dtype_policy().name == "float32"
    images = networks[0](tf.random.normal((4, 5)))
    assert images.dtype == tf.float32 and networks[1](images).dtype == tf.float32
    for network in networks:
        assert any(layer.compute_dtype == "bfloat16" for layer in network.layers)
        assert {weight.dtype for weight in network.weights} == {"float32"}


@pytest.mark.parametrize("size", [8, 0, 48, 100])
def test_bad_sizes_are_refused(size):
    for make in (dcgan.generator, dcgan.discriminator):
        with pytest.raises(ValueError, match=f"image_size must be a power of two from 16. Received: {size}"):
            make(size)


def test_bad_norms_are_refused():
    for make in (dcgan.generator, dcgan.discriminator):
        with pytest.raises(ValueError, match=r"norm must be one of .* Received: 'layer'"):
            make(16, norm="layer")
