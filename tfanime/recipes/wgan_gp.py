"""WGAN-GP: Gulrajani et al. 2017, "Improved Training of Wasserstein GANs" (arXiv 1704.00028), algorithm 1, with the
networks of DCGAN, the critic without a norm (section 4: the penalty is one picture's).

The generator's update uses the fakes of the last critic step instead of drawing new ones, which saves a forward pass.
"""

from dataclasses import dataclass

from tfanime import command_line
from tfanime.recipes.recipe import DCGANConfig, parse_config, rules
from tfanime.recipes.train import train


@dataclass(frozen=True)
class Config(DCGANConfig):
    """WGAN-GP.

    Args:
        critic_steps: Critic updates a generator update, each on fresh pictures.
        penalty: Weight of the gradient penalty, lambda in the paper.
    """

    critic_steps: int = 5
    penalty: float = 10.0
    learning_rate: float = 1e-4
    beta_1: float = 0.0
    beta_2: float = 0.9

    def __post_init__(self):
        super().__post_init__()
        self.require("above 0", lambda value: value > 0, "penalty")


def build(config, vocabulary=None):
    """The networks and their game, compiled. Call it under a strategy's scope.

    Args:
        config: A `Config`.
        vocabulary: The `TagVocabulary` of a game with tags.

    Returns:
        A `tfanime.training.GAN`.
    """
    from tfanime.latents import Latents
    from tfanime.training import GAN, Term
    from tfanime.training.terms import gradient_penalty

    gan = GAN(
        *config.networks("none", vocabulary),
        latents=Latents(config.latent_size),
        vocabulary=vocabulary,
        ema_half_life=config.ema_half_life,
        seed=config.seed,
    )
    gan.compile(
        **rules(config, vocabulary),
        loss="wasserstein",
        terms=[Term(gradient_penalty, "discriminator", config.penalty)],
    )
    return gan


def main(arguments=None):
    """Trains; `--help` lists the flags."""
    config = parse_config(Config, "wgan_gp", "Train a WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028).", arguments)
    return train(config, build, "wgan_gp")


if __name__ == "__main__":
    command_line.run(main)
