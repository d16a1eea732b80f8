"""Constraints on the discriminator's weights: projections applied after each of its updates."""

from dataclasses import dataclass

import keras
import tensorflow as tf


def assign_each(assign, variables, *arguments):
    """Changes variables inside a train step, on all replicas alike, under any strategy.

    A mirrored variable without an aggregation cannot be assigned by one replica, so replicas are merged for it.

    Args:
        assign: (tf.Variable, *arguments of that variable), called once a variable and device.
        variables: Keras or TensorFlow variables.
        *arguments: Lists as long as `variables`, of variables.
    """

    def native(variable):
        return variable.value if isinstance(variable, keras.Variable) else variable

    def merged(strategy):
        for variable, *others in zip(variables, *arguments, strict=True):
            strategy.extended.update(native(variable), assign, args=tuple(map(native, others)), group=False)

    tf.distribute.get_replica_context().merge_call(merged)


@dataclass(frozen=True)
class WeightClipping:
    """Clips every trainable weight to [-limit, limit]. Arjovsky et al. 2017 (arXiv 1701.07875), algorithm 1, line 7.

    Args:
        limit: The bound, 0.01 in the paper.

    Raises:
        ValueError: `limit` is not above 0.
    """

    limit: float = 0.01

    def __post_init__(self):
        if not self.limit > 0:
            raise ValueError(f"limit must be above 0. Received: {self.limit}")

    def __call__(self, variables: list[keras.Variable]) -> None:
        """Projects `variables`, the discriminator's trainable weights."""
        assign_each(
            lambda variable: variable.assign(tf.clip_by_value(variable, -self.limit, self.limit)),
            variables,
        )
