"""Loss weights from measured gradients, so that the parts of a generator's loss have comparable effects."""

from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from tfanime.training.replicas import mean_over_replicas


@dataclass(frozen=True)
class Weighing:
    """The weights of a generator's losses by the size of their gradients at its pictures.

    A published weight holds for one feature network, one size of picture and one scale of pixels. Here the weight of a
    part is its share divided by the root mean square of its gradient by one picture's values, so that shares of 1 and 2
    pull on pictures as 1 to 2. The size is a mean over the first `steps` steps; then the weights stay.

    Args:
        shares: Relative effect of each part, by name: `"adversarial"` or a term's name.
        steps: Training steps in which gradients are measured.

    Raises:
        ValueError: A number is out of its range.
    """

    LEAST: ClassVar[float] = 1e-12  # a part with a smaller gradient counts as having none

    shares: dict[str, float]
    steps: int = 200
    name = "weighing"  # of its state in a game

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1. Received: {self.steps}")
        for name, share in self.shares.items():
            if not 0 <= share < float("inf"):
                raise ValueError(f"the share of {name} must be at least 0. Received: {share}")

    @property
    def state(self) -> dict[str, float]:
        """Initial state by name: the mean size of each part's gradient, and the number of steps in the mean."""
        return dict.fromkeys(self.shares, 0.0) | {"steps": 0.0}

    def next_state(self, state: dict[str, tf.Tensor], sizes: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The state after a step.

        Args:
            state: The present values by name.
            sizes: The gradients' sizes of this step by name, see `size`.
        """
        going_on = state["steps"] < self.steps
        count = tf.where(going_on, state["steps"] + 1.0, state["steps"])
        moved = {name: state[name] + (sizes[name] - state[name]) / count for name in self.shares}
        return {name: tf.where(going_on, moved[name], state[name]) for name in self.shares} | {"steps": count}

    def weights(self, state: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The weight of each part by name; 0 for a part without a gradient."""
        return {
            name: tf.where(state[name] > self.LEAST, share / tf.maximum(state[name], self.LEAST), 0.0)
            for name, share in self.shares.items()
        }


def size(slopes: tf.Tensor) -> tf.Tensor:
    """The root mean square of gradients by one picture's values, over the batches of all devices.

    Args:
        slopes: Of a mean over this device's batch, by its pictures `[batch, height, width, 3]`.

    Returns:
        A scalar. The batch's size does not change it: the gradients of a mean are as many times smaller.
    """
    count = tf.cast(tf.shape(slopes)[0], tf.float32)
    return tf.sqrt(mean_over_replicas(tf.reduce_mean(tf.square(count * tf.cast(slopes, tf.float32)))))
