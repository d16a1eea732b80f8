"""All numbers of a set of pictures, against one reference."""

import functools
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from tfanime.metrics.copies import unit
from tfanime.metrics.features import BATCH
from tfanime.metrics.metric import NEEDS, parameters
from tfanime.metrics.neighbours import DENSITY_COVERAGE, nearest
from tfanime.metrics.reference import chosen
from tfanime.metrics.registry import METRICS, SETTINGS, parse_metric

FOUND = {"images", "seen", "fakes", "reals", "neighbours"}  # the evidence of every source whose pictures are drawn
LEAST = DENSITY_COVERAGE.settings["density_coverage_k"] + 1  # samples
PAIRS = 32  # number of closest pairs that are shown
BIN, BINS = (
    0.05,
    60,
)  # of the histogram of distances, in units of the median between real faces; the last holds the rest


@dataclass(frozen=True)
class Row:
    """The results of one source.

    Args:
        values: Numbers by name; None if a number does not exist for this source, or needs more samples.
        histogram: Shares of pictures by distance to the nearest real one, float64 `[BINS]`.
        pairs: `(number of the picture, number of the real picture, distance)` of the closest pairs, closest first;
            the distance in units of the median between real faces.
        details: Further results by the metric's name, for JSON.
    """

    values: dict
    histogram: np.ndarray
    pairs: list
    details: dict = field(default_factory=dict)


class Judge:
    """Evaluates sources of pictures against the same real ones.

    Args:
        network: A `FeatureNetwork`.
        reference: The `Reference` in its features.
        samples: Number of pictures of a source, at least 6. Metrics that need equally many real ones get as many, or,
            if there are fewer, fewer of both.
        finder: A `tfanime.metrics.faces.FaceFinder`, or None.
        progress: Whether to show progress bars.
        tagger: The `tfanime.tagger.files.TaggerNetwork` that measures which tags generators obey, or None.
        tag_pictures: Number of pictures that are drawn for each tag.
        also: Optional metrics, in the form that `tfanime.metrics.registry.parse_metric` reads.
        seed: Seed of the pictures that metrics draw from a generator.
        second: The `tfanime.metrics.second.Second` network for additional distances, or None.

    Raises:
        ValueError: There are too few samples or real pictures, or an optional metric is not allowed.
    """

    def __init__(
        self,
        network,
        reference,
        samples,
        finder=None,
        progress=True,
        tagger=None,
        tag_pictures=20,
        also=(),
        seed=0,
        second=None,
    ):
        if samples < LEAST:
            raise ValueError(f"samples must be at least {LEAST}. Received: {samples}")
        if reference.details["count"] < LEAST:
            raise ValueError(f"data must have at least {LEAST} pictures. Received: {reference.details['count']}")
        self.network = network
        self.reference = reference
        self.finder = finder
        self.progress = progress
        self.samples = samples
        self.tagger = tagger
        self.tag_pictures = tag_pictures
        self.also = {metric.name: options for metric, options in map(parse_metric, also)}
        if len(self.also) < len(also):
            raise ValueError(f"also must name a metric once. Received: {', '.join(also)}")
        self.seed = seed
        self.second = second
        rows = self.real_rows(samples)
        self.real_distances = nearest(reference.features[rows], reference.features, skip=rows)[1]
        self.unit = unit(self.real_distances)
        self.real_histogram = histogram(self.real_distances / self.unit)

    @property
    def protocol(self):
        """The protocol, which must be equal for all rows of a table: a dictionary that JSON can represent."""
        details = self.reference.details
        return {
            "network": self.network.protocol,
            "image_size": details["image_size"],
            "samples": self.samples,
            "reference": {key: details[key] for key in ("fingerprint", "stored_size", "decoding", "count", "of")},
            "detector": self.finder.protocol if self.finder else None,
            "settings": SETTINGS,
            "tags": {"pictures": self.tag_pictures, "tagger": self.tagger.card["sha256"]} if self.tagger else None,
            **({"second": self.second.network.protocol} if self.second else {}),
            **self.also,
        }

    def real_rows(self, count):
        """`count` rows of the reference, at most all."""
        of = self.reference.details["count"]
        return chosen(min(count, of), of)

    def row(self, source):
        """Evaluates a source.

        Args:
            source: A `tfanime.evaluate.sources.Source`.

        Returns:
            A `Row`.

        Raises:
            ValueError: There are too few pictures, or a feature is not finite.
        """
        if source.count < LEAST:
            raise ValueError(f"{source.name} must have at least {LEAST} pictures. Received: {source.count}")
        protocol, evidence = self.protocol, Evidence(self, source)
        values, details = {}, {}
        asked = [metric for metric in METRICS if metric.key is None or metric.key in protocol]
        able = [metric for metric in asked if metric.is_asked(protocol) and not evidence.lacks(metric)]
        seen = self._look(source, evidence, [metric for metric in able if metric.look])
        for metric in asked:
            found = {}
            if metric in able:
                found = _call(metric.compute, evidence, seen=seen.get(metric.name), **self.also.get(metric.name, {}))
            values |= {key: found.get(key) for key in metric.keys}
            if "details" in found:
                details[metric.name] = found["details"]
        indices, distances = evidence.neighbours
        closest = np.argsort(distances, kind="stable")[:PAIRS]
        pictures = self.reference.indices[indices]
        pairs = [(int(index), int(pictures[index]), float(distances[index]) / self.unit) for index in closest]
        return Row(values, histogram(distances / self.unit), pairs, details)

    def require_also(self, sources):
        """Raises an error for optional metrics whose needs no source meets.

        Raises:
            ValueError: The message names what is missing.
        """
        for metric in METRICS:
            lacks = [Evidence(self, source).lacks(metric) for source in sources if metric.name in self.also]
            if lacks and all(lacks):
                raise ValueError(
                    f"the metric {metric.name} must have a source that meets its needs. Received: none with "
                    + " and ".join(f"{need} ({NEEDS[need]})" for need in lacks[0])
                )

    def _look(self, source, evidence, metrics):
        """Draws all pictures and stores their features; returns the per-picture results of metrics, lists by metric."""
        features, seen = [], {metric.name: [] for metric in metrics}
        title = source.name if self.progress else None
        with tqdm(total=source.count, desc=title, unit=" pictures", disable=None if title else True) as bar:
            for begin in range(0, source.count, BATCH):
                numbers = np.arange(begin, min(begin + BATCH, source.count))
                images = source.images(numbers)
                targets = source.targets(numbers) if source.targets else None
                features.append(self.network(images))
                for metric in metrics:
                    seen[metric.name] += list(_call(metric.look, evidence, images=images, targets=targets))
                bar.update(len(images))
        evidence.fakes = np.concatenate(features)
        return seen


