"""Metrics of nearest neighbours: precision and recall, density and coverage, and how near fakes come to real pictures.

Distances are Euclidean and computed in blocks, so that memory grows with the number of pictures and not its square.
"""

import numpy as np

from tfanime.metrics.arrays import require_features, require_pair
from tfanime.metrics.metric import Metric, Number, digits, percent

BLOCK = 1024
MANY = 8192  # of other rows that are in memory at a time


def _distances(rows, others):
    """Blocks of the Euclidean distances from `rows` (down) to `others` (across), with their first row's number."""
    squares = np.sum(others**2, axis=1)
    for begin in range(0, len(rows), BLOCK):
        block = rows[begin : begin + BLOCK]
        squared = np.sum(block**2, axis=1)[:, None] + squares - 2 * block @ others.T
        yield begin, np.sqrt(np.maximum(squared, 0.0))


def radii(features, k):
    """For each row the distance to its k-th nearest other row.

    Args:
        features: Array `[count, dimensions]`, count above k.
        k: Which neighbour.

    Returns:
        float64 array `[count]`.
    """
    features = require_features("features", features, least=k + 1)
    result = np.empty(len(features))
    for begin, distances in _distances(features, features):
        rows = np.arange(len(distances))
        distances[rows, begin + rows] = np.inf  # not to itself, even where rounding makes it farther than a twin
        result[begin : begin + len(distances)] = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return result


def precision_recall(real_features: np.ndarray, fake_features: np.ndarray, k: int = 3) -> tuple[float, float]:
    """Precision and recall of fakes (Kynkaanniemi et al. 2019, arXiv 1904.06991, equation 2).

    Args:
        real_features: Array `[count, dimensions]`.
        fake_features: Array `[count, dimensions]`; as many as real ones, or the two values mean different things.
        k: The neighbour whose distance is the radius of the ball around each picture, 3 in the paper.

    Returns:
        `(precision, recall)`: shares of fakes inside a real one's ball, and of real ones inside a fake's.

    Raises:
        ValueError: An array has another shape, too few rows, or values that are not finite.
    """
    real, fake = require_pair(("real_features", "fake_features"), real_features, fake_features, least=k + 1)
    return _inside(fake, real, radii(real, k)), _inside(real, fake, radii(fake, k))


def _inside(rows, centres, ball_radii):
    return float(np.concatenate([(block <= ball_radii).any(axis=1) for _, block in _distances(rows, centres)]).mean())


def density_coverage(real_features: np.ndarray, fake_features: np.ndarray, k: int = 5) -> tuple[float, float]:
    """Density and coverage: outliers weigh less (Naeem et al. 2020, arXiv 2002.09797, equations 3 and 4).

    Args:
        real_features: Array `[count, dimensions]`.
        fake_features: Array `[count, dimensions]`.
        k: The neighbour whose distance is the radius of the ball around each real picture, 5 in the paper.

    Returns:
        `(density, coverage)`: in how many real ones' balls a fake lies on average, over k (it may be above 1), and the
        share of real ones with a fake in their ball.

    Raises:
        ValueError: An array has another shape, too few rows, or values that are not finite.
    """
    real, fake = require_pair(("real_features", "fake_features"), real_features, fake_features, least=k + 1)
    ball_radii = radii(real, k)
    inside, covered = 0, np.zeros(len(real), bool)
    for _, block in _distances(fake, real):
        within = block < ball_radii
        inside += np.count_nonzero(within)
        covered |= within.any(axis=0)
    return inside / (k * len(fake)), float(covered.mean())


def nearest(features: np.ndarray, others: np.ndarray, skip: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """For each row the nearest of other rows.

    Args:
        features: Array `[count, dimensions]`.
        others: Array `[other count, dimensions]`, of any length and float type: only some rows at a time are copied.
        skip: For each row the number of the one among `others` that is the same picture and no neighbour of itself,
            integers `[count]`. Default: none.

    Returns:
        `(indices, distances)`, int64 and float64 arrays `[count]`.

    Raises:
        ValueError: An array has another shape, too few rows, or values that are not finite.
    """
    if len(others) < (1 if skip is None else 2):
        raise ValueError(f"others must have a row to be the nearest of. Received: {len(others)} rows")
    indices, smallest = np.zeros(len(features), np.int64), np.full(len(features), np.inf)
    for first in range(0, len(others), MANY):
        rows, part = require_pair(("features", "others"), features, others[first : first + MANY], least=1)
        for begin, distances in _distances(rows, part):
            places = np.arange(len(distances))
            if skip is not None:
                own = np.asarray(skip)[begin + places] - first
                here = (own >= 0) & (own < len(part))
                distances[places[here], own[here]] = np.inf
            where = slice(begin, begin + len(distances))
            found = np.argmin(distances, axis=1)
            nearer = distances[places, found] < smallest[where]
            indices[where] = np.where(nearer, first + found, indices[where])
            smallest[where] = np.where(nearer, distances[places, found], smallest[where])
    return indices, smallest


def _precision_recall(reals, fakes):
    equal = fakes[: len(reals)]  # what neighbours say depends on both numbers
    precision, recall = precision_recall(reals, equal, PRECISION_RECALL.settings["precision_recall_k"])
    return {"precision": precision, "recall": recall}


def _density_coverage(reals, fakes):
    equal = fakes[: len(reals)]
    density, coverage = density_coverage(reals, equal, DENSITY_COVERAGE.settings["density_coverage_k"])
    return {"density": density, "coverage": coverage}


PRECISION_RECALL = Metric(
    "precision_recall",
    (
        Number("precision", "precision", "more", percent, "Share of pictures that lie among real ones."),
        Number("recall", "recall", "more", percent, "Share of real pictures that lie among these."),
    ),
    _precision_recall,
    settings={"precision_recall_k": 3},
)
DENSITY_COVERAGE = Metric(
    "density_coverage",
    (
        Number(
            "density",
            "density",
            "more",
            digits(3),
            "Precision with less weight of outliers; about 1 for real pictures.",
        ),
        Number("coverage", "coverage", "more", percent, "Share of real pictures with one of these nearby."),
    ),
    _density_coverage,
    settings={"density_coverage_k": 5},
)
