import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_networks
from tiny_networks import LATENTS, SIZE

from tfanime.latents import Latents
from tfanime.training import GAN, Term
from tfanime.training.constraints import WeightClipping
from tfanime.training.terms import r1

RATE = 0.1


def stream(images):
    """A data set of single batches, as `FaceData.batches` gives them."""
    return tf.data.Dataset.range(len(images)).map(lambda index: tf.convert_to_tensor(images)[index])


def train(gan, images):
    """One step for each of `images`; the logs by step."""
    history = gan.fit(stream(images).repeat(), epochs=len(images), steps_per_epoch=1, shuffle=False, verbose=0)
    return history.history


def state(gan):
    return [weight.numpy() for weight in gan.weights]


def transcription(images, loss, seed, gamma=0.0, every=1, limit=None):
    """The game written plainly, each update with passes of its own: the weights after it and the losses."""
    generator, discriminator = tiny_networks.generator(), tiny_networks.discriminator()
    logs = []
    for step, batch in enumerate(images):
        critic_steps = batch.shape[1]
        for critic_step in range(critic_steps):
            draw = step * critic_steps + critic_step
            latents = tf.random.stateless_normal([len(batch), LATENTS], [seed, draw], alg="philox")
            real, fake = tf.constant(batch[:, critic_step]), generator(latents)
            with tf.GradientTape() as tape:
                if loss == "wasserstein":
                    value = tf.reduce_mean(discriminator(fake)) - tf.reduce_mean(discriminator(real))
                else:
                    value = tf.reduce_mean(-tf.math.log_sigmoid(discriminator(real)))
                    value += tf.reduce_mean(-tf.math.log_sigmoid(-discriminator(fake)))
                total = value
                if gamma and step % every == 0:
                    with tf.GradientTape() as inner:
                        inner.watch(real)
                        logits = discriminator(real)
                    slopes = tf.reshape(inner.gradient(logits, real), [len(batch), -1])
                    total += every * gamma / 2 * tf.reduce_mean(tf.norm(slopes, axis=1) ** 2)
            for weight, gradient in zip(
                discriminator.trainable_weights, tape.gradient(total, discriminator.trainable_weights), strict=True
            ):
                weight.assign(weight - RATE * gradient)
                if limit:
                    weight.assign(np.clip(weight.numpy(), -limit, limit))
        with tf.GradientTape() as tape:
            logits = discriminator(generator(latents))
            game = -logits if loss == "wasserstein" else -tf.math.log_sigmoid(logits)
            generator_loss = tf.reduce_mean(game)
        for weight, gradient in zip(
            generator.trainable_weights, tape.gradient(generator_loss, generator.trainable_weights), strict=True
        ):
            weight.assign(weight - RATE * gradient)
        logs.append((float(value), float(generator_loss)))
    return generator, discriminator, logs


@pytest.mark.parametrize(
    ("critic_steps", "loss", "rules"),
    [
        (1, "non_saturating", {}),
        (3, "non_saturating", {"gamma": 2.0}),
        (1, "non_saturating", {"gamma": 2.0, "every": 2}),
        (3, "wasserstein", {"limit": 0.2}),
    ],
)
def test_gan_steps_equal_a_plain_transcription(critic_steps, loss, rules):
    images = tiny_networks.pictures(3, 5, critic_steps)
    gan = tiny_networks.gan(
        loss=loss,
        rate=RATE,
        seed=11,
        terms=[Term(r1, "discriminator", rules["gamma"], rules.get("every", 1))] if "gamma" in rules else [],
        constraint=WeightClipping(rules["limit"]) if "limit" in rules else None,
    )
    logs = train(gan, images)
    generator, discriminator, expected = transcription(images, loss, 11, **rules)
    for trained, plain, new in (
        (gan.generator, generator, tiny_networks.generator()),
        (gan.discriminator, discriminator, tiny_networks.discriminator()),
    ):
        for weight, other, initial in zip(trained.weights, plain.weights, new.weights, strict=True):
            np.testing.assert_allclose(weight.numpy(), other.numpy(), rtol=1e-4, atol=1e-6, err_msg=weight.path)
            assert np.abs(weight.numpy() - initial.numpy()).max() > 1e-3 or "wasserstein" in loss
    losses = zip(logs["discriminator_loss"], logs["generator_loss"], strict=True)
    np.testing.assert_allclose(list(losses), expected, rtol=1e-4)
    assert gan.step == 3
    if "limit" in rules:
        largest = max(np.abs(weight.numpy()).max() for weight in gan.discriminator.weights)
        assert largest == np.float32(rules["limit"])


def test_critic_steps_use_fresh_pictures():
    images = tiny_networks.pictures(1, 4, 3)
    results = []
    for variant in (images, images[:, :, [0, 2, 1]]):  # another order of critic steps is another training
        gan = tiny_networks.gan()
        train(gan, variant)
        results.append(np.concatenate([weight.numpy().ravel() for weight in gan.discriminator.weights]))
    assert np.abs(results[0] - results[1]).max() > 1e-5


