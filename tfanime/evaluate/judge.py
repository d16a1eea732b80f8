"""All numbers of a set of pictures, against one reference."""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from tqdm import tqdm

from tfanime.metrics.features import BATCH
from tfanime.metrics.frechet import Moments, frechet_infinity
from tfanime.metrics.kernel import kernel_distance
from tfanime.metrics.neighbours import density_coverage, nearest, precision_recall
from tfanime.metrics.reference import chosen
from tfanime.tfrecords.duplicates import earliest
from tfanime.tfrecords.filters import measure

SETTINGS = {
    "kernel_subsets": 100,
    "kernel_subset_size": 1000,
    "kernel_largest_share": 0.5,
    "precision_recall_k": 3,
    "density_coverage_k": 5,
    "duplicate_bits": 4,
    "memorised_share": 0.01,  # of real faces that are nearer to another one
}
LEAST = SETTINGS["density_coverage_k"] + 1  # samples
PAIRS = 32  # closest ones that are shown
ROWS = 4096  # of features that are in float64 at a time
ROUNDING = 1e-3  # of distances between equal pictures, in units of the median between real faces
BIN, BINS = (
    0.05,
    60,
)  # of the histogram of distances, in units of the median between real faces; the last holds the rest


@dataclass(frozen=True)
class Row:
    """What was found out about one source.

    Args:
        values: Numbers by name; None for what was not asked or needs more samples.
        histogram: Shares of pictures by distance to the nearest real one, float64 `[BINS]`.
        pairs: `(number of the picture, number of the real picture, distance)` of the closest pairs, closest first;
            the distance in units of the median between real faces.
    """

    values: dict
    histogram: np.ndarray
    pairs: list


class Judge:
    """Judges sources of pictures against the same real ones.

    Args:
        network: A `FeatureNetwork`.
        reference: The `Reference` in its features.
        samples: Pictures of a source, at least 6. Where a metric wants as many real ones as many are taken; if there
            are fewer, then fewer of both.
        finder: A `tfanime.metrics.faces.FaceFinder`, or None.
        progress: Whether to show progress bars.

    Raises:
        ValueError: There are too few samples or real pictures.
    """

    def __init__(self, network, reference, samples, finder=None, progress=True):
        if samples < LEAST:
            raise ValueError(f"samples must be at least {LEAST}. Received: {samples}")
        if reference.details["count"] < LEAST:
            raise ValueError(f"data must have at least {LEAST} pictures. Received: {reference.details['count']}")
        self.network = network
        self.reference = reference
        self.finder = finder
        self.progress = progress
        self.samples = samples
        rows = self._real_rows(samples)
        self.real_distances = nearest(reference.features[rows], reference.features, skip=rows)[1]
        self.unit = float(np.median(self.real_distances)) or 1.0
        self.real_histogram = histogram(self.real_distances / self.unit)
        # Where the data repeats itself the quantile is zero, and rounding would keep exact copies above it.
        self.near = max(np.quantile(self.real_distances, SETTINGS["memorised_share"]), ROUNDING * self.unit)

    @property
    def protocol(self):
        """What must be equal for rows to stand in one table, a dictionary that JSON knows."""
        details = self.reference.details
        return {
            "network": self.network.protocol,
            "image_size": details["image_size"],
            "samples": self.samples,
            "reference": {key: details[key] for key in ("fingerprint", "stored_size", "decoding", "count", "of")},
            "detector": self.finder.protocol if self.finder else None,
            "settings": SETTINGS,
        }

    def _real_rows(self, count):
        """Rows of the reference, as many as there are pictures to compare with them."""
        of = self.reference.details["count"]
        return chosen(min(count, of), of)

    def row(self, source):
        """Judges a source.

        Args:
            source: A `tfanime.evaluate.sources.Source`.

        Returns:
            A `Row`.

        Raises:
            ValueError: There are too few pictures, or a feature is not finite.
        """
        if source.count < LEAST:
            raise ValueError(f"{source.name} must have at least {LEAST} pictures. Received: {source.count}")
        features, hashes, found = self._look(source)
        moments = Moments(self.network.dimensions)
        for begin in range(0, len(features), ROWS):
            moments.update(features[begin : begin + ROWS])
        gaussian = self.reference.gaussian
        real = self.reference.features[self._real_rows(source.count)]
        kernel, deviation = kernel_distance(
            real,
            features,
            SETTINGS["kernel_subsets"],
            SETTINGS["kernel_subset_size"],
            SETTINGS["kernel_largest_share"],
        )
        equal = features[: len(real)]  # what neighbours say depends on both numbers
        precision, recall = precision_recall(real, equal, SETTINGS["precision_recall_k"])
        density, coverage = density_coverage(real, equal, SETTINGS["density_coverage_k"])
        indices, distances = nearest(features, self.reference.features)
        enough = source.count >= 4 * self.network.dimensions
        copies = sum(1 for _ in earliest(hashes, SETTINGS["duplicate_bits"]))
        values = {
            "distance": gaussian.distance(moments.gaussian),
            "distance_infinity": frechet_infinity(features, gaussian) if enough else None,
            "kernel": kernel,
            "kernel_deviation": deviation,
            "precision": precision,
            "recall": recall,
            "density": density,
            "coverage": coverage,
            "faces": float(np.mean(found)) if self.finder else None,
            "duplicates": copies / source.count,
            "nearest": float(np.median(distances)) / self.unit,
            "memorised": float(np.mean(distances <= self.near)),
        }
        closest = np.argsort(distances, kind="stable")[:PAIRS]
        pictures = self.reference.indices[indices]
        pairs = [(int(index), int(pictures[index]), float(distances[index]) / self.unit) for index in closest]
        return Row(values, histogram(distances / self.unit), pairs)

    def _look(self, source):
        """Features, perceptual hashes, and in which pictures there is a face."""
        features, hashes, found = [], [], []
        title = source.name if self.progress else None
        with tqdm(total=source.count, desc=title, unit=" pictures", disable=None if title else True) as bar:
            for begin in range(0, source.count, BATCH):
                images = source.images(np.arange(begin, min(begin + BATCH, source.count)))
                features.append(self.network(images))
                hashes += [measure(Image.fromarray(image), hashed=True).hash for image in images]
                if self.finder:
                    found.append(self.finder(images))
                bar.update(len(images))
        return np.concatenate(features), hashes, np.concatenate(found) if found else None


def histogram(distances):
    """Shares of distances in bins of `BIN`, the last of which holds all that are farther; float64 `[BINS]`."""
    bins = np.minimum(np.asarray(distances) / BIN, BINS - 1).astype(int)
    return np.bincount(bins, minlength=BINS) / len(bins)
