"""Layers that Keras does not have."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("tfanime")
class MinibatchStddev(keras.layers.Layer):
    """Appends one channel with the batch's standard deviation, so that a discriminator sees a lack of variety.

    Karras et al. 2018 (arXiv 1710.10196), section 3: the standard deviation over a group of pictures at every place
    and channel, averaged to one number a group, repeated over the group's pictures and places.

    Args:
        group_size: Most pictures a group; the largest number up to it that divides the batch is taken.

    Input and output: `[batch, height, width, channels]` -> `[batch, height, width, channels + 1]`.
    """

    def __init__(self, group_size=4, **kwargs):
        super().__init__(**kwargs)
        if group_size < 1:
            raise ValueError(f"group_size must be at least 1. Received: {group_size}")
        self.group_size = group_size

    def call(self, inputs):
        batch, height, width, channels = ops.shape(inputs)
        size = 1  # a batch of unknown size is looked at when it is there
        for candidate in range(2, self.group_size + 1):
            if isinstance(batch, int):
                size = candidate if batch % candidate == 0 else size
            else:
                size = ops.where(batch % candidate == 0, candidate, size)
        # Neighbours in the batch form a group, so that replicas, which get halves of it, form the same groups.
        grouped = ops.reshape(ops.cast(inputs, "float32"), (-1, size, height, width, channels))
        deviations = ops.sqrt(ops.var(grouped, axis=1) + 1e-8)  # [groups, height, width, channels]
        deviations = ops.mean(deviations, axis=(1, 2, 3), keepdims=True)  # [groups, 1, 1, 1]
        channel = ops.broadcast_to(ops.repeat(deviations, size, axis=0), (batch, height, width, 1))
        return ops.concatenate([inputs, ops.cast(channel, inputs.dtype)], axis=-1)

    def get_config(self):
        return {**super().get_config(), "group_size": self.group_size}
