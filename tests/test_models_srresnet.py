import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy_layers import Weights, conv, relu

from tfanime.models import srresnet
from tfanime.models.spectral import spectral_layers
from tfanime.precision import precision_policy


def trainable(network):
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def norms(network):
    return [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]


def kernels(network):
    return [weight.numpy() for weight in network.weights if weight.name == "kernel"]


def convolutions(network):
    """(kernel side, channels, stride) of each convolution."""
    return [
        (layer.kernel_size[0], layer.filters, layer.strides[0])
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]


def test_generator_has_the_published_weight_count():
    network = srresnet.generator(128, 128, tag_count=34)
    conv, norm = 9 * 64 * 64 + 64, 2 * 64
    expected = (128 + 34 + 1) * 64 * 16 * 16 + norm  # dense
    expected += 16 * 2 * (conv + norm) + conv + norm  # blocks, the one after them
    expected += 3 * (9 * 64 * 256 + 256 + norm) + 81 * 64 * 3 + 3  # shuffles, the last
    assert trainable(network) == expected == 4_352_643  # 4.35 M
    assert convolutions(network) == [(3, 64, 1)] * 33 + [(3, 256, 1)] * 3 + [(9, 3, 1)]
    assert len(norms(network)) == 1 + 32 + 1 + 3 and all(norm.synchronized for norm in norms(network))
    assert network.output_shape == (None, 128, 128, 3)


def test_discriminator_has_the_published_weight_count():
    network = srresnet.discriminator(128, tag_count=34)
    expected = []
    for kernel, width in ((4, 32), (4, 64), (4, 128), (3, 256), (3, 512)):
        expected += [(kernel, width, 2)] + [(3, width, 1)] * 4
    assert convolutions(network) == [*expected, (3, 1024, 2)]
    assert not norms(network)
    heads = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.kernel.shape for layer in heads] == [(2 * 2 * 1024, 1), (2 * 2 * 1024, 34)]
    # kernels and biases, stage by stage
    count = 16 * (3 * 32 + 32 * 64 + 64 * 128) + 9 * (128 * 256 + 256 * 512 + 512 * 1024)
    count += sum(4 * (9 * width**2 + width) + width for width in (32, 64, 128, 256, 512)) + 1024 + 35 * (4096 + 1)
    assert trainable(network) == count


@pytest.mark.parametrize(("size", "doublings", "widest"), [(32, 1, 256), (64, 2, 512), (128, 3, 1024)])
def test_networks_have_other_sizes(size, doublings, widest):
    generator = srresnet.generator(size, 5, channels=2, blocks=1)
    assert generator.input_shape == (None, 5) and generator.output_shape == (None, size, size, 3)
    assert convolutions(generator) == [(3, 2, 1)] * 3 + [(3, 8, 1)] * doublings + [(9, 3, 1)]
    discriminator = srresnet.discriminator(size, channels=1, blocks=1)
    assert discriminator.output_shape == (None,)
    strided = [layer for layer in discriminator.layers if getattr(layer, "strides", (1,))[0] == 2]
    assert [layer.filters for layer in strided] == [2**stage for stage in range(doublings + 3)]
    assert 32 * strided[-1].filters == widest and strided[-1].output.shape[1:3] == (2, 2)
    assert [layer.kernel_size[0] for layer in strided] == [4, 4, 4, 3, 3, 3][: doublings + 3]
    images = generator(tf.random.normal((3, 5)) * 100)
    assert images.dtype == tf.float32 and -1 <= np.min(images) < np.max(images) <= 1
    assert discriminator(images).shape == (3,)


