"""The page of an evaluation: one HTML file that loads nothing from a network."""

from PIL import Image

from tfanime.evaluate.judge import BIN, BINS
from tfanime.evaluate.table import columns
from tfanime.evaluate.tags import table_of
from tfanime.metrics.attributes import Obeyed
from tfanime.pages import template
from tfanime.pages.pictures import as_jpeg, data_uri

FILE_NAME = "evaluation.html"
SIZE = (420, 120)  # pixels of a histogram's plot, without axes
JPEG_QUALITY = 90


def write(evaluation, folder, warnings=()):
    """Writes `evaluation.html` into a folder through a temporary file.

    Args:
        evaluation: A `tfanime.evaluate.results.Evaluation`, whose pictures lie in the folder.
        folder: The folder.
        warnings: Sentences below the table.

    Returns:
        The page's path.

    Raises:
        OSError: A picture cannot be read, or the page cannot be written.
    """
    shown = columns(evaluation.protocol)
    rows = [
        {
            **row,
            "cells": [column.text(row["values"]) for column in shown],
            "chart": chart(row["histogram"], evaluation.real_histogram),
            "sheet": _shown(folder / row["sheet"]),
            "closest": _shown(folder / row["closest"]),
        }
        for row in evaluation.rows
    ]
    page = template.render(
        "evaluate/evaluation.html.jinja",
        columns=shown,
        best=[column.best_of(evaluation.rows) for column in shown],
        rows=rows,
        protocol=evaluation.protocol,
        provenance=evaluation.provenance,
        tags=tag_tables(evaluation.rows),
        warnings=warnings,
    )
    path = folder / FILE_NAME
    template.write(path, page)
    return path


def tag_tables(rows):
    """Tables of the tags that models obey, one for each judge and set of tags, see `tfanime.evaluate.tags.table_of`.

    Args:
        rows: The rows of an `Evaluation`.
    """
    models, recalls = {}, {}
    for row in rows:
        if not (told := row.get("tags")):
            continue
        obeyed = [Obeyed.from_json(values) for values in told["rows"]]
        for judge in told["judges"]:
            key = judge, tuple(each.tag for each in obeyed)
            models.setdefault(key, {})[row["name"]] = obeyed
            recalls[key] = told["recall_of_real_faces"].get(judge)
    tables = (table_of(obeyed, judge, recalls[judge, tags]) for (judge, tags), obeyed in models.items())
    return [table for table in tables if table["lines"]]


def _shown(path):
    with Image.open(path) as picture:
        return data_uri(as_jpeg(picture, JPEG_QUALITY))


def chart(histogram, real):
    """Two histograms of distances in pixels, for the template.

    Args:
        histogram: Shares of the row's pictures, see `tfanime.evaluate.judge.histogram`.
        real: Shares of the real ones.

    Returns:
        A dictionary of `bars` `(x, y, width, height, text)`, the outline `path` of the real ones, and `ticks`
        `(x, text)`.
    """
    width, height = SIZE
    step = width / BINS
    highest = max(max(histogram), max(real)) or 1.0

    def y(share):
        return round(height - height * share / highest, 2)

    def text(number):
        end = f"{BIN * (number + 1):.2f}" if number < BINS - 1 else "∞"
        return f"{BIN * number:.2f} to {end}: {histogram[number]:.2%}; real {real[number]:.2%}"

    bars = [
        (round(step * number, 2), y(share), round(step - 0.8, 2), round(height - y(share), 2), text(number))
        for number, share in enumerate(histogram)
        if share
    ]
    path = f"M0 {height}" + "".join(f"V{y(share)}H{round(step * (number + 1), 2)}" for number, share in enumerate(real))
    ticks = [(round(step * number, 2), f"{BIN * number:g}") for number in range(0, BINS + 1, 10)]
    return {"width": width, "height": height, "bars": bars, "path": f"{path}V{height}", "ticks": ticks}
