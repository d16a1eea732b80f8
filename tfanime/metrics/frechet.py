"""The Frechet distance between two Gaussians fitted to features, which is FID if the features are those of the 2015
Inception network (Heusel et al. 2017, arXiv 1706.08500, equation 6).

With few samples the distance is too large, by about c / count with a c that depends on the generator; and up to as many
samples as there are dimensions the covariance is singular.
"""

import numpy as np

from tfanime.metrics.arrays import require_features
from tfanime.metrics.metric import Metric, Number, digits

ROWS = 4096  # of features that are in float64 at a time


class Moments:
    """Mean and covariance of features that come batch by batch; memory does not grow with their number.

    Args:
        dimensions: Components of one feature vector.
    """

    def __init__(self, dimensions: int) -> None:
        if dimensions < 1:
            raise ValueError(f"dimensions must be at least 1. Received: {dimensions}")
        self.count = 0
        self.mean = np.zeros(dimensions)
        self._scatter = np.zeros((dimensions, dimensions))

    def update(self, features: np.ndarray) -> None:
        """Adds features.

        Args:
            features: Array `[batch, dimensions]`.

        Raises:
            ValueError: The shape is another, or a value is not finite.
        """
        features = require_features("features", features, least=1)
        if features.shape[1] != len(self.mean):
            raise ValueError(f"features must have {len(self.mean)} dimensions. Received: {features.shape[1]}")
        # Chan, Golub and LeVeque 1979: scatters about their own means, plus one of the means.
        batch_mean = features.mean(axis=0)
        centred = features - batch_mean
        step = batch_mean - self.mean
        total = self.count + len(features)
        self._scatter += centred.T @ centred + np.outer(step, step) * (self.count * len(features) / total)
        self.mean = self.mean + step * (len(features) / total)
        self.count = total

    @property
    def covariance(self) -> np.ndarray:
        """float64 array `[dimensions, dimensions]`, divided by count - 1.

        Raises:
            ValueError: There are fewer than two samples.
        """
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 samples. Received: {self.count}")
        return self._scatter / (self.count - 1)

    @property
    def gaussian(self) -> "Gaussian":
        """The `Gaussian` of these features."""
        return Gaussian(self.mean, self.covariance)


class Gaussian:
    """A Gaussian, and a factor of its covariance, which takes half of the time of a distance.

    Args:
        mean: Array `[dimensions]`.
        covariance: Array `[dimensions, dimensions]`, symmetric and positive semidefinite.
        factor: Array with `factor @ factor.T` equal to the covariance, if it is known already. Default: computed when
            it is needed.

    Raises:
        ValueError: A shape is another, or a value is not finite.
    """

    def __init__(self, mean: np.ndarray, covariance: np.ndarray, factor: np.ndarray | None = None) -> None:
        self.mean, self.covariance = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
        self._factor = factor
        if self.mean.ndim != 1 or self.covariance.shape != (len(self.mean), len(self.mean)):
            raise ValueError(
                "mean and covariance must be [dimensions] and [dimensions, dimensions]. "
                f"Received: {self.mean.shape} and {self.covariance.shape}"
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.covariance).all()):
            raise ValueError("mean and covariance must be finite. Received: values that are not")

    @property
    def factor(self) -> np.ndarray:
        """float64 array F with F F' equal to the covariance."""
        if self._factor is None:
            try:
                self._factor = np.linalg.cholesky(self.covariance)
            except np.linalg.LinAlgError:  # singular: there were fewer samples than dimensions
                values, vectors = np.linalg.eigh(self.covariance)
                self._factor = vectors * np.sqrt(np.maximum(values, 0.0))
        return self._factor

    def distance(self, other: "Gaussian") -> float:
        """The squared Frechet distance |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)) to another `Gaussian`."""
        if len(self.mean) != len(other.mean):
            raise ValueError(
                f"both Gaussians must have the same dimensions. Received: {len(self.mean)} and {len(other.mean)}"
            )
        # The eigenvalues of C C', with C = F F', are those of F' C' F, which is symmetric.
        product = self.factor.T @ other.covariance @ self.factor
        eigenvalues = np.linalg.eigvalsh((product + product.T) / 2)
        root_trace = np.sqrt(np.maximum(eigenvalues, 0.0)).sum()  # rounding may make them negative
        means = np.sum((self.mean - other.mean) ** 2)
        return max(0.0, float(means + np.trace(self.covariance) + np.trace(other.covariance) - 2 * root_trace))