def test_lazy_penalty_runs_at_its_steps_with_more_weight():
    def distance(sight):
        assert sight.reals.shape == sight.fakes.shape == (4, SIZE, SIZE, 3) and sight.logits_of(sight.reals).shape == (
            4,
        )
        return tf.reduce_mean(sight.reals)

    images = np.ones((5, 4, SIZE, SIZE, 3), np.float32) * np.float32([1, 2, 3, 4, 5]).reshape(5, 1, 1, 1, 1)
    logs = train(tiny_networks.gan(terms=[Term(distance, "discriminator", 0.5, every=2)]), images)
    np.testing.assert_allclose(logs["penalty"], [0.5 * 2 * 1, 0, 0.5 * 2 * 3, 0, 0.5 * 2 * 5], rtol=1e-6)
    logs = train(
        tiny_networks.gan(terms=[Term(distance, "discriminator", 0.5), Term(distance, "discriminator", 1, every=3)]),
        images,
    )
    np.testing.assert_allclose(logs["penalty"], [0.5 + 3, 1, 1.5, 2 + 12, 2.5], rtol=1e-6)


def test_compile_takes_terms_as_any_iterable():
    terms = [Term(r1, "discriminator", 0.5), Term(r1, "discriminator", 1.0, every=3)]
    assert tiny_networks.gan(terms=iter(terms)).terms == tuple(terms)
    with pytest.raises(ValueError, match=r"terms must be Term\(function, player, weight, every\). Received: 'r1'"):
        tiny_networks.gan(terms=iter(["r1"]))


def test_train_step_logs_scalars_by_name():
    images = tiny_networks.pictures(1, 4)
    gan = tiny_networks.gan(rate=0.0)  # nothing moves, so that the logits can be made again
    logs = train(gan, images)
    norms = {"discriminator_gradient_norm", "generator_gradient_norm"}
    assert set(logs) == {"discriminator_loss", "generator_loss", "real_logits", "fake_logits"} | norms
    np.testing.assert_allclose(logs["real_logits"], [np.mean(gan.discriminator(images[0]))], rtol=1e-5)
    fakes = gan.generator(gan.latents.batch(4, 0, 0))
    np.testing.assert_allclose(logs["fake_logits"], [np.mean(gan.discriminator(fakes))], rtol=1e-5)


@pytest.mark.parametrize(
    ("steps_before", "half_life", "expected"),
    [
        (0, 400, 0.5 ** (4 / 0.2)),  # 4 images seen: the ramp, 5 % of them
        (1000, 400, 0.5 ** (4 / 200.2)),  # 4,004 images seen
        (10_000, 400, 0.5 ** (4 / 400)),  # 5 % of 40,004 are more than the half-life
    ],
)
def test_average_has_its_half_life_in_images(steps_before, half_life, expected):
    gan = tiny_networks.gan(ema_half_life=half_life, norm=True)
    gan.generator_optimizer.iterations.assign(steps_before)
    before = [weight.numpy() for weight in gan.ema_generator.weights]
    train(gan, tiny_networks.pictures(1, 4))
    for old, new, mean in zip(before, gan.generator.weights, gan.ema_generator.weights, strict=True):
        np.testing.assert_allclose(mean.numpy(), expected * old + (1 - expected) * new.numpy(), rtol=1e-5, atol=1e-6)
    for old, new in zip(before, gan.generator.weights, strict=True):  # the norm's statistics too
        assert np.abs(new.numpy() - old).max() > 1e-4


def test_average_draws_in_inference_mode():
    gan = tiny_networks.gan(norm=True)
    train(gan, tiny_networks.pictures(3, 4))
    latents = gan.latents.from_seeds(range(5))
    images = gan(latents).numpy()
    np.testing.assert_array_equal(images, gan.ema_generator(latents, training=False))
    np.testing.assert_allclose(images[1:2], gan(latents[1:2]), rtol=1e-4, atol=1e-6)
    assert not gan.ema_generator.trainable_weights


def test_average_copies_counters():
    class Counter(keras.layers.Layer):
        def build(self, shape):
            self.calls = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)

        def call(self, inputs, training=False):
            if training:
                self.calls.assign_add(1)
            return inputs

    inputs = keras.layers.Input((LATENTS,))
    generator = keras.Model(inputs, tiny_networks.generator()(Counter()(inputs)))
    gan = GAN(generator, tiny_networks.discriminator())
    gan.compile(keras.optimizers.SGD(), keras.optimizers.SGD(), "wasserstein")
    train(gan, tiny_networks.pictures(2, 4, 3))
    counters = [next(w for w in network.weights if w.dtype == "int32") for network in (generator, gan.ema_generator)]
    assert [counter.numpy() for counter in counters] == [6, 6]


