"""SRGAN: Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network"
(arXiv 1609.04802).

A generator enlarges faces. At first it learns by the squared error of its pictures alone (`--pixel_steps`, the paper's
SRResNet), then against a discriminator, held to the truth by the content that a network trained on photos sees in it.
The paper's defaults: 4 times larger, one million steps of the first kind at 1e-4, 100,000 of the second at 1e-4 and as
many at 1e-5.

Small pictures are made in the pipeline (`--degradation`). One that is to enlarge what another generator draws learns
nothing of its mistakes from pictures that were only made small: `--artefacts MODEL` shows it that generator's
pictures.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from tfanime import command_line
from tfanime.limits import above, at_least
from tfanime.recipes import gan, pairs
from tfanime.recipes.settings import (
    DataSettings,
    DeviceSettings,
    GameSettings,
    OptimizerSettings,
    RunSettings,
    multiple_of,
)

LAYERS = {"vgg19": ("conv5_4", 12.75), "hed_vgg16": ("conv4_3", 12.75), "tagger1": ("block_1_0", 2.0)}
"""Of each network of `--content` the layer in which content is compared, after the ReLU, and by what it is divided.

Ledig et al. divide what VGG19 answers by 12.75. What tagger1 answers is so divided that its term is about as large as
that of hed_vgg16.
"""
JITTERS = ("brightness", "contrast", "saturation", "hue")


@dataclass(frozen=True)
class Config(GameSettings, DeviceSettings, OptimizerSettings, DataSettings, RunSettings):
    """SRGAN.

    Args:
        image_size: Height and width of the large pictures; shards with larger ones are resized, which also cleans them
            of what JPEG did.
        batch_size: Pictures a step, over all devices.
        scale: How many times larger pictures become.
        network: The generator: the paper's (srresnet), or one that learns what a bilinear enlargement lacks (small).
        channels: Channels of the generator's hidden layers.
        blocks: Its residual blocks.
        discriminator_channels: Channels of the discriminator's first layer; they double three times.
        discriminator_dense: Units of its hidden dense layer.
        pixel_steps: First steps, in which the generator learns alone, by the squared error.
        drop: Factor of both learning rates in the second half of all steps after these, with --decay none.
        content: The network in whose features content is compared: vgg19 (conv5_4; downloaded once by Keras),
            hed_vgg16 (conv4_3; needs `pip install 'tfanime[judge]'`), tagger1 (its block at a quarter of the size; it
            knows anime), or the mean of two.
        content_weight: Weight of the content.
        pixel_weight: Weight of the squared error after --pixel_steps, 0 in the paper.
        adversarial_weight: Weight of the adversarial loss in the generator's.
        crop: Side of the part of a large picture that a step sees, at a random place. Default: all of it.
        degradation: How small pictures are made: by means of places alone (clean), or worn by blur, noise and JPEG as
            well (blind).
        jitter: In what the light of large pictures is varied first, by up to 0.1: some of brightness, contrast,
            saturation, hue, separated by commas. Default: in nothing.
        artefacts: A generator whose artefacts are to be known, as `generate` takes it, with pictures of at least the
            size of the small ones. Default: none.
        artefact_way: What is done with its pictures: what it did to them beside drawing is added to small pictures
            (residual), or they are enlarged too and judged beside them (shown).
        consistency_weight: With --artefact_way shown, weight of the difference between what it drew and the enlarged
            picture made small again.
    """

    image_size: Annotated[int, multiple_of(16)] = 96
    batch_size: int = 16
    steps: int = 1_200_000
    scale: Literal[2, 4] = 4
    network: Literal["srresnet", "small"] = "srresnet"
    channels: Annotated[int, at_least(1)] = 64
    blocks: Annotated[int, at_least(1)] = 16
    discriminator_channels: Annotated[int, at_least(1)] = 64
    discriminator_dense: Annotated[int, at_least(1)] = 1024
    pixel_steps: Annotated[int, at_least(0)] = 1_000_000
    learning_rate: float = 1e-4
    beta_1: float = 0.9
    drop: Annotated[float, above(0, most=1)] = 0.1
    content: Literal["vgg19", "hed_vgg16", "tagger1", "vgg19+tagger1", "hed_vgg16+tagger1"] = "vgg19"
    content_weight: Annotated[float, at_least(0)] = 1.0
    pixel_weight: Annotated[float, at_least(0)] = 0.0
    adversarial_weight: Annotated[float, at_least(0)] = 1e-3
    crop: Annotated[int | None, multiple_of(16)] = None
    degradation: Literal["clean", "blind"] = "clean"
    jitter: str = ""
    artefacts: str | None = None
    artefact_way: Literal["residual", "shown"] = "residual"
    consistency_weight: Annotated[float, at_least(0)] = 1.0

    def rules(self):
        yield "crop", self.crop is None or self.crop <= self.image_size, f"at most --image_size, {self.image_size}"
        known = all(name in JITTERS for name in self.jitters)
        yield "jitter", known, f"some of {', '.join(JITTERS)}, separated by commas"
        yield "pixel_steps", self.pixel_steps <= self.steps, f"at most --steps, {self.steps}"

    @property
    def jitters(self):
        """The names in `jitter`, a tuple."""
        return tuple(name for word in self.jitter.split(",") if (name := word.strip()))

    @property
    def resumable(self):
        """Names of the fields that may change when a run is resumed: rates that drop end at the last step."""
        return super().resumable - ({"steps"} if self.drop != 1 else set())

    def to_open(self):
        """See `GameSettings`."""
        return replace(self, content_weight=0.0)

    def optimizers(self):
        """See `OptimizerSettings`; the discriminator makes no update in the first `pixel_steps`."""
        from tfanime.training.optimizers import OPTIMIZERS

        later = self.steps - self.pixel_steps
        return {
            f"{player}_optimizer": OPTIMIZERS[self.optimizer](self._falling(first, later), self.beta_1, self.beta_2)
            for player, first in (("generator", self.pixel_steps), ("discriminator", 0))
        }

    def _falling(self, first, later):
        """The learning rate of a player that makes `later` updates after the first ones."""
        import keras

        if self.decay != "none":
            return self.rate(self.learning_rate, max(1, first + later))
        if self.drop == 1 or not later:
            return self.learning_rate
        rates = [self.learning_rate, self.drop * self.learning_rate]
        return keras.optimizers.schedules.PiecewiseConstantDecay([first + later // 2], rates)


def build(config, vocabulary=None):
    """The networks and their game, a compiled `tfanime.training.upscaling.Upscaling`; see `Recipe`."""
    import keras

    from tfanime.generator import Form
    from tfanime.models import srgan
    from tfanime.models.vgg import open_vgg
    from tfanime.tagger.layers import tagger_layers
    from tfanime.training import Term
    from tfanime.training.content import Content
    from tfanime.training.upscaling import Upscaling, squared_error

    terms = []
    if config.content_weight and config.pixel_steps < config.steps:
        names = config.content.split("+")
        form = {"rectified": True, "distance": "squared", "of": "reals"}
        form["dtype"] = keras.config.dtype_policy().compute_dtype
        for name in names:
            network, (layer, scale) = tagger_layers() if name == "tagger1" else open_vgg(name), LAYERS[name]
            content = Content(network, layer, scale=scale, **form)
            terms.append(Term(content, "generator", config.content_weight / len(names)))
    if config.pixel_weight and config.pixel_steps < config.steps:
        terms.append(Term(squared_error, "generator", config.pixel_weight))
    make = {"srresnet": srgan.generator, "small": srgan.small_generator}[config.network]
    side = config.crop or config.image_size
    game = Upscaling(
        make(config.scale, config.channels, config.blocks),
        srgan.discriminator(side, config.discriminator_channels, config.discriminator_dense),
        Form("upscale", config.scale, reach=srgan.reach(config.blocks)),
        ema_half_life=config.ema_half_life,
        seed=config.seed,
    )
    game.compile(
        **config.optimizers(),
        terms=terms,
        adversarial_weight=config.adversarial_weight,
        consistency_weight=config.consistency_weight,
        pixel_steps=config.pixel_steps,
        gradient_clip=config.gradient_clip,
        accumulate=config.accumulate,
        jit_compile=config.jit_compile,
    )
    return game


def batches(config, data, start, parts, own):
    """The `Recipe.batches`, see `PairData.batches`."""
    flip = config.horizontal_flip
    return data.batches(config.batch_size, seed=config.seed, start=start, horizontal_flip=flip, parts=parts, own=own)


def _sheets(config, run, data):
    from tfanime import callbacks
    from tfanime.sheets import enlarged
    from tfanime.training.degradation import Degradation

    faces = pairs.open_faces(run, config.data, config.image_size).images(range(8))
    small, large = Degradation(config.degradation, config.scale, jitter=config.jitters)(faces, config.seed, 0)
    return [
        callbacks.Samples(run, config.whole_epochs(config.sample_steps), sheets=lambda game: enlarged(small, large))
    ]


recipe = gan.recipe(
    "srgan",
    Config,
    "Train an SRGAN, which enlarges pictures (Ledig et al. 2017, arXiv 1609.04802).",
    build,
    data=pairs.open_pairs,
    batches=batches,
    judge=lambda config, data, workers: None,
    reports=_sheets,
    examples="""\
  python -m tfanime.recipes.srgan --config srgan_64 --data tfrecords/faces --run runs/enlarger
  python -m tfanime.recipes.srgan --config srgan_avatars --data tfrecords/faces --artefacts avatars64 --run runs/mine
  python -m tfanime.upscale pictures/ --with runs/enlarger --out large/
""",
)
main = recipe.main


if __name__ == "__main__":
    command_line.run(main)
