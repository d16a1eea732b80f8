"""What each flag that recipes share changes in the game that they build, for the recipes' tests."""

import keras
import pytest
from keras import layers

from tfanime.latents import Latents
from tfanime.tags import TagGroup, TagVocabulary
from tfanime.training import Term
from tfanime.training.augment import Augmentation
from tfanime.training.terms import LECAM_STATE, lecam

VOCABULARY = TagVocabulary("small", (TagGroup("colour", ("red", "green"), True), TagGroup("more", ("hat",), False)))


def of_type(network, kind):
    """The layers of a network of one kind, those inside wrappers too."""
    return [layer for layer in network._flatten_layers() if isinstance(layer, kind)]


def convolutions(network):
    """How many convolutions a network has, transposed ones included."""
    return len(of_type(network, (layers.Conv2D, layers.Conv2DTranspose)))


def rates(gan):
    """Both learning rates at update 0 and, where they fall, a function of the update."""
    optimizers = gan.generator_optimizer, gan.discriminator_optimizer
    return [optimizer._learning_rate for optimizer in optimizers]


def falls(gan, decay, steps, critic_steps):
    """Whether both learning rates fall to the last update of each player."""
    return [(rate.decay, rate.steps) for rate in rates(gan)] == [(decay, steps), (decay, steps * critic_steps)]


def shared(critic_steps):
    """Of `GANSettings`, by flag: a value and whether a game built with it shows it."""
    return {
        "image_size": (32, lambda gan: gan.generator.output_shape == (None, 32, 32, 3)),
        "seed": (7, lambda gan: gan.seed == 7),
        "ema_half_life": (9.0, lambda gan: gan.ema_half_life == 9.0),
        "optimizer": ("sgd", lambda gan: isinstance(gan.discriminator_optimizer, keras.optimizers.SGD)),
        "learning_rate": (0.25, lambda gan: float(gan.discriminator_optimizer.learning_rate) == 0.25),
        "decay": ("exponential", lambda gan: falls(gan, "exponential", 100_000, critic_steps)),
        "gradient_clip": (3.0, lambda gan: gan.gradient_clip == 3.0),
        "accumulate": (2, lambda gan: gan.accumulate == 2),
        "jit_compile": (True, lambda gan: gan.jit_compile is True),
        "adversarial_weight": (5.0, lambda gan: gan.adversarial_weight == 5.0),
        "tag_weight": (0.5, lambda gan: gan.tag_weight == 0.5),
        "exclusive_tags": ("softmax", lambda gan: gan.exclusive_tags == "softmax"),
        "tag_loss_on": ("reals", lambda gan: gan.tag_loss_on == "reals"),
        "augment": ("diffaugment", lambda gan: gan.augmentation == Augmentation("diffaugment")),
        "lecam_weight": (0.3, lambda gan: gan.terms[-1] == Term(lecam, "discriminator", 0.3, state=LECAM_STATE)),
    }


def own_first(flags):
    """Flags as parameters of a recipe's test: those that all recipes share are slow, because the test of the recipe
    `dcgan` has them too."""
    shares = {*shared(1), *ADAM}
    return [pytest.param(flag, marks=pytest.mark.slow if flag in shares else ()) for flag in flags]


def has_tags(with_tags, without, adversarial_weight=1.0):
    """Whether of two games the first is played with `VOCABULARY`, its losses balanced as Jin et al. 2017 do."""
    assert with_tags.tag_sampler.vocabulary is VOCABULARY and not without.tag_sampler
    assert (with_tags.adversarial_weight, without.adversarial_weight) == (adversarial_weight, 1.0)
    assert with_tags.adversarial_weight / with_tags.tag_weight == 3.0
    return [each.shape[-1] for each in with_tags.discriminator.outputs[1:]] == [3]


ADAM = {
    "beta_1": (0.25, lambda gan: gan.discriminator_optimizer.beta_1 == gan.generator_optimizer.beta_1 == 0.25),
    "beta_2": (0.75, lambda gan: gan.discriminator_optimizer.beta_2 == gan.generator_optimizer.beta_2 == 0.75),
}

DCGAN = {
    "latent_size": (6, lambda gan: gan.latents == Latents(6)),
    "channels": (3, lambda gan: of_type(gan.discriminator, layers.Conv2D)[0].filters == 3),
    "kernel_size": (5, lambda gan: of_type(gan.discriminator, layers.Conv2D)[0].kernel_size == (5, 5)),
    "generator_convolutions": (5, lambda gan: convolutions(gan.generator) == 5),
    "discriminator_convolutions": (6, lambda gan: convolutions(gan.discriminator) == 6),
}
