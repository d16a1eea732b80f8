"""The driver: trains every recipe, from a command line to a run folder. A `Recipe` holds the parts in which methods
differ.

    open the data -> check -> lock the run folder -> seed -> build -> resume or begin with weights -> fit -> report
"""

import contextlib
import dataclasses
import functools
import sys
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tfanime import command_line, devices
from tfanime.files import is_full, locked, require_writable_folder
from tfanime.generator import origin, read_card
from tfanime.precision import precision_policy, resolve_precision
from tfanime.runs import RunFolder


@dataclass(frozen=True)
class Recipe:
    """A training method, as the parts that the driver calls.

    Args:
        name: Name of its module in `tfanime.recipes`, and of its command.
        config: Its settings, a dataclass that inherits groups of `tfanime.recipes.settings`, `RunSettings` and
            `DataSettings` among them.
        about: What its command does, in a sentence for `--help`.
        build: `(config, vocabulary)` -> its compiled `tfanime.training.game.Game`. Called under a strategy's scope.
        data: `(config, run, warn)` -> the training data, with `count`, `image_size`, `identity` and `vocabulary` as in
            `tfanime.data.FaceData`; `warn` prints a line of text.
        batches: `(config, data, start, parts, own)` -> its infinite `tf.data.Dataset` from step `start` on, see
            `FaceData.batches`.
        keep: `(game, folder, provenance)`, called after each checkpoint: writes the trained network with a card
            (`tfanime.generator`) into the folder; None to keep checkpoints only.
        judge: `(config, data, workers)` -> the callback that evaluates the game at the end of epochs and writes a
            number into the logs, with `name`, `protocol` and `prepare`; or None.
        reports: `(config, run, data)` -> callbacks that read the logs at the end of epochs.
        finish: Called with the `tfanime.recipes.fitting.Session` at the end, on the chief only; prints the report.
        examples: Examples at the end of `--help`; default: those of a GAN.
    """

    name: str
    config: type
    about: str
    build: Callable
    data: Callable
    batches: Callable
    finish: Callable
    keep: Callable | None = None
    judge: Callable = lambda config, data, workers: None
    reports: Callable = lambda config, run, data: []
    examples: str | None = None

    @property
    def program(self):
        """Its command."""
        return f"python -m tfanime.recipes.{self.name}"

    def parse(self, arguments=None):
        """Reads its command line. If the run folder exists, the run's settings are the defaults.

        Args:
            arguments: The arguments; default: those of this process.

        Returns:
            A `config`, with `run` and `precision` resolved.
        """
        arguments = list(sys.argv[1:] if arguments is None else arguments)
        run = RunFolder(_run_of(arguments) or f"runs/{self.name}")
        if run.config.is_file() and run.details.is_file() and run.load()["recipe"] == self.name:
            arguments = ["--config", str(run.config), *arguments]
        examples = self.examples or (
            f"  {self.program}                                          drawn avatars, into runs/{self.name}\n"
            f"  {self.program} --data tfrecords/faces --run runs/a --minutes 60\n"
            f"  {self.program} --run runs/a --minutes 120               the same run, for another hour\n"
            "  tensorboard --logdir runs                          losses and sheets of all runs\n"
        )
        config = command_line.parse(
            self.config,
            program=self.program,
            description=self.about,
            epilog=f"examples:\n{examples}",
            published=("tfanime.recipes", "published"),
            arguments=arguments,
        )
        precision = resolve_precision(config.precision, config.devices)
        return dataclasses.replace(config, run=config.run or str(run.path), precision=precision)

    def main(self, arguments=None):
        """Its command: trains; `--help` lists the flags."""
        return train(self, self.parse(arguments))


