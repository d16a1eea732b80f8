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
from tfanime.recipes.recipe import DCGANConfig, parse_config, rules
from tfanime.recipes.train import train


@dataclass(frozen=True)
class Config(DCGANConfig):
    """SN-GAN.

    Args:
        networks_of: sngan for the paper's plain networks, dcgan for DCGAN's, which are cheaper; the flags about
            kernels and convolutions are for the latter alone.
        critic_steps: Discriminator updates a generator update, each on fresh pictures.
    """

    networks_of: Literal["sngan", "dcgan"] = "sngan"
    critic_steps: int = 5
    image_size: int = 32
    latent_size: int = 128
    beta_1: float = 0.0
    beta_2: float = 0.9
    decay: Literal["none", "linear", "exponential"] = "linear"

    def __post_init__(self):
        super().__post_init__()
        if self.networks_of == "sngan":
            plain = "left out with --networks_of sngan, whose networks have their own"
            self.require(plain, lambda value: value is None, "generator_convolutions", "discriminator_convolutions")
            self.require(plain, lambda value: value == type(self).kernel_size, "kernel_size")


def build(config, vocabulary=None):
    """The networks and their game, compiled. Call it under a strategy's scope.

    Args:
        config: A `Config`.
        vocabulary: The `TagVocabulary` of a game with tags.

    Returns:
        A `tfanime.training.GAN`.
    """
    from tfanime.latents import Latents
    from tfanime.models import sngan
    from tfanime.training import GAN

    if config.networks_of == "sngan":
        generator = sngan.generator(config.image_size, config.latent_size, config.channels, len(vocabulary or ()))
        discriminator = sngan.discriminator(config.image_size, config.channels, len(vocabulary or ()))
    else:
        generator, discriminator = config.networks("spectral", vocabulary)
    gan = GAN(
        generator,
        discriminator,
        latents=Latents(config.latent_size),
        vocabulary=vocabulary,
        ema_half_life=config.ema_half_life,
        seed=config.seed,
    )
    gan.compile(**rules(config, vocabulary), loss="hinge")
    return gan


def main(arguments=None):
    """Trains; `--help` lists the flags."""
    config = parse_config(Config, "sngan", "Train an SN-GAN (Miyato et al. 2018, arXiv 1802.05957).", arguments)
    return train(config, build, "sngan")


if __name__ == "__main__":
    command_line.run(main)
