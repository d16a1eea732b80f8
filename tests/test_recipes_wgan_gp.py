import dataclasses

import numpy as np
import pytest
import recipe_flags
import tensorflow as tf
from keras import layers, optimizers

from tfanime.recipes import wgan_gp
from tfanime.recipes.gan import GANSettings
from tfanime.training import Term
from tfanime.training.terms import gradient_penalty

TINY = {"image_size": 16, "channels": 2, "latent_size": 4, "batch_size": 4}


def built(vocabulary=None, **options):
    return wgan_gp.build(wgan_gp.Config(**TINY | options), vocabulary)


def test_defaults_are_the_papers_numbers():
    gan = wgan_gp.build(wgan_gp.Config(channels=2))
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        assert isinstance(optimizer, optimizers.Adam) and (optimizer.beta_1, optimizer.beta_2) == (0.0, 0.9)
        assert float(optimizer.learning_rate) == np.float32(1e-4)
    assert gan.terms == (Term(gradient_penalty, "discriminator", 10.0),) and gan.constraint is None
    assert gan.game.generator(tf.constant([1.0, 3.0])) == -2
    assert wgan_gp.Config().critic_steps == 5 and wgan_gp.Config().batch_size == 64
    assert not recipe_flags.of_type(gan.discriminator, layers.BatchNormalization)
    assert recipe_flags.of_type(gan.generator, layers.BatchNormalization)


READ = {
    **recipe_flags.shared(critic_steps=5),
    **recipe_flags.ADAM,
    **recipe_flags.DCGAN,
    "penalty": (3.0, lambda gan: gan.terms == (Term(gradient_penalty, "discriminator", 3.0),)),
}


@pytest.mark.parametrize("flag", recipe_flags.own_first(READ))
def test_flags_are_read(flag):
    value, holds = READ[flag]
    assert holds(built(**{flag: value}))


def test_tags_make_a_conditional_game():
    assert recipe_flags.has_tags(built(recipe_flags.VOCABULARY), built())


def test_flags_are_all_tested():
    own = {field.name for field in dataclasses.fields(wgan_gp.Config)}
    own -= {field.name for field in dataclasses.fields(GANSettings)}
    assert own - {"critic_steps"} <= set(READ)  # which is the data's, see test_recipes_wgan.py


def test_training_step_updates_both_players():
    gan = built()
    before = [weight.numpy() for weight in gan.trainable_weights]
    images = np.random.default_rng(0).uniform(-1, 1, (1, 4, 2, 16, 16, 3)).astype(np.float32)
    logs = gan.fit(tf.data.Dataset.from_tensor_slices(images), shuffle=False, verbose=0).history
    assert logs["penalty"][0] > 0
    moved = [np.any(weight.numpy() != old) for weight, old in zip(gan.trainable_weights, before, strict=True)]
    assert np.mean(moved) > 0.9


@pytest.mark.parametrize(("options", "message"), [({"penalty": 0.0}, "--penalty must be above 0. Received: 0.0")])
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        wgan_gp.Config(**options)