def train(recipe, config):
    """Trains a recipe: opens the data and the run folder, resumes if there is something to resume, fits, reports.

    Args:
        recipe: The `Recipe`.
        config: Its config, as `Recipe.parse` returns it.

    Returns:
        The exit status of the command: 0, or 130 after Ctrl-C (143 after SIGTERM), which loses nothing.

    Raises:
        ValueError: This machine cannot train with the settings, or the run folder belongs to another run.
        OSError: A file cannot be read or written, or another worker has gone.
    """
    workers = devices.join(config.devices, config.alone)  # before the data, which TensorFlow decodes
    import keras
    import tensorflow as tf

    from tfanime import callbacks
    from tfanime.callbacks.checkpoints import require_kept
    from tfanime.checkpoints import newest
    from tfanime.recipes.begin import begin
    from tfanime.recipes.fitting import Session

    def say(text, **options):
        if workers.chief:
            print(text, **options)

    shared = RunFolder(config.run)
    data = recipe.data(config, shared, lambda text: say(f"warning: {text}", file=sys.stderr))
    shared.check(recipe.name, config, data.identity, config.resumable)
    require_kept(shared)
    _require_shares(config, data, workers)
    judge = recipe.judge(config, data, workers)
    same = {f"--{key}": value for key, value in dataclasses.asdict(config).items() if key not in ("data", "run")}
    same |= {"the number of devices": workers.replicas}
    same |= {f"data's {key}": value for key, value in data.identity.items()}
    with workers.watched(), _writable(shared, workers, same) as run:
        keras.utils.set_random_seed(config.seed)
        if config.deterministic:
            tf.config.experimental.enable_op_determinism()
        with workers.strategy.scope(), precision_policy(config.precision):
            game = recipe.build(config, data.vocabulary)
        if config.begin_with and not newest(shared.checkpoints):
            for line in begin(game, config.begin_with):
                say(line, file=sys.stderr)
        if judge:
            judge.prepare()  # now, because its time is not the training's
        kept = (
            dataclasses.replace(config, profile=None) if config.profile else config
        )  # the profile belongs to this start only
        # Settings that cannot be built have not written anything up to here.
        run.start(recipe.name, kept, data.identity, config.resumable, data.vocabulary)
        keep = functools.partial(_keep, recipe, run, game)
        session = Session(run, config, data, game, shared.checkpoints, workers.gather, keep)
        workers.require_same({"the step of the newest checkpoint in --run": session.start})
        if session.start and not _is_kept(run, session.start):
            keep()
        if not session.budget.spent():
            tags = f"{len(data.vocabulary)} tags of {data.vocabulary.name}, " if data.vocabulary else ""
            say(
                f"{recipe.name}: {data.count:,} pictures at {data.image_size} px, {tags}{config.precision}, "
                f"{workers.devices}{f' of {workers.count} workers' if workers.count > 1 else ''}, "
                f"{session.begun} -> {run.path}",
                flush=True,
            )
            if config.best_by:
                protocol = judge.protocol if judge and config.best_by == judge.name else None
                session.best = callbacks.Best(
                    *(run.best, config.best_by, config.best_mode, config.best_within, protocol, shared.best),
                    **session.state,
                )
            with contextlib.ExitStack() as stack:
                if config.profile and workers.chief:
                    profile = callbacks.Profile(run.tensorboard, *config.profiled)
                    session.profile = stack.enter_context(contextlib.closing(profile))
                session.fit(
                    workers.dataset(lambda parts, own: recipe.batches(config, data, session.start, parts, own)),
                    first=[session.profile] if session.profile else [],
                    judges=[judge] if judge else [],
                    reports=[*recipe.reports(config, run, data), *([session.best] if session.best else [])],
                    shown=workers.chief,
                )
        if workers.chief:
            recipe.finish(session)
        return session.status or 0


def _keep(recipe, run, game):
    """Writes the trained network of the newest checkpoint, see `Recipe.keep`."""
    if recipe.keep:
        recipe.keep(game, run.generator, origin(run.load(), game.step))


def _is_kept(run, step):
    """Whether `_keep` has written it. It has not after a kill in between, or in a run of an older version."""
    with contextlib.suppress(OSError, ValueError):
        return read_card(run.generator)["provenance"].get("step") == step
    return False


@contextlib.contextmanager
def _writable(shared, workers, same):
    """The folder that this process writes: the run folder on the chief, a temporary folder on other workers.

    All workers do the same work, drawing and saving included, because any of it may contain a collective operation.
    """
    workers.require_same(same)  # all workers have read the folder by then, so the chief may write
    if workers.chief:
        new = not shared.path.exists()
        try:
            with locked(require_writable_folder(shared.path, "run"), "run"):
                yield shared
        except OSError as error:
            if error.filename is None and is_full(
                error
            ):  # errors in other folders, such as the cache, have a file name
                message = "no space left on the device that holds the run"
                raise OSError(error.errno, message, str(shared.path)) from error
            raise
        finally:
            if new:
                with contextlib.suppress(OSError):  # something is in it
                    shared.path.rmdir()
    else:
        with tempfile.TemporaryDirectory(prefix="tfanime-worker-") as folder:
            yield RunFolder(folder)


def _require_shares(config, data, workers):
    """Refuses batches that are larger than the data, or that devices and parts cannot share equally."""
    for holds, rule in (
        (config.batch_size <= data.count, f"at most the {data.count} pictures"),
        (config.batch_size % workers.replicas == 0, f"a multiple of the {workers.replicas} devices"),
        (
            config.batch_size % (workers.replicas * config.accumulate) == 0,
            f"a multiple of --accumulate, {config.accumulate}, on each of {workers.devices}",
        ),
    ):
        if not holds:
            raise ValueError(f"--batch_size must be {rule}. Received: {config.batch_size}")


def _run_of(arguments):
    """The run folder of a command line, from the flag or from a settings file; None without."""
    found = None
    for index, argument in enumerate(arguments):  # the last one counts
        flag, equals, value = argument.partition("=")
        if not equals:
            value = arguments[index + 1] if index + 1 < len(arguments) else ""
        if flag == "--run":
            found = value
        elif flag == "--config" and Path(value).is_file():  # published files name no folder
            with contextlib.suppress(ValueError):  # `parse` reports it
                run = tomllib.loads(Path(value).read_text(encoding="utf-8-sig")).get("run", found)
                found = run if isinstance(run, str) else found
    return found
