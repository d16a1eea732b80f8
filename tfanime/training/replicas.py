"""Numbers over the whole batch, where several devices hold a part each."""

import tensorflow as tf


def mean_over_replicas(value):
    """The mean of `value` over all devices of the strategy, on each of them; `value` itself where there is one.

    Args:
        value: Float tensor, of one shape on all devices. Means over parts of equal size become the mean over all.

    Returns:
        A tensor like `value`.

    Raises:
        RuntimeError: Devices cannot meet here: without XLA, TensorFlow has no way to do so inside `tf.cond` or
            `tf.while_loop`.
    """
    replica = tf.distribute.get_replica_context()
    # None: outside of `strategy.run` there are no parts.
    if replica is None or replica.num_replicas_in_sync == 1:
        return value
    return replica.all_reduce(tf.distribute.ReduceOp.MEAN, value)
