"""The recipes as the benchmarks run them: their games, bare steps, and `fit` with all that a run has."""

import importlib
import itertools
import statistics
import tempfile
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from rounds import Ratio, calls_a_round, timed

from tfanime.command_line import published_path

PUBLISHED = ("tfanime.recipes", "published")


@dataclass(frozen=True)
class Entry:
    """A recipe and what is not its default.

    Args:
        recipe: Name of the recipe.
        published: Name of the published TOML file that it starts from.
        changes: Further settings, by flag.
        small: Settings that make its networks small.
        multiple: Every how many steps it does something else.
    """

    recipe: str
    published: str | None = None
    changes: dict = field(default_factory=dict)
    small: dict = field(default_factory=lambda: {"image_size": 16, "channels": 4})
    multiple: int = 1

    def settings(self, **changes):
        """All that is not the recipe's default, `changes` included."""
        path = self.published and published_path(self.published, PUBLISHED, "--config")
        return (tomllib.loads(Path(path).read_text()) if path else {}) | self.changes | changes

    def config(self, **changes):
        """The recipe's config."""
        return importlib.import_module(f"tfanime.recipes.{self.recipe}").Config(**self.settings(**changes))


GAMES = {
    "dcgan": Entry("dcgan"),
    "dcgan_r1_64": Entry("dcgan", "dcgan_r1_64", multiple=8),
    "sngan": Entry("sngan", changes={"networks_of": "dcgan"}),
    "wgan": Entry("wgan"),
    "wgan_gp": Entry("wgan_gp"),
    "dragan": Entry(
        "dragan",
        changes={"generator_channels": 48, "generator_blocks": 4, "discriminator_blocks": 1},  # those of dragan_64
        small={
            "image_size": 32,
            "generator_channels": 4,
            "generator_blocks": 1,
            "discriminator_channels": 4,
            "discriminator_blocks": 1,
        },
    ),
    "stylegan2_64": Entry(
        "stylegan2",
        "stylegan2_64",
        small={"image_size": 16, "channel_base": 64, "latent_size": 8, "style_size": 8},
        multiple=16,
    ),
}


class Game:
    """A game of a recipe, compiled for this machine's devices.

    Args:
        name: A key of `GAMES`, or an `Entry`.
        precision: What layers compute in.
        vocabulary: The vocabulary of the data, for recipes with tags.
        **changes: Settings of the recipe.
    """

    def __init__(self, name, precision, vocabulary=None, **changes):
        from tfanime import devices
        from tfanime.precision import precision_policy

        entry = GAMES[name] if isinstance(name, str) else name
        self.config = entry.config(precision=precision, **changes)
        self.vocabulary = None if self.config.tags == "none" else vocabulary
        self.multiple = entry.multiple
        self.workers = devices.join(self.config.devices)
        self.strategy = self.workers.strategy
        with self.strategy.scope(), precision_policy(precision):
            build = importlib.import_module(f"tfanime.recipes.{entry.recipe}").build
            self.gan = build(self.config, self.vocabulary)

    def random_batch(self):
        """Pictures, or pictures and tags, as `train_step` takes them."""
        import tensorflow as tf

        config = self.config
        shape = (config.batch_size, config.critic_steps)
        images = tf.random.uniform((*shape, config.image_size, config.image_size, 3), -1, 1)
        if not self.vocabulary:
            return images
        return images, tf.sign(tf.random.uniform((*shape, len(self.vocabulary)), -1, 1))

    def bare_step(self, jit_compile=False):
        """The compiled train step on one batch that is there already: what nothing can be faster than.

        Returns:
            A function that makes one step and waits for its end.
        """
        import tensorflow as tf

        batch = self.random_batch()

        @tf.function(jit_compile=jit_compile)
        def step():
            return self.strategy.run(self.gan.train_step, args=(batch,))

        return lambda: float(tf.nest.flatten(step())[0])

    def batches(self, faces):
        """The recipe's stream of batches, shared by its devices."""
        return self.workers.dataset(lambda parts, own: self.own_batches(faces, parts, own))

    def own_batches(self, faces, parts=1, own=(0,)):
        """The recipe's batches, or some parts of them (see `FaceData.batches`): pictures, or pictures and tags."""
        config = self.config
        dataset = faces.batches(
            config.batch_size,
            critic_steps=config.critic_steps,
            seed=config.seed,
            horizontal_flip=config.horizontal_flip,
            parts=parts,
            own=own,
        )
        return dataset.map(lambda images, tags: images) if faces.vocabulary and not self.vocabulary else dataset

    def fit(self, faces, *further):
        """`fit` with all callbacks of a run in a folder for the time being, `further` ones behind them."""
        from tfanime import callbacks
        from tfanime.runs import RunFolder

        config = self.config
        with tempfile.TemporaryDirectory() as folder:
            run = RunFolder(folder)
            budget = callbacks.Budget(config.steps, gather=self.workers.gather)
            self.log = callbacks.RunLog(run, config.pictures_per_step, budget.seconds)
            self.samples = callbacks.Samples(run, config.sample_steps)
            self.checkpoints = callbacks.Checkpoints(
                run.checkpoints, config.checkpoint_minutes, seconds=budget.seconds, log=self.log.state
            )
            self.gan.fit(
                self.batches(faces),
                epochs=1,
                steps_per_epoch=config.steps,
                shuffle=False,
                verbose=0,
                callbacks=[
                    callbacks.StopOnNonFinite(run.checkpoints),
                    budget,
                    callbacks.Epochs(config.epoch_steps, [self.log, self.samples]),
                    self.checkpoints,
                    callbacks.Progress(budget, config.pictures_per_step),
                    *further,
                ],
            )


