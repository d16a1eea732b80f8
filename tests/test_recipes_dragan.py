import dataclasses

import numpy as np
import pytest
import recipe_flags
import tensorflow as tf
from keras import layers, optimizers

from tfanime import data, export, generate
from tfanime.latents import Latents
from tfanime.recipes import dragan
from tfanime.recipes.gan import GANSettings
from tfanime.tag_sampling import TagSampler
from tfanime.tags import JIN34
from tfanime.training import Term
from tfanime.training.terms import deviation
from tfanime.training.terms import dragan as dragan_term

TINY = {
    "image_size": 32,
    "generator_channels": 2,
    "generator_blocks": 1,
    "discriminator_channels": 1,
    "discriminator_blocks": 1,
    "latent_size": 4,
    "batch_size": 4,
}


def built(vocabulary=recipe_flags.VOCABULARY, **options):
    return dragan.build(dragan.Config(**TINY | options), vocabulary)


def test_defaults_are_the_papers_numbers():
    config = dragan.Config()
    gan = dragan.build(dataclasses.replace(config, generator_channels=64, discriminator_channels=1), JIN34)
    assert sum(np.prod(weight.shape) for weight in gan.generator.trainable_weights) == 4_352_643
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        assert isinstance(optimizer, optimizers.Adam) and (optimizer.beta_1, optimizer.beta_2) == (0.5, 0.999)
        assert float(optimizer.learning_rate) == np.float32(2e-4)
    assert recipe_flags.falls(gan, "exponential", 100_000, 1)
    assert [rate.begin for rate in recipe_flags.rates(gan)] == [50_000, 50_000]
    assert (gan.adversarial_weight, gan.tag_weight, gan.exclusive_tags) == (34.0, 1.0, "sigmoid")
    assert gan.terms == (Term(dragan_term, "discriminator", 0.5, measure=deviation),) and gan.latents == Latents(128)
    assert (config.image_size, config.batch_size, config.tags) == (128, 64, "priors")
    assert (config.discriminator_channels, config.discriminator_blocks) == (32, 2)
    np.testing.assert_allclose(gan.game.generator(tf.zeros(2)), np.log(2), rtol=1e-6)
    assert not recipe_flags.of_type(gan.discriminator, layers.BatchNormalization)


def kernels(network):
    return len(recipe_flags.of_type(network, layers.Conv2D))


READ = {
    **recipe_flags.shared(critic_steps=1),
    **recipe_flags.ADAM,
    "augment": ("ada", lambda gan: not gan.augmentation.colours),  # whose tags are of colours
    "image_size": (64, lambda gan: gan.generator.output_shape == (None, 64, 64, 3)),
    "latent_size": recipe_flags.DCGAN["latent_size"],
    "generator_channels": (3, lambda gan: recipe_flags.of_type(gan.generator, layers.Conv2D)[0].filters == 3),
    "generator_blocks": (3, lambda gan: kernels(gan.generator) == kernels(built().generator) + 4),
    "discriminator_channels": (3, lambda gan: recipe_flags.of_type(gan.discriminator, layers.Conv2D)[0].filters == 3),
    "discriminator_blocks": (0, lambda gan: kernels(gan.discriminator) == kernels(built().discriminator) - 6),
    "penalty": (3.0, lambda gan: gan.terms == (Term(dragan_term, "discriminator", 3.0, measure=deviation),)),
    "decay_begin": (0.25, lambda gan: [rate.begin for rate in recipe_flags.rates(gan)] == [25_000, 25_000]),
}


@pytest.mark.parametrize("flag", recipe_flags.own_first(READ))
def test_flags_are_read(flag):
    value, holds = READ[flag]
    assert holds(built(**{flag: value}))


def test_flags_are_all_tested():
    own = {field.name for field in dataclasses.fields(dragan.Config)}
    own -= {field.name for field in dataclasses.fields(GANSettings)}
    assert own <= set(READ)


def test_tags_none_makes_an_unconditional_game():
    assert recipe_flags.has_tags(built(), built(None), adversarial_weight=3.0)
    assert built(None).terms == (Term(dragan_term, "discriminator", 10.0, measure=deviation),)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 16}, "--image_size must be at least 32. Received: 16"),
        ({"generator_blocks": -1}, "--generator_blocks must be at least 0. Received: -1"),
        ({"discriminator_channels": 0}, "--discriminator_channels must be at least 1. Received: 0"),
        ({"penalty": 0.0}, "--penalty must be above 0. Received: 0.0"),
        ({"tag_weight": -1.0}, "--tag_weight must be at least 0. Received: -1.0"),
        ({"adversarial_weight": 0.0}, "--adversarial_weight must be above 0. Received: 0.0"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        dragan.Config(**options)


@pytest.mark.slow
def test_dragan_trains_on_shards_and_draws_by_tags(shards, in_tmp, capsys):
    flags = [f"--{name}={value}" for name, value in TINY.items()]
    flags += ["--precision=float32", "--learning_rate=0.05", "--steps=3", f"--data={shards}", "--run=a"]
    assert dragan.main([*flags, "--tags=frequencies"]) == 0
    text = capsys.readouterr().out
    assert "48 pictures at 32 px, 34 tags of jin34, float32" in text

    faces = data.load(shards)
    here = generate.open_generator("a")
    assert here.vocabulary == faces.vocabulary.with_frequencies(faces.tags) != faces.vocabulary
    exported = export.export("a", "exports")
    there = generate.open_generator(exported)
    assert there.vocabulary == here.vocabulary
    for tags in ("", "blonde hair, no hat"):
        first, second = (generator.images(range(5), tags) for generator in (here, there))
        assert np.abs(first.astype(int) - second).max() <= 1
    tags = TagSampler(here.vocabulary).from_seeds(range(5), [here.vocabulary.wanted("blonde hair, no hat")] * 5)
    model = tf.saved_model.load(str(exported))
    drawn = model.signatures["synthesize"](latents=here.latents.from_seeds(range(5)), tags=tags)["images"]
    assert np.abs(drawn.numpy().astype(int) - second).max() <= 1
    assert (here.images(range(5)) != here.images(range(5), "blonde hair, no hat")).any()
    encoded = model.signatures["generate"](seed=tf.range(5, dtype=tf.int64))["image_bytes"]
    assert np.abs(tf.io.decode_png(encoded[4]).numpy().astype(int) - here.images([4])[0]).max() <= 1
    assert (
        len(model.signatures["generate_with_tags"](seed=tf.range(2, dtype=tf.int64), tags=tags[:2])["image_bytes"]) == 2
    )

    plain = in_tmp / "plain"
    assert dragan.main([*flags, "--tags=none", f"--run={plain}"]) == 0
    assert "tags of" not in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"tags must be left out for a generator that was trained without. Received"):
        generate.open_generator(plain).images([1], "smile")
    with pytest.raises(ValueError, match=r"--tags must stay what it was .*, 'none'. Received: 'priors'"):
        dragan.main([*flags, "--tags=priors", f"--run={plain}"])


def test_shards_without_a_vocabulary_need_tags_none(in_tmp, shards, monkeypatch):
    whole = data.load(shards)
    monkeypatch.setattr(data, "load", lambda *arguments, **options: dataclasses.replace(whole, vocabulary=None))
    with pytest.raises(ValueError, match=r"--tags must be none for shards without a vocabulary. Received: 'priors'"):
        dragan.main(["--image_size=32", "--run=a", f"--data={shards}", "--precision=float32"])