def test_generator_equals_numpy():
    """One block and one doubling, in NumPy, with every weight drawn at random."""
    network = srresnet.generator(32, 2, channels=2, blocks=1, tag_count=1)
    weights = Weights(network)

    def convolution(x):
        return conv(x, *weights.take(2))

    latents, tags = np.random.default_rng(1).normal(size=(3, 2)), np.array([[1.0], [-1.0], [1.0]])
    kernel, bias = weights.take(2)
    x = np.concatenate([latents, tags], axis=1) @ kernel + bias
    trunk = relu(weights.norm(x.reshape(3, 16, 16, 2)))
    x = trunk + weights.norm(convolution(relu(weights.norm(convolution(trunk)))))
    x = relu(weights.norm(convolution(x))) + trunk
    x = convolution(x)
    shuffled = np.zeros((3, 32, 32, 2))
    for quarter in range(4):
        shuffled[:, quarter // 2 :: 2, quarter % 2 :: 2] = x[..., 2 * quarter : 2 * quarter + 2]
    last = convolution(0.1 * relu(weights.norm(shuffled)))
    before_tanh = keras.Model(network.input, network.layers[-2].output)([latents, tags])
    np.testing.assert_allclose(before_tanh, last, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(network([latents, tags]), np.tanh(last), atol=1e-3)
    assert weights.all_taken()


def test_discriminator_equals_numpy():
    """Blocks are conv, LeakyReLU, conv, add, LeakyReLU: with all kernels zero but the first and the heads'."""
    network = srresnet.discriminator(32, channels=1, blocks=1, tag_count=2)
    images = tf.random.uniform((2, 32, 32, 3), -1, 1)
    convs = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    for layer in convs:
        layer.set_weights([np.zeros(layer.kernel.shape), np.zeros(layer.bias.shape)])
    convs[0].bias.assign([-1.0])  # -0.2 after LeakyReLU
    convs[1].bias.assign([-5.0])  # of no effect: the convolution after it is zero
    convs[2].bias.assign([0.1])  # add: -0.1, LeakyReLU: -0.02
    block = keras.Model(network.input, network.layers[network.layers.index(convs[3]) - 1].output)
    np.testing.assert_allclose(block(images), np.full((2, 16, 16, 1), -0.02), rtol=1e-5)
    convs[2].kernel.assign(np.ones(convs[2].kernel.shape))  # 9 times LeakyReLU(-5) inside: -9 + 0.1
    np.testing.assert_allclose(block(images)[:, 5, 5], np.full((2, 1), 0.2 * (-0.2 - 9 + 0.1)), rtol=1e-5)


def test_tags_are_input_and_output():
    generator = srresnet.generator(32, 5, channels=2, blocks=1, tag_count=3)
    latents, tags = tf.random.normal((4, 5)), tf.constant([[1.0, -1.0, 1.0]] * 4)
    for other in ([latents + 1, tags], [latents, -tags]):
        assert np.abs(generator(other) - generator([latents, tags])).max() > 1e-7
    logits, tag_logits = srresnet.discriminator(32, channels=2, blocks=1, tag_count=3)(generator([latents, tags]))
    assert logits.shape == (4,) and tag_logits.shape == (4, 3)
    assert logits.dtype == tag_logits.dtype == tf.float32


def test_logits_depend_on_their_picture_only():
    images = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
    critic = srresnet.discriminator(32, channels=2, blocks=1)
    np.testing.assert_allclose(critic(images, training=True)[:2], critic(images[:2], training=True), rtol=1e-4)


@pytest.mark.parametrize("make", [srresnet.generator, srresnet.discriminator])
def test_spectral_norm_wraps_every_layer(make):
    plain = make(32, channels=2, blocks=1, tag_count=2)
    network = make(32, channels=2, blocks=1, tag_count=2, spectral_norm=True)
    count = sum(isinstance(layer, keras.layers.Conv2D | keras.layers.Dense) for layer in plain.layers)
    assert len(spectral_layers(network)) == count and not spectral_layers(plain)
    assert not any(isinstance(layer, keras.layers.Conv2D | keras.layers.Dense) for layer in network.layers)
    assert trainable(network) == trainable(plain)


def test_low_precision_keeps_outputs_and_weights_in_float32():
    with precision_policy("mixed_bfloat16"):
        networks = srresnet.generator(32, 5, 2, 1, spectral_norm=True), srresnet.discriminator(32, 2, 1)
    images = networks[0](tf.random.normal((4, 5)))
    assert images.dtype == tf.float32 and networks[1](images).dtype == tf.float32
    for network in networks:
        assert any(layer.compute_dtype == "bfloat16" for layer in network.layers)
        assert {weight.dtype for weight in network.weights} == {"float32"}


def test_networks_can_be_saved(tmp_path):
    latents = tf.random.normal((2, 5))
    network = srresnet.generator(32, 5, channels=2, blocks=1, spectral_norm=True)
    network.save(tmp_path / "generator.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "generator.keras")(latents), network(latents))


def deviates(kernel, deviation):
    return abs(kernel.std() / deviation - 1) < 4 / np.sqrt(2 * kernel.size)


def test_initial_weights_follow_their_rules():
    *hidden, last = kernels(srresnet.generator(32, 8, 16, 1))
    assert len(hidden) == 5 and all(deviates(kernel, np.sqrt(2 / np.prod(kernel.shape[:-1]))) for kernel in hidden)
    assert deviates(last, 2 * np.sqrt(2 / (81 * 16)))
    for kernel in kernels(srresnet.discriminator(32, 16, 1, tag_count=2)):
        fans = np.prod(kernel.shape[:-2], dtype=int) * sum(kernel.shape[-2:])
        assert deviates(kernel, np.sqrt(2 / fans))


def test_generator_begins_grey_and_changes_slowly():
    network = srresnet.generator(64, 128, 48, 4)
    before_tanh = keras.Model(network.input, network.layers[-2].output)
    latents = tf.random.stateless_normal((64, 128), (0, 1))
    assert 0.15 < np.std(before_tanh(latents, training=True)) < 0.25
    # One step of Adam at 2e-4 that moves all weights of a layer in the direction that pictures feel most: DCGAN's last
    # layer moves them by 0.02.
    last = network.layers[-2]
    inputs = keras.Model(network.input, last.input)(latents, training=True)
    moved = keras.ops.conv(keras.ops.abs(inputs), np.full(last.kernel.shape, 2e-4, np.float32), padding="same")
    assert 0.01 < np.sqrt(np.mean(np.square(moved))) < 0.05


@pytest.mark.parametrize("make", [srresnet.generator, srresnet.discriminator])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 16}, "image_size must be a power of two from 32. Received: 16"),
        ({"image_size": 96}, "image_size must be a power of two from 32. Received: 96"),
        ({"channels": 0}, "channels must be at least 1. Received: 0"),
        ({"blocks": -1}, "blocks must be at least 0. Received: -1"),
        ({"tag_count": -1}, "tag_count must be at least 0. Received: -1"),
    ],
)
def test_bad_arguments_are_refused(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
