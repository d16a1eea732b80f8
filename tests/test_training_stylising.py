"""The game of photos and drawings: what a step computes, its two phases, parts, devices, and going on."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_networks
import tiny_stylising
import tiny_vgg
from tiny_stylising import batches, game, generator, terms

from tfanime.generator import Form
from tfanime.training import Term
from tfanime.training.cartoon_terms import colour
from tfanime.training.content import Content
from tfanime.training.losses import LOSSES
from tfanime.training.stylising import Stylising
from tfanime.training.weighing import Weighing

SHARES = {"adversarial": 2.0, "Content": 1.0, "Style": 0.5, "colour": 1.0, "total_variation": 0.1}


def train(model, pictures, steps=None):
    dataset = tf.data.Dataset.from_tensor_slices(pictures)
    return model.fit(dataset, epochs=steps or len(pictures[0]), steps_per_epoch=1, shuffle=False, verbose=0).history


def unweighted():
    return [Term(term.function, term.player) if term.player == "generator" else term for term in terms()]


def assert_same(first, second, **tolerances):
    for weight, expected in zip(first.weights, second.weights, strict=True):
        np.testing.assert_allclose(weight.numpy(), expected.numpy(), err_msg=weight.path, **tolerances)


@pytest.mark.parametrize("loss", ["least_squares", "non_saturating", "relativistic_average"])
def test_stylising_step_updates_each_player(loss):
    photos, reals, smooth = (tf.constant(each[0]) for each in batches(1))
    some = terms("hinge" if loss == "relativistic_average" else loss)
    model, rate, pair = game(terms=some, loss=loss, adversarial_weight=2.0), 0.05, LOSSES[loss]
    network, critic = keras.models.clone_model(model.generator), keras.models.clone_model(model.discriminator)
    network.set_weights(model.generator.get_weights())
    critic.set_weights(model.discriminator.get_weights())
    logs = train(model, batches(1))

    class Seen:
        inputs, targets, shared = photos, smooth, {}
        logits_of = staticmethod(critic)

    Seen.reals = reals
    with tf.GradientTape() as tape:
        Seen.fakes = network(photos)
        value = pair.discriminator(critic(reals), critic(tf.stop_gradient(Seen.fakes)))
        value += tf.add_n([term.weight * term.function(Seen) for term in some if term.player == "discriminator"])
    for weight, slope in zip(critic.weights, tape.gradient(value, critic.trainable_variables), strict=True):
        weight.assign_sub(rate * slope)
    with tf.GradientTape() as tape:
        Seen.fakes = network(photos)
        value = 2.0 * pair.generator(critic(Seen.fakes), critic(reals))
        value += tf.add_n([term.weight * term.function(Seen) for term in some if term.player == "generator"])
    for weight, slope in zip(network.weights, tape.gradient(value, network.trainable_variables), strict=True):
        weight.assign_sub(rate * slope)
    for found, expected in ((model.discriminator, critic), (model.generator, network)):
        assert_same(found, expected, rtol=1e-4, atol=1e-6)
    parts = ("generator_loss", "generator_content", "generator_style", "generator_colour", "generator_total_variation")
    assert sum(logs[name][0] for name in parts) == pytest.approx(float(value), rel=1e-5)
    assert {"discriminator_loss", "penalty", "real_logits", "fake_logits", "generator_gradient_norm"} <= set(logs)


def test_stylising_learns_content_first():
    model = game(terms=terms(), content_steps=2)
    before = model.discriminator.get_weights()
    pictures = batches(3)
    logs = train(model, tuple(each[:2] for each in pictures))
    assert set(logs) == {"generator_loss", "generator_gradient_norm"}
    np.testing.assert_equal(model.discriminator.get_weights(), before)
    alone = game(terms=[Term(Content(tiny_vgg.tiny_vgg(), "conv1_2"), "generator", 0.02)], content_steps=2)
    train(alone, tuple(each[:2] for each in pictures))
    assert_same(model.generator, alone.generator, rtol=1e-6)
    assert "fake_logits" in train(model, tuple(each[2:] for each in pictures))
    assert not np.array_equal(model.discriminator.get_weights()[0], before[0]) and model.step == 3


def test_stylising_weighs_losses_by_measured_gradients():
    model = game(terms=unweighted(), weighing=Weighing(SHARES, steps=2))
    logs = train(model, batches(3))
    weights = model.weights_of_losses()
    assert set(weights) == set(SHARES)
    for name, weight in weights.items():
        first, *rest = logs[f"weight_{name.lower()}"]
        assert rest == [pytest.approx(weight)] * 2 and first != pytest.approx(weight)
    # Of the first step's losses the gradients by the pictures have the sizes of their shares.
    photos = tf.constant(batches(1)[0][0])
    with tf.GradientTape() as tape:
        fakes = generator()(photos)
        tape.watch(fakes)
        value = logs["weight_colour"][0] * colour(type("", (), {"inputs": photos, "fakes": fakes}))
    slope = 8 * tape.gradient(value, fakes)
    assert float(tf.sqrt(tf.reduce_mean(slope**2))) == pytest.approx(SHARES["colour"], rel=1e-4)
    fixed = game(terms=terms()).weights_of_losses()
    assert fixed == {"adversarial": 1.0, "Content": 0.02, "Style": 0.01, "colour": 3.0, "total_variation": 0.5}


@pytest.mark.slow
def test_one_backward_pass_of_measured_weights_is_one_for_each_loss():
    one, other = (game(terms=unweighted(), weighing=Weighing(SHARES, steps=steps)) for steps in (1, 2))
    for model in (one, other):
        train(model, batches(1))
    other.term_weighing_steps.assign(2.0)
    for model in (one, other):
        train(model, batches(2), 1)
    assert one.step == other.step == 2
    for found, expected in ((one.generator, other.generator), (one.discriminator, other.discriminator)):
        assert_same(found, expected, rtol=1e-4, atol=1e-6)


RULES = {
    "fixed weights": lambda: {"terms": terms(), "content_steps": 1, "gradient_clip": 1.0},
    "weights by gradients": lambda: {"terms": unweighted(), "weighing": Weighing(SHARES, steps=2)},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param("fixed weights", marks=pytest.mark.slow), "weights by gradients"])
def test_stylising_on_two_devices_equals_one(name, two_devices):
    one = game(**RULES[name](), rate=0.01)
    logs = train(one, batches(3))
    with two_devices.scope():
        two = game(**RULES[name](), rate=0.01)
    others = train(two, batches(3))
    assert_same(one, two, rtol=1e-4, atol=1e-5)
    for name in set(logs) & set(others):
        np.testing.assert_allclose(logs[name], others[name], rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_stylising_parts_equal_the_whole_batch():
    whole, parts = game(terms=terms(), content_steps=1), game(terms=terms(), content_steps=1, accumulate=2)
    for model in (whole, parts):
        train(model, batches(3))
    assert_same(whole, parts, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_stylising_resumes_bit_for_bit(tmp_path):
    shares = {"adversarial": 2.0, "Content": 1.0}

    def new():
        some = [Term(Content(tiny_vgg.tiny_vgg(), "conv1_1"), "generator"), *terms()[-1:]]
        return game(terms=some, weighing=Weighing(shares, 3), content_steps=2, optimizer=keras.optimizers.Adam)

    pictures = batches(6)
    whole, first = new(), new()
    train(whole, pictures)
    train(first, tuple(each[:4] for each in pictures))  # within the steps of measuring
    path = tf.train.Checkpoint(game=first).save(str(tmp_path / "game"))
    second = new()
    tf.train.Checkpoint(game=second).restore(path).assert_existing_objects_matched()
    assert second.step == 4
    train(second, tuple(each[4:] for each in pictures))
    assert_same(whole, second, rtol=0, atol=0)


def test_stylising_learns():
    """Photos become pictures of the drawings' colours, which the discriminator alone knows."""
    random = np.random.default_rng(0)
    photos = random.uniform(-1, 1, (120, 8, 8, 8, 3)).astype(np.float32)
    drawings = (0.3 * photos[::-1] + [0.6, -0.6, 0.2]).astype(np.float32)
    content = Term(Content(tiny_vgg.tiny_vgg(), "conv1_1"), "generator", 1e-3)
    model = game(terms=[content], rate=0.01, optimizer=keras.optimizers.Adam, content_steps=20)
    train(model, (photos, drawings))
    means = np.mean(model(photos[0]), axis=(0, 1, 2))
    assert means[0] > means[2] > means[1] and means[0] - means[1] > 0.4, means


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"loss": "best"}, "loss must be a Loss or one of non_saturating, .*Received: 'best'"),
        ({"terms": [Term(colour, "generator")] * 2}, "functions of different names. Received: .'colour', 'colour'"),
        ({"content_steps": 5}, "content_steps must be 0 without a Content term. Received: 5"),
        ({"weighing": Weighing({"colour": 1.0})}, "weighing.shares must be of adversarial. Received: colour"),
        ({"weighing": Weighing({"adversarial": 1.0}), "accumulate": 2}, "accumulate must be 1 with a weighing"),
    ],
)
def test_stylising_refuses_bad_options(rules, message):
    with pytest.raises(ValueError, match=message):
        game(**{"terms": []} | rules)


def test_stylising_refuses_unfitting_networks():
    with pytest.raises(ValueError, match=r"generator must give pictures of the size that it takes. Received: one from"):
        Stylising(tiny_networks.generator(), tiny_stylising.discriminator(), Form("stylise"))
    with pytest.raises(ValueError, match=r"ema_half_life must be above 0 photos. Received: 0"):
        Stylising(generator(), tiny_stylising.discriminator(), Form("stylise"), ema_half_life=0)
    with pytest.raises(ValueError, match=r"form must be of kind stylise. Received: 'upscale'"):
        Stylising(generator(), tiny_stylising.discriminator(), Form("upscale"))
