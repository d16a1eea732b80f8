"""Augmentation: pictures changed at random, as a function of (seed, step, place in the batch)."""

import tensorflow as tf


def varied(images, seed, step, least_side, light):
    """The same faces a little closer and in another light, as a function of (seed, step, place in the batch).

    Args:
        images: float32 `[batch, size, size, 3]` in [-1, 1].
        seed: Seed of the run, int.
        step: Number of the step, scalar int64 tensor or int.
        least_side: Least side of the square that is left, as a share.
        light: Most that contrast and brightness vary by. What is added is added to red, green and blue alike, so that
            no hue changes.

    Returns:
        float32 of the same shape, in [-1, 1].
    """
    count, size = tf.shape(images)[0], images.shape[1]
    seeds = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
    uniform = tf.random.stateless_uniform([count, 5], seeds, alg="philox")
    side = 1 - (1 - least_side) * uniform[:, 0]
    top, left = uniform[:, 1] * (1 - side), uniform[:, 2] * (1 - side)
    boxes = tf.stack([top, left, top + side, left + side], axis=1)
    images = tf.image.crop_and_resize(images, boxes, tf.range(count), (size, size))
    contrast, brightness = tf.split(light * (2 * uniform[:, 3:, None, None] - 1), 2, axis=1)
    return tf.clip_by_value(images * (1 + contrast) + 2 * brightness, -1.0, 1.0)
