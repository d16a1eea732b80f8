"""Penalties on the discriminator: (critic, real images, fake images) -> scalar, to be added to its loss."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Penalty:
    """A penalty, how much it weighs and how often it runs.

    Args:
        function: (critic, real images, fake images) -> scalar; the critic maps images to logits `[batch]`.
        weight: Factor of the penalty in the discriminator's loss.
        every: Training steps from one run to the next. A lazy penalty is scaled by `every`, so that its mean weight
            stays the same (Karras et al. 2020, arXiv 1912.04958, section 3.1).
    """

    function: Callable
    weight: float
    every: int = 1

    def __post_init__(self):
        if self.every < 1:
            raise ValueError(f"every must be at least 1. Received: {self.every}")


def r1(critic, real_images, fake_images):
    """E[||grad_x D(x)||^2] / 2 on real images; the weight is gamma. Mescheder et al. 2018 (arXiv 1801.04406), eq. 9."""
    del fake_images
    with tf.GradientTape() as tape:
        tape.watch(real_images)
        # The logits' sum: a picture's logit depends on that picture alone, so that one backward pass gives them all.
        logits = tf.reduce_sum(critic(real_images))
    gradients = tape.gradient(logits, real_images)  # [batch, height, width, 3]
    return 0.5 * tf.reduce_mean(tf.reduce_sum(tf.square(gradients), axis=[1, 2, 3]))
