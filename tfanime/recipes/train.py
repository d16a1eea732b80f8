"""The way from a recipe's config to a trained run folder."""

import contextlib
import signal

from tfanime import command_line
from tfanime.files import locked, require_writable_folder
from tfanime.recipes.precision import precision_policy
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
    """
    tf = command_line.load_tensorflow()
    import keras

    from tfanime import callbacks, data

    run = RunFolder(config.run)
    shards = config.data
    if shards is None:
        from tfanime.tfrecords.default import default_shards

        shards = default_shards(config.image_size)
    faces = data.load(shards, config.image_size)
    vocabulary = _vocabulary(config, faces)
    identity = {"fingerprint": faces.fingerprint, "count": faces.count, "stored_size": faces.stored_size}
    resumable = RESUMABLE - ({"steps"} if config.decay != "none" else set())  # a schedule ends at the last step
    run.check(name, config, identity, resumable)
    with locked(require_writable_folder(run.path, "run"), "run"):
        keras.utils.set_random_seed(config.seed)
        strategy = tf.distribute.MirroredStrategy()
        with strategy.scope(), precision_policy(config.precision):
            gan = build(config, vocabulary)
        if config.batch_size > faces.count:
            raise ValueError(f"--batch_size must be at most the {faces.count} pictures. Received: {config.batch_size}")
        if config.batch_size % strategy.num_replicas_in_sync:
            raise ValueError(
                f"--batch_size must be a multiple of the {strategy.num_replicas_in_sync} devices. "
                f"Received: {config.batch_size}"
            )
        run.start(name, config, identity, resumable, vocabulary)  # settings that cannot be built have left no trace
        budget = callbacks.Budget(config.steps, config.minutes)
        checkpoints = callbacks.Checkpoints(run.checkpoints, config.checkpoint_minutes, seconds=budget.seconds)
        for callback in (budget, checkpoints):
            callback.set_model(gan)
        start = checkpoints.restore()
        run.forget_after(start)
        if budget.spent():
            print(
                f"{run.path} has spent its budget: step {start:,}, {float(budget.seconds) / 60:.1f} minutes. "
                "Train on with a larger --steps or --minutes."
            )
            return 0
        print(
            f"{name}: {faces.count:,} pictures at {faces.image_size} px, "
            f"{f'{len(vocabulary)} tags of {vocabulary.name}, ' if vocabulary else ''}{config.precision}, "
            f"{strategy.num_replicas_in_sync} device(s), {'resumed at step ' + format(start, ',') if start else 'new'}"
            f" -> {run.path}",
            flush=True,
        )
        dataset = faces.batches(
            config.batch_size,
            critic_steps=getattr(config, "critic_steps", 1),
            seed=config.seed,
            start=start,
            horizontal_flip=config.horizontal_flip,
        )
        if faces.vocabulary and not vocabulary:
            dataset = dataset.map(lambda images, tags: images)
        progress = callbacks.Progress(budget, config.pictures_per_step)
        with _stopped_by_signals(gan) as received, contextlib.closing(progress):
            gan.fit(
                dataset,
                epochs=-(-(config.steps - start) // config.epoch_steps),
                steps_per_epoch=config.epoch_steps,
                shuffle=False,  # the data has its own order
                verbose=0,
                callbacks=[
                    callbacks.StopOnNonFinite(run.checkpoints),
                    budget,
                    callbacks.RunLog(run, config.pictures_per_step, budget.seconds),
                    callbacks.Samples(run, config.sample_steps),
                    checkpoints,
                    progress,
                ],
            )
        _report(run, gan, budget, config, start)
        return 128 + received[0] if received else 0


def _vocabulary(config, faces):
    """The vocabulary of the game, whose priors draw the tags of fakes; None for a game without tags."""
    if config.tags == "none":
        return None
    if not faces.vocabulary:
        raise ValueError(f"--tags must be none for shards without a vocabulary. Received: {config.tags}")
    return faces.vocabulary.with_frequencies(faces.tags) if config.tags == "frequencies" else faces.vocabulary


@contextlib.contextmanager
def _stopped_by_signals(model):
    """Lets Ctrl-C and SIGTERM end the training after the step in progress, as if its budget were spent."""
    received = []

    def stop(number, frame):
        received.append(number)
        model.stop_training = True
        signal.signal(number, before[number])  # a second one does what it always does

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(run, gan, budget, config, start):
    step, seconds = gan.step, float(budget.seconds)
    print(
        f"step {step:,} after {seconds / 60:.1f} minutes of training "
        f"({step * config.pictures_per_step / seconds:.0f} images/s)"
        f"{f', {step - start:,} of them now' if start else ''}\n"
        f"sheet:       {run.sample(step)}\n"
        f"avatars:     python -m tfanime.generate {run.path} --seeds 0-63 --out avatars.png\n"
        f"tensorboard: tensorboard --logdir {run.path}"
    )
