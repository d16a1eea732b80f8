"""Halving and doubling through a low-pass filter (Zhang 2019, arXiv 1904.11486), as StyleGAN2 and R3GAN do it.

The filter is outer([1, 3, 3, 1]) / 64; each channel is filtered by itself, with zeros around the maps. The filter is
symmetric. So the gradient of filtering is the same filter with other paddings, the gradient of halving is a quarter of
doubling, and that of doubling is four times halving. Each is given as the other's gradient, which also defines the
second-order gradients that a penalty on gradients needs.

The paddings are those of the StyleGAN2-ADA code: a picture that is filtered alone, and one that a convolution follows,
stay where they are.
"""

import keras
import numpy as np
import tensorflow as tf


def _filter(x, before, after, strides=1):
    row = np.array([1.0, 3.0, 3.0, 1.0])
    kernel = np.tile(np.outer(row, row)[:, :, None, None] / 64.0, (1, 1, x.shape[-1], 1))
    padding = [[0, 0], [before, after], [before, after], [0, 0]]
    return tf.nn.depthwise_conv2d(x, tf.constant(kernel, x.dtype), [1, strides, strides, 1], padding)


def low_pass(x, before, after):
    """The filter over maps with zeros around them.

    Args:
        x: `[batch, height, width, channels]`.
        before: Rows and columns of zeros above and to the left, at most 3.
        after: The padding below and to the right, at most 3.

    Returns:
        Maps, `before + after - 3` places higher and wider.
    """

    @tf.custom_gradient
    def filtered(x):
        return _filter(x, before, after), lambda upstream: low_pass(upstream, 3 - before, 3 - after)

    return filtered(x)


@tf.custom_gradient
def halve(x):
    """Maps of half the size: filter and every second place; `[batch, height, width, channels]`, even sizes."""
    return _filter(x, 1, 1, strides=2), lambda upstream: 0.25 * double(upstream)


@tf.custom_gradient
def double(x):
    """Maps of twice the size: zeros between the places, the filter times 4; `[batch, height, width, channels]`."""
    # A row a, b becomes ..., (3a + b) / 4, (a + 3b) / 4, ... Repeating each place, a a b b, and taking means of
    # neighbours twice gives the same.
    height, width, channels = x.shape[1:]
    repeated = tf.broadcast_to(x[:, :, None, :, None], (tf.shape(x)[0], height, 2, width, 2, channels))
    repeated = tf.reshape(repeated, (-1, 2 * height, 2 * width, channels))
    repeated = tf.pad(repeated, [[0, 0], [1, 1], [1, 1], [0, 0]])
    means = tf.nn.avg_pool2d(tf.nn.avg_pool2d(repeated, 2, 1, "VALID"), 2, 1, "VALID")
    return means, lambda upstream: 4.0 * halve(upstream)


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


def resampled(shape, resampling):
    """The shape of maps `shape`, `(batch, height, width, channels)`, after a resampling of `convolve`."""
    batch, height, width, channels = shape
    if resampling == "up":
        height, width = height and 2 * height, width and 2 * width
    elif resampling == "down":
        height, width = height and height // 2, width and width // 2
    return batch, height, width, channels


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

    def compute_output_shape(self, input_shape):
        return resampled(input_shape, self.resampling)

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
