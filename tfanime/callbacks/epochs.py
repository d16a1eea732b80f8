"""Epochs that do not depend on where a training was resumed."""

import keras


class Epochs(keras.callbacks.Callback):
    """Calls other callbacks at epochs that end at every multiple of some steps.

    Keras counts epochs from the start of `fit`, so a resumed training would report at other steps than an undisturbed
    one. Let `fit` run a single epoch of all steps, and put this among its callbacks.

    If a signal ends the training, the last epoch ends after all callbacks of the last step, and so after the checkpoint
    that `Checkpoints` writes; only the callbacks of `brief` are called. If that step is a multiple, the resumed
    training begins with the epoch's end (`due`), for all callbacks.

    Args:
        steps: Training steps of an epoch. The last epoch ends with the training.
        callbacks: Keras callbacks, called in this order. They share the logs of an epoch's end.
        budget: The `Budget` that ends the training, among the callbacks before this one; None without one.
        brief: The callbacks that take no time and need not be called again by a resumed training.
        due: Whether the training begins with the end of an epoch.

    Raises:
        ValueError: `steps` is below 1.
    """

    def __init__(self, steps, callbacks, budget=None, brief=(), due=False):
        super().__init__()
        if steps < 1:
            raise ValueError(f"steps must be at least 1. Received: {steps}")
        self.steps = steps
        self.callbacks = callbacks
        self.budget = budget
        self.brief = brief
        self.due = due

    def set_params(self, params):
        super().set_params(params)
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model):
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)

    def on_train_begin(self, logs=None):
        for callback in self.callbacks:
            callback.on_train_begin(logs)
        self._begin()
        if self.due:
            self._end(logs)
            self._begin()

    def on_train_batch_begin(self, batch, logs=None):
        if not self._begun:
            self._begin()
        for callback in self.callbacks:
            callback.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)
        self._steps += 1
        if self.model.step % self.steps == 0 and not self._broken_off:
            self._end(logs)

    def on_epoch_end(self, epoch, logs=None):  # of Keras' single epoch: the training ends
        if self._begun and self._steps:
            self._end(logs)

    def on_train_end(self, logs=None):
        for callback in self.callbacks:
            callback.on_train_end(logs)

    @property
    def _broken_off(self):
        return self.budget is not None and self.budget.broken_off

    def _begin(self):
        self._begun, self._steps = True, 0
        for callback in self.callbacks:
            callback.on_epoch_begin(self.model.step // self.steps)

    def _end(self, logs):
        self._begun = False
        logs = dict(logs or {})
        for callback in self.brief if self._broken_off else self.callbacks:
            callback.on_epoch_end((self.model.step - 1) // self.steps, logs)
