"""WGAN-GP: Gulrajani et al. 2017, "Improved Training of Wasserstein GANs" (arXiv 1704.00028), algorithm 1, with the
networks of DCGAN, the critic without a norm (section 4: the penalty is one picture's).

The generator's update uses the fakes of the last critic step instead of drawing new ones, which saves a forward pass.
"""

from dataclasses import dataclass
from typing import Annotated

from tfanime import command_line
from tfanime.limits import above
from tfanime.recipes import gan
from tfanime.recipes.settings import CriticSettings


@dataclass(frozen=True)
class Config(CriticSettings, gan.DCGANSettings):
    """WGAN-GP.

    Args:
        penalty: Weight of the gradient penalty, lambda in the paper.
    """

    penalty: Annotated[float, above(0)] = 10.0
    learning_rate: float = 1e-4
    beta_1: float = 0.0
    beta_2: float = 0.9


def build(config, vocabulary=None):
    """The networks and their game, a compiled `tfanime.training.GAN`; see `Recipe`."""
    from tfanime.training import Term
    from tfanime.training.terms import gradient_penalty

    terms = [Term(gradient_penalty, "discriminator", config.penalty)]
    return gan.game(config, config.networks("none", vocabulary), vocabulary, loss="wasserstein", terms=terms)


recipe = gan.recipe("wgan_gp", Config, "Train a WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028).", build)
main = recipe.main


if __name__ == "__main__":
    command_line.run(main)
