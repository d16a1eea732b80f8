"""WGAN with weight clipping: Arjovsky, Chintala and Bottou 2017, "Wasserstein GAN" (arXiv 1701.07875), algorithm 1,
with the networks of DCGAN.

Left out: the authors' code makes 100 critic steps for each of the first 25 generator steps and at every 500th. The
generator's update uses the fakes of the last critic step instead of drawing new ones, which saves a forward pass.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from tfanime import command_line
from tfanime.limits import above
from tfanime.recipes import gan
from tfanime.recipes.settings import CriticSettings


@dataclass(frozen=True)
class Config(CriticSettings, gan.DCGANSettings):
    """WGAN.

    Args:
        clip: Bound of the critic's weights after each update.
    """

    clip: Annotated[float, above(0)] = 0.01
    optimizer: Literal["adam", "rmsprop", "sgd"] = "rmsprop"
    learning_rate: float = 5e-5
    beta_1: float = 0.0
    beta_2: float = 0.99  # the default of the authors' framework


def build(config, vocabulary=None):
    """The networks and their game, a compiled `tfanime.training.GAN`; see `Recipe`."""
    from tfanime.training.constraints import WeightClipping

    networks = config.networks("batch", vocabulary)
    return gan.game(config, networks, vocabulary, loss="wasserstein", constraint=WeightClipping(config.clip))


recipe = gan.recipe(
    "wgan", Config, "Train a WGAN with weight clipping (Arjovsky et al. 2017, arXiv 1701.07875).", build
)
main = recipe.main


if __name__ == "__main__":
    command_line.run(main)
