import dataclasses

import numpy as np
import pytest
import recipe_flags
import tensorflow as tf
from keras import layers, optimizers

from tfanime.models.spectral import spectral_layers
from tfanime.recipes import sngan
from tfanime.recipes.gan import GANSettings

TINY = {"image_size": 16, "channels": 2, "latent_size": 4, "batch_size": 4}


def built(vocabulary=None, **options):
    return sngan.build(sngan.Config(**TINY | options), vocabulary)


def test_defaults_are_the_papers_numbers():
    config = sngan.Config(channels=2, steps=1000)
    gan = sngan.build(config)
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        assert isinstance(optimizer, optimizers.Adam) and (optimizer.beta_1, optimizer.beta_2) == (0.0, 0.9)
        assert float(optimizer.learning_rate) == np.float32(2e-4)
    assert recipe_flags.falls(gan, "linear", 1000, 5)
    loss = gan.game.discriminator(tf.constant([2.0, 0.5]), tf.constant([-3.0, 0.0]))
    assert float(loss) == pytest.approx(0.75)
    assert (config.critic_steps, config.batch_size, config.image_size) == (5, 64, 32)
    # seven convolutions and the logit's layer, all of them under spectral norm, none under batch norm
    assert len(spectral_layers(gan.discriminator)) == 8
    assert not recipe_flags.of_type(gan.discriminator, layers.BatchNormalization)
    assert not spectral_layers(gan.generator)


READ = {
    **recipe_flags.shared(critic_steps=5),
    **recipe_flags.ADAM,
    "latent_size": recipe_flags.DCGAN["latent_size"],
    "channels": recipe_flags.DCGAN["channels"],
    "networks_of": ("dcgan", lambda gan: gan.discriminator.name == "dcgan_discriminator"),
    "decay_begin": (0.5, lambda gan: [rate.begin for rate in recipe_flags.rates(gan)] == [50_000, 250_000]),
}


@pytest.mark.parametrize("flag", recipe_flags.own_first(READ))
def test_flags_are_read(flag):
    value, holds = READ[flag]
    assert holds(built(**{flag: value}))


@pytest.mark.parametrize("flag", recipe_flags.DCGAN)
def test_flags_of_dcgan_networks_are_read(flag):
    value, holds = recipe_flags.DCGAN[flag]
    gan = built(networks_of="dcgan", **{flag: value})
    assert holds(gan) and len(spectral_layers(gan.discriminator)) == recipe_flags.convolutions(gan.discriminator)


def test_tags_make_a_conditional_game():
    for networks_of in ("sngan", "dcgan"):
        with_tags = built(recipe_flags.VOCABULARY, networks_of=networks_of)
        assert recipe_flags.has_tags(with_tags, built(networks_of=networks_of))


def test_flags_are_all_tested():
    own = {field.name for field in dataclasses.fields(sngan.Config)}
    own -= {field.name for field in dataclasses.fields(GANSettings)}
    assert own - {"critic_steps"} <= set(READ) | set(
        recipe_flags.DCGAN
    )  # which is the data's, see test_recipes_wgan.py


@pytest.mark.slow
def test_training_step_updates_the_spectral_vectors():
    gan = built()
    before = [layer.u.numpy() for layer in spectral_layers(gan.discriminator)]
    images = np.random.default_rng(0).uniform(-1, 1, (1, 4, 2, 16, 16, 3)).astype(np.float32)
    gan.fit(tf.data.Dataset.from_tensor_slices(images), shuffle=False, verbose=0)
    for layer, old in zip(spectral_layers(gan.discriminator), before, strict=True):
        # the logit's layer has one output: its u has one component, which can only change its sign
        assert len(old) == 1 or np.any(layer.u.numpy() != old)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 5}, "--kernel_size must be left out with --networks_of sngan"),
        ({"generator_convolutions": 5}, "--generator_convolutions must be left out with --networks_of sngan"),
        ({"networks_of": "dcgan", "discriminator_convolutions": 3}, "must be at least 4 at 32 px. Received: 3"),
        ({"decay_begin": 1.0}, "--decay_begin must be from 0 to below 1. Received: 1.0"),
        ({"gradient_clip": 0.0}, "--gradient_clip must be above 0. Received: 0.0"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sngan.Config(**options)