@pytest.mark.parametrize(
    "rules",
    [
        {"norm": False, "terms": [Term(r1, "discriminator", 2.0, every=2)], "constraint": WeightClipping(0.3)},
        pytest.param({"norm": True, "loss": "wasserstein"}, marks=pytest.mark.slow),
        pytest.param({"spectral": True, "loss": "hinge", "rules": {"gradient_clip": 0.05}}, marks=pytest.mark.slow),
    ],
    ids=["penalty and clipping", "batch norm", "spectral norm and clipped gradients"],
)
def test_gan_on_two_devices_equals_one(rules, two_devices):
    images = tiny_networks.pictures(3, 8, 2)
    one = tiny_networks.gan(seed=5, ema_half_life=50, **rules)
    one.generator_optimizer.iterations.assign(1000)
    logs = train(one, images)
    with two_devices.scope():
        two = tiny_networks.gan(seed=5, ema_half_life=50, **rules)
    two.generator_optimizer.iterations.assign(1000)
    logs_of_two = train(two, images)
    assert two.step == 1003
    new = tiny_networks.gan(**rules)
    for weight, other, initial in zip(one.weights, two.weights, new.weights, strict=True):
        copies = two_devices.experimental_local_results(other.value)
        assert len(copies) == 2
        for copy in copies:
            np.testing.assert_allclose(copy.numpy(), weight.numpy(), rtol=1e-4, atol=1e-6, err_msg=weight.path)
        assert np.abs(weight.numpy() - initial.numpy()).max() > 1e-4 or weight.path.endswith("bias"), weight.path
    assert set(logs_of_two) == {name for name in logs if "rules" in rules or not name.endswith("norm")}
    for name, values in logs.items():
        if name not in logs_of_two:
            continue
        np.testing.assert_allclose(logs_of_two[name], values, rtol=1e-4, atol=1e-6, err_msg=name)


def test_batches_of_unknown_size_are_refused_on_several_devices(two_devices):
    with two_devices.scope():
        gan = tiny_networks.gan()
    with pytest.raises(ValueError, match=r"batches must have one known size .*drop_remainder=True"):
        gan.fit(tf.data.Dataset.from_tensor_slices(tiny_networks.pictures(6)).batch(4), verbose=0, shuffle=False)


@pytest.mark.parametrize("remainder", [False, True])
def test_gan_trains_user_networks_on_plain_data(remainder):
    generator = keras.Sequential(
        [keras.layers.Input((6,)), keras.layers.Dense(12, "tanh"), keras.layers.Reshape((2, 2, 3))]
    )
    discriminator = keras.Sequential(
        [keras.layers.Input((2, 2, 3)), keras.layers.Flatten(), keras.layers.Dense(1), keras.layers.Reshape(())]
    )
    gan = GAN(generator, discriminator)
    gan.compile(keras.optimizers.Adam(), keras.optimizers.Adam(), loss="non_saturating")
    assert gan.latents == Latents(6)
    images = np.random.default_rng(0).uniform(-1, 1, (10, 2, 2, 3)).astype(np.float32)
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(4, drop_remainder=not remainder)
    history = gan.fit(dataset, epochs=2, shuffle=False, verbose=0).history
    assert gan.step == (6 if remainder else 4) and len(history["generator_loss"]) == 2
    gan.fit(images, batch_size=5, verbose=0)
    assert gan.step == (8 if remainder else 6)
    assert np.isfinite(state(gan)[0]).all()


def test_weights_without_a_gradient_stay():
    class WithSpare(keras.layers.Layer):
        def build(self, shape):
            self.spare = self.add_weight(shape=(2,), initializer="ones")

        def call(self, inputs):
            return inputs

    inputs = keras.layers.Input((SIZE, SIZE, 3))
    discriminator = keras.Model(inputs, tiny_networks.discriminator()(WithSpare()(inputs)))
    gan = GAN(tiny_networks.generator(), discriminator)
    gan.compile(keras.optimizers.SGD(), keras.optimizers.SGD(), "wasserstein")
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        train(gan, tiny_networks.pictures(1, 4))
    spare = next(weight for weight in discriminator.weights if weight.shape == (2,))
    np.testing.assert_array_equal(spare.numpy(), [1, 1])


def test_average_starts_as_the_generator():
    gan = tiny_networks.gan()
    for weight, mean in zip(gan.generator.weights, gan.ema_generator.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), mean.numpy())
        assert weight is not mean


def test_gan_refuses_bad_arguments():
    networks = tiny_networks.generator(), tiny_networks.discriminator()
    with pytest.raises(ValueError, match=r"ema_half_life must be above 0 images. Received: 0"):
        GAN(*networks, ema_half_life=0)
    with pytest.raises(
        ValueError, match=rf"latents.size must be the generator's inputs, \[{LATENTS}\]. Received: \[7\]"
    ):
        GAN(*networks, latents=Latents(7))
    with pytest.raises(ValueError, match=r"loss must be a Loss or one of non_saturating, .* Received: 'hing'"):
        GAN(*networks).compile(keras.optimizers.SGD(), keras.optimizers.SGD(), loss="hing")
