"""Layers in NumPy as TensorFlow computes them, float64, for tests that go through a whole network by hand."""

import numpy as np


class Weights:
    """A network's weights, drawn at random and then taken one after the other.

    Args:
        network: A built `keras.Model`; its weights are overwritten.
    """

    def __init__(self, network):
        random = np.random.default_rng(0)
        for weight in network.weights:
            positive = "variance" in weight.name
            weight.assign(random.uniform(0.5, 1.5, weight.shape) if positive else random.normal(size=weight.shape))
        self._left = iter(weight.numpy().astype("float64") for weight in network.weights)

    def take(self, count):
        """The next `count` arrays, a list."""
        return [next(self._left) for _ in range(count)]

    def norm(self, x):
        """The next layer is batch norm, in inference."""
        gamma, beta, mean, variance = self.take(4)
        return gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta

    def all_taken(self):
        """Whether none is left."""
        return next(self._left, None) is None


def relu(x, slope=0.0):
    """ReLU, or LeakyReLU of a slope."""
    return np.where(x > 0, x, slope * x)


def conv(x, kernel, bias=0.0, stride=1):
    """`Conv2D(padding="same")`: `[n, h, w, i]` and kernel `[kh, kw, i, o]` -> `[n, h / stride, w / stride, o]`."""
    sides = [max(kernel.shape[axis] - stride, 0) for axis in (0, 1)]  # sizes are multiples of the stride
    pads = [(side // 2, side - side // 2) for side in sides]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), *pads, (0, 0))), kernel.shape[:2], (1, 2))
    return np.einsum("nhwcij,ijco->nhwo", windows[:, ::stride, ::stride], kernel) + bias


def conv_transpose(x, kernel, bias=0.0, stride=2):
    """`Conv2DTranspose(padding="same")`: `[n, h, w, i]` and kernel `[kh, kw, o, i]` -> `[n, stride h, stride w, o]`."""
    count, height, width, _ = x.shape
    rows, columns, outputs, _ = kernel.shape
    whole = np.zeros((count, height * stride + rows, width * stride + columns, outputs))
    for row in range(rows):
        for column in range(columns):
            part = whole[:, row : row + height * stride : stride, column : column + width * stride : stride]
            part += x @ kernel[row, column].T
    top, left = (rows - stride) // 2, (columns - stride) // 2
    return whole[:, top : top + height * stride, left : left + width * stride] + bias


def zeros_between(x):
    """A zero after every place: `[n, h, w, c]` -> `[n, 2 h, 2 w, c]`."""
    count, height, width, channels = x.shape
    whole = np.zeros((count, 2 * height, 2 * width, channels))
    whole[:, ::2, ::2] = x
    return whole


def low_pass(x, before, after):
    """outer([1, 3, 3, 1]) / 64 over maps with zeros before and after."""
    x = np.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (4, 4), (1, 2))
    return np.einsum("nhwcij,ij->nhwc", windows, np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64)


def resampled_conv(x, kernel, resampling=None):
    """StyleGAN2's convolutions: everything at the larger size, then every second place; kernel `[k, k, i, o]`."""
    side = kernel.shape[0]
    if resampling == "up":  # filter and kernel commute; the kernel's edges reach beyond the map
        margin = side // 2
        x = np.pad(zeros_between(x), ((0, 0), (margin, margin), (margin, margin), (0, 0)))
        return valid_conv(4 * low_pass(x, 2, 1), kernel[::-1, ::-1])
    if resampling == "down":
        margin = side // 2
        return valid_conv(low_pass(x, margin + 1, margin + 1), kernel)[:, ::2, ::2]
    return conv(x, kernel)


def valid_conv(x, kernel):
    """`Conv2D(padding="valid")`: `[n, h, w, i]` and kernel `[kh, kw, i, o]`."""
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], (1, 2))
    return np.einsum("nhwcij,ijco->nhwo", windows, kernel)


def modulated_conv(x, kernel, s, resampling=None, demodulate=True):
    """StyleGAN2's equations 1 and 3 as they stand, a kernel a picture: s `[n, i]`, kernel `[k, k, i, o]`."""
    pictures = []
    for picture, factors in zip(x, s, strict=True):
        own = kernel * factors[:, None]
        if demodulate:
            own = own / np.sqrt((own**2).sum(axis=(0, 1, 2)) + 1e-8)
        pictures.append(resampled_conv(picture[None], own, resampling)[0])
    return np.stack(pictures)


def equalized_dense(x, kernel, bias, rate=1.0, activate=False):
    """StyleGAN2's dense layer: `[n, i]` and kernel `[i, o]`."""
    x = x @ kernel * rate / np.sqrt(len(kernel)) + bias * rate
    return np.sqrt(2) * relu(x, 0.2) if activate else x


def second_moment_norm(x):
    """`[n, size]` over the root mean square."""
    return x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-8)


def grouped_conv(x, kernel, groups):
    """`Conv2D(padding="same", groups=groups)`: kernel `[kh, kw, i / groups, o]`."""
    parts = zip(np.split(x, groups, axis=-1), np.split(kernel, groups, axis=-1), strict=True)
    return np.concatenate([conv(own, filters) for own, filters in parts], axis=-1)