def frechet_distance(
    mean_1: np.ndarray, covariance_1: np.ndarray, mean_2: np.ndarray, covariance_2: np.ndarray
) -> float:
    """The squared Frechet distance between two Gaussians.

    Args:
        mean_1: Array `[dimensions]`.
        covariance_1: Array `[dimensions, dimensions]`, symmetric and positive semidefinite.
        mean_2: The mean of the second set.
        covariance_2: The covariance of the second set.

    Returns:
        A float, at least 0. To compare several generators with the same pictures, use `Gaussian.distance` of the
        pictures' `Gaussian`, which computes its factor once.

    Raises:
        ValueError: A shape is another, or a value is not finite.
    """
    return Gaussian(mean_1, covariance_1).distance(Gaussian(mean_2, covariance_2))


def too_few(count, dimensions):
    """A warning about a Frechet distance of few samples.

    Args:
        count: Number of samples.
        dimensions: Components of a feature vector.

    Returns:
        A sentence that says how many samples are needed; None if there are enough.
    """
    enough = 5 * dimensions  # the ten thousand that Heusel et al. ask for in 2,048 dimensions
    if count >= enough:
        return None
    fault = "its bias is large" if count > dimensions else "its covariance is singular, and its bias very large"
    return (
        f"a Frechet distance in {dimensions:,} dimensions needs more than {dimensions:,} samples, and {enough:,} to be "
        f"trusted. Received: {count:,}: {fault}; compare it only with distances of as many samples"
    )


def frechet_infinity(features: np.ndarray, reference: Gaussian, points: int = 15, seed: int = 0) -> float:
    """Frechet distance extrapolated to infinitely many samples (Chong and Forsyth 2020, arXiv 1911.07023, section 4).

    The distance of N samples grows linearly with 1 / N; the result is the line's value at 0. It has no bias by the
    number of generated samples, but keeps the bias by that of the reference.

    Args:
        features: Array `[count, dimensions]`, count at least 4 times dimensions: with fewer the line does not fit.
        reference: The `Gaussian` of the real features.
        points: Number of distances to which the line is fitted, for sample counts in regular steps from half to all.
        seed: Seed of the choice of the samples.

    Returns:
        A float; it may lie below 0.

    Raises:
        ValueError: There are too few samples or points, or a value is not finite.
    """
    features = require_features("features", features)
    count, dimensions = features.shape
    if count < 4 * dimensions:
        raise ValueError(f"features must have at least 4 x {dimensions:,} rows. Received: {count:,}")
    if points < 2:
        raise ValueError(f"points must be at least 2. Received: {points}")
    random = np.random.default_rng(seed)
    counts = np.linspace(count // 2, count, points).astype(int)
    distances = []
    for part in counts:
        moments = Moments(dimensions)
        moments.update(features[random.choice(count, part, replace=False)])
        distances.append(reference.distance(moments.gaussian))
    return float(np.polyfit(1 / counts, distances, 1)[1])


def gaussian_of(features):
    """The `Gaussian` of features, array `[count, dimensions]`, of which few are in float64 at a time."""
    moments = Moments(features.shape[1])
    for begin in range(0, len(features), ROWS):
        moments.update(features[begin : begin + ROWS])
    return moments.gaussian


def _compute(fakes, reference):
    enough = len(fakes) >= 4 * fakes.shape[1]
    return {
        "distance": reference.gaussian.distance(gaussian_of(fakes)),
        "distance_infinity": frechet_infinity(fakes, reference.gaussian) if enough else None,
    }


METRIC = Metric(
    "frechet",
    (
        Number(
            "distance",
            lambda protocol: protocol["network"]["value"],
            "less",
            digits(4),
            "Frechet distance to the real pictures; less is better.",
        ),
        Number(
            "distance_infinity",
            lambda protocol: f"{protocol['network']['value']} inf",
            "less",
            digits(4),
            "The same without the bias of few generated pictures (Chong and Forsyth 2020).",
        ),
    ),
    _compute,
)
