"""The columns of a table of evaluations, for the terminal and the page."""

from tfanime.metrics.registry import METRICS


def columns(protocol):
    """The columns of a table.

    Args:
        protocol: The protocol of its rows, see `tfanime.evaluate.judge.Judge.protocol`.

    Returns:
        A list of `tfanime.metrics.metric.Number`s with their headings and meanings under this protocol. Optional ones
        are there only if they were computed, such as faces with a detector.
    """
    return [number.said(protocol) for metric in METRICS if metric.is_asked(protocol) for number in metric.numbers]


def table(evaluation):
    """The rows as aligned text.

    Args:
        evaluation: A `tfanime.evaluate.results.Evaluation`.

    Returns:
        Lines, the first of which has the headings; `*` marks the best of several models.
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