class Evidence:
    """The inputs of metrics for one source, by the names of `tfanime.metrics.metric.NEEDS`; None if one does not exist.

    Args:
        judge: The `Judge`.
        source: The `tfanime.evaluate.sources.Source`.
    """

    def __init__(self, judge, source):
        self._judge, self._source = judge, source
        taken = "reference real_distances network second finder tagger tag_pictures seed progress"
        for name in taken.split():
            setattr(self, name, getattr(judge, name))
        self.float_network = judge.network if judge.network.takes_floats else None
        self.generator = generator = source.generator
        draws_latents = generator is not None and generator.network is not None and generator.latents is not None
        self.latent_generator = generator if draws_latents else None
        self.targets = source.targets
        self.fakes = None  # until the pictures are drawn

    def lacks(self, metric):
        """The needs of a metric that this source does not meet, a list of names."""
        return sorted(need for need in metric.needs - FOUND if getattr(self, need) is None)

    @functools.cached_property
    def reals(self):
        return self.reference.features[self._judge.real_rows(self._source.count)]

    @functools.cached_property
    def neighbours(self):
        return nearest(self.fakes, self.reference.features)


def _call(function, evidence, **more):
    """Calls a metric's function with the evidence that its parameters name."""
    names = parameters(function)
    return function(**{name: more[name] if name in more else getattr(evidence, name) for name in names})


def histogram(distances):
    """Shares of distances in bins of width `BIN`, the last of which has all larger ones; float64 `[BINS]`."""
    bins = np.minimum(np.asarray(distances) / BIN, BINS - 1).astype(int)
    return np.bincount(bins, minlength=BINS) / len(bins)
