"""DRAGAN with the networks and tags of Jin et al. 2017, "Towards the Automatic Anime Characters Creation with
Generative Adversarial Networks" (arXiv 1708.05509, "MakeGirlsMoe"): a generator after SRResNet, a discriminator that
predicts the tags too, DRAGAN's gradient penalty (Kodali et al. 2017, arXiv 1705.07215), one update of each in turns.

The weights of the losses are the paper's: 1 for the tag loss, which is a sum over the tags, the number of tags for the
adversarial loss, and 0.5 for the penalty. Learning rates fall from half of `--steps` on, to a tenth (the paper says
"after 50,000 updates" and gives no rate). The defaults are meant for a GPU; `--config dragan_64` is reduced for two
cores. `--tags none` is plain DRAGAN on these networks, with Kodali et al.'s weight of the penalty.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from tfanime import command_line
from tfanime.limits import above, at_least
from tfanime.recipes import gan
from tfanime.recipes.settings import Decay


@dataclass(frozen=True)
class Config(gan.GANSettings):
    """DRAGAN.

    Args:
        latent_size: Components of the latents, N(0, 1).
        generator_channels: Channels of all hidden layers of the generator.
        generator_blocks: Residual blocks of the generator, at 16x16.
        discriminator_channels: Channels of the discriminator's first layer; doubled at every halving of the size.
        discriminator_blocks: Residual blocks after each of its strided convolutions but the last.
        penalty: Weight of the gradient penalty. Default: 0.5 with tags (Jin et al.), 10 without (Kodali et al.).
        adversarial_weight: Weight of the adversarial loss. Default: the number of tags (Jin et al.), 1 without.
        tag_weight: Weight of the tag loss, which is a sum over the tags.
    """

    image_size: Annotated[int, at_least(32)] = 128
    latent_size: Annotated[int, at_least(1)] = 128
    generator_channels: Annotated[int, at_least(1)] = 64
    generator_blocks: Annotated[int, at_least(0)] = 16
    discriminator_channels: Annotated[int, at_least(1)] = 32
    discriminator_blocks: Annotated[int, at_least(0)] = 2
    penalty: Annotated[float | None, above(0)] = None
    adversarial_weight: float | None = None
    tag_weight: float | None = 1.0
    tags: Literal["none", "priors", "frequencies"] = "priors"
    decay: Decay = "exponential"
    decay_begin: float = 0.5


def build(config, vocabulary=None):
    """The networks and their game, a compiled `tfanime.training.GAN`; see `Recipe`."""
    from tfanime.models import srresnet
    from tfanime.training import Term
    from tfanime.training.terms import deviation, dragan

    size, tag_count = config.image_size, len(vocabulary or ())
    networks = (
        srresnet.generator(size, config.latent_size, config.generator_channels, config.generator_blocks, tag_count),
        srresnet.discriminator(size, config.discriminator_channels, config.discriminator_blocks, tag_count),
    )
    weight = config.penalty or (0.5 if vocabulary else 10.0)
    terms = [Term(dragan, "discriminator", weight, measure=deviation)]
    return gan.game(config, networks, vocabulary, loss="non_saturating", terms=terms)


recipe = gan.recipe(
    "dragan", Config, "Train a DRAGAN on SRResNet with tags (Jin et al. 2017, arXiv 1708.05509).", build
)
main = recipe.main


if __name__ == "__main__":
    command_line.run(main)
