"""Optimizers and learning rate schedules.

The optimizers are Keras'; here are their names, with the defaults of the papers' frameworks.
"""

import math

import keras

DECAYS = ("none", "linear", "exponential")


def adam(learning_rate, beta_1, beta_2, epsilon=1e-8):
    """Adam (Kingma and Ba 2015); epsilon as in the paper and in most papers' frameworks (Keras' own is 1e-7).

    Args:
        learning_rate: A float or a `keras.optimizers.schedules.LearningRateSchedule`.
        beta_1: Decay of the mean gradient.
        beta_2: Decay of the mean squared gradient.
        epsilon: Added to the root of the mean squared gradient.

    Returns:
        A `keras.optimizers.Optimizer`.
    """
    return keras.optimizers.Adam(learning_rate, beta_1, beta_2, epsilon)


def rmsprop(learning_rate, beta_1, beta_2):
    """RMSprop as WGAN's authors ran it: beta_2 is the decay of squared gradients, beta_1 the momentum.

    Their framework adds 1e-8 to the root of the mean square; Keras adds epsilon under the root, where 1e-16 does the
    same to vanishing gradients.

    Args and returns as for `adam`.
    """
    return keras.optimizers.RMSprop(learning_rate, rho=beta_2, momentum=beta_1, epsilon=1e-16)


def sgd(learning_rate, beta_1, beta_2):
    """Stochastic gradient descent; beta_1 is its momentum, beta_2 has no effect.

    Args and returns as for `adam`.
    """
    del beta_2
    return keras.optimizers.SGD(learning_rate, momentum=beta_1)


OPTIMIZERS = {"adam": adam, "rmsprop": rmsprop, "sgd": sgd}


def schedule(learning_rate, decay, begin, steps):
    """A learning rate that falls with an optimizer's updates.

    Args:
        learning_rate: At the beginning.
        decay: One of `DECAYS`: `none`; `linear`, to zero at the last update (Miyato et al. 2018); `exponential`, to
            a tenth of it at the last update.
        begin: Share of the updates after which it begins to fall, 0 to below 1.
        steps: All updates that the optimizer will make.

    Returns:
        A float for `none`, else a `keras.optimizers.schedules.LearningRateSchedule`.

    Raises:
        ValueError: `decay` is unknown.
    """
    if decay not in DECAYS:
        raise ValueError(f"decay must be one of {', '.join(DECAYS)}. Received: {decay!r}")
    if decay == "none":
        return learning_rate
    return Falling(learning_rate, decay, int(begin * steps), steps)


@keras.saving.register_keras_serializable("tfanime")
class Falling(keras.optimizers.schedules.LearningRateSchedule):
    """Constant up to update `begin`, then linear to zero or exponential to `rate` of itself at update `steps`.

    Args:
        learning_rate: At the beginning.
        decay: `linear` or `exponential`.
        begin: Last update with the full rate.
        steps: Last update.
        rate: Factor of the rate at the end of an exponential decay.
    """

    def __init__(self, learning_rate, decay, begin, steps, rate=0.1):
        self.learning_rate = learning_rate
        self.decay = decay
        self.begin = begin
        self.steps = steps
        self.rate = rate

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        done = keras.ops.clip((step - self.begin) / max(1, self.steps - self.begin), 0.0, 1.0)
        share = 1.0 - done if self.decay == "linear" else keras.ops.power(self.rate, done)
        return self.learning_rate * share

    def get_config(self):
        return {name: getattr(self, name) for name in ("learning_rate", "decay", "begin", "steps", "rate")}


@keras.saving.register_keras_serializable("tfanime")
class HalfCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Moves from one value to another along half a cosine, then stays: a learning rate, or the weight of a `Term`.

    Args:
        first: At update 0.
        last: From update `steps` on.
        steps: Number of updates.
    """

    def __init__(self, first, last, steps):
        self.first = first
        self.last = last
        self.steps = steps

    def __call__(self, step):
        done = keras.ops.minimum(keras.ops.cast(step, "float32") / self.steps, 1.0)
        return self.last + (self.first - self.last) * 0.5 * (1.0 + keras.ops.cos(math.pi * done))

    def get_config(self):
        return {name: getattr(self, name) for name in ("first", "last", "steps")}


@keras.saving.register_keras_serializable("tfanime")
class After(keras.optimizers.schedules.LearningRateSchedule):
    """One learning rate before an update, another from it on.

    Args:
        first: Before update `begin`.
        later: From it on, a float or a schedule.
        begin: Number of the update.
    """

    def __init__(self, first, later, begin):
        self.first = first
        self.later = later
        self.begin = begin

    def __call__(self, step):
        later = self.later(step) if callable(self.later) else self.later
        return keras.ops.where(step < self.begin, self.first, later)

    def get_config(self):
        return {name: getattr(self, name) for name in ("first", "later", "begin")}


class Rising:
    """The weight of a `Term` that rises linearly from 0, and then stays.

    Args:
        weight: At the end.
        begin: Last step at which it is 0.
        steps: Steps in which it rises.
    """

    def __init__(self, weight, begin, steps):
        self.weight = weight
        self.begin = begin
        self.steps = steps

    def __call__(self, step):
        done = (keras.ops.cast(step, "float32") - self.begin) / self.steps
        return self.weight * keras.ops.clip(done, 0.0, 1.0)
