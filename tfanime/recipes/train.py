"""The way from a recipe's config to a trained run folder."""

import contextlib
import dataclasses
import shlex
import sys
import tempfile

from tfanime import devices
from tfanime.files import is_full, locked, require_writable_folder
from tfanime.generator import origin, read_card, write_generator
from tfanime.metrics.names import is_frechet
from tfanime.precision import precision_policy
from tfanime.recipes.recipe import RESUMABLE
from tfanime.runs import RunFolder


def train(config, build, name):
    """Trains a recipe: opens the data and the run folder, resumes if there is something to resume, fits, reports.

    Args:
        config: The recipe's config, as `parse_config` returns it.
        build: The recipe's `build`: config and vocabulary (None for a game without tags) -> compiled `GAN`.
        name: The recipe's name.

    Returns:
        The exit status of the command: 0, or 130 after Ctrl-C (143 after SIGTERM), which loses nothing.

    Raises:
        ValueError: The settings cannot be trained with on this machine, or the run folder is another's.
        OSError: A file cannot be read or written, or another worker has gone.
    """
    workers = devices.join(config.devices)  # before the data, for which TensorFlow computes
    import keras
    import tensorflow as tf

    from tfanime import callbacks
    from tfanime.checkpoints import newest
    from tfanime.metrics.reference import reference
    from tfanime.recipes.begin import begin
    from tfanime.recipes.fitting import Session, open_faces, require_resumable

    shared = RunFolder(config.run)
    shards = config.data
    if shards is None:
        from tfanime.tfrecords.default import default_shards

        shards = default_shards(config.image_size)
    faces = open_faces(shared, shards, config.image_size)
    vocabulary = vocabulary_of(config, faces, shared)
    if vocabulary:
        if workers.chief:
            _warn_of_untrained(faces, vocabulary)
        faces = faces.described_by(vocabulary)
    resumable = RESUMABLE - ({"steps"} if config.decay != "none" else set())  # a schedule ends at the last step
    identity = require_resumable(shared, name, config, faces, resumable)
    _require_shares(config, faces, workers)
    fid = _fid(config, faces, workers)
    same = {f"--{key}": value for key, value in dataclasses.asdict(config).items() if key not in ("data", "run")}
    same |= {"the number of devices": workers.replicas} | {f"data's {key}": value for key, value in identity.items()}
    with workers.watched(), _writable(shared, workers, same) as run:
        keras.utils.set_random_seed(config.seed)
        if config.deterministic:
            tf.config.experimental.enable_op_determinism()
        with workers.strategy.scope(), precision_policy(config.precision):
            gan = build(config, vocabulary)
        say = print if workers.chief else lambda *_, **__: None
        if config.begin_with and not newest(shared.checkpoints):
            for line in begin(gan, config.begin_with):
                say(line, file=sys.stderr)
        if fid:
            reference(fid.network, faces)  # now, because its time is not the training's
        kept = dataclasses.replace(config, profile=None)  # of this start alone
        run.start(name, kept, identity, resumable, vocabulary)  # settings that cannot be built have left no trace
        generator = _Generator(run, gan)
        session = Session(
            run, config, gan, config.pictures_per_step, shared.checkpoints, workers.gather, generator.write
        )
        budget, state, start = session.budget, session.state, session.start
        workers.require_same({"the step of the newest checkpoint in --run": start})
        generator.catch_up(start)
        if budget.spent():
            say(
                f"{run.path} has spent its budget: step {start:,}, {float(budget.seconds) / 60:.1f} minutes. "
                "Train on with a larger --steps or --minutes."
            )
            return 0
        say(
            f"{name}: {faces.count:,} pictures at {faces.image_size} px, "
            f"{f'{len(vocabulary)} tags of {vocabulary.name}, ' if vocabulary else ''}{config.precision}, "
            f"{workers.devices}{f' of {workers.count} workers' if workers.count > 1 else ''}, "
            f"{session.begun} -> {run.path}",
            flush=True,
        )

        def batches(parts, own):
            return faces.batches(
                config.batch_size,
                critic_steps=config.critic_steps,
                seed=config.seed,
                start=start,
                horizontal_flip=config.horizontal_flip,
                parts=parts,
                own=own,
            )

        best = profile = None
        if config.best_by:
            within = config.best_within
            protocol = fid.protocol if fid and config.best_by == fid.name else None
            best = callbacks.Best(run.best, config.best_by, config.best_mode, within, protocol, shared.best, **state)
        with contextlib.ExitStack() as stack:
            if config.profile and workers.chief:
                profile = stack.enter_context(contextlib.closing(callbacks.Profile(run.tensorboard, *config.profiled)))
            status = session.fit(
                workers.dataset(batches),
                first=[profile] if profile else [],
                judges=[fid] if fid else [],
                reports=[
                    callbacks.Samples(run, config.whole_epochs(config.sample_steps)),
                    *([best] if best else []),
                ],
                shown=workers.chief,
            )
        if workers.chief:
            _report(run, gan, budget, config, start, best, profile)
        return status


class _Generator:
    """The trained generator in a run folder, beside its newest checkpoint.

    Args:
        run: The `RunFolder`.
        gan: The game.
    """

    def __init__(self, run, gan):
        self.run, self.gan, self.details = run, gan, run.load()

    def write(self):
        """Writes the averaged generator as it is now."""
        provenance = origin(self.details, self.gan.step)
        write_generator(self.run.generator, self.gan.ema_generator, self.gan.inputs, provenance)

    def catch_up(self, step):
        """Writes it if a kill came between the checkpoint of `step` and it, or the run is of an older version."""
        if not step:
            return
        with contextlib.suppress(OSError, ValueError):
            if read_card(self.run.generator)["provenance"].get("step") == step:
                return
        self.write()


