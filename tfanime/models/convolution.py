"""Keras' strided convolutions, with a faster gradient by the kernel in bfloat16.

The libraries under TensorFlow (and PyTorch) take a multiple of a convolution's time for its gradient by a 4x4 kernel of
stride 2 where maps are small and processors have matrix instructions: 24 ms against 6 ms from 8x8x256 to 4x4x512, batch
64, two cores. The same numbers by one matrix product take 5 ms, and a step of the recipe `dcgan` is 1.3 times as fast
(docs/reports/speed.md).

Three functions belong together: all are derivatives of one form, sum(outputs * convolution(images, kernel)), which is
linear in each of its three arguments. So the gradients of each are the other two, to any order.
"""

import keras
import tensorflow as tf
from keras import ops

LARGEST = 8  # height and width of the smaller of the two maps; if both are larger, the product is not faster


@tf.custom_gradient
def convolve(images, kernel):
    """The form's derivative by the outputs: the convolution of stride 2, padded to half the size.

    Args:
        images: `[batch, 2 height, 2 width, inputs]`.
        kernel: `[4, 4, inputs, outputs]`.

    Returns:
        `[batch, height, width, outputs]`.
    """
    result = tf.nn.conv2d(images, kernel, 2, "SAME")
    return result, lambda upstream: (spread(upstream, kernel), correlate(images, upstream))


@tf.custom_gradient
def spread(outputs, kernel):
    """The form's derivative by the images: the transposed convolution, from outputs to images.

    Args:
        outputs: `[batch, height, width, outputs]`.
        kernel: `[4, 4, inputs, outputs]`.

    Returns:
        `[batch, 2 height, 2 width, inputs]`.
    """
    batch, height, width = tf.unstack(tf.shape(outputs)[:3])
    shape = (batch, 2 * height, 2 * width, kernel.shape[2])
    result = tf.nn.conv2d_transpose(outputs, kernel, shape, 2, "SAME")
    return result, lambda upstream: (convolve(upstream, kernel), correlate(upstream, outputs))


@tf.custom_gradient
def correlate(images, outputs):
    """The form's derivative by the kernel.

    Args:
        images: `[batch, 2 height, 2 width, inputs]`.
        outputs: `[batch, height, width, outputs]`.

    Returns:
        `[4, 4, inputs, outputs]`.
    """
    inputs, channels = images.shape[-1], outputs.shape[-1]
    height, width = outputs.shape[1:3]
    # Quarters side by side, after which stride 2 is 1 and 4x4 places are 2x2 places of four times the channels.
    quarters = tf.nn.space_to_depth(tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]]), 2)
    seen = [
        tf.reshape(quarters[:, top : top + height, left : left + width], (-1, 4 * inputs))
        for top in (0, 1)
        for left in (0, 1)
    ]
    product = tf.matmul(tf.concat(seen, 1), tf.reshape(outputs, (-1, channels)), transpose_a=True)
    product = tf.reshape(product, (2, 2, 2, 2, inputs, channels))  # place, then quarter: both rows first
    result = tf.reshape(tf.transpose(product, (0, 2, 1, 3, 4, 5)), (4, 4, inputs, channels))
    return result, lambda upstream: (spread(outputs, upstream), convolve(images, upstream))


def _takes(layer, inputs, smaller):
    # A GPU's own kernels are another matter, not measured.
    return (
        layer.kernel_size == (4, 4)
        and layer.strides == (2, 2)
        and layer.dilation_rate == (1, 1)
        and layer.padding == "same"
        and layer.data_format == "channels_last"
        and inputs.dtype == tf.bfloat16
        and all(size and size % 1 == 0 and size <= LARGEST for size in smaller)
        and not tf.config.list_physical_devices("GPU")
    )


class _Fast:
    """Calls `function(inputs, kernel)` in training where it is the same and faster."""

    def call(self, inputs, training=None):
        if not training or not _takes(self, inputs, self.smaller(inputs)):
            return super().call(inputs)
        outputs = self.function(inputs, ops.cast(ops.convert_to_tensor(self.kernel), inputs.dtype))
        if self.use_bias:
            outputs += ops.cast(ops.convert_to_tensor(self.bias), outputs.dtype)
        return outputs if self.activation is None else self.activation(outputs)


@keras.saving.register_keras_serializable("tfanime")
class Conv2D(_Fast, keras.layers.Conv2D):
    """Keras' layer, see the module."""

    function = staticmethod(convolve)

    def smaller(self, inputs):
        return [size and size / 2 for size in inputs.shape[1:3]] if self.groups == 1 else [None]


@keras.saving.register_keras_serializable("tfanime")
class Conv2DTranspose(_Fast, keras.layers.Conv2DTranspose):
    """Keras' layer, see the module."""

    function = staticmethod(spread)

    def smaller(self, inputs):
        return inputs.shape[1:3] if self.output_padding is None else [None]
