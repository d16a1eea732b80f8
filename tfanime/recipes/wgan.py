"""WGAN with weight clipping: Arjovsky, Chintala and Bottou 2017, "Wasserstein GAN" (arXiv 1701.07875), algorithm 1,
with the networks of DCGAN.

Left out: the authors' code makes 100 critic steps for each of the first 25 generator steps and at every 500th. The
generator's update uses the fakes of the last critic step instead of drawing new ones, which saves a forward pass.
"""

from dataclasses import dataclass

from tfanime import command_line
from tfanime.recipes.recipe import RecipeConfig, parse_config, train


@dataclass(frozen=True)
class Config(RecipeConfig):
    """WGAN.

    Args:
        latent_size: Components of the latents, N(0, 1).
        channels: Channels of the layers next to the pictures; doubled at every halving of the size.
        kernel_size: Side of the kernels.
        critic_steps: Critic updates a generator update, each on fresh pictures.
        clip: Bound of the critic's weights after each update.
        learning_rate: Of both RMSprop optimizers.
    """

    latent_size: int = 100
    channels: int = 64
    kernel_size: int = 4
    critic_steps: int = 5
    clip: float = 0.01
    learning_rate: float = 5e-5

    def __post_init__(self):
        super().__post_init__()
        self.require("at least 1", lambda value: value >= 1, "latent_size", "channels", "kernel_size", "critic_steps")
        self.require("above 0", lambda value: value > 0, "clip", "learning_rate")


def build(config):
    """The networks and their game, compiled. Call it under a strategy's scope.

    Returns:
        A `tfanime.training.GAN`.
    """
    import keras

    from tfanime.latents import Latents
    from tfanime.models import dcgan
    from tfanime.training import GAN
    from tfanime.training.constraints import WeightClipping

    gan = GAN(
        dcgan.generator(config.image_size, config.latent_size, config.channels, config.kernel_size),
        dcgan.discriminator(config.image_size, config.channels, config.kernel_size),
        latents=Latents(config.latent_size),
        ema_half_life=config.ema_half_life,
        seed=config.seed,
    )
    # rho .99 as in the authors' framework. There 1e-8 is added to the root of the mean square, here epsilon is added
    # under the root: 1e-16 is the same where gradients vanish.
    gan.compile(
        generator_optimizer=keras.optimizers.RMSprop(config.learning_rate, rho=0.99, epsilon=1e-16),
        discriminator_optimizer=keras.optimizers.RMSprop(config.learning_rate, rho=0.99, epsilon=1e-16),
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
