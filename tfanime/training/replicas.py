"""Values over the whole batch, which the devices share."""

import tensorflow as tf


def mean_over_replicas(value):
    """The mean of `value` over all devices of the strategy, on each of them; `value` itself if there is one device.

    Args:
        value: Float tensor, of one shape on all devices. Means over parts of equal size become the mean over all.

    Returns:
        A tensor like `value`.

    Raises:
        RuntimeError: Devices cannot communicate here: without XLA, TensorFlow cannot do so inside `tf.cond` or
            `tf.while_loop`.
    """
    replica = tf.distribute.get_replica_context()
    # None outside of `strategy.run`, where the batch is not shared.
    if replica is None or replica.num_replicas_in_sync == 1:
        return value
    return replica.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def own_part(make, count):
    """This device's rows of tensors for the whole batch.

    Every device makes the rows of all devices, which are small, and takes its own. Two devices then compute the same as
    one.

    Args:
        make: Number of rows -> tensors `[rows, ...]` in any structure, the same on all devices.
        count: Rows a device.

    Returns:
        Tensors `[count, ...]` in that structure.
    """
    replica = tf.distribute.get_replica_context()
    whole = make(count * replica.num_replicas_in_sync)
    begin = tf.cast(replica.replica_id_in_sync_group, tf.int32) * count
    return tf.nest.map_structure(lambda tensor: tensor[begin : begin + count], whole)


def several_workers():
    """Whether the devices of the strategy are those of several processes."""
    resolver = getattr(tf.distribute.get_strategy(), "cluster_resolver", None)
    return bool(resolver and resolver.cluster_spec().as_dict())
