"""Shared parts of the recipes of GANs on faces."""

import functools
import shlex
from dataclasses import dataclass
from typing import Annotated

from tfanime.limits import at_least
from tfanime.recipes import faces
from tfanime.recipes.driver import Recipe
from tfanime.recipes.settings import (
    DataSettings,
    DeviceSettings,
    FewPicturesSettings,
    GameSettings,
    JudgingSettings,
    OptimizerSettings,
    RunSettings,
    TagSettings,
    power_of_two,
)

LOSSES = {"discriminator_loss": "D", "generator_loss": "G"}  # their names in the report


@dataclass(frozen=True)
class GANSettings(
    JudgingSettings,
    GameSettings,
    FewPicturesSettings,
    DeviceSettings,
    TagSettings,
    OptimizerSettings,
    DataSettings,
    RunSettings,
):
    """Settings of the recipes of GANs on faces."""

    image_size: Annotated[int, power_of_two(16)] = 64


@dataclass(frozen=True)
class DCGANSettings(GANSettings):
    """Settings of the recipes on DCGAN's networks.

    Args:
        latent_size: Components of the latents, N(0, 1).
        channels: Channels of the layers next to the pictures; doubled at every halving of the size, at most eightfold.
        kernel_size: Side of the strided convolutions' kernels (DCGAN's paper: 5).
        generator_convolutions: Convolutions of the generator in all; those beyond what the size needs (3 at 32 px, 4 at
            64 px) are 3x3 ones of stride 1. Default: as many as the size needs.
        discriminator_convolutions: Convolutions of the discriminator in all, which needs 4 at 32 px and 5 at 64 px.
            Default: as many as the size needs.
    """

    latent_size: Annotated[int, at_least(1)] = 100
    channels: Annotated[int, at_least(1)] = 64
    kernel_size: Annotated[int, at_least(1)] = 4
    generator_convolutions: int | None = None
    discriminator_convolutions: int | None = None

    def rules(self):
        least = self.image_size.bit_length() - 3
        for name, needed in (("generator_convolutions", least), ("discriminator_convolutions", least + 1)):
            count = getattr(self, name)
            yield name, count is None or count >= needed, f"at least {needed} at {self.image_size} px"

    def networks(self, norm, vocabulary=None, **options):
        """DCGAN's generator and discriminator of these settings; `norm` and `options` are for the discriminator."""
        from tfanime.models import dcgan

        size, tag_count = self.image_size, len(vocabulary or ())
        sides = self.channels, self.kernel_size
        count, other_count = self.generator_convolutions, self.discriminator_convolutions
        return (
            dcgan.generator(size, self.latent_size, *sides, convolutions=count, tag_count=tag_count),
            dcgan.discriminator(size, *sides, norm, convolutions=other_count, tag_count=tag_count, **options),
        )


def game(config, networks, vocabulary, latents=None, terms=(), **rules):
    """The game of a recipe's networks, compiled with its settings.

    Args:
        config: A config with `GANSettings`.
        networks: Generator and discriminator.
        vocabulary: The `TagVocabulary` of a game with tags, or None.
        latents: The `Latents`; default: N(0, 1) of the generator's input size.
        terms: The `Term`s of the method.
        **rules: For `GAN.compile`: `loss`, `constraint` and more.

    Returns:
        A `tfanime.training.GAN`.
    """
    from tfanime.training import GAN, Term
    from tfanime.training.augment import Augmentation
    from tfanime.training.terms import LECAM_STATE, lecam

    if config.lecam_weight:
        terms = [*terms, Term(lecam, "discriminator", config.lecam_weight, state=LECAM_STATE)]
    gan = GAN(*networks, latents=latents, vocabulary=vocabulary, ema_half_life=config.ema_half_life, seed=config.seed)
    gan.compile(
        **config.optimizers(),
        **config.loss_weights(vocabulary),
        **rules,
        terms=terms,
        augmentation=Augmentation.of(config.augment, vocabulary),
        exclusive_tags=config.exclusive_tags,
        tag_loss_on=config.tag_loss_on,
        gradient_clip=config.gradient_clip,
        accumulate=config.accumulate,
        jit_compile=config.jit_compile,
    )
    return gan


