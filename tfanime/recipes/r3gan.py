"""R3GAN: Huang et al. 2024, "The GAN is dead; long live the GAN! A Modern Baseline GAN" (arXiv 2501.05441).

The loss compares the i-th real picture with the i-th fake (relativistic pairs), R1 and R2 penalise the discriminator's
gradients at both, and the networks have no norm. The defaults are those of FFHQ at 64 px. The penalties' weight and the
learning rate fall along half a cosine over `--schedule_images`; the authors' other schedules (Adam's second beta, the
half-life of the average, the augmentation's probability) are left out.

With tags, the i-th fake is drawn with the tags of the i-th real picture. The discriminator is given the tags and
predicts none. If no tag of a picture is known, its logit is 0, and the pair has no gradient.
"""

from dataclasses import dataclass
from typing import Annotated

from tfanime import command_line
from tfanime.limits import above, at_least
from tfanime.recipes import gan
from tfanime.recipes.settings import multiple_of


@dataclass(frozen=True)
class Config(gan.GANSettings):
    """R3GAN.

    Args:
        latent_size: Components of the latents, N(0, 1).
        channel_base: Channels of a stage times its height.
        channel_max: Largest number of channels of a stage. With both, every stage must have a multiple of 8 channels.
        blocks: Residual blocks of a stage.
        gamma: Weight of the R1 and R2 penalties at the beginning, 0 for none.
        final_gamma: Weight of the R1 and R2 penalties at the end of --schedule_images.
        penalty_every: The penalties are computed every this many training steps, with as many times the weight. The
            author says that 8 works on most data sets and is slightly worse.
        final_learning_rate: Learning rate at the end of --schedule_images, with --decay none.
        schedule_images: Real pictures over which weight and rate fall.
    """

    latent_size: Annotated[int, at_least(1)] = 64
    channel_base: Annotated[int, multiple_of(8)] = 24576
    channel_max: Annotated[int, multiple_of(8)] = 768
    blocks: Annotated[int, at_least(1)] = 2
    gamma: Annotated[float, at_least(0)] = 2.0
    final_gamma: Annotated[float, at_least(0)] = 0.2
    penalty_every: Annotated[int, at_least(1)] = 1
    final_learning_rate: Annotated[float, above(0)] = 5e-5
    schedule_images: Annotated[int, at_least(1)] = 20_000_000
    batch_size: int = 256
    beta_1: float = 0.0
    beta_2: float = 0.99
    ema_half_life: float = 500_000

    def rules(self):
        whole = self.channel_base % (8 * self.image_size) == 0
        yield "channel_base", whole, f"a multiple of {8 * self.image_size} at {self.image_size} px"
        for name in ("tag_weight", "exclusive_tags", "tag_loss_on"):
            default = getattr(self, name) == getattr(type(self), name)
            yield name, default, "left out: r3gan's discriminator predicts no tags"

    def falling(self, first, last):
        """A value that falls along half a cosine over the schedule, as a function of the training step."""
        from tfanime.training.optimizers import HalfCosine

        return HalfCosine(first, last, max(1, self.schedule_images // self.batch_size))

    def rate(self, learning_rate, updates):
        """See `OptimizerSettings`."""
        if self.decay != "none":
            return super().rate(learning_rate, updates)
        return self.falling(learning_rate, self.final_learning_rate)


def build(config, vocabulary=None):
    """The networks and their game, a compiled `tfanime.training.GAN`; see `Recipe`."""
    from tfanime.models import r3gan
    from tfanime.training import Term
    from tfanime.training.terms import r1, r2

    tag_count = len(vocabulary or ())
    sizes = {name: getattr(config, name) for name in ("image_size", "channel_base", "channel_max", "blocks")}
    weight = config.falling(config.gamma, config.final_gamma)
    return gan.game(
        config,
        (
            r3gan.generator(**sizes, latent_size=config.latent_size, tag_count=tag_count),
            r3gan.discriminator(**sizes, tag_count=tag_count),
        ),
        vocabulary,
        loss="relativistic",
        terms=[Term(each, "discriminator", weight, config.penalty_every) for each in (r1, r2)] if config.gamma else [],
        shared_tags=True,
    )


recipe = gan.recipe("r3gan", Config, "Train an R3GAN (Huang et al. 2024, arXiv 2501.05441).", build)
main = recipe.main


if __name__ == "__main__":
    command_line.run(main)
