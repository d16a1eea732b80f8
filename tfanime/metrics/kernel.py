"""KID: the squared maximum mean discrepancy of features under a cubic kernel (Binkowski et al. 2018, arXiv 1801.01401).

Unlike the Frechet distance, its estimate has no bias: few samples give noisy values, but not too large ones.
"""

import numpy as np

from tfanime.metrics.arrays import require_pair
from tfanime.metrics.metric import Metric, Number

SETTINGS = {"kernel_subsets": 100, "kernel_subset_size": 1000, "kernel_largest_share": 0.5}


def kernel_distance(
    features_1: np.ndarray,
    features_2: np.ndarray,
    subsets: int = 100,
    subset_size: int = 1000,
    largest_share: float = 0.5,
    seed: int = 0,
) -> tuple[float, float]:
    """KID between two sets of features, over random subsets.

    Args:
        features_1: Array `[count, dimensions]`.
        features_2: Array `[count, dimensions]`.
        subsets: Number of pairs of subsets that are compared.
        subset_size: Rows of a subset.
        largest_share: Of the smaller set, in (0, 1], at least two rows: a subset has no more. Subsets of half of the
            rows deviate as much as the estimate from all rows would from sample to sample; those of all rows would be
            the same every time, and their deviation 0.
        seed: Seed of the subsets.

    Returns:
        `(mean, standard deviation)` over the subsets, floats. The mean may be below 0.

    Raises:
        ValueError: An array has another shape, or values that are not finite, or a number is out of its range.
    """
    first, second = require_pair(("features_1", "features_2"), features_1, features_2)
    if subsets < 1 or subset_size < 2:
        raise ValueError(f"subsets must be at least 1, subset_size at least 2. Received: {subsets}, {subset_size}")
    if not 0 < largest_share <= 1:
        raise ValueError(f"largest_share must be above 0 and at most 1. Received: {largest_share}")
    size = min(subset_size, max(2, int(largest_share * min(len(first), len(second)))))
    random = np.random.default_rng(seed)
    values = [
        squared_discrepancy(*(rows[random.choice(len(rows), size, replace=False)] for rows in (first, second)))
        for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values))


def squared_discrepancy(first, second):
    """The unbiased estimate of the squared maximum mean discrepancy under k(x, y) = (x.y / dimensions + 1)^3.

    Args:
        first: float64 array `[m, dimensions]`, m >= 2.
        second: float64 array `[n, dimensions]`, n >= 2.

    Returns:
        A float (Gretton et al. 2012, lemma 6, equation 3): a row is not compared with itself.
    """
    dimensions = first.shape[1]

    def cubic(rows, others):
        base = rows @ others.T / dimensions + 1
        return base * base * base  # ** 3 takes several times as long

    def within(rows):
        kernel = cubic(rows, rows)
        return (kernel.sum() - np.trace(kernel)) / (len(rows) * (len(rows) - 1))

    return float(within(first) + within(second) - 2 * np.mean(cubic(first, second)))


def show(kernel):
    """The cell of a table, in thousandths."""
    return f"{1000 * kernel:.2f}"


def _compute(reals, fakes):
    kernel, deviation = kernel_distance(reals, fakes, *SETTINGS.values())
    return {"kernel": kernel, "kernel_deviation": deviation}


METRIC = Metric(
    "kernel",
    (
        Number(
            "kernel",
            "KID x1000",
            "less",
            show,
            "Kernel distance, without bias by the number of pictures; the deviation is that of its subsets.",
            deviation="kernel_deviation",
        ),
    ),
    _compute,
    settings=SETTINGS,
)
