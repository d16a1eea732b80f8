"""CartoonGAN: Chen et al. 2018, "CartoonGAN: Generative Adversarial Networks for Photo Cartoonization" (CVPR), with the
losses of AnimeGANv2 (Chen et al. 2020, ISICA, and the authors' code) and one of landmarks: photos of faces become
drawn faces.

The content of the photo is kept by a network that knows photos, its colours by a loss of their own, and what makes a
drawing is learned from drawings, of which none belongs to a photo. First the generator learns to give photos back.

The defaults are for two cores: AnimeGANv2's generator of 2.1 million weights at 64 px, and losses whose weights are set
by the gradients that they send into the pictures, because published weights hold for VGG19 at 256 px alone.
`--generator published --weights fixed` is nearer to the paper.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from tfanime import command_line
from tfanime.limits import Limit, above, at_least
from tfanime.recipes import gan
from tfanime.recipes.photos import COLUMNS, batches, open_photos
from tfanime.recipes.settings import (
    RESUMABLE,
    DataSettings,
    DeviceSettings,
    GameSettings,
    OptimizerSettings,
    RunSettings,
    multiple_of,
)

LOSSES = {  # by name: the share of the pull on pictures with --weights auto, and the weight with --weights fixed
    "adversarial": (1.0, 300.0),
    "content": (1.0, 1.5),
    "style": (0.3, 2.5),
    "colour": (0.5, 15.0),
    "landmarks": (0.3, 0.0),
    "total_variation": (0.05, 1.0),
}
WEIGHT = Limit("at least 0", lambda value: 0 <= value < float("inf"))


@dataclass(frozen=True)
class Config(GameSettings, DeviceSettings, OptimizerSettings, DataSettings, RunSettings):
    """CartoonGAN.

    Args:
        data: Folder of shards of drawings. Default: drawn avatars, made on first use.
        photos: Folder of shards of photos, framed as the drawings are.
        batch_size: Photos a step, and as many drawings.
        generator: small is AnimeGANv2's, 2.1 million weights; published is CartoonGAN's, 11.1 million.
        channels: Channels of the generator's first layer. Default: 32 for small, 64 for published.
        discriminator_channels: And of the discriminator's.
        loss: The adversarial loss.
        augment: Whether what the discriminator sees is shifted, has holes and other colours (Zhao et al. 2020).
        content_steps: Steps in which the generator alone learns, by the content loss.
        content_learning_rate: Its learning rate in these.
        learning_rate: And afterwards.
        discriminator_rate: Learning rate of the discriminator as a factor of the generator's.
        content_network: hed_vgg16 (needs `pip install 'tfanime[judge]'`), or vgg19, which is downloaded once.
        content_layer: Its convolution, such as conv3_3. Default: the last one of the fourth block.
        weights: auto: the flags of losses are shares of the pull on the pictures, and gradients measured in
            the first --weighing_steps after --content_steps set the weights, which the run folder's loss_weights.json
            tells. fixed: they are the weights themselves.
        weighing_steps: Steps of measuring.
        adversarial: Weight of the adversarial loss in the generator's. Default: 1 with auto, 300 with fixed.
        content: Of the content, the photo's features kept. Default: 1, 1.5.
        style: Of the style, Gram matrices of features of grey drawings. Default: 0.3, 2.5.
        colour: Of the colours, those of the photo kept. Default: 0.5, 15.
        colour_square: Side in pixels of squares whose mean colours count; 1 for each pixel, as in AnimeGAN.
        landmarks: Of the landmarks, the points of the photo's face kept. Default: 0.3, 0.
        landmark_network: The path of another network of landmarks than the one that tfanime carries, without endings.
        slack: How far points may move almost freely, in distances between the eyes.
        eye_scale: How large eyes are to become, relative to the photo's, for the landmark loss.
        total_variation: Of the total variation. Default: 0.05, 1.
        smooth: Weight of drawings with smoothed edges as fakes, in the discriminator's loss; 1 in CartoonGAN.
        grey: Of grey drawings as fakes.
        grey_smooth: Of grey drawings with smoothed edges.
        ramp_steps: Steps after --content_steps in which these three weights rise from 0.
    """

    photos: Annotated[str | None, RESUMABLE] = None
    image_size: Annotated[int, multiple_of(16)] = 64
    batch_size: int = 16
    steps: int = 20_000
    horizontal_flip: bool = True
    generator: Literal["small", "published"] = "small"
    channels: Annotated[int | None, at_least(1)] = None
    discriminator_channels: Annotated[int, at_least(1)] = 32
    loss: Literal["least_squares", "non_saturating", "hinge"] = "least_squares"
    augment: Literal["none", "diffaugment"] = "none"
    content_steps: Annotated[int, at_least(0)] = 1000
    content_learning_rate: Annotated[float, above(0)] = 2e-4
    learning_rate: float = 1e-4
    discriminator_rate: Annotated[float, above(0)] = 2.0
    content_network: Literal["hed_vgg16", "vgg19"] = "hed_vgg16"
    content_layer: str | None = None
    weights: Literal["auto", "fixed"] = "auto"
    weighing_steps: Annotated[int, at_least(1)] = 200
    adversarial: Annotated[float | None, WEIGHT] = None
    content: Annotated[float | None, WEIGHT] = None
    style: Annotated[float | None, WEIGHT] = None
    colour: Annotated[float | None, WEIGHT] = None
    colour_square: Annotated[int, at_least(1)] = 1
    landmarks: Annotated[float | None, WEIGHT] = None
    landmark_network: str | None = None
    slack: Annotated[float, above(0)] = 0.02
    eye_scale: Annotated[float, above(0)] = 1.0
    total_variation: Annotated[float | None, WEIGHT] = None
    smooth: Annotated[float, WEIGHT] = 0.0
    grey: Annotated[float, WEIGHT] = 1.0
    grey_smooth: Annotated[float, WEIGHT] = 0.67
    ramp_steps: Annotated[int, at_least(1)] = 1000

    def rules(self):
        yield "content", self.weight_of("content") > 0 or not self.content_steps, "above 0 with --content_steps"
        yield "accumulate", self.accumulate == 1 or self.weights == "fixed", "1 with --weights auto"
        shares = [self.weight_of(name) for name in LOSSES]
        yield "adversarial", any(shares), "above 0 where all other weights are 0"

    def weight_of(self, name):
        """The weight, or the share, of a loss of `LOSSES`."""
        value = getattr(self, name)
        return LOSSES[name][self.weights == "fixed"] if value is None else value

    @property
    def needs_smooth(self):
        """Whether a discriminator is shown drawings with smoothed edges."""
        return self.smooth > 0 or self.grey_smooth > 0

    def to_open(self):
        """See `GameSettings`."""
        return replace(self, content=0.0, style=0.0, landmarks=0.0, content_steps=0, adversarial=1.0)

    def optimizers(self):
        """The optimizers of both players, by the names of `compile`'s arguments."""
        from tfanime.training.optimizers import OPTIMIZERS, After

        later = self.rate(self.learning_rate, self.steps)
        rates = {
            "generator": After(self.content_learning_rate, later, self.content_steps) if self.content_steps else later,
            "discriminator": self.rate(
                self.learning_rate * self.discriminator_rate, max(1, self.steps - self.content_steps)
            ),
        }
        make = OPTIMIZERS[self.optimizer]
        return {f"{player}_optimizer": make(rate, self.beta_1, self.beta_2) for player, rate in rates.items()}


