"""Which tags generators obey, as a table and a page. Run as `python -m tfanime.evaluate.tags MODEL ...`."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from tfanime import command_line
from tfanime.limits import AVATAR_SEED, Checked, at_least
from tfanime.pages.pictures import as_jpeg, data_uri

STRIP = 10  # pictures of each tag that the page shows
BAR = (108, 75, 209)
JPEG_QUALITY = 90


@dataclass(frozen=True)
class Config(Checked):
    """Tags obeyed.

    Args:
        models: Run folders, generators' folders (with card.json), SavedModels, folders of SavedModels by version, or
            names of pretrained generators; trained with tags.
        out: Folder for tags.json and tags.html.
        count: Number of pictures for each tag.
        seed: Seed of the first picture; the others follow.
        checkpoint: Checkpoint of run folders: newest, best, or a step.
        network: The tagger that judges: the path of its two files without their suffixes, such as runs/tagger/tagger.
            Default: the tagger that tfanime carries. Measured colours are a second judge, and measured colours with
            animeface's samples a third one if animeface is installed.
    """

    models: list[str]
    out: str = "tags"
    count: Annotated[int, at_least(20)] = 20
    seed: Annotated[int, AVATAR_SEED] = 0
    checkpoint: str = "newest"
    network: str | None = None


class Strips:
    """The first pictures of each tag side by side, with a bar under those in which the judge sees the tag. Used as the
    `look` of `tfanime.metrics.attributes.tags_obeyed`.

    Attributes:
        rows: A dictionary for each tag that the judge knows: `tag`, `strip` (a picture as a `data:` URI), and `seen` of
            `count` pictures.
    """

    def __init__(self):
        self.rows = []

    def __call__(self, tag, images, seen):
        if not seen.any():
            return
        from PIL import Image

        images, seen = images[:STRIP], seen[:STRIP] > 0
        bar = np.full((len(images), max(2, images.shape[1] // 12), *images.shape[2:]), 255, np.uint8)
        bar[seen] = BAR
        strip = np.concatenate(np.concatenate([images, bar], axis=1), axis=1)
        self.rows.append(
            {
                "tag": tag,
                "strip": data_uri(as_jpeg(Image.fromarray(strip), JPEG_QUALITY)),
                "seen": int(seen.sum()),
                "count": len(images),
            }
        )


def page(models, judges, recall, strips):
    """A self-contained page.

    Args:
        models: The rows of each model, from `tfanime.metrics.attributes.tags_obeyed`, by its name.
        judges: The judges' names.
        recall: The recall of each judge on real faces by tag, by the judge's name.
        strips: The rows of each model's `Strips` for the first judge, by the model's name.

    Returns:
        HTML, as text.
    """
    from tfanime.pages import template

    tables = [table_of(models, judge, recall.get(judge)) for judge in judges]
    tables = [table for table in tables if table["lines"]]
    return template.render("evaluate/tags.html.jinja", tables=tables, strips=strips, judge=judges[0])


def table_of(models, judge, recall=None):
    """The tags that generators obey according to one judge, for `tags_table.html.jinja`.

    Args:
        models: The rows of each model, from `tfanime.metrics.attributes.tags_obeyed`, by its name; all of one
            vocabulary.
        judge: The judge's name.
        recall: The judge's recall on real faces by tag, in [0, 1]; None if it is not known.

    Returns:
        A dictionary of `judge`, the models' `names`, and `lines`, one for each tag that the judge knows.

    Raises:
        ValueError: The models have different tags.
    """
    if len({tuple(row.tag for row in rows) for rows in models.values()}) != 1:
        raise ValueError(f"models in one table must have the same tags. Received: {', '.join(models)}")
    lines = []
    for rows in zip(*models.values(), strict=True):
        shares = [(row.shown.get(judge), row.unasked.get(judge)) for row in rows]
        if not any(judge in row.shown for row in rows):
            continue
        counts = [shown.count if shown else 0 for shown, _ in shares]
        line = {"tag": rows[0].tag, "group": rows[0].group, "recall": (recall or {}).get(rows[0].tag)}
        lines.append(line | {"shares": shares, "pictures": sorted({min(counts), max(counts)})})
    return {"judge": judge, "names": list(models), "lines": lines}


def as_text(models, judge):
    """A table for a terminal: for each tag and model the share and its interval."""
    from tfanime.metrics.attributes import overall
    from tfanime.pages.numbers import whole_percent

    columns = [(name, {row.tag: row.shown.get(judge) for row in rows}) for name, rows in models.items()]
    width = max(len(tag) for _, shares in columns for tag in shares)
    lines = [[f"{judge:{width}}", *(name for name, _ in columns)]]
    for tag in columns[0][1]:
        cells = [_interval(shares[tag]) for _, shares in columns]
        if set(cells) != {"–"}:
            lines.append([f"{tag:{width}}", *cells])
    means = (whole_percent(overall(rows, judge)) for rows in models.values())
    lines.append([f"{'mean':{width}}", *means])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in lines)


def _interval(share):
    if share is None or not share.count:
        return "–"
    low, high = (round(100 * end) for end in share.interval)
    return f"{100 * share.value:.0f} % ({low} to {high})"


def main(arguments=None):
    """Draws, counts and writes; `--help` lists the flags."""
    config = command_line.parse(
        Config,
        program="python -m tfanime.evaluate.tags",
        description="Measure which tags generators obey: draw pictures with one tag, and let a tagger judge them.",
        epilog="""examples:
  python -m tfanime.evaluate.tags runs/dragan
  python -m tfanime.evaluate.tags runs/dragan exports/other --count 100 --out compared
