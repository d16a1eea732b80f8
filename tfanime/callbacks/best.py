"""Keeps the checkpoint at which a metric was best."""

import math

import keras

from tfanime.callbacks.checkpoints import Keeper, State
from tfanime.checkpoints import load, newest

MODES = ("min", "max")


class Best(keras.callbacks.Callback):
    """Saves the training's state at the end of each epoch whose metric is better than all before.

    The value is stored in the checkpoint itself, so that a resumed training knows the best so far, whenever it was
    killed. Put this after the callbacks that write the metric into the epoch's logs.

    Args:
        folder: The folder of the one checkpoint.
        by: Name of the metric in the logs, such as `"generator_loss"`.
        mode: `"min"` if less is better, `"max"` if more is.
        within: Number of epochs within which the metric must appear in the logs; above 1 for a metric that is not
            computed at every epoch.
        protocol: Plain values that must be equal for two values of the metric to be compared, such as `FID.protocol`.
            With another protocol a resumed training starts its search for the best over.
        known: Where to look for the best of earlier trainings; default: `folder`.
        **objects: What `Checkpoints` saves beside the model.

    Raises:
        ValueError: `mode` is unknown; in `fit`, the metric has not appeared.
        FloatingPointError: In `fit`, see `tfanime.callbacks.checkpoints.Keeper.save`.
        OSError: In `fit`, see there.
    """

    def __init__(self, folder, by, mode="min", within=1, protocol=None, known=None, **objects):
        super().__init__()
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}. Received: {mode!r}")
        self.folder = str(folder)
        self.by = by
        self.mode = mode
        self.within = within
        self.protocol = protocol
        self.known = str(known or folder)
        self.objects = objects
        self._state = State(None)  # of the best so far: `_key`, value, step

    @property
    def value(self):
        """The best value so far; None before the first."""
        return self._state.value and self._state.value["value"]

    @property
    def step(self):
        """The step of the best value; None before the first."""
        return self._state.value and self._state.value["step"]

    @property
    def _key(self):
        return {"by": self.by, "mode": self.mode, "protocol": self.protocol}

    def set_model(self, model):
        super().set_model(model)
        self.keeper = Keeper({"gan": model, "best": self._state, **self.objects}, self.folder, 1)

    def on_train_begin(self, logs=None):
        self._missed = 0
        self.keeper.tidy()
        earlier = newest(self.known)
        if earlier:
            load(earlier, best=self._state)
            # Values that an older version did not store count as equal.
            if any(self._state.value.get(name, value) != value for name, value in self._key.items()):
                self._state.value = None  # of another metric or protocol: the first value replaces it

    def on_epoch_end(self, epoch, logs=None):
        if self.by not in logs:
            self._missed += 1
            if self.value is None and self._missed >= self.within:
                raise ValueError(f"best_by must be one of the metrics {', '.join(sorted(logs))}. Received: {self.by!r}")
            return
        value = float(logs[self.by])
        if math.isnan(value) or (self.value is not None and not self._better(value)):
            return
        self._state.value = {**self._key, "value": value, "step": self.model.step}
        self.keeper.save()

    def _better(self, value):
        return value < self.value if self.mode == "min" else value > self.value
