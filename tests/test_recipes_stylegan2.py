import dataclasses
import subprocess
import sys

import keras
import numpy as np
import pytest
import recipe_flags
from recipe_runs import environment, metrics, same, tensors

from tfanime import generate
from tfanime.models.stylegan2_mapping import average_style
from tfanime.recipes import stylegan2
from tfanime.recipes.gan import GANSettings
from tfanime.training import Term
from tfanime.training.styles import PathLength, StyleMixing
from tfanime.training.terms import Mismatched, r1

SIZES = {"image_size": 16, "channel_base": 64, "channel_max": 8, "latent_size": 6, "style_size": 8}
TINY = {**SIZES, "batch_size": 8}


def built(vocabulary=recipe_flags.VOCABULARY, **options):
    return stylegan2.build(stylegan2.Config(**TINY | options), vocabulary)


def test_defaults_are_the_papers_numbers():
    config = stylegan2.Config()
    assert (config.batch_size, config.image_size, config.ema_half_life, config.mapping_layers) == (32, 64, 10_000, 2)
    assert config.gamma == pytest.approx(0.0256)
    gan = built(None)
    for optimizer, k in ((gan.generator_optimizer, 4), (gan.discriminator_optimizer, 16)):
        assert isinstance(optimizer, keras.optimizers.Adam) and optimizer.beta_1 == 0
        assert optimizer.beta_2 == pytest.approx(0.99 ** (k / (k + 1)))
        assert float(optimizer.learning_rate) == pytest.approx(0.0025 * k / (k + 1))
    assert gan.terms == (
        Term(r1, "discriminator", 0.0002 * 16**2 / 8, 16),
        Term(PathLength(0.9), "generator", 2.0, 4, {"mean": 0.0}),
    )
    assert gan.draw_images == StyleMixing(0.9) and not gan.sees_tags and not gan.predicts_tags
    of_paper = built(None, lazy_rates=False)
    assert float(of_paper.generator_optimizer.learning_rate) == np.float32(0.0025)


def width(network, layer):
    return network.get_layer(layer).kernel.shape[-1]


def rates(share):
    return lambda gan: float(gan.generator_optimizer.learning_rate) == pytest.approx(0.0025 * share)


LAZY = {
    "learning_rate": (0.25, lambda gan: float(gan.discriminator_optimizer.learning_rate) == pytest.approx(4 / 17)),
    "beta_1": (0.25, lambda gan: gan.generator_optimizer.beta_1 == pytest.approx(0.25**0.8)),
    "beta_2": (0.75, lambda gan: gan.generator_optimizer.beta_2 == pytest.approx(0.75**0.8)),
    "exclusive_tags": ("sigmoid", lambda gan: gan.exclusive_tags == "sigmoid"),
    "tag_loss_on": ("both", lambda gan: gan.tag_loss_on == "both"),
    "augment": ("ada", lambda gan: not gan.augmentation.colours),  # whose tags are of colours
}
READ = {
    **recipe_flags.shared(critic_steps=1),
    **LAZY,
    "latent_size": (5, lambda gan: gan.latents.size == 5),
    "style_size": (5, lambda gan: gan.inputs.sizes["embedding_noise"] == 5),
    "mapping_layers": (3, lambda gan: width(gan.generator.get_layer("mapping"), "dense_2") == 8),
    "channel_base": (32, lambda gan: width(gan.generator.get_layer("synthesis"), "conv_16") == 2),
    "channel_max": (3, lambda gan: width(gan.discriminator, "conv_8") == 3),
    "embedding_noise": (0.0, lambda gan: list(gan.inputs.sizes) == ["latents", "tags", "noise"]),
    "mixing": (0.5, lambda gan: gan.draw_images == StyleMixing(0.5) and gan.terms[1].function == PathLength(0.5)),
    "r1_gamma": (0.5, lambda gan: gan.terms[0] == Term(r1, "discriminator", 0.5, 16)),
    "r1_every": (3, lambda gan: gan.terms[0].every == 3 and gan.discriminator_optimizer.beta_2 > 0.99),
    "path_length_weight": (0.0, lambda gan: len(gan.terms) == 2 and rates(1)(gan)),
    "path_length_every": (1, lambda gan: gan.terms[1].every == 1 and rates(0.5)(gan)),
    "lazy_rates": (False, rates(1)),
    "wrong_tags_weight": (
        0.5,
        lambda gan: gan.terms[2] == Term(Mismatched(recipe_flags.VOCABULARY), "discriminator", 0.5),
    ),
}


@pytest.mark.parametrize("flag", recipe_flags.own_first(READ))
def test_flags_are_read(flag):
    value, holds = READ[flag]
    options = {"channel_base": 64} if flag == "image_size" else {}
    assert holds(built(**options | {flag: value}))


def test_flags_are_all_tested():
    own = {field.name for field in dataclasses.fields(stylegan2.Config)}
    assert own - {field.name for field in dataclasses.fields(GANSettings)} <= set(READ)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channel_base": 32}, "--channel_base must be at least --image_size, 64. Received: 32"),
        ({"mixing": 1.5}, "--mixing must be from 0 to 1. Received: 1.5"),
        ({"r1_gamma": -1.0}, "--r1_gamma must be at least 0. Received: -1.0"),
        ({"wrong_tags_weight": -1.0}, "--wrong_tags_weight must be at least 0. Received: -1.0"),
        ({"image_size": 8}, "--image_size must be a power of two from 16. Received: 8"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        stylegan2.Config(**options)


def test_batch_sizes_that_split_groups_are_refused():
    with pytest.raises(ValueError, match="--batch_size must be a multiple of 4 with the minibatch standard deviation"):
        built(batch_size=6)


COMMANDS = """
import sys
from tfanime.recipes import stylegan2
for command in sys.argv[1:]:
    assert stylegan2.main(command.split()) == 0
"""


@pytest.mark.slow
def test_stylegan2_resumed_equals_an_undisturbed_training(shards, in_tmp):
    flags = " ".join(f"--{name}={value}" for name, value in TINY.items())
    flags += f" --data={shards} --precision=float32 --deterministic --tags=frequencies --augment=ada --lecam_weight=0.1"
    flags += " --path_length_every=2 --r1_every=2 --epoch_steps=2 --sample_steps=4 --devices=cpu:1"
    first = [f"{flags} --run={run} --steps={steps}" for run, steps in (("whole", 6), ("parts", 3))]
    for commands in (first, ["--run=parts --steps=6"]):
        result = subprocess.run(
            [sys.executable, "-c", COMMANDS, *commands], env=environment(), capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
    assert "--augment ada leaves out contrast, luma flip, hue, saturation" in result.stderr
    assert "resumed at step 3" in result.stdout
    whole = tensors("whole")
    assert same(whole, tensors("parts"))
    for part in ("term_PathLength_mean", "term_lecam_real", "term_augmentation_probability"):
        assert any(part in name for name in whole), part
    line = metrics("whole")[-1]
    assert {"penalty", "generator_terms", "augmentation_probability", "real_sign", "real_tag_accuracy"} <= set(line)
    here, there = (generate.open_generator(run) for run in ("whole", "parts"))
    averages = [average_style(each.network).numpy() for each in (here, there)]
    np.testing.assert_array_equal(*averages)
    assert np.abs(averages[0]).min() > 0
    images = here.images(range(3), "blonde hair, no hat")
    assert images.shape == (3, 16, 16, 3)
    np.testing.assert_array_equal(there.images(range(3), "blonde hair, no hat"), images)
