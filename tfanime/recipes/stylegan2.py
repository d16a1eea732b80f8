"""StyleGAN2: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (arXiv 1912.04958).

This is the form of StyleGAN2-ADA (Karras et al. 2020, arXiv 2006.06676). The defaults are those of the authors' code,
for one GPU ("auto"). `--config stylegan2_64` is sized for two cores.

The conditioning on tags is our own. The generator's mapping is given the tags, with noise on their embedding. The
discriminator is given them too (projection, Miyato and Koyama 2018), and predicts them, which it learns from real
pictures alone. Real pictures with one wrong tag count as fakes (Reed et al. 2016).

Two things differ from the authors' code. One pass of the generator serves both players' updates. R1 and the path
lengths are added to the loss of ordinary steps, while the authors make separate steps for them; `--lazy_rates` says
whether Adam's rate and betas are the authors' all the same.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from tfanime import command_line
from tfanime.limits import SHARE, at_least
from tfanime.recipes import gan


@dataclass(frozen=True)
class Config(gan.GANSettings):
    """StyleGAN2.

    Args:
        latent_size: Components of the latents, N(0, 1).
        style_size: Components of w, and of the tags' embedding.
        mapping_layers: Dense layers from latents to w, and from the tags to the discriminator's projection.
        channel_base: Channels of a layer times its height, at least --image_size.
        channel_max: Most channels of a layer.
        embedding_noise: Standard deviation of noise on the tags' embedding in training, 0 for none.
        mixing: Probability of style mixing.
        r1_gamma: Weight of the R1 penalty, 0 for none. Default: 0.0002 times the squared height over --batch_size.
        r1_every: The R1 penalty is computed every this many training steps, with as many times the weight.
        path_length_weight: Weight of the path length regularisation, 0 for none.
        path_length_every: Training steps between two computations of the path length.
        lazy_rates: Whether to lower learning rates and betas as the authors do, who make k + 1 steps in place of k: by
            the factor, and the exponent, k / (k + 1), with a penalty every k steps.
        wrong_tags_weight: Weight in the discriminator's loss of real pictures with a wrong tag, 0 for none.
    """

    latent_size: Annotated[int, at_least(1)] = 512
    style_size: Annotated[int, at_least(1)] = 512
    mapping_layers: Annotated[int, at_least(1)] = 2
    channel_base: Annotated[int, at_least(16)] = 16384
    channel_max: Annotated[int, at_least(1)] = 512
    embedding_noise: Annotated[float, at_least(0)] = 0.5
    mixing: Annotated[float, SHARE] = 0.9
    r1_gamma: Annotated[float | None, at_least(0)] = None
    r1_every: Annotated[int, at_least(1)] = 16
    path_length_weight: Annotated[float, at_least(0)] = 2.0
    path_length_every: Annotated[int, at_least(1)] = 4
    lazy_rates: bool = True
    wrong_tags_weight: Annotated[float, at_least(0)] = 0.25
    batch_size: int = 32
    learning_rate: float = 0.0025
    beta_1: float = 0.0
    beta_2: float = 0.99
    exclusive_tags: Literal["sigmoid", "softmax"] = "softmax"
    tag_loss_on: Literal["both", "reals"] = "reals"

    def rules(self):
        yield "channel_base", self.channel_base >= self.image_size, f"at least --image_size, {self.image_size}"

    @property
    def gamma(self):
        """The weight of the R1 penalty."""
        return 0.0002 * self.image_size**2 / self.batch_size if self.r1_gamma is None else self.r1_gamma

    @property
    def shares(self):
        """See `OptimizerSettings`."""
        every = {"generator": self.path_length_weight and self.path_length_every}
        every["discriminator"] = self.gamma and self.r1_every
        return {player: k / (k + 1) if k and self.lazy_rates else 1.0 for player, k in every.items()}


def build(config, vocabulary=None):
    """The networks and their game, a compiled `tfanime.training.GAN`; see `Recipe`."""
    from tfanime.models import stylegan2
    from tfanime.training import Term
    from tfanime.training.styles import PathLength, StyleMixing
    from tfanime.training.terms import Mismatched, r1

    gan.require_groups(config, "the minibatch standard deviation")
    tag_count = len(vocabulary or ())
    sizes = config.image_size, config.channel_base, config.channel_max
    networks = (
        stylegan2.generator(
            config.image_size,
            config.latent_size,
            config.style_size,
            *sizes[1:],
            config.mapping_layers,
            tag_count,
            config.embedding_noise if tag_count else 0.0,
        ),
        stylegan2.discriminator(*sizes, tag_count, bool(tag_count), bool(tag_count), config.mapping_layers),
    )
    lengths = PathLength(config.mixing)
    terms = [
        Term(r1, "discriminator", config.gamma, config.r1_every),
        Term(lengths, "generator", config.path_length_weight, config.path_length_every, PathLength.STATE),
    ]
    if vocabulary and config.wrong_tags_weight:
        terms.append(Term(Mismatched(vocabulary), "discriminator", config.wrong_tags_weight))
    return gan.game(
        config,
        networks,
        vocabulary,
        loss="non_saturating",
        terms=[term for term in terms if term.weight],
        draw_images=StyleMixing(config.mixing),
    )


recipe = gan.recipe("stylegan2", Config, "Train a StyleGAN2 (Karras et al. 2020, arXiv 1912.04958).", build)
main = recipe.main


if __name__ == "__main__":
    command_line.run(main)