def build(config, vocabulary=None):
    """The networks and their game, a compiled `tfanime.training.stylising.Stylising`; see `Recipe`."""
    from tfanime.generator import Form
    from tfanime.models import cartoon
    from tfanime.training import Term
    from tfanime.training.augment import Augmentation
    from tfanime.training.cartoon_terms import Negative
    from tfanime.training.optimizers import Rising
    from tfanime.training.stylising import Stylising
    from tfanime.training.weighing import Weighing

    auto = config.weights == "auto"
    functions = _generator_terms(config)
    terms = [Term(each, "generator", 1.0 if auto else config.weight_of(name)) for name, each in functions.items()]
    for pictures in ("smooth", "grey", "grey_smooth"):
        if weight := getattr(config, pictures):
            rising = Rising(weight, config.content_steps, config.ramp_steps)
            terms.append(Term(Negative(pictures, config.loss), "discriminator", rising))
    names = {term.name: name for term, name in zip(terms, functions, strict=False)}
    shares = {"adversarial": config.weight_of("adversarial")} | {
        name: config.weight_of(setting) for name, setting in names.items()
    }
    make = {"small": cartoon.small_generator, "published": cartoon.generator}[config.generator]
    channels = [config.channels] if config.channels else []
    game = Stylising(
        make(*channels),
        cartoon.discriminator(config.discriminator_channels),
        Form("stylise", multiple=4),
        ema_half_life=config.ema_half_life,
        seed=config.seed,
    )
    game.compile(
        **config.optimizers(),
        loss=config.loss,
        terms=terms,
        adversarial_weight=1.0 if auto else config.weight_of("adversarial"),
        content_steps=config.content_steps,
        weighing=Weighing(shares, config.weighing_steps) if auto else None,
        augmentation=Augmentation.of(config.augment),
        gradient_clip=config.gradient_clip,
        accumulate=config.accumulate,
        jit_compile=config.jit_compile,
    )
    return game


