"""Games with tags, spectral normalization and clipped gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_networks
from tiny_networks import LATENTS, VOCABULARY

from tfanime.models.spectral import spectral_layers
from tfanime.tag_sampling import TagSampler
from tfanime.training import GAN
from tfanime.training.tag_losses import tag_accuracy

RATE = 0.1


def stream(images, tags):
    return tf.data.Dataset.from_tensor_slices((images, tags))


def train(gan, images, tags):
    data = stream(images, tags).repeat()
    return gan.fit(data, epochs=len(images), steps_per_epoch=1, shuffle=False, verbose=0).history


def summed_tag_loss(tags, logits):
    """Jin et al.'s: binary cross-entropy summed over the tags that are known, mean over the batch."""
    losses = np.where(tags == 0, 0, np.logaddexp(0, -tags * logits))
    return losses.sum(axis=1).mean()


def test_tag_losses_are_logged_by_name():
    images, tags = tiny_networks.pictures(1, 6), tiny_networks.real_tags(1, 6)
    gan = tiny_networks.gan(
        rate=0.0, vocabulary=VOCABULARY, seed=3, rules={"adversarial_weight": 5.0, "tag_weight": 0.5}
    )
    logs = {name: values[0] for name, values in train(gan, images, tags).items()}
    latents = gan.latents.batch(6, 3, 0)
    sampled = TagSampler(VOCABULARY).batch(6, 3, 0)
    real_logits, real_tag_logits = (each.numpy() for each in gan.discriminator(images[0]))
    fake_logits, fake_tag_logits = (each.numpy() for each in gan.discriminator(gan.generator([latents, sampled])))
    sampled = sampled.numpy()
    real, fake = summed_tag_loss(tags[0], real_tag_logits), summed_tag_loss(sampled, fake_tag_logits)
    adversarial = np.logaddexp(0, -real_logits).mean() + np.logaddexp(0, fake_logits).mean()
    of_generator = np.logaddexp(0, -fake_logits).mean()
    expected = {
        "real_tag_loss": real,
        "fake_tag_loss": fake,
        "generator_tag_loss": fake,
        "discriminator_adversarial_loss": adversarial,
        "generator_adversarial_loss": of_generator,
        "discriminator_loss": 5 * adversarial + 0.5 * (real + fake),
        "generator_loss": 5 * of_generator + 0.5 * fake,
    }
    for name, value in expected.items():
        assert logs[name] == pytest.approx(value, rel=1e-4), name
    of_real = tag_accuracy(VOCABULARY, tags[0], real_tag_logits)
    of_fake = tag_accuracy(VOCABULARY, sampled, fake_tag_logits)
    assert logs["real_tag_accuracy"] == pytest.approx(float(of_real))
    assert logs["fake_tag_accuracy"] == pytest.approx(float(of_fake))
    assert 0 < float(of_real) < 1 and 0 < float(of_fake) < 1


