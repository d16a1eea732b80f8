"""DRAGAN with the networks and tags of Jin et al. 2017, "Towards the Automatic Anime Characters Creation with
Generative Adversarial Networks" (arXiv 1708.05509, "MakeGirlsMoe"): a generator after SRResNet, a discriminator that
tells the tags too, DRAGAN's gradient penalty (Kodali et al. 2017, arXiv 1705.07215), one update of each in turns.

The losses are the paper's: the tags' loss, a sum over them, counts once, the adversarial loss as many times as there
are tags, the penalty half. Where the paper is silent: learning rates fall from half of `--steps` on (it says after
50,000 updates) to a tenth (it gives no rate). The defaults are meant for a GPU; `--config dragan_64` is reduced for two
cores. `--tags none` is plain DRAGAN on these networks, with Kodali et al.'s weight of the penalty.
"""

from dataclasses import dataclass
from typing import Literal

from tfanime import command_line
from tfanime.recipes.recipe import RecipeConfig, parse_config, rules
from tfanime.recipes.train import train


@dataclass(frozen=True)
class Config(RecipeConfig):
    """DRAGAN.

    Args:
        image_size: Height and width of the pictures, a power of two from 32; shards with larger pictures are resized.
        latent_size: Components of the latents, N(0, 1).
        generator_channels: Channels of all hidden layers of the generator.
        generator_blocks: Residual blocks of the generator, at 16x16.
        discriminator_channels: Channels of the discriminator's first layer; doubled at every halving of the size.
        discriminator_blocks: Residual blocks after each of its strided convolutions but the last.
        penalty: Weight of the gradient penalty. Default: 0.5 with tags (Jin et al.), 10 without (Kodali et al.).
        adversarial_weight: Factor of the adversarial loss. Default: the number of tags (Jin et al.), 1 without.
        tag_weight: Factor of the tags' loss, which is a sum over them.
    """

    image_size: int = 128
    latent_size: int = 128
    generator_channels: int = 64
    generator_blocks: int = 16
    discriminator_channels: int = 32
    discriminator_blocks: int = 2
    penalty: float | None = None
    adversarial_weight: float | None = None
    tag_weight: float | None = 1.0
    tags: Literal["none", "priors", "frequencies"] = "priors"
    decay: Literal["none", "linear", "exponential"] = "exponential"
    decay_begin: float = 0.5

    def __post_init__(self):
        super().__post_init__()
        self.require("at least 32", lambda value: value >= 32, "image_size")
        self.require(
            "at least 1", lambda value: value >= 1, "latent_size", "generator_channels", "discriminator_channels"
        )
        self.require("at least 0", lambda value: value >= 0, "generator_blocks", "discriminator_blocks")
        self.require("above 0", lambda value: value is None or value > 0, "penalty")


def build(config, vocabulary=None):
    """The networks and their game, compiled. Call it under a strategy's scope.

    Args:
        config: A `Config`.
        vocabulary: The `TagVocabulary` of a game with tags.

    Returns:
        A `tfanime.training.GAN`.
    """
    from tfanime.latents import Latents
    from tfanime.models import srresnet
    from tfanime.training import GAN, Term
    from tfanime.training.terms import deviation, dragan

    tag_count = len(vocabulary) if vocabulary else 0
    gan = GAN(
        srresnet.generator(
            config.image_size, config.latent_size, config.generator_channels, config.generator_blocks, tag_count
        ),
        srresnet.discriminator(
            config.image_size, config.discriminator_channels, config.discriminator_blocks, tag_count
        ),
        latents=Latents(config.latent_size),
        vocabulary=vocabulary,
        ema_half_life=config.ema_half_life,
        seed=config.seed,
    )
    weight = config.penalty or (0.5 if vocabulary else 10.0)
    term = Term(dragan, "discriminator", weight, measure=deviation)
    gan.compile(**rules(config, vocabulary), loss="non_saturating", terms=[term])
    return gan


def main(arguments=None):
    """Trains; `--help` lists the flags."""
    config = parse_config(
        Config, "dragan", "Train a DRAGAN on SRResNet with tags (Jin et al. 2017, arXiv 1708.05509).", arguments
    )
    return train(config, build, "dragan")


if __name__ == "__main__":
    command_line.run(main)
