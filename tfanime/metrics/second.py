"""Both distances in the features of a second network, which may see what the first one overlooks."""

from dataclasses import dataclass

import numpy as np

from tfanime.metrics import kernel
from tfanime.metrics.feature_network import FeatureNetwork
from tfanime.metrics.frechet import gaussian_of
from tfanime.metrics.metric import Metric, Number, digits
from tfanime.metrics.reference import Reference, chosen


@dataclass(frozen=True)
class Second:
    """A second network.

    Args:
        network: The `FeatureNetwork`.
        reference: The `Reference` in its features.
    """

    network: FeatureNetwork
    reference: Reference


def _look(images, second):
    return second.network(images)


def _compute(seen, second):
    fakes, real = np.stack(seen), second.reference.features
    mean, deviation = kernel.kernel_distance(
        real[chosen(min(len(fakes), len(real)), len(real))], fakes, *kernel.SETTINGS.values()
    )
    return {
        "second_distance": second.reference.gaussian.distance(gaussian_of(fakes)),
        "second_kernel": mean,
        "second_kernel_deviation": deviation,
    }


METRIC = Metric(
    "second",
    (
        Number(
            "second_distance",
            lambda protocol: protocol["second"]["value"],
            "less",
            digits(4),
            lambda protocol: f"Frechet distance in the features of {protocol['second']['name']}; less is better.",
        ),
        Number(
            "second_kernel",
            lambda protocol: f"KID x1000 ({protocol['second']['name']})",
            "less",
            kernel.show,
            lambda protocol: f"Kernel distance in the features of {protocol['second']['name']}; less is better.",
            deviation="second_kernel_deviation",
        ),
    ),
    _compute,
    _look,
    asked="second",
)