def _open(config, run, warn):
    data = faces.open_tagged(config, run, warn)
    if config.augment != "none":
        from tfanime.training.augment import Augmentation

        if left_out := Augmentation.of(config.augment, data.vocabulary).left_out:
            warn(f"--augment {config.augment} leaves out {left_out}, which would change what tags say")
    return data


def require_groups(config, cause):
    """Refuses batch sizes at which devices or parts would split `MinibatchStddev`'s groups of four pictures.

    With split groups several devices would compute something else than one.

    Args:
        config: A config with `GANSettings`.
        cause: The option that has such groups, for the message.

    Raises:
        ValueError: `--batch_size` is not a multiple of four pictures for each device and part.
    """
    import tensorflow as tf

    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if config.batch_size // replicas // config.accumulate % 4:
        raise ValueError(
            f"--batch_size must be a multiple of {4 * replicas * config.accumulate} with {cause} on {replicas} "
            f"device{'s' if replicas > 1 else ''}, --accumulate {config.accumulate}. Received: {config.batch_size}"
        )


def _keep(gan, folder, provenance):
    from tfanime.generator import write_generator, write_picture_network

    write, takes = (write_picture_network, gan.form) if gan.form else (write_generator, gan.inputs)
    write(folder, gan.ema_generator, takes, provenance)


def _sheets(config, run, data):
    from tfanime import callbacks

    return [callbacks.Samples(run, config.whole_epochs(config.sample_steps))]


def _report(session):
    run, best, profile = session.run, session.best, session.profile
    step, minutes = session.model.step, float(session.budget.seconds) / 60
    if session.status is None:
        print(
            f"{run.path} has spent its budget: step {step:,}, {minutes:.1f} minutes. "
            "Train on with a larger --steps or --minutes."
        )
        return
    last = run.read_metrics()[-1]
    parts = [
        f"step {step:,} after {minutes:.1f} minutes of training"
        f"{f' ({step - session.start:,} steps since it was resumed)' if session.start else ''}",
        f"{last['images_per_second']:.0f} images/s at the end",
        ", ".join(f"{short} {last[name]:.3f}" for name, short in LOSSES.items() if name in last),
        *([f"best {best.by} {best.value:.4g} at step {best.step:,}"] if best and best.value is not None else []),
    ]
    print(f"{', '.join(parts)} -> {run.path}")
    print(f"sheet:       {run.sample(step)}")
    path = shlex.quote(str(run.path))
    form = session.model.form
    if form:
        print(f"{f'{form.kind}:':<13}python -m tfanime.{form.kind} PICTURES --with {path} --out OUT")
    else:
        print(f"avatars:     python -m tfanime.generate {path} --seeds 0-63 --out avatars.png")
    if best and best.value is not None:
        print(f"of the best: python -m tfanime.generate {path} --checkpoint best --seeds 0-63 --out best.png")
    elif best:
        print(f"best:        none, {best.by} was never computed")
    print(f"tensorboard: tensorboard --logdir {path}")
    if profile and profile.traced:
        print(f"profile:     steps {profile.traced}, in TensorBoard with: pip install tensorboard-plugin-profile")
    elif profile:
        print(f"profile:     none, the training ended before step {profile.first:,} of this start")


# The `Recipe` of a game on faces: a name, a config with `GANSettings`, a sentence and a `build` make it whole.
# With parts of its own it is one of a game on pictures.
recipe = functools.partial(
    Recipe,
    data=_open,
    batches=faces.batches,
    keep=_keep,
    judge=faces.judge,
    reports=_sheets,
    finish=_report,
)
