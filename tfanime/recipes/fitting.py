"""Trains a built game for the driver: resumes, fits, reports and saves, until the budget is spent or a signal comes."""

import contextlib
import signal

from tfanime import callbacks


class Session:
    """One start of a training: from the newest checkpoint to a spent budget, or to a signal. For the report it has
    `best` and `profile`, the callbacks of these names or None, and `status`, the command's exit status: 0, 130 after
    Ctrl-C, 143 after SIGTERM, None if the budget was spent already.

    Args:
        run: The `tfanime.runs.RunFolder` to write.
        config: The recipe's config, with `RunSettings`.
        data: The data from `Recipe.data`.
        model: Compiled `keras.Model` with `step` and `optimizers`. The newest checkpoint is loaded into it.
        found: Folder of checkpoints to begin from; default: the run's own.
        gather: With several workers, see `tfanime.callbacks.Budget`.
        also: Called after each checkpoint, see `tfanime.callbacks.Checkpoints`.

    Raises:
        ValueError: The newest checkpoint is damaged, or of another model.
    """

    def __init__(self, run, config, data, model, found=None, gather=None, also=None):
        self.run = run
        self.config = config
        self.data = data
        self.model = model
        self.found = found or run.checkpoints
        self.budget = callbacks.Budget(config.steps, config.minutes, gather=gather)
        self.log = callbacks.RunLog(run, config.pictures_per_step, self.budget.seconds)
        self.state = {"seconds": self.budget.seconds, "log": self.log.state}
        self.checkpoints = callbacks.Checkpoints(
            run.checkpoints,
            config.checkpoint_minutes,
            clock=lambda: float(self.budget.seconds),  # the same on all workers
            budget=self.budget,
            also=also,
            **self.state,
        )
        for callback in (self.budget, self.checkpoints):
            callback.set_model(model)
        self.start = self.checkpoints.restore(self.found)
        self.best = self.profile = self.status = None

    @property
    def begun(self):
        """Its beginning, in words."""
        return f"resumed at step {self.start:,}" if self.start else "new"

    def fit(self, batches, first=(), judges=(), reports=(), shown=True):
        """Trains to the end of the budget, or until Ctrl-C or SIGTERM.

        Args:
            batches: Infinite stream of training batches from step `start` on.
            first: Callbacks that come before all others.
            judges: Callbacks that add metrics to `logs` before they are written.
            reports: Callbacks that read the logs at the end of an epoch.
            shown: Whether to show a progress bar.
        """
        unreported = self.log.unreported
        # An interrupted training reported its last step after the checkpoint: the report is made again, unless no epoch
        # ends there.
        self.run.forget_after(self.start - 1 if unreported else self.start)
        progress = callbacks.Progress(self.budget, self.config.pictures_per_step)
        with stopped_by_signals(self.budget), contextlib.closing(progress):
            self.model.fit(
                batches,
                epochs=1,  # `Epochs` makes the reported epochs
                steps_per_epoch=self.config.steps - self.start,
                shuffle=False,  # the data has its own order
                verbose=0,
                callbacks=[
                    *first,
                    callbacks.StopOnNonFinite(self.found),
                    self.budget,
                    # Before the checkpoints, so that no checkpoint is ahead of the reports.
                    callbacks.Epochs(
                        self.config.epoch_steps,
                        [*judges, self.log, *reports],
                        self.budget,
                        brief=[self.log],
                        due=unreported and self.start % self.config.epoch_steps == 0,
                    ),
                    self.checkpoints,
                    *([progress] if shown else []),
                ],
            )
        self.status = 128 + self.budget.interrupted if self.budget.interrupted else 0


@contextlib.contextmanager
def stopped_by_signals(budget):
    """Lets Ctrl-C and SIGTERM end the training after the step in progress, see `Budget.interrupt`."""

    def stop(number, frame):
        budget.interrupt(number)
        signal.signal(number, before[number])  # a second signal has its usual effect

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
