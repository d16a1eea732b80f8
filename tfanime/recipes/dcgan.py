"""DCGAN: Radford, Metz and Chintala 2016, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks" (arXiv 1511.06434).

The defaults are the paper's, with the changes of nearly every port: 4x4 kernels instead of 5x5, latents N(0, 1) instead
of U(-1, 1), batches of 64 instead of 128. `--config dcgan_r1_64` is the modern form of the same networks: no norm in
the discriminator, a lazy R1 penalty, minibatch standard deviation, Adam without momentum.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from tfanime import command_line
from tfanime.limits import at_least
from tfanime.recipes import gan


@dataclass(frozen=True)
class Config(gan.DCGANSettings):
    """DCGAN.

    Args:
        latent_distribution: normal is N(0, 1), uniform U(-1, 1) as in the paper.
        discriminator_norm: Norm in the discriminator; none or spectral where r1_gamma is above 0.
        minibatch_stddev: Whether the discriminator sees the batch's standard deviation (Karras et al. 2018);
            --batch_size must then be a multiple of four times --accumulate on each device.
        r1_gamma: Weight of the R1 penalty (Mescheder et al. 2018), 0 for none.
        r1_every: The R1 penalty is computed every this many training steps, with as many times the weight.
    """

    latent_distribution: Literal["normal", "uniform"] = "normal"
    discriminator_norm: Literal["batch", "spectral", "none"] = "batch"
    minibatch_stddev: bool = False
    r1_gamma: Annotated[float, at_least(0)] = 0.0
    r1_every: Annotated[int, at_least(1)] = 8

    def rules(self):
        # The penalty's gradient would be the whole batch's, not a picture's.
        holds = not self.r1_gamma or self.discriminator_norm != "batch"
        yield "discriminator_norm", holds, "none or spectral with --r1_gamma above 0"


def build(config, vocabulary=None):
    """The networks and their game, a compiled `tfanime.training.GAN`; see `Recipe`.

    Raises:
        ValueError: Devices would split the groups of four pictures of the minibatch standard deviation.
    """
    from tfanime.latents import Latents
    from tfanime.training import Term
    from tfanime.training.terms import r1

    if config.minibatch_stddev:
        gan.require_groups(config, "--minibatch_stddev")
    return gan.game(
        config,
        config.networks(config.discriminator_norm, vocabulary, minibatch_stddev=config.minibatch_stddev),
        vocabulary,
        latents=Latents(config.latent_size, config.latent_distribution),
        loss="non_saturating",
        terms=[Term(r1, "discriminator", config.r1_gamma, config.r1_every)] if config.r1_gamma else [],
    )


recipe = gan.recipe("dcgan", Config, "Train a DCGAN (Radford et al. 2016, arXiv 1511.06434).", build)
main = recipe.main


if __name__ == "__main__":
    command_line.run(main)
