import dataclasses

import keras
import numpy as np
import pytest
import recipe_flags
import tensorflow as tf

from tfanime.data import FaceData
from tfanime.recipes import wgan
from tfanime.recipes.driver import train
from tfanime.recipes.gan import GANSettings
from tfanime.training.constraints import WeightClipping

TINY = {"image_size": 16, "channels": 2, "latent_size": 4, "batch_size": 4, "devices": "cpu:1"}


def built(vocabulary=None, **options):
    return wgan.build(wgan.Config(**TINY | options), vocabulary)


def test_defaults_are_the_papers_numbers():
    gan = wgan.build(wgan.Config(channels=2))
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.RMSprop) and optimizer.momentum == 0
        assert float(optimizer.learning_rate) == np.float32(5e-5) and optimizer.rho == 0.99
    assert gan.constraint == WeightClipping(0.01) and not gan.terms
    assert gan.game.generator(tf.constant([1.0, 3.0])) == -2
    assert wgan.Config().critic_steps == 5 and wgan.Config().batch_size == 64
    assert wgan.Config().pictures_per_step == 5 * 64


def test_weights_are_clipped():
    gan = built()
    outside = gan.discriminator.trainable_weights[0]
    assert np.abs(outside.numpy()).max() > 0.01
    images = np.random.default_rng(0).uniform(-1, 1, (1, 4, 2, 16, 16, 3)).astype(np.float32)
    gan.fit(tf.data.Dataset.from_tensor_slices(images), shuffle=False, verbose=0)
    largest = [np.abs(weight.numpy()).max() for weight in gan.discriminator.trainable_weights]
    assert max(largest) == np.float32(0.01)
    assert np.abs(gan.generator.trainable_weights[0].numpy()).max() > 0.01


# Every flag of its own, with what it changes. Those of `GANSettings` that `build` does not read are in
# test_recipes_driver.py.
READ = {
    **recipe_flags.shared(critic_steps=5),
    **recipe_flags.DCGAN,
    "beta_1": (0.25, lambda gan: gan.discriminator_optimizer.momentum == gan.generator_optimizer.momentum == 0.25),
    "beta_2": (0.75, lambda gan: gan.discriminator_optimizer.rho == gan.generator_optimizer.rho == 0.75),
    "clip": (0.5, lambda gan: gan.constraint == WeightClipping(0.5)),
}


@pytest.mark.parametrize("flag", recipe_flags.own_first(READ))
def test_flags_are_read(flag):
    value, holds = READ[flag]
    assert holds(built(**{flag: value}))


def test_tags_make_a_conditional_game():
    assert recipe_flags.has_tags(built(recipe_flags.VOCABULARY), built())


@pytest.mark.slow
def test_critic_steps_update_the_discriminator_several_times(shards, tmp_path):
    options = {**TINY, "critic_steps": 3, "steps": 2, "epoch_steps": 1, "precision": "float32"}
    config = wgan.Config(**options, data=str(shards), run=str(tmp_path / "run"))
    assert config.pictures_per_step == 12
    assert train(wgan.recipe, config) == 0
    checkpoint = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(tmp_path / "run" / "checkpoints")))
    counts = {
        name: int(checkpoint.get_tensor(f"gan/{name}_optimizer/_iterations/.ATTRIBUTES/VARIABLE_VALUE"))
        for name in ("generator", "discriminator")
    }
    assert counts == {"generator": 2, "discriminator": 6}


def test_flips_reach_the_data_and_decay_fixes_steps(shards, tmp_path, monkeypatch):
    class Enough(Exception):
        pass

    asked = []

    def batches(self, *arguments, **options):
        asked.append(options["horizontal_flip"])
        raise Enough

    monkeypatch.setattr(FaceData, "batches", batches)
    options = {**TINY, "steps": 1, "precision": "float32", "data": str(shards)}
    configs = {
        decay: wgan.Config(**options, run=str(tmp_path / decay), horizontal_flip=flip, decay=decay)
        for flip, decay in ((False, "none"), (True, "linear"))
    }
    for config in configs.values():
        with pytest.raises(Enough):
            train(wgan.recipe, config)
    with pytest.raises(ValueError, match="steps"):
        train(wgan.recipe, dataclasses.replace(configs["linear"], steps=2))
    with pytest.raises(Enough):
        train(wgan.recipe, dataclasses.replace(configs["none"], steps=2))
    assert asked == [False, True, False]


def test_flags_are_all_tested():
    own = {field.name for field in dataclasses.fields(wgan.Config)}
    own -= {field.name for field in dataclasses.fields(GANSettings)}
    assert own - {"critic_steps"} <= set(
        READ
    )  # which is the data's: `test_critic_steps_update_the_discriminator_several_times`


def test_one_update_equals_the_authors_framework():
    # theta -= rate * g / (sqrt(v) + 1e-8), v = .99 v + .01 g**2 (PyTorch's RMSprop), with gradients as small as a
    # clipped critic's
    gradient = np.array([1e-2, -1e-5, 3e-6], np.float32)
    weight = keras.Variable(np.zeros(3, np.float32))
    optimizer = built().discriminator_optimizer
    optimizer = type(optimizer).from_config(optimizer.get_config())
    optimizer.apply([tf.constant(gradient)], [weight])
    expected = -5e-5 * gradient / (np.sqrt(0.01 * gradient**2) + 1e-8)
    np.testing.assert_allclose(weight.numpy(), expected, rtol=0.05)
