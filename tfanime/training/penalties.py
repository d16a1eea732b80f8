"""Penalties on the discriminator: (critic, real images, fake images, draw) -> scalar, to be added to its loss.

`draw(shape=(), name="alpha")` is where their randomness comes from: uniform in [0, 1), float32 `[batch, *shape]`, one
row a picture, other numbers for another name. `GAN` makes them a function of (seed, critic step, place in the global
batch, name).
"""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from tfanime.training.replicas import mean_over_replicas

EPSILON = 1e-12  # below the root, whose slope is infinite at 0; no float32 norm above 1e-2 feels it


@dataclass(frozen=True)
class Penalty:
    """A penalty, how much it weighs and how often it runs.

    Args:
        function: (critic, real images, fake images, draw) -> scalar; the critic maps images to logits `[batch]`, see
            the module for `draw`.
        weight: Factor of the penalty in the discriminator's loss.
        every: Training steps from one run to the next. A lazy penalty is scaled by `every`, so that its mean weight
            stays the same (Karras et al. 2020, arXiv 1912.04958, section 3.1). There Adam's rate and betas are lowered
            for the additional steps of the penalty alone; here it is added to the loss of a step that is made anyway,
            and they stay.

    Raises:
        ValueError: `every` is below 1.
    """

    function: Callable
    weight: float
    every: int = 1

    def __post_init__(self):
        if self.every < 1:
            raise ValueError(f"every must be at least 1. Received: {self.every}")


def _gradients(critic, images):
    """grad_x D(x), like `images`."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        # The logits' sum, whose one backward pass gives the gradients of all pictures. Where a logit depends on other
        # pictures too (MinibatchStddev), they have its share in theirs.
        logits = tf.reduce_sum(critic(images))
    return tape.gradient(logits, images)


def _one_lipschitz(critic, images):
    """E[(||grad_x D(x)|| - 1)^2] at `images`: slopes below 1 cost as much as those above."""
    norms = tf.sqrt(tf.reduce_sum(tf.square(_gradients(critic, images)), axis=[1, 2, 3]) + EPSILON)  # [batch]
    return tf.reduce_mean(tf.square(norms - 1.0))


def _interpolate(images, others, draw):
    """A point between each picture of `images` and its other, at a place drawn for each pair."""
    alpha = tf.cast(draw(), images.dtype)[:, None, None, None]
    return images + alpha * (others - images)


def r1(critic, real_images, fake_images, draw):
    """E[||grad_x D(x)||^2] / 2 on real images; the weight is gamma. Mescheder et al. 2018 (arXiv 1801.04406), eq. 9.

    Args:
        critic: Images `[batch, height, width, 3]` -> logits `[batch]`.
        real_images: `[batch, height, width, 3]`.
        fake_images: Not used.
        draw: Not used.

    Returns:
        Scalar.
    """
    del fake_images, draw
    return 0.5 * tf.reduce_mean(tf.reduce_sum(tf.square(_gradients(critic, real_images)), axis=[1, 2, 3]))


def gradient_penalty(critic, real_images, fake_images, draw):
    """E[(||grad D(x + alpha (G(z) - x))|| - 1)^2] with alpha ~ U[0, 1) for each picture; the weight is lambda.

    Gulrajani et al. 2017 (WGAN-GP, arXiv 1704.00028), equation 3, lambda 10 there. The critic must treat pictures one
    by one, hence no batch norm.

    Args:
        critic: Images `[batch, height, width, 3]` -> logits `[batch]`.
        real_images: `[batch, height, width, 3]`.
        fake_images: Likewise; the i-th lies at the other end of the i-th real one's line.
        draw: See the module. Its `"alpha"` is used.

    Returns:
        Scalar.
    """
    return _one_lipschitz(critic, _interpolate(real_images, tf.cast(fake_images, real_images.dtype), draw))


def dragan(critic, real_images, fake_images, draw):
    """E[(||grad D(x + alpha (x_p - x))|| - 1)^2] around real images, x_p = x + std(x) U[0, 1) / 2.

    Kodali et al. 2017 (arXiv 1705.07215), as their code has it: alpha ~ U[0, 1) for each picture, the noise U for each
    value, one std of all values of the batch, and D the logit; the weight is lambda, 10 there. On several devices the
    std is that of the global batch, which they have to meet for.

    Args:
        critic: Images `[batch, height, width, 3]` -> logits `[batch]`.
        real_images: `[batch, height, width, 3]`.
        fake_images: Not used.
        draw: See the module. Its `"alpha"` and `"noise"` are used.

    Returns:
        Scalar.

    Raises:
        ValueError: It is lazy (`Penalty.every` above 1) on several devices, which cannot meet at some steps only.
    """
    del fake_images
    try:
        mean = mean_over_replicas(tf.reduce_mean(real_images))
        variance = mean_over_replicas(tf.reduce_mean(tf.square(real_images - mean)))
    except RuntimeError as error:
        raise ValueError(
            "Penalty.every must be 1 for dragan on several devices: it takes a statistic over all of them, for which "
            "they can meet at every step only. Received: more"
        ) from error
    noise = tf.cast(draw(real_images.shape[1:], "noise"), real_images.dtype)
    return _one_lipschitz(critic, _interpolate(real_images, real_images + 0.5 * tf.sqrt(variance) * noise, draw))