def test_tag_updates_equal_a_plain_transcription():
    images, tags = tiny_networks.pictures(3, 4, 2), tiny_networks.real_tags(3, 4, 2)
    gan = tiny_networks.gan(vocabulary=VOCABULARY, seed=7, rules={"adversarial_weight": 2.0})
    generator, discriminator = tiny_networks.generator(tags=5), tiny_networks.discriminator(tags=5)
    sampler = TagSampler(VOCABULARY)

    def tag_loss(tags, logits):
        return tf.reduce_mean(tf.reduce_sum(tf.where(tags == 0, 0.0, tf.nn.softplus(-tags * logits)), axis=1))

    def descend(tape, loss, weights):
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
            weight.assign(weight - RATE * gradient)

    for step in range(3):
        for critic_step in range(2):
            draw = step * 2 + critic_step
            inputs = [tf.random.stateless_normal([4, LATENTS], [7, draw], alg="philox"), sampler.batch(4, 7, draw)]
            with tf.GradientTape() as tape:
                real_logits, real_tags = discriminator(images[step, :, critic_step])
                fake_logits, fake_tags = discriminator(generator(inputs))
                loss = 2 * tf.reduce_mean(tf.nn.softplus(-real_logits)) + 2 * tf.reduce_mean(
                    tf.nn.softplus(fake_logits)
                )
                loss += tag_loss(tags[step, :, critic_step], real_tags) + tag_loss(inputs[1], fake_tags)
            descend(tape, loss, discriminator.trainable_weights)
        with tf.GradientTape() as tape:
            fake_logits, fake_tags = discriminator(generator(inputs))
            loss = 2 * tf.reduce_mean(tf.nn.softplus(-fake_logits)) + tag_loss(inputs[1], fake_tags)
        descend(tape, loss, generator.trainable_weights)
    train(gan, images, tags)
    for network, other in ((gan.generator, generator), (gan.discriminator, discriminator)):
        for weight, expected in zip(network.weights, other.weights, strict=True):
            np.testing.assert_allclose(weight.numpy(), expected.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("exclusive", ["sigmoid", "softmax"])
def test_gan_with_tags_on_two_devices_equals_one(exclusive, two_devices):
    images, tags = tiny_networks.pictures(2, 8, 2), tiny_networks.real_tags(2, 8, 2)
    options = {"vocabulary": VOCABULARY, "seed": 5, "rules": {"exclusive_tags": exclusive}}
    one = tiny_networks.gan(**options)
    logs = train(one, images, tags)
    with two_devices.scope():
        two = tiny_networks.gan(**options)
    logs_of_two = train(two, images, tags)
    for weight, other in zip(one.weights, two.weights, strict=True):
        np.testing.assert_allclose(other.numpy(), weight.numpy(), rtol=1e-4, atol=1e-6, err_msg=weight.path)
    for name in logs_of_two:
        np.testing.assert_allclose(logs_of_two[name], logs[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_inputs_from_seeds_gives_latents_and_tags():
    gan = tiny_networks.gan(vocabulary=VOCABULARY)
    latents, tags = gan.inputs_from_seeds([4, 9])
    np.testing.assert_array_equal(latents, gan.latents.from_seeds([4, 9]))
    np.testing.assert_array_equal(tags, TagSampler(VOCABULARY).from_seeds([4, 9]))
    assert gan([latents, tags]).shape == (2, 4, 4, 3)
    assert tiny_networks.gan().inputs_from_seeds([4]).shape == (1, LATENTS)


def test_pictures_without_tags_are_refused():
    gan = tiny_networks.gan(vocabulary=VOCABULARY)
    with pytest.raises(ValueError, match="data must be pairs of pictures and tags"):
        gan.fit(tf.data.Dataset.from_tensors(tiny_networks.pictures(4)), verbose=0)
    with pytest.raises(ValueError, match=r"latents.size and len\(vocabulary\) must be the generator's inputs, \[3\]"):
        GAN(tiny_networks.generator(), tiny_networks.discriminator(), vocabulary=VOCABULARY)
    with pytest.raises(ValueError, match=r"exclusive_tags must be one of sigmoid, softmax. Received: 'hard'"):
        tiny_networks.gan(vocabulary=VOCABULARY, rules={"exclusive_tags": "hard"})


def test_spectral_norm_is_updated_once_for_each_critic_step():
    images = tiny_networks.pictures(1, 4, 3)
    gan = tiny_networks.gan(spectral=True, rate=0.0)
    (layer,) = spectral_layers(gan.discriminator)
    kernel = layer.kernel.numpy()
    matrix = np.moveaxis(kernel, -1, 0).reshape(kernel.shape[-1], -1).astype(np.float64)
    u = layer.u.numpy().astype(np.float64)
    for _ in range(3):
        v = matrix.T @ u / np.linalg.norm(matrix.T @ u)
        u = matrix @ v / np.linalg.norm(matrix @ v)
    gan.fit(tf.data.Dataset.from_tensors(images[0]), verbose=0)
    np.testing.assert_allclose(layer.u.numpy(), u, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(layer.kernel.numpy(), kernel)
    gan(gan.latents.from_seeds([1]))
    np.testing.assert_allclose(layer.u.numpy(), u, rtol=1e-5, atol=1e-6)


def test_gradient_clip_uses_the_global_norm():
    images = tiny_networks.pictures(1, 4)

    def moved(clip):
        gan = tiny_networks.gan(rules={"gradient_clip": clip})
        before = [weight.numpy() for weight in gan.discriminator.trainable_weights]
        history = gan.fit(tf.data.Dataset.from_tensors(images[0]), verbose=0).history
        after = [weight.numpy() for weight in gan.discriminator.trainable_weights]
        return [a - b for a, b in zip(after, before, strict=True)], history["discriminator_gradient_norm"][0]

    free, norm = moved(None)
    assert np.sqrt(sum(np.sum(each**2) for each in free)) == pytest.approx(RATE * norm, rel=1e-4)
    clipped, same = moved(norm / 4)
    assert same == pytest.approx(norm, rel=1e-5)  # what is reported is what it was before
    for a, b in zip(clipped, free, strict=True):
        np.testing.assert_allclose(a, b / 4, rtol=1e-3, atol=1e-7)
    for a, b in zip(moved(norm * 2)[0], free, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8)
    with pytest.raises(ValueError, match=r"gradient_clip must be above 0. Received: 0"):
        tiny_networks.gan(rules={"gradient_clip": 0})


def test_average_of_a_spectral_generator_has_unit_vectors():
    from tfanime.models.spectral import SpectralNormalization

    inputs = keras.layers.Input((LATENTS,))
    x = SpectralNormalization(keras.layers.Dense(48), seed=1)(inputs)
    generator = keras.Model(inputs, keras.layers.Reshape((4, 4, 3))(keras.layers.Activation("tanh")(x)))
    gan = GAN(generator, tiny_networks.discriminator())
    gan.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5), "non_saturating")
    gan.fit(tf.data.Dataset.from_tensors(tiny_networks.pictures(4)).repeat(20), verbose=0)
    (layer,) = spectral_layers(gan.ema_generator)
    assert np.linalg.norm(layer.u.numpy()) == pytest.approx(1, abs=1e-5)
    largest = np.linalg.svd(layer.kernel.numpy())[1][0]
    assert float(layer.sigma()) == pytest.approx(largest, rel=0.02)
