"""The layers of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958), after the code of StyleGAN2-ADA (arXiv 2006.06676).

Weights are stored near N(0, 1) and scaled when they are used, so that Adam moves all layers equally fast (equalized
learning rate, Karras et al. 2018, arXiv 1710.10196, section 4.1).

In a mixed precision, weights, styles and demodulation stay float32, and only maps and the kernels that meet them are
rounded.
"""

import math

import keras
import tensorflow as tf

from tfanime.models.resample import check_resampling, convolve, resampled

SLOPE = 0.2  # of LeakyReLU
GAIN = math.sqrt(2.0)  # makes up for the mean square that LeakyReLU removes
CLAMP = 256.0  # limit of a convolution's outputs in float16; a healthy training does not come near it
EPSILON = 1e-8


def _normal(deviation=1.0):
    return keras.initializers.RandomNormal(0.0, deviation)


@tf.custom_gradient
def _clamp(x, limit):
    # TensorFlow's own gradient of clip_by_value takes ten times as long on a CPU, and longer than a convolution.
    result = tf.clip_by_value(x, -limit, limit)
    return result, lambda upstream: (upstream * tf.cast(tf.abs(x) < limit, upstream.dtype), None)


def _limited(x, limit, dtype):
    # The authors clamp because float16 overflows. bfloat16 and float32 do not, and the clamp would take a quarter of a
    # training step on two cores.
    return _clamp(x, tf.cast(limit, x.dtype)) if dtype == "float16" else x


@tf.custom_gradient
def _leaky_relu(x):
    # The gradient reads the result, which has the sign of x. So x need not be kept, and TensorFlow can fuse this with
    # the convolution before it.
    result = tf.nn.leaky_relu(x, SLOPE)
    return result, lambda upstream: tf.raw_ops.LeakyReluGrad(gradients=upstream, features=result, alpha=SLOPE)


def _activate(x, limit):
    return _limited(_leaky_relu(x), limit, x.dtype.name)


@keras.saving.register_keras_serializable("tfanime")
class EqualizedDense(keras.layers.Layer):
    """A dense layer with equalized learning rate; it computes in float32, whatever the precision.

    Args:
        units: Components of the output.
        activate: Whether LeakyReLU 0.2 times sqrt(2) follows.
        bias: First value of the biases.
        learning_rate: Learning rate of the layer relative to other layers; its weights are stored larger accordingly.

    Input and output: `[batch, inputs]` -> `[batch, units]`.
    """

    def __init__(self, units, activate=False, bias=0.0, learning_rate=1.0, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.units = units
        self.activate = activate
        self.initial_bias = bias
        self.learning_rate = learning_rate

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units), initializer=_normal(1.0 / self.learning_rate), name="kernel"
        )
        self.bias = self.add_weight(
            shape=(self.units,), initializer=keras.initializers.Constant(self.initial_bias), name="bias"
        )

    def call(self, inputs):
        kernel = self.kernel * (self.learning_rate / math.sqrt(self.kernel.shape[0]))
        x = tf.matmul(inputs, kernel) + self.bias * self.learning_rate
        return GAIN * tf.nn.leaky_relu(x, SLOPE) if self.activate else x

    def compute_output_shape(self, input_shape):
        return *input_shape[:-1], self.units

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activate": self.activate,
            "bias": self.initial_bias,
            "learning_rate": self.learning_rate,
        }


@keras.saving.register_keras_serializable("tfanime")
class EqualizedConv2D(keras.layers.Layer):
    """A convolution with equalized learning rate, biases and LeakyReLU 0.2 times sqrt(2); or nothing but it.

    Args:
        filters: Channels of the output.
        kernel_size: 1 or 3.
        resampling: None, `"up"` or `"down"`.
        activate: Whether biases, LeakyReLU and in float16 a clamp follow.
        gain: Factor on the output, and on the clamp.

    Input and output: `[batch, height, width, channels]` -> `[batch, new height, new width, filters]`.
    """

    def __init__(self, filters, kernel_size, resampling=None, activate=True, gain=1.0, **kwargs):
        super().__init__(**kwargs)
        check_resampling(resampling)
        self.filters = filters
        self.kernel_size = kernel_size
        self.resampling = resampling
        self.activate = activate
        self.gain = gain

    def build(self, input_shape):
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(shape=shape, initializer=_normal(), autocast=False, name="kernel")
        if self.activate:
            self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", autocast=False, name="bias")

    def call(self, inputs):
        # LeakyReLU(g x) = g LeakyReLU(x): the gains are put on the small weights, not on the large maps.
        gain = self.gain * (GAIN if self.activate else 1.0)
        scale = gain / math.sqrt(self.kernel_size**2 * self.kernel.shape[2])
        x = convolve(inputs, tf.cast(self.kernel * scale, inputs.dtype), self.resampling)
        if not self.activate:
            return x
        return _activate(tf.nn.bias_add(x, tf.cast(self.bias * gain, x.dtype)), self.gain * CLAMP)

    def compute_output_shape(self, input_shape):
        return *resampled(input_shape, self.resampling)[:3], self.filters

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "resampling": self.resampling,
            "activate": self.activate,
            "gain": self.gain,
        }


