"""What all games have in common: terms of both players with and without a state, and what is drawn and averaged."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_networks
from tiny_networks import LATENTS

from tfanime.training import Term
from tfanime.training.losses import LOSSES
from tfanime.training.terms import deviation, dragan, r1

STEPS, BATCH, RATE = 3, 8, 0.1


def images(critic_steps=1):
    # The second half, a second device's, and every other picture, of one of two parts, are of another deviation.
    pictures = tiny_networks.pictures(STEPS, BATCH, critic_steps)
    pictures[:, 4:] *= 0.5
    pictures[:, 1::2] *= 0.3
    return pictures


def train(gan, pictures):
    """One step for each of `pictures`; the logs by step."""
    dataset = tf.data.Dataset.from_tensor_slices(pictures).repeat()
    return gan.fit(dataset, epochs=len(pictures), steps_per_epoch=1, shuffle=False, verbose=0).history


def trained(terms, strategy=None, accumulate=1, critic_steps=1, **options):
    def build():
        return tiny_networks.gan(seed=5, terms=terms, rate=RATE, rules={"accumulate": accumulate}, **options)

    if strategy is None:
        gan = build()
    else:
        with strategy.scope():
            gan = build()
    return gan, train(gan, images(critic_steps))


def assert_same(first, second):
    (gan, logs), (other, other_logs) = first, second
    assert len(gan.weights) == len(other.weights)
    for weight, expected in zip(gan.weights, other.weights, strict=True):
        np.testing.assert_allclose(weight.numpy(), expected.numpy(), rtol=1e-4, atol=1e-6, err_msg=weight.path)
    for name in set(logs) & set(other_logs):
        np.testing.assert_allclose(logs[name], other_logs[name], rtol=1e-4, atol=1e-6, err_msg=name)


def path_lengths(sight):
    """How far the pictures move with the latents, held near its own running mean: as StyleGAN2 regularises."""
    with tf.GradientTape() as tape:
        tape.watch(sight.inputs)
        pictures = sight.generator(sight.inputs, training=True)
        total = tf.reduce_sum(pictures * (sight.draw("noise", pictures.shape[1:]) - 0.5))
    lengths = tf.norm(tape.gradient(total, sight.inputs), axis=1)
    mean = sight.state["mean"] + 0.25 * (tf.reduce_mean(lengths) - sight.state["mean"])
    return tf.reduce_mean(tf.square(lengths - sight.state["mean"])), {"mean": tf.stop_gradient(mean)}


def near_the_reals(sight):
    return tf.reduce_mean(tf.square(sight.fakes - sight.reals))


def signs(sight):
    """A term that only counts: how often real logits are positive, as ADA does."""
    return 0.0, {"share": tf.reduce_mean(tf.cast(sight.real_logits > 0, tf.float32)), "runs": sight.state["runs"] + 1.0}


TERMS = {
    "lazy path lengths": [Term(path_lengths, "generator", 2.0, every=2, state={"mean": 0.0})],
    "path lengths": [Term(path_lengths, "generator", 2.0, state={"mean": 0.5})],
    "content": [Term(near_the_reals, "generator", 3.0)],
    "lazy content": [Term(near_the_reals, "generator", 3.0, every=2)],
    "signs": [Term(signs, "discriminator", state={"share": 0.0, "runs": 0.0}), Term(r1, "discriminator", 1.0, every=2)],
}


SLOW = {"lazy path lengths", "path lengths", "content", "lazy content"}  # tests/test_training_terms.py is quicker


@pytest.mark.parametrize(
    "terms",
    [pytest.param(terms, id=name, marks=pytest.mark.slow if name in SLOW else ()) for name, terms in TERMS.items()],
)
def test_game_parts_and_devices_update_as_one(terms, two_devices):
    whole = trained(terms)
    assert_same(trained(terms, accumulate=2), whole)
    assert_same(trained(terms, two_devices), whole)
    assert_same(trained(terms, two_devices, accumulate=2), whole)


@pytest.mark.slow
def test_lazy_dragan_with_parts_is_equal_on_two_devices(two_devices):
    terms = [Term(dragan, "discriminator", 10.0, every=2, measure=deviation)]
    one = trained(terms, accumulate=2, critic_steps=2)
    assert one[1]["penalty"][0] > 0 and one[1]["penalty"][1] == 0
    assert_same(trained(terms, two_devices, accumulate=2, critic_steps=2), one)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name.startswith("lazy") else ())
        for name in TERMS
        if name != "signs"  # the discriminator's
    ],
)
def test_generator_terms_update_the_generator(name):
    one_step = images()[:1]
    plain, gan = tiny_networks.gan(seed=5), tiny_networks.gan(seed=5, terms=TERMS[name])
    train(plain, one_step)
    logs = train(gan, one_step)
    assert logs["generator_terms"][0] > 1e-3
    for weight, other in zip(gan.generator.trainable_weights, plain.generator.trainable_weights, strict=True):
        # A bias of the last layer turns the path by nothing but the slope of tanh, which is little.
        assert np.abs(weight.numpy() - other.numpy()).max() > 1e-6, weight.path
    for weight, other in zip(gan.discriminator.weights, plain.discriminator.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), other.numpy())


def test_lazy_generator_term_equals_a_plain_transcription():
    gan, logs = trained(TERMS["lazy path lengths"])
    generator, discriminator = tiny_networks.generator(), tiny_networks.discriminator()
    loss, mean, found = LOSSES["non_saturating"], 0.0, []
    for step, pictures in enumerate(images()[:, :, 0]):
        latents = gan.latents.batch(BATCH, 5, step)
        with tf.GradientTape() as tape:
            value = loss.discriminator(discriminator(pictures), discriminator(generator(latents)))
        descend(discriminator, tape.gradient(value, discriminator.trainable_weights))
        noise = gan.draws(BATCH, step, player="generator")("noise", (4, 4, 3)) - 0.5
        with tf.GradientTape() as tape:
            value = loss.generator(discriminator(generator(latents)))
            term = 0.0
            if step % 2 == 0:
                with tf.GradientTape() as inner:
                    inner.watch(latents)
                    total = tf.reduce_sum(generator(latents) * noise)
                lengths = tf.norm(inner.gradient(total, latents), axis=1)
                term = 2 * 2.0 * tf.reduce_mean((lengths - mean) ** 2)
                mean += 0.25 * (float(tf.reduce_mean(lengths)) - mean)
            value += term
        descend(generator, tape.gradient(value, generator.trainable_weights))
        found.append(float(term))
    np.testing.assert_allclose(logs["generator_terms"], found, rtol=1e-4)
    np.testing.assert_allclose(gan.state_of(gan.terms[0])["mean"].numpy(), mean, rtol=1e-4)
    for weight, expected in zip(gan.generator.weights, generator.weights, strict=True):
        np.testing.assert_allclose(weight.numpy(), expected.numpy(), rtol=1e-4, atol=1e-6)


def descend(network, gradients):
    for weight, gradient in zip(network.trainable_weights, gradients, strict=True):
        weight.assign(weight - RATE * gradient)


def test_term_state_is_written_when_the_term_runs():
    gan, _ = trained([Term(signs, "discriminator", every=2, state={"share": 0.0, "runs": 4.0})], critic_steps=2)
    state = gan.state_of(gan.terms[0])
    assert state["runs"].numpy() == 4 + 2 * 2  # steps 0 and 2 of three, two critic steps each
    gan.generator_optimizer.iterations.assign(1)
    before = state["share"].numpy()
    train(gan, images(2)[:1])
    assert (state["runs"].numpy(), state["share"].numpy()) == (8, before)


def test_term_states_are_restored_from_checkpoints(tmp_path):
    terms = TERMS["lazy path lengths"] + TERMS["signs"]
    whole = tiny_networks.gan(seed=5, terms=terms)
    train(whole, images())
    first = tiny_networks.gan(seed=5, terms=terms)
    train(first, images()[:1])
    path = tf.train.Checkpoint(gan=first).save(str(tmp_path / "ckpt"))
    names = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    assert sum("term_path_lengths_mean" in name for name in names) == 1
    second = tiny_networks.gan(seed=5, terms=terms)
    tf.train.Checkpoint(gan=second).restore(path).assert_existing_objects_matched()
    assert second.state_of(terms[0])["mean"].numpy() == first.state_of(terms[0])["mean"].numpy() > 0
    train(second, images()[1:])
    for weight, expected in zip(second.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy(), err_msg=weight.path)


@pytest.mark.slow
def test_compile_again_resets_term_states():
    gan = tiny_networks.gan(seed=5, terms=TERMS["path lengths"])
    train(gan, images()[:1])
    weights = len(gan.weights)
    gan.compile(keras.optimizers.SGD(RATE), keras.optimizers.SGD(RATE), "hinge", TERMS["lazy path lengths"])
    assert len(gan.weights) == weights and gan.state_of(gan.terms[0])["mean"].numpy() == 0
    train(gan, images()[:1])
    assert gan.state_of(gan.terms[0])["mean"].numpy() > 0


@pytest.mark.parametrize("loss", ["relativistic", pytest.param("relativistic_average", marks=pytest.mark.slow)])
def test_paired_loss_equals_a_plain_transcription(loss, two_devices):
    gan, logs = trained([], loss=loss)
    generator, discriminator, sides = tiny_networks.generator(), tiny_networks.discriminator(), LOSSES[loss]
    for step, pictures in enumerate(images()[:, :, 0]):
        latents = gan.latents.batch(BATCH, 5, step)
        with tf.GradientTape() as tape:
            value = sides.discriminator(discriminator(pictures), discriminator(generator(latents)))
        descend(discriminator, tape.gradient(value, discriminator.trainable_weights))
        with tf.GradientTape() as tape:  # after the discriminator's update
            value = sides.generator(discriminator(generator(latents)), discriminator(pictures))
        assert logs["generator_loss"][step] == pytest.approx(float(value), rel=1e-5)
        descend(generator, tape.gradient(value, generator.trainable_weights))
    for weight, expected in zip(gan.generator.weights, generator.weights, strict=True):
        np.testing.assert_allclose(weight.numpy(), expected.numpy(), rtol=1e-4, atol=1e-6)
    assert_same(trained([], two_devices, loss=loss), (gan, logs))
    if loss == "relativistic":
        assert_same(trained([], accumulate=2, loss=loss), (gan, logs))


def test_only_paired_losses_pass_reals_twice():
    judged = []

    class Counter(keras.layers.Layer):
        def call(self, pictures):
            judged.append(pictures)
            return pictures

    for loss, passes in (("hinge", 3), ("relativistic", 4)):
        gan = tiny_networks.gan(loss=loss)
        inputs = keras.layers.Input((4, 4, 3))
        gan.discriminator = keras.Model(inputs, gan.discriminator(Counter()(inputs)))
        gan.compile(keras.optimizers.SGD(), keras.optimizers.SGD(), loss)
        judged.clear()
        gan.train_step(tf.constant(images()[0, :, 0]))
        assert len(judged) == passes


def test_set_players_refuses_bad_options():
    state = {"mean": 0.0}
    with pytest.raises(ValueError, match=r"terms with a state must have functions of different names. .*path_lengths"):
        tiny_networks.gan(terms=[Term(path_lengths, "generator", state=state)] * 2)
    optimizer = keras.optimizers.SGD()
    with pytest.raises(ValueError, match=r"generator_optimizer and discriminator_optimizer must be 2. Received: the"):
        tiny_networks.gan().compile(optimizer, optimizer, "hinge")
    with pytest.raises(ValueError, match=r"seed must fit into 64 bits. Received: 9223372036854775808"):
        tiny_networks.gan(seed=2**63)
    with pytest.raises(NotImplementedError, match="cannot be evaluated by its losses"):
        tiny_networks.gan().evaluate(tf.data.Dataset.from_tensors(images()[0]), verbose=0)


def test_sight_has_the_inputs_of_its_game():
    seen = {}

    def look(sight):
        seen["inputs"] = sight.inputs.shape, sight.fakes.shape, sight.targets, sight.real_logits is None
        return 0.0

    tiny_networks.gan(terms=[Term(look, "generator")]).train_step(tf.constant(images()[0]))
    assert seen["inputs"] == ((BATCH, LATENTS), (BATCH, 4, 4, 3), None, True)
