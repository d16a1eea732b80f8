"""Halving and doubling through a low-pass filter (Zhang 2019, arXiv 1904.11486), as StyleGAN2 and R3GAN do it.

The filter is outer([1, 3, 3, 1]) / 64. It is a binomial one: three means of 2x2 neighbours in a row are the same.
Pooling has fast kernels in float32 and bfloat16, and the second-order gradients that a penalty on gradients needs. Maps
are surrounded by zeros.

The paddings are those of the StyleGAN2-ADA code: a picture that is filtered alone, and one that a convolution follows,
stay where they are.
"""

import keras
import tensorflow as tf


def _pad(x, before, after):
    return tf.pad(x, [[0, 0], [before, after], [before, after], [0, 0]])


def _mean(x, strides=1):
    # of 2x2 neighbours
    return tf.nn.avg_pool2d(x, 2, strides, "VALID")


def low_pass(x, before, after, strides=1):
    """The filter over maps with zeros around them.

    Args:
        x: `[batch, height, width, channels]`.
        before: Rows and columns of zeros above and to the left.
        after: The padding below and to the right.
        strides: 1, or 2 to keep every second row and column.

    Returns:
        Maps, `before + after - 3` places higher and wider, divided by `strides` and rounded up.
    """
    return _mean(_mean(_mean(_pad(x, before, after))), strides)


def halve(x):
    """Maps of half the size: filter and every second place; `[batch, height, width, channels]`."""
    return low_pass(x, 1, 1, strides=2)


def double(x):
    """Maps of twice the size: zeros between the places, the filter times 4; `[batch, height, width, channels]`."""
    # The first of the three means, of maps with zeros between, times 4: every place repeated in its 2x2 square.
    height, width, channels = x.shape[1:]
    x = tf.broadcast_to(x[:, :, None, :, None], (tf.shape(x)[0], height, 2, width, 2, channels))
    x = tf.reshape(x, (-1, 2 * height, 2 * width, channels))
    return _mean(_mean(_pad(x, 1, 1)))


def convolve(x, kernel, resampling=None):
    """A convolution that keeps, doubles or halves the size.

    Args:
        x: `[batch, height, width, inputs]`; even sizes for `"down"`.
        kernel: `[side, side, inputs, outputs]` in the precision of `x`, side 1 or 3.
        resampling: None, `"up"` (a transposed convolution of stride 2, then the filter times 4), or `"down"` (the
            filter, then a convolution of stride 2). A 1x1 kernel meets the smaller maps.

    Returns:
        `[batch, new height, new width, outputs]`.
    """
    side = kernel.shape[0]
    if resampling is None:
        return tf.nn.conv2d(x, kernel, 1, "SAME")
    if resampling == "down":
        if side == 1:
            return tf.nn.conv2d(halve(x), kernel, 1, "VALID")
        return tf.nn.conv2d(low_pass(x, 2, 2), kernel, 2, "VALID")
    if side == 1:
        return double(tf.nn.conv2d(x, kernel, 1, "VALID"))
    height, width = x.shape[1:3]
    shape = (tf.shape(x)[0], 2 * height + 1, 2 * width + 1, kernel.shape[3])
    x = tf.nn.conv2d_transpose(x, tf.transpose(kernel, (0, 1, 3, 2)), shape, 2, "VALID")
    return 4.0 * low_pass(x, 1, 1)


def check_resampling(resampling):
    """Raises a ValueError unless it is one that `convolve` knows."""
    if resampling not in (None, "up", "down"):
        raise ValueError(f"resampling must be None, 'up' or 'down'. Received: {resampling!r}")


@keras.saving.register_keras_serializable("tfanime")
class Resample(keras.layers.Layer):
    """`halve` or `double` as a layer.

    Args:
        resampling: `"down"` or `"up"`.

    Input and output: `[batch, height, width, channels]`, half or twice the size.
    """

    def __init__(self, resampling, **kwargs):
        super().__init__(**kwargs)
        if resampling not in ("down", "up"):
            raise ValueError(f"resampling must be 'down' or 'up'. Received: {resampling!r}")
        self.resampling = resampling

    def call(self, inputs):
        return halve(inputs) if self.resampling == "down" else double(inputs)

    def get_config(self):
        return {**super().get_config(), "resampling": self.resampling}


@keras.saving.register_keras_serializable("tfanime")
class BilinearDoubling(keras.layers.Layer):
    """Maps of twice the size by bilinear interpolation with half-pixel centres, as Keras' UpSampling2D, which does not
    know maps whose size is known only when they come.

    Input and output: `[batch, height, width, channels]`, twice the size.
    """

    def call(self, inputs):
        return tf.cast(tf.image.resize(inputs, 2 * tf.shape(inputs)[1:3]), inputs.dtype)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, height and 2 * height, width and 2 * width, channels