def _generator_terms(config):
    """The functions of the generator's terms by the names of their settings; none of a weight of 0."""
    from tfanime.models.vgg import open_vgg
    from tfanime.training import cartoon_terms
    from tfanime.training.content import Content

    wanted = [name for name in LOSSES if config.weight_of(name) > 0]
    functions = {}
    if {"content", "style"} & set(wanted):
        dtype = "bfloat16" if config.precision == "mixed_bfloat16" else "float32"
        content = Content(open_vgg(config.content_network), config.content_layer, dtype=dtype)
        functions = {"content": content, "style": cartoon_terms.Style(content)}
    if "landmarks" in wanted:
        from tfanime.landmarks.files import open_landmarks

        network = open_landmarks(config.landmark_network)
        functions["landmarks"] = cartoon_terms.Landmarks(network, config.slack, config.eye_scale)
    functions["colour"] = cartoon_terms.colour_of_squares(config.colour_square)
    functions["total_variation"] = cartoon_terms.total_variation
    return {name: function for name, function in functions.items() if name in wanted}


def _reports(config, run, data):
    from tfanime import callbacks
    from tfanime.sheets import PictureSheet

    sheet = PictureSheet(data.shown, columns=COLUMNS)
    return [
        callbacks.Samples(run, config.whole_epochs(config.sample_steps), sheets=lambda game: {"samples": sheet}),
        callbacks.LossWeights(run),
    ]


recipe = gan.recipe(
    "cartoongan",
    Config,
    "Train a CartoonGAN (Chen et al. 2018), which turns photos of faces into drawn ones.",
    build,
    data=open_photos,
    batches=batches,
    judge=lambda config, data, workers: None,
    reports=_reports,
    examples="""\
  python -m tfanime.tfrecords photos/ tfrecords/photos --card portraits --holdout 0.05
  python -m tfanime.tfrecords anime-faces/ tfrecords/anime-portraits --card anime_portraits
  python -m tfanime.recipes.cartoongan --photos tfrecords/photos --data tfrecords/anime-portraits --minutes 90
  python -m tfanime.recipes.cartoongan --run runs/cartoongan --minutes 120      the same run, for another half hour
""",
)
main = recipe.main


if __name__ == "__main__":
    command_line.run(main)
