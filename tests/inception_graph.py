"""A frozen graph with the node names, operations and version of the Inception network of 2015, but little in it."""

import numpy as np
import tensorflow as tf

DIMENSIONS = 2048
KERNEL, STRIDE = 8, 40  # 299 pixels become 8, the size of the last pool


def weights(seed=0, dimensions=DIMENSIONS):
    """Kernel, mean, variance, beta and gamma of its one layer."""
    random = np.random.default_rng(seed)
    kernel = random.normal(size=(KERNEL, KERNEL, 3, dimensions)) / KERNEL
    rest = random.uniform(0.5, 1.5, (4, dimensions))
    return [each.astype(np.float32) for each in (kernel, *rest)]


def write(path, seed=0, pool="pool_3", broken=False, dimensions=DIMENSIONS):
    """Writes such a graph; `broken` makes its features infinite."""
    kernel, mean, variance, beta, gamma = weights(seed, dimensions)
    if broken:
        gamma = gamma * np.inf
    with tf.Graph().as_default() as graph:
        contents = tf.constant(b"no picture", name="DecodeJpeg/contents")
        decoded = tf.image.decode_jpeg(contents, name="DecodeJpeg")
        expanded = tf.expand_dims(tf.cast(decoded, tf.float32, name="Cast"), 0, name="ExpandDims")
        resized = tf.compat.v1.image.resize_bilinear(expanded, [299, 299], name="ResizeBilinear")
        scaled = tf.multiply(tf.subtract(resized, 128.0, name="Sub"), 0.0078125, name="Mul")
        convolved = tf.nn.conv2d(scaled, kernel, STRIDE, "VALID", name="conv/Conv2D")
        for name, value in {"moving_mean": mean, "moving_variance": variance, "beta": beta, "gamma": gamma}.items():
            tf.constant(value, name=f"conv/batchnorm/{name}")
        tf.nn.avg_pool2d(tf.nn.relu(convolved, name="conv"), 8, 1, "VALID", name=pool)
    definition = graph.as_graph_def(add_shapes=True)  # with the shapes of one picture, as the original
    norm = definition.node.add(name="conv/batchnorm", op="BatchNormWithGlobalNormalization")
    parameters = [f"conv/batchnorm/{name}" for name in ("moving_mean", "moving_variance", "beta", "gamma")]
    norm.input.extend(["conv/Conv2D", *parameters])
    norm.attr["T"].type = tf.float32.as_datatype_enum
    norm.attr["variance_epsilon"].f = 0.001
    norm.attr["scale_after_normalization"].b = True
    (activation,) = (node for node in definition.node if node.name == "conv")
    activation.input[:] = ["conv/batchnorm"]
    definition.versions.producer = 8  # before TensorFlow gave that operation up
    path.write_bytes(definition.SerializeToString())
    return path


def features(resized, seed=0):
    """Its features of pictures that are resized already, 0 to 255."""
    kernel, mean, variance, beta, gamma = weights(seed)
    windows = np.lib.stride_tricks.sliding_window_view((resized - 128) / 128, (KERNEL, KERNEL), axis=(1, 2))
    convolved = np.einsum("nyxcij,ijcd->nyxd", windows[:, ::STRIDE, ::STRIDE], kernel)
    normed = (convolved - mean) / np.sqrt(variance + 0.001) * gamma + beta
    return np.maximum(normed, 0).mean(axis=(1, 2))
