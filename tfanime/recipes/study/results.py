"""The results of a study: a table of its runs' metrics, their sheets side by side, and the summaries for TensorBoard's
HParams page.

Nothing here runs TensorFlow: its process would keep the memory of a GPU that the trainings need.
"""

import json
import os
import socket
import time

from PIL import Image, ImageDraw, ImageFont
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from tfanime.files import replacing, write_text
from tfanime.recipes.study.plan import text

LAST = ("_norm", "_learning_rate", "images_per_second")  # ends of the metrics that are looked at last
FONT_SIZE, MARGIN = 16, 8


def write_hparams(run, study, planned, succeeded, began):
    """Writes a run's settings and end for the HParams page, which finds the metrics among the run's scalars.

    Args:
        run: The `tfanime.runs.RunFolder`.
        study: Name of the study.
        planned: The `StudyRun`.
        succeeded: Whether it was trained to its end.
        began: When its process began, in seconds since 1970.
    """
    now = time.time()
    start = plugin_data_pb2.SessionStartInfo(group_name=f"{study}/{planned.name}", start_time_secs=began)
    for flag, value in planned.varied.items():
        if isinstance(value, bool):
            start.hparams[flag].bool_value = value
        elif isinstance(value, int | float):
            start.hparams[flag].number_value = value
        else:
            start.hparams[flag].string_value = text(value)
    status = api_pb2.STATUS_SUCCESS if succeeded else api_pb2.STATUS_FAILURE
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=now)
    summary = Summary()
    for tag, content in (
        (metadata.SESSION_START_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_start_info=start)),
        (metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=end)),
    ):
        summary.value.add(tag=tag, metadata=metadata.create_summary_metadata(content), tensor=metadata.NULL_TENSOR)
    for older in run.tensorboard.glob("events.out.tfevents.*.hparams"):
        older.unlink()
    name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}.hparams"
    with replacing(run.tensorboard / name) as temporary, open(temporary, "wb") as file:
        RecordWriter(file).write(Event(wall_time=now, summary=summary).SerializeToString())


def columns_of(rows):
    """The table's columns: varied flags, the metrics of the last lines of all runs in a useful order, the state.

    Args:
        rows: Dictionaries as in `results.json`: `name`, `state`, `varied`, `metrics` and maybe `error`.

    Returns:
        A list of pairs, a column's title and a function from a row to its text.
    """
    names = list(dict.fromkeys(name for row in rows for name in row["metrics"]))
    names.sort(key=lambda name: (name not in ("step", "seconds"), name.endswith(LAST)))
    return [
        *((flag, lambda row, flag=flag: text(row["varied"][flag])) for flag in rows[0]["varied"]),
        ("state", lambda row: row["state"]),
        *((name, lambda row, name=name: _number(row["metrics"].get(name))) for name in names),
    ]


def _number(value):
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def terminal_table(rows, width):
    """The table as lines of text, with as many columns as fit into `width` characters."""
    lines = [""] * (len(rows) + 1)
    for title, of in columns_of(rows):
        cells = [title, *(of(row) for row in rows)]
        wide = max(len(cell) for cell in cells)
        added = [f"{line}{cell:<{wide}}  " for line, cell in zip(lines, cells, strict=True)]
        if len(added[0]) - 2 > width and lines[0]:
            break
        lines = added
    return "\n".join(line.rstrip() for line in lines)


def markdown_table(columns, rows):
    """A table in Markdown of pairs as `columns_of` returns them."""
    lines = [[title for title, _ in columns], ["---"] * len(columns), *([of(row) for _, of in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def write(folder):
    """Writes the table of a study, for people and for programs, and its sheets side by side.

    Args:
        folder: The `tfanime.recipes.study.folder.StudyFolder`.
    """
    plan, rows = folder.plan, folder.rows()
    details = {"study": plan.name, "recipe": plan.recipe, "settings": plan.settings, "runs": rows}
    write_text(folder.results_for_programs, json.dumps(details, indent=1) + "\n")
    settings = " ".join(f"--{name} {text(value)}" for name, value in plan.settings.items())
    errors = "".join(f"\n{row['name']} failed: {row['error']}\n" for row in rows if "error" in row)
    write_text(
        folder.results,
        f"# {plan.name}\n\nRecipe `{plan.recipe}`, in every run `{settings}`. The metrics are those of the last line "
        f"of each run's metrics.jsonl.\n\n{markdown_table(columns_of(rows), rows)}{errors}\n"
        f"![Sheets of avatars]({folder.sheets.name})\n",
    )
    sheets = side_by_side(list(zip(rows, folder.newest_sheets(), strict=True)), plan.columns)
    with replacing(folder.sheets) as temporary:
        sheets.save(temporary, format="png")


def side_by_side(cells, columns):
    """Sheets in rows, each below its settings.

    Args:
        cells: Pairs of a row of the table and the path of its sheet, which may be None.
        columns: Sheets a row.

    Returns:
        A `PIL.Image`.
    """
    font = ImageFont.load_default(FONT_SIZE)
    captions, pictures = [], []
    for row, path in cells:
        words = [f"{flag} {text(value)}" for flag, value in row["varied"].items()]
        reached = f"step {row['metrics']['step']}" if row["metrics"] else "no step"
        captions.append("\n".join([*words, reached if row["state"] == "finished" else f"{reached}, {row['state']}"]))
        pictures.append(_opened(path) if path else None)
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    boxes = [measure.multiline_textbbox((0, 0), caption, font=font) for caption in captions]
    above = max(int(box[3]) for box in boxes) + MARGIN
    sizes = [picture.size for picture in pictures if picture]
    width = max([int(box[2]) for box in boxes] + [size[0] for size in sizes]) + MARGIN
    height = max([size[1] for size in sizes], default=0) + above + MARGIN
    whole = Image.new("RGB", (columns * width + MARGIN, -(-len(cells) // columns) * height + MARGIN), "white")
    draw = ImageDraw.Draw(whole)
    for index, (caption, picture) in enumerate(zip(captions, pictures, strict=True)):
        left, top = MARGIN + index % columns * width, MARGIN + index // columns * height
        draw.multiline_text((left, top), caption, "black", font=font)
        if picture:
            whole.paste(picture, (left, top + above))
    return whole


def _opened(path):
    with Image.open(path) as picture:
        return picture.convert("RGB")
