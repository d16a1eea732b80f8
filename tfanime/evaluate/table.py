"""The columns of a table of evaluations, on stdout and on the page."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        heading: Its head.
        text: A row's values -> the cell.
        key: The value that decides which row is best; None where none is.
        best: `min` or `max` of it.
        meaning: What it says, in a sentence.
    """

    heading: str
    text: Callable
    key: str | None = None
    best: str = "min"
    meaning: str = ""

    def best_of(self, rows):
        """The numbers of the generated rows that are best, several where they are equal; empty for fewer than two."""
        values = {
            number: row["values"][self.key]
            for number, row in enumerate(rows)
            if self.key and row["generated"] and row["values"].get(self.key) is not None
        }
        if len(values) < 2:
            return set()
        best = {"min": min, "max": max}[self.best](values.values())
        return {number for number, value in values.items() if value == best}


def columns(protocol):
    """The columns of a table.

    Args:
        protocol: That of its rows, see `tfanime.evaluate.judge.Judge.protocol`.

    Returns:
        A list of `Column`s; that of faces only where a detector was asked.
    """
    name, settings = protocol["network"]["value"], protocol["settings"]
    share = settings["memorised_share"]
    found = [
        Column(name, _number("distance"), "distance", "min", "Frechet distance to the real pictures; less is better."),
        Column(
            f"{name} inf",
            _number("distance_infinity"),
            "distance_infinity",
            "min",
            "The same without the bias of few generated pictures (Chong and Forsyth 2020).",
        ),
        Column(
            "KID x1000",
            lambda values: f"{1000 * values['kernel']:.2f} ± {1000 * values['kernel_deviation']:.2f}",
            "kernel",
            "min",
            "Kernel distance, without bias by the number of pictures; the deviation is that of its subsets.",
        ),
        Column("precision", _share("precision"), "precision", "max", "Share of pictures that lie among real ones."),
        Column("recall", _share("recall"), "recall", "max", "Share of real pictures that lie among these."),
        Column("density", _number("density", 3), "density", "max", "Precision that outliers weigh less in; 1 is real."),
        Column("coverage", _share("coverage"), "coverage", "max", "Share of real pictures with one of these nearby."),
    ]
    if protocol["detector"]:
        meaning = (
            f"Share of pictures in which {protocol['detector']['name']} finds a face. Averages of real faces get "
            "nearly all: read it with recall and duplicates."
        )
        found.append(Column("faces", _share("faces"), "faces", "max", meaning))
    if protocol.get("tags"):
        meaning = (
            f"Of {protocol['tags']['pictures']} pictures for each tag, share in which the tagger sees it: the mean of "
            "the tags."
        )
        found.append(Column("tags", _share("tags"), "tags", "max", meaning))
    return [
        *found,
        Column(
            "duplicates", _share("duplicates"), "duplicates", "min", "Share that is nearly an earlier picture again."
        ),
        Column(
            "nearest",
            _number("nearest", 3),
            meaning="Median distance to the nearest real picture, over that between real pictures; near 0 is copied.",
        ),
        Column(
            "memorised",
            _share("memorised"),
            meaning=f"Share nearer to a real picture than {1 - share:.0%} of real pictures are; {share:.0%} is chance.",
        ),
    ]


def table(evaluation):
    """The rows as aligned text.

    Args:
        evaluation: A `tfanime.evaluate.results.Evaluation`.

    Returns:
        Lines, the first one the heads; `*` marks the best of several models.
    """
    shown = columns(evaluation.protocol)
    best = [column.best_of(evaluation.rows) for column in shown]
    lines = [["", "pictures", *(column.heading for column in shown)]]
    for number, row in enumerate(evaluation.rows):
        cells = (
            column.text(row["values"]) + ("*" if number in first else " ")
            for column, first in zip(shown, best, strict=True)
        )
        lines.append([row["name"], f"{row['samples']:,}", *cells])
    lines[0][2:] = [f"{head} " for head in lines[0][2:]]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return [_line(line, widths) for line in lines]


def _line(cells, widths):
    """Names on the left, numbers on the right."""
    rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "  ".join([cells[0].ljust(widths[0]), *rest]).rstrip()


def _number(key, digits=4):
    return lambda values: "–" if values[key] is None else f"{values[key]:.{digits}g}"


def _share(key):
    return lambda values: "–" if values[key] is None else f"{values[key]:.1%}"