@dataclass(frozen=True)
class Fit:
    """What `fit` costs.

    Args:
        step: Median seconds of a step.
        share: Of the bare step's speed, what is left of a step; a `Ratio`.
        overall: Of the bare step's speed, with what happens between steps now and then.
        rounds: Rounds measured.
        rare: Seconds by name of what happens now and then.
    """

    step: float
    share: Ratio
    overall: float
    rounds: int
    rare: dict


def fit_against_bare(game, faces, seconds, least):
    """`fit`, which lets the bare step take a turn after some steps.

    What happens now and then (the log at an epoch's end, a sheet, a checkpoint) falls into few rounds, of which the
    median would know nothing. It is timed by itself and counted as often as the recipe does it.

    Args:
        game: A `Game`.
        faces: The `FaceData`.
        seconds: How long to measure.
        least: Rounds that are made even if they take longer.

    Returns:
        A `Fit`.
    """
    import keras

    bare = game.bare_step()
    fit_times, bare_times, rare = [], [], {}

    class Turns(keras.callbacks.Callback):
        """Stands last, so that a step's time holds all callbacks of it."""

        def on_train_begin(self, logs=None):
            self.calls, self.done, self.until = game.multiple, 0, None

        def on_train_batch_end(self, batch, logs=None):
            self.done += 1
            if self.done < self.calls:
                return
            now = time.perf_counter()
            if self.until is None:  # the first round compiled; the second one tells the pace
                timed(bare)
                self.calls = calls_a_round(timed(bare, game.multiple) / game.multiple, game.multiple)
                self.until = time.perf_counter() + seconds
            else:
                fit_times.append((now - self.begin) / self.calls)
            bare_times.append(timed(bare, self.calls) / self.calls)
            if len(fit_times) >= least and time.perf_counter() >= self.until:
                rare.update(rare_events(game, logs))
                self.model.stop_training = True
            self.done, self.begin = 0, time.perf_counter()

    game.fit(faces, Turns())
    # A round of `fit` lies between two of the bare step, whose mean a steady drift does not touch.
    between = [(before + after) / 2 for before, after in itertools.pairwise(bare_times)]
    share = Ratio.of([theirs / ours for theirs, ours in zip(between, fit_times, strict=True)])
    config, step = game.config, statistics.median(fit_times)
    every = {
        "epoch": config.epoch_steps,
        "sheet": config.sample_steps,
        "checkpoint": config.checkpoint_minutes * 60 / step,
    }
    longer = sum(rare[name] / steps for name, steps in every.items())
    return Fit(step, share, share.median * step / (step + longer), len(fit_times), rare)


def rare_events(game, logs):
    """Median seconds of what a run does now and then, after a first time that is not counted."""

    def end_epoch():
        game.log.on_train_batch_end(0, logs)  # of nothing there is no mean
        game.log.on_epoch_end(0, dict(logs))

    events = {
        "epoch": end_epoch,
        "sheet": game.samples.draw,
        "checkpoint": game.checkpoints.save,
    }
    return {name: statistics.median([timed(event) for _ in range(4)][1:]) for name, event in events.items()}


def waiting_share(game, faces, seconds):
    """Share of its time that a plain loop over the data waits for the next batch."""
    import tensorflow as tf

    step = tf.function(lambda batch: game.strategy.run(game.gan.train_step, args=(batch,)))
    batches = iter(game.batches(faces))
    for _ in range(4):  # compile, and use up what was prefetched meanwhile
        float(tf.nest.flatten(step(next(batches)))[0])
    waited, begin = 0.0, time.perf_counter()
    while (total := time.perf_counter() - begin) < seconds:
        before = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - before
        float(tf.nest.flatten(step(batch))[0])
    return waited / total
