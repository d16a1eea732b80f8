import itertools
import math

import keras
import numpy as np
import numpy_layers
import pytest
import tensorflow as tf

from tfanime.models import stylegan2
from tfanime.models.stylegan2_mapping import average_style, mapping, tag_mapping, truncate
from tfanime.precision import precision_policy

SMALL = {"image_size": 16, "channel_base": 96, "channel_max": 8}
Z, W, TAGS = 6, 10, 3


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def tags(count, seed=5):
    return tf.constant(np.random.default_rng(seed).choice([-1.0, 1.0], (count, TAGS)), tf.float32)


def generator(tag_count=TAGS, embedding_noise=0.5, **options):
    keras.utils.set_random_seed(1)
    options = {**SMALL, "z_size": Z, "w_size": W, "mapping_layers": 2, **options}
    return stylegan2.generator(**options, tag_count=tag_count, embedding_noise=embedding_noise)


def generator_inputs(count=4):
    return [normal(count, Z), tags(count), normal(count, W, seed=1), normal(count, stylegan2.noise_size(16), seed=2)]


def discriminator(**options):
    keras.utils.set_random_seed(2)
    return stylegan2.discriminator(**{**SMALL, "mapping_layers": 2, **options})


def redrawn(network):
    """With all weights drawn, so that biases and noise strengths count."""
    for index, weight in enumerate(network.weights):
        scale = 100 if "dense_" in weight.path else 1  # for the mapping's learning rate
        weight.assign(scale * normal(*weight.shape, seed=100 + index))
    return network


def float64(x):
    return tf.cast(x, tf.float64).numpy()


def styled_by_hand(layer, x, w, noise):
    s = numpy_layers.equalized_dense(w, float64(layer.affine.kernel), float64(layer.affine.bias))
    x = numpy_layers.modulated_conv(x, float64(layer.kernel), s, layer.resampling)
    x = x + float64(layer.noise_strength) * noise + float64(layer.bias)
    return np.sqrt(2) * numpy_layers.relu(x, 0.2)


def colours_by_hand(layer, x, w):
    s = numpy_layers.equalized_dense(w, float64(layer.affine.kernel), float64(layer.affine.bias)) / np.sqrt(x.shape[-1])
    return numpy_layers.modulated_conv(x, float64(layer.kernel), s, demodulate=False) + float64(layer.bias)


def test_synthesis_equals_numpy():
    network = redrawn(stylegan2.synthesis(**SMALL, w_size=W))
    styles, noise = normal(2, 6, W), normal(2, 16 + 2 * 64 + 2 * 256, seed=1)
    w, rest = float64(styles), float64(noise)
    maps = [
        rest[:, start : start + side * side].reshape(2, side, side, 1)
        for start, side in ((0, 4), (16, 8), (80, 8), (144, 16), (400, 16))
    ]
    layer = network.get_layer
    x = np.repeat(float64(layer("learned_maps").maps), 2, axis=0)
    x = styled_by_hand(layer("conv_4"), x, w[:, 0], maps[0])
    images = colours_by_hand(layer("to_rgb_4"), x, w[:, 1])
    for size, first in ((8, 1), (16, 3)):
        x = styled_by_hand(layer(f"conv_{size}_up"), x, w[:, first], maps[first])
        x = styled_by_hand(layer(f"conv_{size}"), x, w[:, first + 1], maps[first + 1])
        images = 4 * numpy_layers.low_pass(numpy_layers.zeros_between(images), 2, 1)
        images = images + colours_by_hand(layer(f"to_rgb_{size}"), x, w[:, first + 2])
    assert x.shape[-1] == 96 // 16
    np.testing.assert_allclose(network([styles, noise]), images, rtol=1e-3, atol=1e-3)


def dense_by_hand(layer, x):
    return numpy_layers.equalized_dense(
        x, float64(layer.kernel), float64(layer.bias), layer.learning_rate, layer.activate
    )


def test_mapping_equals_numpy():
    network = redrawn(mapping(Z, W, 2, TAGS, embedding_noise=0.5))
    inputs = generator_inputs()[:3]
    latents, known, noise = (float64(each) for each in inputs)
    for training in (False, True):
        embedding = dense_by_hand(network.get_layer("embedding"), known) + (0.5 * noise if training else 0)
        x = np.concatenate([numpy_layers.second_moment_norm(each) for each in (latents, embedding)], axis=1)
        for name in ("dense_0", "dense_1"):
            x = dense_by_hand(network.get_layer(name), x)
        np.testing.assert_allclose(network(inputs, training=training), x, rtol=1e-3, atol=1e-6)


