"""WGAN with weight clipping: Arjovsky, Chintala and Bottou 2017, "Wasserstein GAN" (arXiv 1701.07875), algorithm 1,
with the networks of DCGAN.

Left out: the authors' code makes 100 critic steps for each of the first 25 generator steps and at every 500th. The
generator's update uses the fakes of the last critic step instead of drawing new ones, which saves a forward pass.
"""

from dataclasses import dataclass
from typing import Literal

from tfanime import command_line
from tfanime.recipes.recipe import DCGANConfig, parse_config, rules
from tfanime.recipes.train import train


@dataclass(frozen=True)
class Config(DCGANConfig):
    """WGAN.

    Args:
        critic_steps: Critic updates a generator update, each on fresh pictures.
        clip: Bound of the critic's weights after each update.
    """

    critic_steps: int = 5
    clip: float = 0.01
    optimizer: Literal["adam", "rmsprop", "sgd"] = "rmsprop"
    learning_rate: float = 5e-5
    beta_1: float = 0.0
    beta_2: float = 0.99  # the default of the authors' framework

    def __post_init__(self):
        super().__post_init__()
        self.require("above 0", lambda value: value > 0, "clip")


def build(config, vocabulary=None):
    """The networks and their game, compiled. Call it under a strategy's scope.

    Args:
        config: A `Config`.
        vocabulary: The `TagVocabulary` of a game with tags.

    Returns:
        A `tfanime.training.GAN`.
    """
    from tfanime.latents import Latents
    from tfanime.training import GAN
    from tfanime.training.constraints import WeightClipping

    gan = GAN(
        *config.networks("batch", vocabulary),
        latents=Latents(config.latent_size),
        vocabulary=vocabulary,
        ema_half_life=config.ema_half_life,
        seed=config.seed,
    )
    gan.compile(
        **rules(config, vocabulary),
        loss="wasserstein",
        constraint=WeightClipping(config.clip),
    )
    return gan


def main(arguments=None):
    """Trains; `--help` lists the flags."""
    config = parse_config(
        Config, "wgan", "Train a WGAN with weight clipping (Arjovsky et al. 2017, arXiv 1701.07875).", arguments
    )
    return train(config, build, "wgan")


if __name__ == "__main__":
    command_line.run(main)
