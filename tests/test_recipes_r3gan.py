import dataclasses

import keras
import numpy as np
import pytest
import recipe_flags
import tensorflow as tf

from tfanime import generate
from tfanime.models.r3gan import GroupedConv2D
from tfanime.recipes import r3gan
from tfanime.recipes.gan import GANSettings
from tfanime.training.losses import LOSSES
from tfanime.training.terms import r1, r2

TINY = {"image_size": 16, "channel_base": 128, "channel_max": 16, "latent_size": 5, "batch_size": 4}


def built(vocabulary=recipe_flags.VOCABULARY, **options):
    return r3gan.build(r3gan.Config(**TINY | options), vocabulary)


def rate(gan, step):
    return float(gan.discriminator_optimizer._learning_rate(step))


def test_defaults_are_the_papers_numbers():
    config = r3gan.Config()
    assert (config.batch_size, config.image_size, config.ema_half_life) == (256, 64, 500_000)
    gan = built(batch_size=256)
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.Adam) and (optimizer.beta_1, optimizer.beta_2) == (0.0, 0.99)
    end = 20_000_000 // 256
    for step, share in ((0, 1), (end // 2, 0.5), (end, 0), (2 * end, 0)):
        assert rate(gan, step) == pytest.approx(5e-5 + 1.5e-4 * share, rel=1e-3)
        for term in gan.terms:
            assert float(term.weight(step)) == pytest.approx(0.2 + 1.8 * share, rel=1e-3)
    assert [(term.function, term.player, term.every) for term in gan.terms] == [
        (r1, "discriminator", 1),
        (r2, "discriminator", 1),
    ]
    assert gan.game is LOSSES["relativistic"] and gan.shared_tags and gan.sees_tags and not gan.predicts_tags
    assert not built(None).sees_tags


READ = {
    **recipe_flags.shared(critic_steps=1),
    **recipe_flags.ADAM,
    "learning_rate": (0.25, lambda gan: rate(gan, 0) == pytest.approx(0.25)),
    "augment": ("diffaugment", lambda gan: not gan.augmentation.colours),  # whose tags are of colours
    "latent_size": (6, lambda gan: gan.latents.size == 6),
    "channel_base": (256, lambda gan: recipe_flags.of_type(gan.discriminator, GroupedConv2D)[0].filters == 16),
    "channel_max": (8, lambda gan: gan.generator.count_params() < built().generator.count_params()),
    "blocks": (1, lambda gan: gan.generator.count_params() < built().generator.count_params()),
    "gamma": (0.0, lambda gan: not gan.terms),
    "final_gamma": (1.5, lambda gan: float(gan.terms[1].weight(10**9)) == pytest.approx(1.5)),
    "penalty_every": (8, lambda gan: [term.every for term in gan.terms] == [8, 8]),
    "final_learning_rate": (1e-5, lambda gan: rate(gan, 10**9) == pytest.approx(1e-5)),
    "schedule_images": (400, lambda gan: rate(gan, 90) > rate(gan, 100) == pytest.approx(5e-5)),
}
TOLD = ("tag_weight", "exclusive_tags", "tag_loss_on")  # of discriminators that tell tags


@pytest.mark.parametrize("flag", recipe_flags.own_first(flag for flag in READ if flag not in TOLD))
def test_flags_are_read(flag):
    value, holds = READ[flag]
    assert holds(built(**{"channel_base": 256} | {flag: value} if flag == "image_size" else {flag: value}))


def test_flags_are_all_tested():
    own = {field.name for field in dataclasses.fields(r3gan.Config)}
    assert own - {field.name for field in dataclasses.fields(GANSettings)} <= set(READ)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(
            ({flag: READ[flag][0]}, f"--{flag} must be left out: r3gan's discriminator predicts no tags")
            for flag in TOLD
        ),
        ({"channel_base": 520}, "--channel_base must be a multiple of 512 at 64 px. Received: 520"),
        ({"channel_max": 12}, "--channel_max must be a multiple of 8. Received: 12"),
        ({"gamma": -1.0}, "--gamma must be at least 0. Received: -1.0"),
        ({"penalty_every": 0}, "--penalty_every must be at least 1. Received: 0"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        r3gan.Config(**options)


@pytest.mark.slow
def test_r3gan_with_tags_is_resumed_and_drawn(shards, in_tmp, capsys):
    flags = [f"--{name}={value}" for name, value in TINY.items()]
    flags += [f"--data={shards}", "--run=a", "--precision=float32", "--tags=frequencies", "--penalty_every=2"]
    assert r3gan.main([*flags, "--steps=2", "--epoch_steps=1"]) == 0
    assert r3gan.main(["--run=a", "--steps=3"]) == 0
    assert "resumed at step 2" in capsys.readouterr().out
    images = generate.open_generator("a").images(range(3), "blonde hair, no hat")
    assert images.shape == (3, 16, 16, 3) and np.ptp(images) > 10


def test_r3gan_hides_unknown_tags():
    gan = built()
    images = tf.ones((4, 16, 16, 3))
    shown, _ = gan._shown(tf.zeros((4, 3)), tf.ones((4, 3)))
    np.testing.assert_array_equal(gan.discriminator([images, shown]), np.zeros(4))
