"""The histograms of a report: their axes, bars, ticks and thresholds."""

import math
from dataclasses import dataclass

from tfanime.pages.numbers import number

SIZE = (460, 150)  # pixels of a histogram's plot, without axes


@dataclass(frozen=True)
class Axis:
    """The axis of a histogram.

    Args:
        title: Name of the measure.
        unit: Of what, for the axis.
        marks: Pairs (value, text) of vertical lines, such as a threshold.
        crowded: Whether most faces share one bin, so that counts need a logarithmic axis.
    """

    title: str
    unit: str
    marks: tuple = ()
    crowded: bool = False


def axes(card):
    """Pairs of a histogram's name in the survey and its `Axis`."""
    size, enlarge = card.get("size"), card.get("enlarge")
    sides = [(size, f"{size}, the crop")] if size else []
    sides += [(size / enlarge, f"least {number(size / enlarge)}")] if size and enlarge and enlarge > 1 else []

    def least(name):
        return ((card[name], f"--{name} {number(card[name])}"),) if card.get(name) else ()

    return (
        ("picture", Axis("Source pictures", "longer side, px")),
        ("side", Axis("Faces in their pictures", "side of the square that is cut out, px", marks=tuple(sides))),
        ("sharpness", Axis("Sharpness", "variance of the Laplacian at 96 px", marks=least("sharpness"))),
        ("chroma", Axis("Chroma", "standard deviation of a*, b* (CIELAB)", marks=least("chroma"))),
        ("score", Axis("Score", "of the detector", marks=least("threshold"), crowded=True)),
    )


def chart_of(histogram, axis):
    """A histogram in pixels: what the template draws.

    Args:
        histogram: A `counts.Histogram`.
        axis: Its `Axis`.

    Returns:
        A dictionary, None if nothing was counted; with `only` for a value that all have.
    """
    bins = histogram.bins()
    if not bins:
        return None
    if histogram.span[0] == histogram.span[1]:
        return {"axis": axis, "only": histogram.span[0]}
    width, height = SIZE
    low, high = bins[0][0], bins[-1][1]
    for value, _ in axis.marks:  # show a threshold that no value came near too, if it is not far off
        if high < value <= 4 * high:
            high = value * 1.05
        if low > value >= low / 4:
            low = value / 1.05
    place = math.log2 if histogram.octave else float
    scale = width / (place(high) - place(low))
    highest = max(kept + lost for *_, kept, lost in bins)

    def x(value):
        return round((place(value) - place(low)) * scale, 2)

    def y(count):
        share = math.log1p(count) / math.log1p(highest) if axis.crowded else count / highest
        return round(height - max(height * share, 2 * (count > 0)), 2)  # one face in a million is still to be seen

    bars = [
        {
            "x": x(start),
            "width": max(0.5, round(x(end) - x(start) - 0.8, 2)),
            "top": y(kept + lost),
            "middle": y(kept),
            "text": f"{number(start)} to {number(end)}: {kept:,} kept" + (f", {lost:,} dropped" if lost else ""),
        }
        for start, end, kept, lost in bins
        if kept + lost
    ]
    ticks = _octaves(low, high) if histogram.octave and high > 4 * low else _steps(low, high)
    counts = [count for count in (1, 10, 100, 1000, 10**4, 10**5, 10**6) if count <= highest]
    counts = counts if axis.crowded else [count for count in _steps(0, highest, 3) if count == int(count)]
    return {
        "axis": axis,
        "only": None,
        "width": width,
        "height": height,
        "bars": bars,
        "ticks": [(x(value), number(value)) for value in ticks],
        "counts": [(y(count), number(int(count))) for count in counts],
        "marks": [(x(value), text) for value, text in axis.marks if low <= value <= high],
        "median": histogram.median(),
        "logarithmic": bool(histogram.octave),
        "lost": histogram.lost.total(),
    }


def _steps(low, high, about=6):
    """Round numbers between two."""
    rough = (high - low) / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [round(index * step, 10) for index in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def _octaves(low, high):
    """Powers of two between two numbers, seven at most."""
    first, last = math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9)
    return [2.0**power for power in range(first, last + 1, max(1, -(-(last - first + 1) // 7)))]
