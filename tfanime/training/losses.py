"""Adversarial losses. All take logits `[batch]` and return the mean over the batch, a scalar.

`LOSSES` maps the names that `GAN.compile(loss=...)` understands to pairs of functions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Loss:
    """The two sides of a game.

    Args:
        discriminator: (real logits, fake logits) -> scalar, minimised by the discriminator.
        generator: (fake logits) -> scalar, minimised by the generator.
    """

    discriminator: Callable
    generator: Callable


def non_saturating_discriminator(real_logits, fake_logits):
    """-E[log s(D(x))] - E[log(1 - s(D(G(z))))], with s the logistic function. Goodfellow et al. 2014, equation 1."""
    # softplus(-a) = -log s(a), softplus(a) = -log(1 - s(a))
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))


def non_saturating_generator(fake_logits):
    """-E[log s(D(G(z)))]. Goodfellow et al. 2014, section 3, the form that does not saturate."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


def wasserstein_discriminator(real_logits, fake_logits):
    """E[D(G(z))] - E[D(x)], the negated estimate of the distance. Arjovsky et al. 2017 (arXiv 1701.07875), alg. 1."""
    return tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits)


def wasserstein_generator(fake_logits):
    """-E[D(G(z))]. Arjovsky et al. 2017, algorithm 1."""
    return -tf.reduce_mean(fake_logits)


LOSSES = {
    "non_saturating": Loss(non_saturating_discriminator, non_saturating_generator),
    "wasserstein": Loss(wasserstein_discriminator, wasserstein_generator),
}
