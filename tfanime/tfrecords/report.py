"""The report of a folder of shards: one HTML page to look at before training.

    python -m tfanime.tfrecords.report tfrecords/mine

The converter writes it at its end. It is made from what lies in the folder alone: manifest.json, the shards,
dropped.csv and dropped.tfrecord.
"""

from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from tfanime.command_line import parse, quiet, run
from tfanime.files import replacing
from tfanime.tfrecords.manifest import Manifest

FILE_NAME = "report.html"

DESCRIPTION = """\
Writes report.html into a folder of shards: what was kept and left out and why, how often each tag holds and with
which others, how sharp, large and colourful the faces are, and sheets of faces to look at. The page is one file that
opens in any browser without a network. The converter has written it already; this makes it again.
"""
EPILOG = """\
examples:
  python -m tfanime.tfrecords.report tfrecords/mine
      writes tfrecords/mine/report.html
  python -m tfanime.tfrecords.report tfrecords/mine --faces 1000 --seed 1 --out /tmp/more.html
      another, larger random sheet

pruning by hand:
  Tick the faces that are none, or that you do not want: the sheets of the blurriest, smallest, greyest and least
  certain faces are where to look first. `Save exclude.txt` writes their ids, and
      python -m tfanime.tfrecords SOURCE OUT ... --exclude exclude.txt --overwrite
  converts again without them. An id names a picture with all its faces; with #0, #1 ... behind it, one face.
"""


@dataclass(frozen=True)
class Config:
    """A report

    Args:
        shards: Folder that `python -m tfanime.tfrecords` wrote.
        out: The page. Default: report.html in SHARDS.
        faces: How many faces the random sheet shows.
        suspects: How many the blurriest, smallest, greyest and least certain show, each.
        drops: How many pictures that were left out are shown for each reason, at most.
        seed: Which faces the random sheet shows.
        progress: Show a progress bar.
    """

    shards: str
    out: str | None = None
    faces: int = 240
    suspects: int = 48
    drops: int = 24
    seed: int = 0
    progress: bool = True

    def __post_init__(self):
        for flag in ("faces", "suspects", "drops", "seed"):
            if getattr(self, flag) < 0:
                raise ValueError(f"--{flag} must be at least 0. Received: {getattr(self, flag)}")


def main(arguments=None):
    """Reads the command line, writes the page and says where it is."""
    config = parse(
        Config,
        program="python -m tfanime.tfrecords.report",
        description=DESCRIPTION,
        epilog=EPILOG,
        positional=("shards",),
        arguments=arguments,
    )
    path = write(
        config.shards,
        config.out,
        faces=config.faces,
        suspects=config.suspects,
        drops=config.drops,
        seed=config.seed,
        progress=config.progress,
    )
    print(f"written  {path}, {path.stat().st_size / 1e6:.1f} MB")


def write(folder, out=None, *, faces=240, suspects=48, drops=24, seed=0, progress=False):
    """Writes the report of a folder of shards. Equal folders give equal pages.

    Args:
        folder: The folder, with its manifest.
        out: Path of the page; default: `report.html` in the folder.
        faces: Size of the random sheet.
        suspects: Size of each sheet of the blurriest, smallest, greyest and least certain faces.
        drops: How many of those left out are shown for each reason, at most.
        seed: Which faces are on the random sheet.
        progress: Whether to show a progress bar on stderr.

    Returns:
        The page's path.

    Raises:
        FileNotFoundError: The folder, its manifest or a shard is missing.
        ValueError: The manifest or a shard is damaged.
        OSError: The page cannot be written.
    """
    folder = Path(folder)
    manifest = Manifest.load(folder)
    with quiet():
        from tfanime.tfrecords import report_counts, report_page  # loads TensorFlow

    zoom = manifest.card.get("zoom", 1.0)
    survey = report_counts.Survey(manifest.vocabulary, report_page.paired_tags(manifest), zoom, faces, suspects, seed)
    lost = report_counts.lost_sample(folder, drops)
    survey.wanted = {one.earlier: None for sample in lost.values() for one in sample if one.earlier}
    for _, reason, value in report_counts.lost_rows(folder):
        survey.add_lost(reason, value)
    total = manifest.count + (manifest.holdout["count"] if manifest.holdout else 0)
    stream = report_counts.faces(folder, manifest)
    for face in tqdm(stream, total=total, desc="report", unit=" faces", disable=not progress):
        survey.add(face)
    survey.finish()
    path = Path(out) if out else folder / FILE_NAME
    with replacing(path) as temporary:
        # File names may hold what is no UTF-8; in a report a question mark will do.
        page = report_page.render(manifest, survey, lost)
        temporary.write_text(page, encoding="utf-8", errors="replace")
    return path


if __name__ == "__main__":
    run(main)