class _Modulated(keras.layers.Layer):
    # What is common to both layers that a style steers: weights, and an affine layer from w to one factor a channel.
    # autocast=False: w must not be rounded (the layer's), nor weights before they are multiplied (theirs).

    def __init__(self, filters, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.filters = filters
        self.affine = None

    def _build(self, kernel_size, maps_shape, styles_shape):
        channels = maps_shape[-1]
        self.affine = EqualizedDense(channels, bias=1.0, name="affine")
        self.affine.build(styles_shape)
        shape = (kernel_size, kernel_size, channels, self.filters)
        self.kernel = self.add_weight(shape=shape, initializer=_normal(), autocast=False, name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", autocast=False, name="bias")

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


def _per_map(factors, dtype):
    return tf.cast(factors, dtype)[:, None, None, :]  # [batch, 1, 1, channels]


@keras.saving.register_keras_serializable("tfanime")
class StyledConv2D(_Modulated):
    """A modulated and demodulated 3x3 convolution, noise, biases, LeakyReLU 0.2 times sqrt(2); in float16 a clamp.

    Modulation by s and demodulation (equations 1 and 3) give each picture a kernel W s d. Here s multiplies the inputs
    of the convolution and d its outputs, so that all pictures share one convolution.

    Args:
        filters: Channels of the output.
        resampling: None or `"up"`.

    Input and output: `[maps, w, noise]`, that is `[batch, height, width, channels]`, float32 `[batch, w_size]` and
    N(0, 1) `[batch, new height, new width, 1]` -> `[batch, new height, new width, filters]`. The noise is multiplied
    by one learned number, 0 at first.
    """

    def __init__(self, filters, resampling=None, **kwargs):
        super().__init__(filters, **kwargs)
        check_resampling(resampling)
        self.resampling = resampling

    def build(self, input_shape):
        maps_shape, styles_shape, _ = input_shape
        self._build(3, maps_shape, styles_shape)
        self.noise_strength = self.add_weight(shape=(), initializer="zeros", autocast=False, name="noise_strength")

    def call(self, inputs):
        maps, styles, noise = inputs
        dtype = self.compute_dtype
        kernel = tf.convert_to_tensor(self.kernel)
        s = self.affine(styles)  # [batch, channels]
        # sum over places and inputs of (W s)^2, as one small product
        power = tf.matmul(s**2, tf.reduce_sum(kernel**2, axis=(0, 1)))
        d = tf.math.rsqrt(power + EPSILON)  # [batch, filters]
        x = tf.cast(maps, dtype) * _per_map(s, dtype)
        x = convolve(x, tf.cast(kernel, dtype), self.resampling)
        # LeakyReLU(g x) = g LeakyReLU(x), see above.
        x = x * _per_map(GAIN * d, dtype) + tf.cast(GAIN * self.noise_strength * tf.cast(noise, tf.float32), dtype)
        return _activate(x + tf.cast(GAIN * self.bias, dtype), CLAMP)

    def compute_output_shape(self, input_shape):
        return *resampled(input_shape[0], self.resampling)[:3], self.filters

    def get_config(self):
        return {**super().get_config(), "resampling": self.resampling}


@keras.saving.register_keras_serializable("tfanime")
class ToRGB(_Modulated):
    """A modulated 1x1 convolution to colours, not demodulated, in float16 clamped.

    Args:
        filters: Channels of the output, 3 for colours.

    Input and output: `[maps, w]`, that is `[batch, height, width, channels]` and float32 `[batch, w_size]` -> float32
    `[batch, height, width, filters]`.
    """

    def __init__(self, filters=3, **kwargs):
        super().__init__(filters, **kwargs)

    def build(self, input_shape):
        self._build(1, *input_shape)

    def call(self, inputs):
        maps, styles = inputs
        dtype = self.compute_dtype
        height, width, channels = maps.shape[1:]
        s = self.affine(styles) / math.sqrt(channels)  # [batch, channels]
        # Each picture's own kernel W s, as a product of matrices: no second copy of the maps is made.
        kernels = tf.cast(self.kernel[0, 0] * s[:, :, None], dtype)
        x = tf.matmul(tf.reshape(tf.cast(maps, dtype), (-1, height * width, channels)), kernels)
        x = tf.reshape(x, (-1, height, width, self.filters))
        return _limited(tf.cast(x, tf.float32) + self.bias, CLAMP, dtype)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((*inputs[0].shape[:3], self.filters), "float32")


@keras.saving.register_keras_serializable("tfanime")
class LearnedMaps(keras.layers.Layer):
    """Where synthesis begins: the same learned maps for every picture.

    Args:
        size: Height and width.
        channels: Channels.

    Input and output: anything `[batch, ...]` -> `[batch, size, size, channels]`.
    """

    def __init__(self, size, channels, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.channels = channels

    def build(self, input_shape):
        shape = (1, self.size, self.size, self.channels)
        self.maps = self.add_weight(shape=shape, initializer=_normal(), name="maps")

    def call(self, inputs):
        return tf.repeat(self.maps, tf.shape(inputs)[0], axis=0)

    def compute_output_shape(self, input_shape):
        return input_shape[0], self.size, self.size, self.channels

    def get_config(self):
        return {**super().get_config(), "size": self.size, "channels": self.channels}