@contextlib.contextmanager
def _writable(shared, workers, same):
    """The run folder that this process writes: the chief's is the run's own, the others' are forgotten at the end.

    All workers do all of the same, drawing and saving included, because any of it may be an operation that they do
    together.
    """
    workers.require_same(same)  # all have looked into the folder by then, and the chief may write
    if workers.chief:
        new = not shared.path.exists()
        try:
            with locked(require_writable_folder(shared.path, "run"), "run"):
                yield shared
        except OSError as error:
            if error.filename is None and is_full(error):  # whoever wrote elsewhere, such as the cache, names the place
                raise OSError(
                    error.errno, f"run must have room ({error.strerror or error}). Received", str(shared.path)
                ) from error
            raise
        finally:
            if new:
                with contextlib.suppress(OSError):  # something is in it
                    shared.path.rmdir()
    else:
        with tempfile.TemporaryDirectory(prefix="tfanime-worker-") as folder:
            yield RunFolder(folder)


def _fid(config, faces, workers):
    """The callback of `--fid_every`; None without."""
    from tfanime.callbacks import FID

    if not config.fid_every:
        if config.best_by and is_frechet(config.best_by):
            raise ValueError(f"--fid_every must be above 0 with --best_by {config.best_by}. Received: 0")
        return None
    every = config.whole_epochs(config.fid_every)
    fid = FID(faces, every, config.fid_samples, config.fid_features, gather=workers.gather)
    if config.best_by and is_frechet(config.best_by) and config.best_by != fid.name:
        raise ValueError(
            f"--best_by must be {fid.name} with --fid_features {config.fid_features}. Received: {config.best_by}"
        )
    if config.best_by == fid.name and every > config.steps:
        raise ValueError(
            f"--fid_every, in whole epochs of {config.epoch_steps} steps, must be at most --steps, {config.steps:,}, "
            f"with --best_by {config.best_by}. Received: {every:,}"
        )
    return fid


def _require_shares(config, faces, workers):
    """Refuses batches that the data has too few pictures for, or that cannot be shared by devices and their parts."""
    if config.batch_size > faces.count:
        raise ValueError(f"--batch_size must be at most the {faces.count} pictures. Received: {config.batch_size}")
    if config.batch_size % workers.replicas:
        raise ValueError(
            f"--batch_size must be a multiple of the {workers.replicas} devices. Received: {config.batch_size}"
        )
    if config.batch_size % (workers.replicas * config.accumulate):
        raise ValueError(
            f"--batch_size must be a multiple of --accumulate, {config.accumulate}, on each of "
            f"{workers.devices}. Received: {config.batch_size}"
        )


def vocabulary_of(config, faces, run=None):
    """The vocabulary of a game, whose priors draw the tags of fakes.

    Groups of which no face has a tag are left out of it; a run that began with them keeps them, because its networks
    have inputs for them. Tags that no face has are known as untrained.

    Args:
        config: The recipe's config.
        faces: The `tfanime.data.FaceData`.
        run: The `RunFolder`, new or to be resumed; None without one.

    Returns:
        A `TagVocabulary`; None for a game without tags.

    Raises:
        ValueError: The shards have no tags.
    """
    if config.tags == "none":
        return None
    if not faces.vocabulary:
        raise ValueError(f"--tags must be none for shards without a vocabulary. Received: {config.tags}")
    vocabulary = faces.vocabulary
    unseen = vocabulary.unseen(faces.tags)
    begun = run.load().get("vocabulary") if run and run.details.is_file() else None
    if begun:
        kept = {group["name"] for group in begun["groups"]}
    else:
        kept = {group.name for group in vocabulary.groups if not set(group.tags) <= set(unseen)}
    if not kept:
        raise ValueError(f"--tags must be none for shards in which no face has a tag. Received: {config.tags}")
    if config.tags == "frequencies":
        vocabulary = vocabulary.with_frequencies(faces.tags)
    return dataclasses.replace(vocabulary, untrained=unseen).of_groups(kept)


def _warn_of_untrained(faces, vocabulary):
    """Says on stderr which tags the generator will not learn; `faces` have all tags of the shards."""
    left_out = [group.name for group in faces.vocabulary.groups if group not in vocabulary.groups]
    if left_out:
        print(f"warning: no face has a tag of {', '.join(left_out)}: left out of the game", file=sys.stderr)
    if vocabulary.untrained:
        print(
            f"warning: no face has {', '.join(vocabulary.untrained)}: the generator cannot learn to draw it",
            file=sys.stderr,
        )


def _report(run, gan, budget, config, start, best, profile):
    step, seconds = gan.step, float(budget.seconds)
    last = run.read_metrics()[-1]
    parts = [
        f"step {step:,} after {seconds / 60:.1f} minutes of training"
        f"{f' ({step - start:,} steps of them now)' if start else ''}",
        f"at last {last['images_per_second']:.0f} images/s",
        f"D {last['discriminator_loss']:.3f}, G {last['generator_loss']:.3f}",
        *([f"best {best.by} {best.value:.4g} at step {best.step:,}"] if best and best.value is not None else []),
    ]
    print(f"{', '.join(parts)} -> {run.path}")
    print(f"sheet:       {run.sample(step)}")
    path = shlex.quote(str(run.path))
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