def conv_by_hand(layer, x):
    x = numpy_layers.resampled_conv(x, float64(layer.kernel), layer.resampling)
    x = layer.gain * x / np.sqrt(np.prod(layer.kernel.shape[:3]))
    return np.sqrt(2) * numpy_layers.relu(x + layer.gain * float64(layer.bias), 0.2) if layer.activate else x


def test_discriminator_equals_numpy():
    network = redrawn(discriminator(tag_count=TAGS, projection=True, tag_head=True))
    images, known = normal(4, 16, 16, 3), tags(4)
    layer = network.get_layer
    x = conv_by_hand(layer("from_rgb"), float64(images))
    for size in (16, 8):
        y = conv_by_hand(layer(f"conv_{size}_down"), conv_by_hand(layer(f"conv_{size}"), x))
        x = y + conv_by_hand(layer(f"skip_{size}"), x)
    tag_logits = dense_by_hand(layer("tag_logit"), x.reshape(4, -1))
    deviation = np.sqrt(x.var(axis=0) + 1e-8).mean()
    x = conv_by_hand(layer("conv_4"), np.concatenate([x, np.full((4, 4, 4, 1), deviation)], axis=-1))
    x = dense_by_hand(layer("logit_features"), dense_by_hand(layer("dense"), x.reshape(4, -1)))
    inner = layer("tag_mapping").get_layer
    seen = numpy_layers.second_moment_norm(dense_by_hand(inner("embedding"), float64(known)))
    seen = dense_by_hand(inner("dense_1"), dense_by_hand(inner("dense_0"), seen))
    found = network([images, known])
    np.testing.assert_allclose(found[0], (x * seen).sum(axis=1) / np.sqrt(8), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found[1], tag_logits, rtol=1e-3, atol=1e-3)


