"""Adversarial losses. All take logits `[batch]` of both sides and return the mean over the batch, a scalar.

`LOSSES` maps the names that `GAN.compile(loss=...)` understands to pairs of functions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfanime.training.replicas import mean_over_replicas


@dataclass(frozen=True)
class Loss:
    """The losses of both players.

    Args:
        discriminator: (real logits, fake logits) -> scalar, minimised by the discriminator.
        generator: (fake logits, real logits) -> scalar, minimised by the generator.
        paired: Whether the generator's side looks at real logits. They take one more pass of the discriminator, after
            its update; other losses are given None.
        signed: Whether logits above 0 say "real" and those below say "fake". ADA counts such signs.
    """

    discriminator: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    generator: Callable[[tf.Tensor, Any], tf.Tensor]
    paired: bool = False
    signed: bool = True


def non_saturating_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """-E[log s(D(x))] - E[log(1 - s(D(G(z))))], with s the logistic function. Goodfellow et al. 2014, equation 1."""
    # softplus(-a) = -log s(a), softplus(a) = -log(1 - s(a))
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))


def non_saturating_generator(fake_logits: tf.Tensor, real_logits: tf.Tensor | None = None) -> tf.Tensor:
    """-E[log s(D(G(z)))]. Goodfellow et al. 2014, section 3, the form that does not saturate."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


def wasserstein_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """E[D(G(z))] - E[D(x)], the negated estimate of the distance. Arjovsky et al. 2017 (arXiv 1701.07875), alg. 1."""
    return tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits)


def wasserstein_generator(fake_logits: tf.Tensor, real_logits: tf.Tensor | None = None) -> tf.Tensor:
    """-E[D(G(z))]. Arjovsky et al. 2017, algorithm 1."""
    return -tf.reduce_mean(fake_logits)


def hinge_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))], logits beyond +1 and -1 being good enough.

    Lim & Ye 2017 (arXiv 1705.02894); Miyato et al. 2018 (SN-GAN, arXiv 1802.05957), equation 16, which is its negative.
    """
    return tf.reduce_mean(tf.nn.relu(1.0 - real_logits)) + tf.reduce_mean(tf.nn.relu(1.0 + fake_logits))


def hinge_generator(fake_logits: tf.Tensor, real_logits: tf.Tensor | None = None) -> tf.Tensor:
    """-E[D(G(z))]. Miyato et al. 2018, equation 17."""
    return -tf.reduce_mean(fake_logits)


def least_squares_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """E[(D(x) - b)^2] / 2 + E[(D(G(z)) - a)^2] / 2 with the labels b = 1 for real pictures and a = 0 for fakes.

    Mao et al. 2017 (LSGAN, arXiv 1611.04076), with the 0-1 coding of its labels. The discriminator's output is the
    logit itself, without a logistic function.
    """
    return 0.5 * tf.reduce_mean(tf.square(real_logits - 1.0)) + 0.5 * tf.reduce_mean(tf.square(fake_logits))


def least_squares_generator(fake_logits: tf.Tensor, real_logits: tf.Tensor | None = None) -> tf.Tensor:
    """E[(D(G(z)) - c)^2] / 2 with c = 1, the label of real pictures. Mao et al. 2017, the 0-1 coding."""
    return 0.5 * tf.reduce_mean(tf.square(fake_logits - 1.0))


def relativistic_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """E[softplus(-(D(x) - D(G(z))))]: the i-th real picture must look more real than the i-th fake.

    Jolicoeur-Martineau 2018 (arXiv 1807.00734), section 4.1; the pairing of Huang et al. 2024 (R3GAN, arXiv
    2501.05441), equation 2.
    """
    return tf.reduce_mean(tf.nn.softplus(-(real_logits - fake_logits)))


def relativistic_generator(fake_logits: tf.Tensor, real_logits: tf.Tensor) -> tf.Tensor:
    """E[softplus(-(D(G(z)) - D(x)))], the other way round. Sources as for the discriminator."""
    return tf.reduce_mean(tf.nn.softplus(-(fake_logits - real_logits)))


def relativistic_average_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """-E[log s(D(x) - E[D(G(z))])] - E[log(1 - s(D(G(z)) - E[D(x)]))], with s the logistic function.

    Jolicoeur-Martineau 2018, section 4.2 (RaSGAN). The inner means are over the batches of all devices.
    """
    above = real_logits - mean_over_replicas(tf.reduce_mean(fake_logits))
    below = fake_logits - mean_over_replicas(tf.reduce_mean(real_logits))
    return tf.reduce_mean(tf.nn.softplus(-above)) + tf.reduce_mean(tf.nn.softplus(below))


def relativistic_average_generator(fake_logits: tf.Tensor, real_logits: tf.Tensor) -> tf.Tensor:
    """The discriminator's loss with both sides exchanged."""
    return relativistic_average_discriminator(fake_logits, real_logits)


LOSSES = {
    "non_saturating": Loss(non_saturating_discriminator, non_saturating_generator),
    "wasserstein": Loss(wasserstein_discriminator, wasserstein_generator, signed=False),
    "hinge": Loss(hinge_discriminator, hinge_generator),
    "least_squares": Loss(least_squares_discriminator, least_squares_generator, signed=False),
    "relativistic": Loss(relativistic_discriminator, relativistic_generator, paired=True, signed=False),
    "relativistic_average": Loss(
        relativistic_average_discriminator, relativistic_average_generator, paired=True, signed=False
    ),
}


def as_loss(loss: str | Loss) -> Loss:
    """The `Loss` of a name in `LOSSES`; one that is a `Loss` already stays.

    Raises:
        ValueError: There is no loss of this name.
    """
    if isinstance(loss, Loss):
        return loss
    if loss not in LOSSES:
        raise ValueError(f"loss must be a Loss or one of {', '.join(LOSSES)}. Received: {loss!r}")
    return LOSSES[loss]
