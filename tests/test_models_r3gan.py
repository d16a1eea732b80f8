import itertools
import math

import keras
import numpy as np
import numpy_layers
import pytest
import tensorflow as tf

from tfanime.models import r3gan
from tfanime.models.r3gan import Basis, BasisProduct, GroupedConv2D
from tfanime.precision import precision_policy

SMALL = {"image_size": 16, "channel_base": 256, "channel_max": 24, "blocks": 1}  # widths 24, 24, 16
Z, TAGS = 6, 3


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def tags(count, seed=5):
    return tf.constant(np.random.default_rng(seed).choice([-1.0, 1.0], (count, TAGS)), tf.float32)


def networks(tag_count=TAGS):
    keras.utils.set_random_seed(1)
    return (
        r3gan.generator(**SMALL, latent_size=Z, tag_count=tag_count, embedding_size=5),
        r3gan.discriminator(**SMALL, tag_count=tag_count),
    )


def arguments():
    return [normal(4, Z), tags(4)], [normal(4, 16, 16, 3), tags(4)]


def redrawn(network):
    """With small weights N(0, 0.2), none of them zero as those that end a block are at first."""
    for index, weight in enumerate(network.weights):
        weight.assign(0.2 * normal(*weight.shape, seed=100 + index))
    return network


class ByHand:
    """Takes a network's weights in their order."""

    def __init__(self, network):
        self.left = [weight.numpy().astype("float64") for weight in network.weights]

    def take(self):
        return self.left.pop(0)

    def block(self, x):
        y = numpy_layers.conv(x, self.take())
        y = numpy_layers.relu(y + self.take(), 0.2)
        y = numpy_layers.grouped_conv(y, self.take(), y.shape[-1] // 16)
        y = numpy_layers.relu(y + self.take(), 0.2)
        return x + numpy_layers.conv(y, self.take())


def test_generator_equals_numpy():
    network = redrawn(networks()[0])
    inputs = arguments()[0]
    hand = ByHand(network)
    latents, known = (each.numpy().astype("float64") for each in inputs)
    x = np.concatenate([latents, known @ hand.take()], axis=1) @ hand.take()
    x = hand.block(x[:, None, None] * hand.take())
    x = hand.block(4 * numpy_layers.low_pass(numpy_layers.zeros_between(x), 2, 1))
    x = numpy_layers.conv(x, hand.take())  # 24 channels to 16
    x = hand.block(4 * numpy_layers.low_pass(numpy_layers.zeros_between(x), 2, 1))
    expected = numpy_layers.conv(x, hand.take())
    assert hand.left == []
    np.testing.assert_allclose(network(inputs), expected, rtol=1e-3, atol=1e-4)


def test_discriminator_equals_numpy():
    network = redrawn(networks()[1])
    inputs = arguments()[1]
    weights = {weight.path: weight.numpy().astype("float64") for weight in network.weights}
    (embedding,) = (weight for path, weight in weights.items() if "embedding" in path)
    images, known = (each.numpy().astype("float64") for each in inputs)
    hand = ByHand(network)
    x = numpy_layers.conv(images, hand.take())
    x = numpy_layers.low_pass(hand.block(x), 1, 1)[:, ::2, ::2]
    x = numpy_layers.conv(x, hand.take())  # 16 channels to 24
    x = numpy_layers.low_pass(hand.block(x), 1, 1)[:, ::2, ::2]
    x = (hand.block(x) * hand.take()).sum(axis=(1, 2))
    (features,) = (weight for weight in hand.left if weight.shape == (24, 24))
    expected = ((x @ features) * (known @ embedding)).sum(axis=1)
    np.testing.assert_allclose(network(inputs), expected, rtol=1e-3, atol=1e-4)


def counted(image_size, base, most, blocks, size=64):
    """Weights of generator and discriminator without tags, term by term."""
    widths = [min(base // 2**level, most) for level in range(2, image_size.bit_length())]
    shared = blocks * sum(2 * a * a + 2 * a + 9 * 16 * 2 * a + 2 * a + 2 * a * a for a in widths)
    shared += sum(a * b for a, b in itertools.pairwise(widths) if a != b) + 16 * widths[0] + 3 * widths[-1]
    return shared + size * widths[0], shared + widths[0]


@pytest.mark.parametrize(("image_size", "base", "most", "blocks"), [(64, 24576, 768, 2), (16, 256, 24, 1)])
def test_networks_have_the_published_weight_counts(image_size, base, most, blocks):
    g = r3gan.generator(image_size, channel_base=base, channel_max=most, blocks=blocks)
    d = r3gan.discriminator(image_size, base, most, blocks)
    found = tuple(sum(math.prod(weight.shape) for weight in each.trainable_weights) for each in (g, d))
    assert found == counted(image_size, base, most, blocks)


def test_widths_equal_the_paper():
    network = r3gan.generator(64)
    widths = [layer.output.shape[-1] for layer in network.layers if isinstance(layer, keras.layers.Add)]
    assert widths == [768] * 8 + [384] * 2
    grouped = [layer for layer in network.layers if isinstance(layer, GroupedConv2D) and layer.kernel_size == 3]
    assert [layer.filters // layer.groups for layer in grouped] == [16] * 10
    # sqrt(2 / 1.04) * 10 blocks^(-1/4) over the root of 16 * 9 inputs
    np.testing.assert_allclose(np.std(grouped[0].kernel), 1.38675 * 0.56234 / 12, rtol=0.02)


def test_initial_weights_follow_the_paper():
    _, d = networks()
    blocks = [layer for layer in d.layers if isinstance(layer, GroupedConv2D)]
    assert sum(not np.any(layer.kernel) for layer in blocks) == 3  # one that ends each block
    (embedding,) = (layer for layer in d.layers if layer.name == "embedding")
    wide = r3gan.discriminator(**SMALL, tag_count=200, embedding_size=300).get_layer("embedding")
    np.testing.assert_allclose(np.std(wide.kernel), 1 / math.sqrt(200 * 300), rtol=0.02)
    assert embedding.kernel.shape == (TAGS, 24)
    (basis,) = (layer for layer in d.layers if isinstance(layer, BasisProduct))
    np.testing.assert_allclose(np.std(basis.maps), 0.25, rtol=0.15)


@pytest.mark.parametrize("groups", [1, 3])
def test_grouped_convolution_equals_numpy(groups):
    layer = GroupedConv2D(12, 3, groups)
    x = normal(2, 4, 4, 6)
    found = layer(x)
    expected = numpy_layers.grouped_conv(x.numpy(), layer.kernel.numpy(), groups)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_basis_and_product_are_adjoint():
    basis, product = Basis(), BasisProduct()
    x, maps = normal(3, 6), normal(3, 4, 4, 6, seed=1)
    shown, _ = basis(x), product(maps)
    product.maps.assign(basis.maps)
    np.testing.assert_allclose(tf.reduce_sum(shown * maps), tf.reduce_sum(x * product(maps)), rtol=1e-4)


@pytest.mark.parametrize("which", range(2))
def test_every_input_changes_the_output(which):
    for network, inputs in zip(networks(), arguments(), strict=True):
        other = [-each if index == which else each for index, each in enumerate(inputs)]
        assert np.abs(redrawn(network)(inputs) - network(other)).max() > 1e-3


def test_networks_have_inputs_and_outputs():
    g, d = networks(0)
    assert g(normal(4, Z)).shape == (4, 16, 16, 3)
    assert d(normal(4, 16, 16, 3)).shape == (4,)
    assert [each.name for each in networks()[0].inputs] == ["latents", "tags"]


@pytest.mark.parametrize("precision", ["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_networks_can_be_saved(tmp_path, precision):
    with precision_policy(precision):
        pair = networks()
    for network, inputs in zip(pair, arguments(), strict=True):
        redrawn(network).save(tmp_path / "network.keras")
        np.testing.assert_array_equal(keras.models.load_model(tmp_path / "network.keras")(inputs), network(inputs))


@pytest.mark.parametrize("precision", ["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_second_order_gradients_are_finite(precision):
    with precision_policy(precision):
        d = redrawn(networks()[1])
    images, known = arguments()[1]
    with tf.GradientTape() as outer:
        with tf.GradientTape() as tape:
            tape.watch(images)
            logits = tf.reduce_sum(d([images, known]))
        penalty = tf.reduce_sum(tape.gradient(logits, images) ** 2) / 2
    weights = d.trainable_weights
    for weight, gradient in zip(weights, outer.gradient(penalty, [w.value for w in weights]), strict=True):
        assert np.isfinite(gradient).all() and (np.abs(gradient).max() > 0 or "bias" in weight.path), weight.path


def test_bfloat16_is_close_to_float32_and_not_at_4x4():
    with precision_policy("mixed_bfloat16"):
        low = networks()
    for one, other, inputs in zip(low, networks(), arguments(), strict=True):
        redrawn(one)
        redrawn(other)
        found, expected = one(inputs), other(inputs)
        assert found.dtype == tf.float32
        assert 0 < np.abs(found - expected).max() < 0.03 * np.abs(expected).max()
        for layer in one.layers:
            if isinstance(layer, keras.layers.Add):
                assert layer.compute_dtype == ("float32" if layer.output.shape[1] == 4 else "bfloat16")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 8}, "image_size must be a power of two from 16. Received: 8"),
        ({"image_size": 24}, "image_size must be a power of two from 16. Received: 24"),
        ({"blocks": 0}, "blocks must be at least 1. Received: 0"),
        ({"channel_max": 12}, "is a multiple of group_channels, 16. Received: 12 at 4 px"),
        ({"channel_base": 8}, "is a multiple of group_channels, 16. Received: 2 at 4 px"),
        ({"tag_count": -1}, "tag_count must be at least 0. Received: -1"),
    ],
)
@pytest.mark.parametrize("build", [r3gan.generator, r3gan.discriminator])
def test_bad_arguments_are_refused(build, arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**{**SMALL, **arguments})
