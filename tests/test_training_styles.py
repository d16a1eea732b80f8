import numpy as np
import pytest
import tensorflow as tf
import tiny_networks
import tiny_stylegan2
from tiny_stylegan2 import W, Z

from tfanime.models.stylegan2_mapping import average_style
from tfanime.training import Term
from tfanime.training.styles import PathLength, StyleMixing, styles
from tfanime.training.terms import Sight

STEPS, BATCH = 2, 8  # groups of MinibatchStddev are whole on each of two devices


def train(gan, count=STEPS):
    images, tags = tiny_stylegan2.pictures(count, BATCH), tiny_networks.real_tags(count, BATCH)
    data = tf.data.Dataset.from_tensor_slices((images, tags)).repeat()
    return gan.fit(data, epochs=count, steps_per_epoch=1, shuffle=False, verbose=0).history


def game(mixing=0.9, **options):
    terms = [Term(PathLength(mixing), "generator", 2.0, every=2, state=PathLength.STATE)]
    return tiny_stylegan2.gan(terms, draw_images=StyleMixing(mixing), **options)


def test_path_length_equals_a_plain_transcription():
    gan = game(mixing=0.0)
    inputs = gan.draw_inputs(BATCH, 3)
    draw = gan.draws(BATCH, 3, player="generator")
    sight = Sight(generator=gan.generator, inputs=inputs, draw=draw, state={"mean": 0.7})
    average = average_style(gan.generator).numpy()
    value, state = PathLength(0.0)(sight)
    np.testing.assert_array_equal(average_style(gan.generator).numpy(), average)
    directions = draw("path directions", (16, 16, 3), normal=True).numpy()
    mapping, synthesis = gan.generator.get_layer("mapping"), gan.generator.get_layer("synthesis")
    lengths = []
    for row in range(0, BATCH, 2):
        latents, tags, embedding_noise, noise = (part[row : row + 1] for part in inputs)
        w = np.repeat(mapping([latents, tags, embedding_noise], training=True)[:, None], 6, axis=1)
        slopes = np.zeros(w.shape[1:])
        # J^T y by differences: the picture is nearly linear over so little.
        steps = 1e-2 * np.eye(slopes.size, dtype=np.float32).reshape(-1, *slopes.shape)
        noises = tf.repeat(noise, len(steps), axis=0)
        ends = (synthesis([tf.constant(w + sign * steps), noises]) for sign in (1, -1))
        change = np.subtract(*(np.float64(end) for end in ends)) / 2e-2
        slopes = np.sum(change * directions[row] / 16, axis=(1, 2, 3)).reshape(slopes.shape)
        lengths.append(np.sqrt(np.mean(np.sum(slopes**2, axis=1))))
    assert np.ptp(lengths) > 0.01
    assert float(value) == pytest.approx(np.mean((np.array(lengths) - 0.7) ** 2), rel=0.02)
    assert float(state["mean"]) == pytest.approx(0.7 + 0.01 * (np.mean(lengths) - 0.7), rel=1e-3)


def test_path_length_has_gradients_at_mapping_and_synthesis():
    gan = tiny_stylegan2.gan()
    sight = Sight(generator=gan.generator, inputs=gan.draw_inputs(4, 0), draw=gan.draws(4, 0), state={"mean": 0.0})
    with tf.GradientTape() as tape:
        value, _ = PathLength()(sight)
    weights = gan.generator.trainable_weights
    moved = {
        weight.path: gradient is not None and float(tf.reduce_max(tf.abs(gradient))) > 0
        for weight, gradient in zip(weights, tape.gradient(value, weights), strict=True)
    }
    # What is added to the last picture does not turn with w.
    still = {path for path in moved if not moved[path]}
    assert all(path.endswith("bias") and "to_rgb" in path and "affine" not in path for path in still), still


def test_style_mixing_changes_at_one_layer_of_the_batch():
    network = tiny_stylegan2.generator()
    gan = tiny_stylegan2.gan()
    places = []
    for number in range(60):
        inputs = gan.draw_inputs(4, number)[:3]
        draw = gan.draws(4, number)
        found = styles(network, inputs, draw, 0.5, counted=False).numpy()
        assert found.shape == (4, 6, W)
        first = network.get_layer("mapping")(inputs, training=True).numpy()
        others = [draw("mixed latents", (Z,), normal=True), *inputs[1:]]
        other = network.get_layer("mapping")(others, training=True).numpy()
        own = [np.allclose(found[:, layer], first, atol=1e-6) for layer in range(6)]
        assert own == sorted(own, reverse=True) and own[0]
        for layer in range(sum(own), 6):
            np.testing.assert_allclose(found[:, layer], other, atol=1e-6)
        places.append(sum(own))
    assert 18 < places.count(6) < 42 and set(places) == {1, 2, 3, 4, 5, 6}


def test_style_mixing_counts_once_in_the_average():
    network, gan = tiny_stylegan2.generator(), tiny_stylegan2.gan()
    inputs = gan.draw_inputs(4, 0)
    w = network.get_layer("mapping")(inputs[:3], training=False)
    before = average_style(network).numpy()
    assert StyleMixing(1.0)(network, inputs, gan.draws(4, 0)).shape == (4, 16, 16, 3)
    moved = (average_style(network).numpy() - 0.995 * before) / 0.005
    assert np.abs(moved - tf.reduce_mean(w, axis=0)).max() < 1  # but for the embedding's noise
    w = network.get_layer("mapping")(inputs[:3], training=True)
    np.testing.assert_allclose(moved, tf.reduce_mean(w, axis=0), rtol=1e-3, atol=1e-4)
    for wrong in (-0.1, 1.1):
        with pytest.raises(ValueError, match=r"mixing must be from 0 to 1. Received"):
            StyleMixing(wrong)


@pytest.mark.slow
def test_styles_on_devices_update_as_one(two_devices):
    one = game()
    logs = train(one)
    assert logs["generator_terms"][0] > 0 == logs["generator_terms"][1]
    assert float(one.state_of(one.terms[0])["mean"].numpy()) > 0
    with two_devices.scope():
        two = game()
    logs_of_two = train(two)
    for weight, other in zip(one.weights, two.weights, strict=True):
        np.testing.assert_allclose(other.numpy(), weight.numpy(), rtol=1e-3, atol=2e-5, err_msg=weight.path)
    for name in logs_of_two:
        np.testing.assert_allclose(logs_of_two[name], logs[name], rtol=1e-3, atol=1e-5, err_msg=name)
