"""SN-GAN: Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks" (arXiv 1802.05957): hinge
loss, spectral normalization of every layer of the discriminator, five of its updates a generator update, and learning
rates that fall linearly to zero over `--steps`.

The networks are the paper's plain ones, of its table 3; Adam's rate and betas, the five updates and the falling rates
are what it trains its ResNets with (its plain ones had one of the settings of table 1, all with beta_1 of 0.5 or more).
`--networks_of dcgan` takes DCGAN's with the same normalization. The generator's update uses the fakes of the last
discriminator step instead of drawing new ones.
"""

from dataclasses import dataclass
from typing import Literal

from tfanime import command_line
from tfanime.recipes import gan
from tfanime.recipes.settings import CriticSettings, Decay


@dataclass(frozen=True)
class Config(CriticSettings, gan.DCGANSettings):
    """SN-GAN.

    Args:
        networks_of: sngan for the paper's plain networks, dcgan for DCGAN's, which are cheaper; the flags about
            kernels and convolutions are for dcgan only.
    """

    networks_of: Literal["sngan", "dcgan"] = "sngan"
    image_size: int = 32
    latent_size: int = 128
    beta_1: float = 0.0
    beta_2: float = 0.9
    decay: Decay = "linear"

    def rules(self):
        if self.networks_of == "sngan":
            for name in ("generator_convolutions", "discriminator_convolutions", "kernel_size"):
                default = getattr(self, name) == getattr(type(self), name)
                yield name, default, "left out with --networks_of sngan, whose networks have their own"


def build(config, vocabulary=None):
    """The networks and their game, a compiled `tfanime.training.GAN`; see `Recipe`."""
    from tfanime.models import sngan

    if config.networks_of == "sngan":
        tag_count = len(vocabulary or ())
        networks = (
            sngan.generator(config.image_size, config.latent_size, config.channels, tag_count),
            sngan.discriminator(config.image_size, config.channels, tag_count),
        )
    else:
        networks = config.networks("spectral", vocabulary)
    return gan.game(config, networks, vocabulary, loss="hinge")


recipe = gan.recipe("sngan", Config, "Train an SN-GAN (Miyato et al. 2018, arXiv 1802.05957).", build)
main = recipe.main


if __name__ == "__main__":
    command_line.run(main)