def counted(image_size, base, most, mapping_layers=2, size=512):
    """Weights of generator and discriminator, term by term."""
    widths = [min(base // 2**level, most) for level in range(2, image_size.bit_length())]
    dense = size * size + size
    first = widths[0]
    g = mapping_layers * dense + 16 * first
    g += sum(9 * a * b + b + 1 + size * a + a for a, b in itertools.pairwise(widths))  # doubling
    g += sum(9 * a * a + a + 1 + size * a + a for a in widths)  # convolutions
    g += sum(3 * a + 3 + size * a + a for a in widths)  # to colours
    d = 3 * widths[-1] + widths[-1]
    d += sum(9 * b * b + b + 9 * b * a + a + b * a for a, b in itertools.pairwise(widths))
    d += 9 * (first + 1) * first + first + 16 * first * first + first + first + 1
    return g, d


@pytest.mark.parametrize(
    ("image_size", "base", "most", "published"),
    [(64, 4096, 256, (5.5, 4.7)), (64, 2048, 128, (2.1, 1.2)), (16, 2048, 64, None)],
)
def test_networks_have_the_published_weight_counts(image_size, base, most, published):
    options = {"channel_base": base, "channel_max": most}
    g = stylegan2.generator(image_size, mapping_layers=2, **options)
    d = stylegan2.discriminator(image_size, **options)
    trainable = tuple(sum(math.prod(weight.shape) for weight in each.trainable_weights) for each in (g, d))
    assert trainable == counted(image_size, base, most)
    if published:
        assert tuple(round(count / 1e6, 1) for count in trainable) == published


def test_networks_have_inputs_and_outputs():
    g = generator()
    assert [each.name for each in g.inputs] == ["latents", "tags", "embedding_noise", "noise"]
    assert [each.name for each in generator(0, 0.0).inputs] == ["latents", "noise"]
    assert g(generator_inputs()).shape == (4, 16, 16, 3)
    assert stylegan2.styles_count(64) == 10
    assert stylegan2.noise_size(64) == 16 + 2 * (64 + 256 + 1024 + 4096)


@pytest.mark.parametrize("which", range(4))
def test_every_input_changes_the_output(which):
    g = redrawn(generator())
    one, other = generator_inputs(), generator_inputs()
    other[which] = -other[which]
    differ = [
        np.abs(g(one, training=training) - g(other, training=training)).max() > 1e-3 for training in (True, False)
    ]
    assert differ == [True, which != 2]  # noise on the embedding counts in training alone


def test_tags_change_the_logits():
    d = discriminator(tag_count=TAGS, projection=True)
    images = normal(4, 16, 16, 3)
    assert np.abs(d([images, tags(4)]) - d([images, -tags(4)])).max() > 1e-3
    assert d([images, tags(4)]).shape == (4,)


def test_synthesis_takes_mixed_styles():
    # Coarse styles of one, fine ones of another: the 4x4 stage is the first one's, and the whole neither's.
    network = redrawn(stylegan2.synthesis(**SMALL, w_size=W))
    one, other, noise = normal(1, 6, W), normal(1, 6, W, seed=1), normal(1, stylegan2.noise_size(16))
    mixed = tf.concat([one[:, :2], other[:, 2:]], axis=1)
    stage = keras.Model(network.inputs, network.get_layer("conv_4").output)
    np.testing.assert_array_equal(stage([one, noise]), stage([mixed, noise]))
    whole = [network([each, noise]).numpy() for each in (one, other, mixed)]
    assert min(np.abs(whole[0] - whole[2]).max(), np.abs(whole[1] - whole[2]).max()) > 1e-2


def test_truncation_pulls_styles_to_the_mean():
    styles, average = normal(2, 6, W), normal(W, seed=1)
    np.testing.assert_allclose(truncate(styles, average, 1.0), styles, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(truncate(styles, average, 0.0), np.broadcast_to(average, (2, 6, W)), atol=1e-6)
    half = truncate(styles, average, tf.constant(0.5), cutoff=2).numpy()
    np.testing.assert_allclose(half[:, :2], (styles[:, :2] + average) / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(half[:, 2:], styles[:, 2:])
    own = tf.stack([average, -average])  # one for each picture's tags
    np.testing.assert_allclose(truncate(styles, own, 0.0)[1, 3], -average, atol=1e-6)


def test_average_style_is_a_moving_average():
    g = generator()
    inputs = generator_inputs()
    g(inputs, training=True)
    w = g.get_layer("mapping")(inputs[:3], training=True)  # a second call moves on
    expected = np.mean(w, axis=0) * (1 - 0.995**2)
    np.testing.assert_allclose(average_style(g), expected, rtol=1e-4)
    assert average_style(g) is average_style(g.get_layer("mapping"))
    with pytest.raises(ValueError, match=r"network must have a mapping to w, .* Received: synthesis"):
        average_style(g.get_layer("synthesis"))


@pytest.mark.parametrize("precision", ["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_networks_can_be_saved(tmp_path, precision):
    with precision_policy(precision):
        networks = generator(), discriminator(tag_count=TAGS, projection=True, tag_head=True)
    arguments = generator_inputs(), [normal(4, 16, 16, 3), tags(4)]
    networks[0](arguments[0], training=True)  # moves the average
    for network, inputs in zip(networks, arguments, strict=True):
        network.save(tmp_path / "network.keras")
        loaded = keras.models.load_model(tmp_path / "network.keras")
        for one, other in zip(tf.nest.flatten(network(inputs)), tf.nest.flatten(loaded(inputs)), strict=True):
            np.testing.assert_array_equal(one, other)
        if network is networks[0]:
            np.testing.assert_array_equal(average_style(network), average_style(loaded))


def penalty_gradients(network, inputs):
    """The gradients by all weights of R1, half the squared gradient by the pictures."""
    with tf.GradientTape() as outer:
        with tf.GradientTape() as tape:
            tape.watch(inputs[0])
            logits = tf.reduce_sum(network(inputs if len(inputs) > 1 else inputs[0]))
        penalty = tf.reduce_sum(tape.gradient(logits, inputs[0]) ** 2) / 2
    weights = network.trainable_weights
    return dict(
        zip([weight.path for weight in weights], outer.gradient(penalty, [w.value for w in weights]), strict=True)
    )


@pytest.mark.parametrize("precision", ["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_discriminator_second_order_gradients_are_finite(precision):
    with precision_policy(precision):
        d = discriminator(tag_count=TAGS, projection=True)
    gradients = penalty_gradients(d, [normal(4, 16, 16, 3), tags(4)])
    for path, gradient in gradients.items():
        if gradient is not None:  # none by the last biases, of which the slopes are free
            assert np.isfinite(gradient).all(), path
        if "kernel" in path:
            assert np.abs(gradient).max() > 0, path


def test_r1_gradient_equals_its_difference_quotient():
    d = discriminator()
    images = normal(4, 16, 16, 3)
    gradients = penalty_gradients(d, [images])
    weight = d.get_layer("conv_8_down").kernel
    direction = gradients[weight.path] / tf.norm(gradients[weight.path])

    def penalty(step):
        before = weight.numpy()
        weight.assign(before + step * direction.numpy())
        with tf.GradientTape() as tape:
            tape.watch(images)
            logits = tf.reduce_sum(d(images))
        value = tf.reduce_sum(tape.gradient(logits, images) ** 2) / 2
        weight.assign(before)
        return float(value)

    expected = (penalty(1e-2) - penalty(-1e-2)) / 2e-2
    found = float(tf.reduce_sum(gradients[weight.path] * direction))
    np.testing.assert_allclose(found, expected, rtol=2e-2)


@pytest.mark.parametrize("precision", ["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_path_length_has_gradients(precision):
    with precision_policy(precision):
        network = generator().get_layer("synthesis")
    styles, noise = normal(2, 6, W), normal(2, stylegan2.noise_size(16), seed=1)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as tape:
            tape.watch(styles)
            seen = tf.reduce_sum(network([styles, noise]) * normal(2, 16, 16, 3, seed=2)) / 16
        lengths = tf.sqrt(tf.reduce_mean(tf.reduce_sum(tape.gradient(seen, styles) ** 2, axis=2), axis=1))
        penalty = tf.reduce_mean(lengths**2)
    weights = network.trainable_weights
    for weight, gradient in zip(weights, outer.gradient(penalty, [w.value for w in weights]), strict=True):
        if gradient is not None:
            assert np.isfinite(gradient).all(), weight.path
        if "kernel" in weight.path and "to_rgb_4" not in weight.path:
            assert np.abs(gradient).max() > 0, weight.path


def test_bfloat16_is_close_to_float32():
    with precision_policy("mixed_bfloat16"):
        low = generator(), discriminator()
    full = generator(), discriminator()
    arguments = generator_inputs(), normal(4, 16, 16, 3)
    for one, other, inputs in zip(low, full, arguments, strict=True):
        one.set_weights(other.get_weights())
        found, expected = one(inputs), other(inputs)
        assert found.dtype == tf.float32
        assert 0 < np.abs(found - expected).max() < 0.03 * np.abs(expected).max() + 0.01


def test_low_precision_is_used_at_the_highest_resolutions():
    with precision_policy("mixed_bfloat16"):
        g, d = generator(image_size=128, channel_base=256), discriminator(image_size=128, channel_base=256)
    synthesis = g.get_layer("synthesis")
    low = {128: True, 64: True, 32: True, 16: True, 8: False, 4: False}
    for size, expected in low.items():
        assert (synthesis.get_layer(f"conv_{size}").compute_dtype == "bfloat16") == expected
        assert (d.get_layer(f"conv_{size}").compute_dtype == "bfloat16") == expected
    assert {layer.compute_dtype for layer in g.get_layer("mapping").layers[2:]} >= {"float32"}
    assert synthesis.get_layer("conv_128").affine.compute_dtype == "float32"


@pytest.mark.parametrize("channels", [{"channel_max": 0}, {"channel_base": 15}])
@pytest.mark.parametrize("build", [stylegan2.synthesis, stylegan2.discriminator])
def test_channels_are_at_least_one(build, channels):
    (name,) = channels
    with pytest.raises(ValueError, match=f"{name} must be at least .* Received: {channels[name]}"):
        build(**{**SMALL, **channels})


@pytest.mark.parametrize("size", [8, 24])
@pytest.mark.parametrize("build", [stylegan2.generator, stylegan2.discriminator])
def test_sizes_are_powers_of_two(build, size):
    with pytest.raises(ValueError, match=f"image_size must be a power of two from 16. Received: {size}"):
        build(size)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"embedding_noise must be at least 0, and 0 without tags. Received: 0.5"):
        mapping(Z, W, embedding_noise=0.5)
    with pytest.raises(ValueError, match=r"mapping_layers must be at least 1. Received: 0"):
        tag_mapping(W, TAGS, 0)
    with pytest.raises(ValueError, match=r"tag_count must be .* Received: tag_count=0, projection=True"):
        stylegan2.discriminator(projection=True)
    with pytest.raises(ValueError, match=r"tag_count must be .* Received: tag_count=3, projection=False"):
        stylegan2.discriminator(tag_count=3)
    with pytest.raises(ValueError, match=r"noise must have 656 numbers a picture at 16 px. Received: \(2, 5\)"):
        stylegan2.noise_maps(normal(2, 5), 16)
