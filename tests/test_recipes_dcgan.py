import dataclasses

import keras
import numpy as np
import pytest
import recipe_flags
import tensorflow as tf

from tfanime.latents import Latents
from tfanime.models.layers import MinibatchStddev
from tfanime.recipes import dcgan
from tfanime.recipes.gan import GANSettings
from tfanime.training import Term
from tfanime.training.terms import r1

TINY = {"image_size": 16, "channels": 2, "latent_size": 4, "batch_size": 4}


def built(vocabulary=None, **options):
    return dcgan.build(dcgan.Config(**TINY | options), vocabulary)


def layers(network, kind):
    return [layer for layer in network.layers if isinstance(layer, kind)]


def test_defaults_are_the_papers_numbers():
    gan = dcgan.build(dcgan.Config(channels=2))
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.Adam)
        assert float(optimizer.learning_rate) == np.float32(2e-4)
        assert (optimizer.beta_1, optimizer.beta_2) == (0.5, 0.999)
    assert gan.constraint is None and not gan.terms and gan.latents == Latents(100)
    np.testing.assert_allclose(gan.game.generator(tf.zeros(2)), np.log(2), rtol=1e-6)
    assert layers(gan.discriminator, keras.layers.BatchNormalization)


READ = {
    **recipe_flags.shared(critic_steps=1),
    **recipe_flags.ADAM,
    **recipe_flags.DCGAN,
    "latent_distribution": ("uniform", lambda gan: gan.latents == Latents(4, "uniform")),
    "discriminator_norm": ("none", lambda gan: not layers(gan.discriminator, keras.layers.BatchNormalization)),
    "minibatch_stddev": (True, lambda gan: layers(gan.discriminator, MinibatchStddev)),
    "r1_gamma": (0.5, lambda gan: gan.terms == (Term(r1, "discriminator", 0.5, 8),)),
    "r1_every": (3, lambda gan: gan.terms == (Term(r1, "discriminator", 0.1, 3),)),
}


@pytest.mark.parametrize("flag", READ)
def test_flags_are_read(flag):
    value, holds = READ[flag]
    options = {"r1_gamma": 0.1, "discriminator_norm": "none"} if flag.startswith("r1") else {}
    assert holds(built(**options | {flag: value}))


def test_tags_make_a_conditional_game():
    assert recipe_flags.has_tags(built(recipe_flags.VOCABULARY), built())


def test_flags_are_all_tested():
    own = {field.name for field in dataclasses.fields(dcgan.Config)}
    own -= {field.name for field in dataclasses.fields(GANSettings)}
    assert own <= set(READ)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"r1_gamma": 0.3},
            r"--discriminator_norm must be none or spectral with --r1_gamma above 0. Received: 'batch'",
        ),
        ({"r1_gamma": -1}, r"--r1_gamma must be at least 0. Received: -1"),
        ({"r1_every": 0}, r"--r1_every must be at least 1. Received: 0"),
        ({"beta_1": 1.0}, r"--beta_1 must be from 0 to below 1. Received: 1.0"),
        ({"latent_size": 0}, r"--latent_size must be at least 1. Received: 0"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        dcgan.Config(**options)
