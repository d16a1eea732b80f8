"""The game of small pictures and large ones: what a step computes, its two phases, parts, devices, and going on."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_upscaling import batches, game, terms

from tfanime.generator import Form
from tfanime.training.losses import LOSSES
from tfanime.training.terms import Sight
from tfanime.training.upscaling import Upscaling, inconsistency, shrunk, squared_error


def train(model, pictures):
    dataset = tf.data.Dataset.from_tensor_slices(pictures)
    return model.fit(dataset, epochs=len(pictures[0]), steps_per_epoch=1, shuffle=False, verbose=0).history


def assert_same(first, second, **tolerances):
    for weight, expected in zip(first.weights, second.weights, strict=True):
        np.testing.assert_allclose(weight.numpy(), expected.numpy(), err_msg=weight.path, **tolerances)


def copies(model):
    networks = keras.models.clone_model(model.generator), keras.models.clone_model(model.discriminator)
    for network, other in zip(networks, (model.generator, model.discriminator), strict=True):
        network.set_weights(other.get_weights())
    return networks


def test_upscaling_losses_equal_hand_computation():
    large = np.arange(48, dtype=np.float32).reshape(1, 4, 4, 3)
    small = large.reshape(1, 2, 2, 2, 2, 3).mean((2, 4))
    np.testing.assert_allclose(shrunk(large, 2), small)
    assert float(inconsistency(small, large)) == 0 and float(inconsistency(small + 0.25, large)) == 0.25
    assert float(squared_error(Sight(reals=large, fakes=large + np.arange(3.0, dtype=np.float32)))) == pytest.approx(
        5 / 3
    )


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("loss", ["non_saturating", "relativistic_average"])
def test_upscaling_step_updates_each_player(loss, drawn):
    pictures = batches(1, drawn=drawn)
    small, reals, *others = (tf.constant(each[0]) for each in pictures)
    model, rate, pair = game(loss=loss), 0.05, LOSSES[loss]
    network, critic = copies(model)
    logs = train(model, pictures)
    with tf.GradientTape() as tape:
        fakes = network(tf.concat([small, *others], 0))
        value = pair.discriminator(critic(reals), critic(tf.stop_gradient(fakes)))
    assert logs["discriminator_loss"][0] == pytest.approx(float(value), rel=1e-5)
    for weight, slope in zip(critic.weights, tape.gradient(value, critic.trainable_variables), strict=True):
        weight.assign_sub(rate * slope)
    (content,) = terms()
    with tf.GradientTape() as tape:
        fakes = network(tf.concat([small, *others], 0))
        value = 0.5 * pair.generator(critic(fakes), critic(reals))
        value += 2.0 * content.function(Sight(reals=reals, fakes=fakes[:8]))
        if others:
            value += 0.7 * tf.reduce_mean(tf.abs(others[0] - tf.nn.avg_pool2d(fakes[8:], 2, 2, "VALID")))
    for weight, slope in zip(network.weights, tape.gradient(value, network.trainable_variables), strict=True):
        weight.assign_sub(rate * slope)
    assert_same(model.discriminator, critic, rtol=1e-4, atol=1e-6)
    assert_same(model.generator, network, rtol=1e-4, atol=1e-6)
    assert logs["generator_loss"][0] == pytest.approx(float(value), rel=1e-5)
    expected = {"real_logits", "fake_logits", "generator_adversarial_loss", "generator_content"}
    assert expected | ({"inconsistency"} if drawn else set()) <= set(logs)


def test_upscaling_learns_the_squared_error_first():
    pictures = batches(3)
    model = game(pixel_steps=2)
    network, critic = copies(model)
    logs = train(model, tuple(each[:1] for each in pictures))
    assert set(logs) == {"generator_loss", "generator_gradient_norm"}
    with tf.GradientTape() as tape:
        value = tf.reduce_mean((network(pictures[0][0]) - pictures[1][0]) ** 2)
    for weight, slope in zip(network.weights, tape.gradient(value, network.trainable_variables), strict=True):
        weight.assign_sub(0.05 * slope)
    assert_same(model.generator, network, rtol=1e-4, atol=1e-6)
    assert "fake_logits" not in train(model, tuple(each[1:2] for each in pictures))
    assert_same(model.discriminator, critic, rtol=0)
    assert "fake_logits" in train(model, tuple(each[2:] for each in pictures)) and model.step == 3


@pytest.mark.slow
@pytest.mark.parametrize("rules", [{"pixel_steps": 1}, {"gradient_clip": 0.1, "norm": True}])
def test_upscaling_on_two_devices_equals_one(rules, two_devices):
    one = game(**rules, rate=0.01)
    logs = train(one, batches(3))
    with two_devices.scope():
        two = game(**rules, rate=0.01)
    others = train(two, batches(3))
    assert_same(one, two, rtol=1e-4, atol=1e-5)
    for name in set(logs) & set(others):
        np.testing.assert_allclose(logs[name], others[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_upscaling_parts_equal_the_whole_batch():
    whole, parts = game(pixel_steps=1), game(pixel_steps=1, accumulate=2)
    for model in (whole, parts):
        train(model, batches(3))
    assert_same(whole, parts, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_upscaling_resumes_bit_for_bit(tmp_path):
    def new():
        return game(pixel_steps=2, optimizer=keras.optimizers.Adam, norm=True)

    pictures = batches(5)
    whole, first = new(), new()
    train(whole, pictures)
    train(first, tuple(each[:3] for each in pictures))
    path = tf.train.Checkpoint(game=first).save(str(tmp_path / "game"))
    second = new()
    tf.train.Checkpoint(game=second).restore(path).assert_existing_objects_matched()
    assert second.step == 3
    train(second, tuple(each[3:] for each in pictures))
    assert_same(whole, second, rtol=0, atol=0)


def test_upscaling_refuses_bad_arguments():
    model = game()
    with pytest.raises(ValueError, match="loss must be a Loss or one of non_saturating"):
        game(loss="squared")
    networks = model.generator, model.discriminator
    with pytest.raises(ValueError, match=r"ema_half_life must be above 0 pictures\. Received: 0"):
        Upscaling(*networks, model.form, ema_half_life=0)
    with pytest.raises(ValueError, match="form must be of kind upscale"):
        Upscaling(*networks, Form("stylise"))
