"""Gradient accumulation: computes a batch in equal parts, one after another, in the memory of one part."""

import tensorflow as tf


class Parts:
    """Cuts batches into equal parts, which are computed one after another, and averages the results.

        parts = Parts(count)
        for rows, part in parts.of(batch):
            parts.add(compute(part))
        mean = parts.mean()

    The i-th part has the rows i, i + count, i + 2 count ...: if several devices share the batch, the i-th parts of
    their shares together are the i-th part of the whole.

    Each part depends on the results of the part before, so that none of it is computed earlier. (Control dependencies
    would be enough in TensorFlow, but XLA drops them.)

    Args:
        count: Number of parts of a batch.

    Raises:
        ValueError: `count` is below 1.
    """

    def __init__(self, count):
        if count < 1:
            raise ValueError(f"count must be at least 1. Received: {count}")
        self.count = count
        self._sum = None
        self._zero = None  # 0, available when all added values have been computed

    def of(self, batch):
        """The parts of a batch, in order. Add the results of each part before asking for the next.

        Args:
            batch: Float tensors in any structure, None among them, of one number of rows, a multiple of `count`.

        Yields:
            `(rows, part)`: the slice of the rows, and the batch's structure with these rows only.
        """
        if self.count == 1:
            yield slice(None), batch
            return
        for index in range(self.count):
            rows = slice(index, None, self.count)
            yield rows, tf.nest.map_structure(lambda tensor, rows=rows: self._cut(tensor, rows), batch)

    def add(self, values):
        """Adds float tensors in any structure, the same for all parts, None among them where all parts have None."""
        if self.count == 1:
            self._sum = values
            return
        if self._sum is not None:
            values = tf.nest.map_structure(lambda old, new: None if new is None else old + new, self._sum, values)
        self._sum = values
        some = [tf.reshape(tensor, [-1])[0] for tensor in tf.nest.flatten(values) if tensor is not None]
        total = tf.add_n(some)
        self._zero = tf.where(tf.math.is_nan(total), total, 0.0)  # 0, in a form that no compiler can simplify

    def mean(self):
        """The mean of the added values; afterwards the sum is zero again."""
        values, self._sum = self._sum, None
        if self.count == 1:
            return values
        return tf.nest.map_structure(lambda total: None if total is None else total / self.count, values)

    def _cut(self, tensor, rows):
        if tensor is None:
            return None
        part = tensor[rows]
        return part if self._zero is None else part + tf.cast(self._zero, part.dtype)
