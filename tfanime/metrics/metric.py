"""Metrics: numbers with their headings, and the functions that compute them.

A metric is an object in its own file and a line in `tfanime.metrics.registry`. The names of its functions' parameters
say what they need: they are keys of `NEEDS`, and the evaluation passes the values.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace

NEEDS = {
    "images": "the next pictures, uint8 `[batch, height, width, 3]`; of `look` alone",
    "targets": "what these pictures should be, uint8 of the same shape; of `look` alone",
    "seen": "what `look` returned, a list of one entry a picture",
    "fakes": "features of all pictures, float32 `[count, dimensions]`",
    "reals": "features of as many real pictures, or of all where there are fewer",
    "reference": "the `tfanime.metrics.reference.Reference`: features of all real pictures and their Gaussian",
    "neighbours": "`(indices, distances)` of the nearest real picture of each",
    "real_distances": "distances of real pictures to the nearest other one",
    "network": "the `tfanime.metrics.feature_network.FeatureNetwork`",
    "float_network": "a feature network that takes pictures that are not rounded",
    "second": "a second network, see `tfanime.metrics.second.Second`",
    "finder": "a `tfanime.metrics.faces.FaceFinder`",
    "tagger": "a `tfanime.tagger.files.TaggerNetwork`",
    "tag_pictures": "how many pictures are drawn for each tag",
    "generator": "the `tfanime.generator.Generator` that draws the pictures",
    "latent_generator": "a generator that takes latents, as that of a run folder does and a SavedModel does not",
    "seed": "the seed of the first picture",
    "progress": "whether to show progress bars",
}


@dataclass(frozen=True)
class Number:
    """One number of a metric: a column of a table.

    Args:
        key: Its name among a row's values.
        heading: The column's head, or a function of the protocol that gives it.
        better: `less` or `more`; None where neither is.
        show: A value -> the cell.
        meaning: What it says, in a sentence, or a function of the protocol that gives it.
        deviation: The name of the value that is shown after a ±, if there is one.
    """

    key: str
    heading: str | Callable
    better: str | None
    show: Callable
    meaning: str | Callable
    deviation: str | None = None

    def said(self, protocol):
        """The same number with the heading and the meaning that it has under a protocol."""
        words = {name: getattr(self, name) for name in ("heading", "meaning")}
        return replace(self, **{name: word(protocol) if callable(word) else word for name, word in words.items()})

    def text(self, values):
        """The cell of a row's values; a dash for a number that was not found."""
        if values.get(self.key) is None:
            return "–"
        more = f" ± {self.show(values[self.deviation])}" if self.deviation else ""
        return f"{self.show(values[self.key])}{more}"

    def best_of(self, rows):
        """The numbers of the generated rows that are best, several where they are equal; empty for fewer than two."""
        values = {
            number: row["values"][self.key]
            for number, row in enumerate(rows)
            if self.better and row["generated"] and row["values"].get(self.key) is not None
        }
        if len(values) < 2:
            return set()
        best = {"less": min, "more": max}[self.better](values.values())
        return {number for number, value in values.items() if value == best}


@dataclass(frozen=True)
class Metric:
    """Numbers that are computed together.

    Args:
        name: What it is called.
        numbers: Its `Number`s, in the order of the columns.
        compute: Its needs (see `NEEDS`) and options -> a dictionary of floats by the numbers' keys, None for a number
            that these pictures do not have. A value under `details` is stored beside the row's values under the
            metric's name.
        look: Called while pictures are drawn: its needs -> a sequence with one entry for each picture.
        settings: Settings that the numbers depend on, by names that no other metric has; part of every protocol.
        asked: The key of the protocol whose value decides whether the metric is computed. Default: it always is.
        options: Of a metric that is computed only where it is asked for by its name, which is the key of the protocol
            then: the options of `compute` and their defaults. None for other metrics.
        check: Refuses options with a `ValueError`.
    """

    name: str
    numbers: tuple[Number, ...]
    compute: Callable
    look: Callable | None = None
    settings: dict = field(default_factory=dict)
    asked: str | None = None
    options: dict | None = None
    check: Callable = lambda **options: None

    @property
    def key(self):
        """The key of the protocol that decides whether it is computed; None if it always is."""
        return self.asked if self.options is None else self.name

    @property
    def keys(self):
        """The names of its values."""
        return [key for number in self.numbers for key in (number.key, number.deviation) if key]

    @property
    def needs(self):
        """What it needs of `NEEDS`, a set."""
        functions = [self.compute, *([self.look] if self.look else [])]
        return {name for function in functions for name in parameters(function)} - set(self.options or ())

    def is_asked(self, protocol):
        """Whether rows of a protocol have its values."""
        return self.key is None or protocol.get(self.key) is not None


def parameters(function):
    """The names of a function's parameters, a list."""
    return list(inspect.signature(function).parameters)


def digits(count):
    """A function that shows a value with a number of significant digits."""
    return lambda value: f"{value:.{count}g}"


def percent(value):
    """A function that shows a share in per cent."""
    return f"{value:.1%}"