""",
        positional=("models",),
        arguments=arguments,
    )
    command_line.load_tensorflow()
    from tfanime.files import require_writable_folder, write_text
    from tfanime.generator import open_generator
    from tfanime.metrics.attributes import NetworkJudge, colour_judges, tags_obeyed
    from tfanime.pages import template
    from tfanime.tagger.files import open_tagger, recall_of

    out = require_writable_folder(config.out, "out")
    network = open_tagger(config.network)
    generators = {}
    for path in config.models:
        is_run = (Path(path) / "run.json").is_file()
        generators[path] = open_generator(path, config.checkpoint if is_run else "newest")
        if not generators[path].vocabulary:
            raise ValueError(f"models must be trained with tags. Received: {path!r}, which was trained without")
    if len({generator.vocabulary.tags for generator in generators.values()}) > 1:
        raise ValueError(f"models must have the same tags. Received: {', '.join(generators)}")
    tags = generators[config.models[0]].vocabulary.tags
    if not any(network.vocabulary.canonical(tag) for tag in tags):
        raise ValueError(
            f"--network must know a tag of the models ({', '.join(tags[:5])} ...). "
            f"Received: {network.name}, which knows none"
        )
    models, strips = {}, {}
    for path, generator in generators.items():
        judges = [NetworkJudge(network), *colour_judges(generator.vocabulary)]
        look = Strips()
        models[path] = tags_obeyed(generator, judges, config.count, config.seed, look=look)
        strips[path] = look.rows
    names = [judge.name for judge in judges]
    recall = {network.name: recall_of(network, generator.vocabulary)}
    values = {
        "judges": {network.name: network.card["sha256"], **{judge.name: judge.version for judge in judges[1:]}},
        "count": config.count,
        "first_seed": config.seed,
        "recall_of_real_faces": recall,
        "models": {path: [dataclasses.asdict(row) for row in rows] for path, rows in models.items()},
    }
    write_text(out / "tags.json", json.dumps(values, indent=1) + "\n")
    template.write(out / "tags.html", page(models, names, recall, strips))
    print("\n\n".join(as_text(models, name) for name in names))
    print(f"page: {out / 'tags.html'}, numbers: {out / 'tags.json'}")
    return 0


if __name__ == "__main__":
    command_line.run(main)
