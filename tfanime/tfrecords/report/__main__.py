"""The command line of the report: `python -m tfanime.tfrecords.report SHARDS`."""

from dataclasses import dataclass
from typing import Annotated

from tfanime.command_line import parse, run
from tfanime.limits import Checked, at_least
from tfanime.tfrecords.report import write

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
    Tick what is not a face, and faces that you do not want: the sheets of the blurriest, smallest, greyest and least
    certain faces are the best places to look. `Save exclude.txt` writes their ids, and
      python -m tfanime.tfrecords SOURCE OUT ... --exclude exclude.txt --overwrite
  converts again without them. An id names a picture with all its faces; with #0, #1 ... behind it, one face.
"""


@dataclass(frozen=True)
class Config(Checked):
    """A report

    Args:
        shards: Folder that `python -m tfanime.tfrecords` wrote.
        out: The page. Default: report.html in SHARDS.
        faces: Number of faces on the random sheet.
        suspects: Number of faces on each of the other sheets: the blurriest, smallest, greyest and least certain.
        drops: Largest number of dropped pictures that are shown for each reason.
        seed: Seed of the random sheet.
        progress: Show a progress bar.
    """

    shards: str
    out: str | None = None
    faces: Annotated[int, at_least(0)] = 240
    suspects: Annotated[int, at_least(0)] = 48
    drops: Annotated[int, at_least(0)] = 24
    seed: Annotated[int, at_least(0)] = 0
    progress: bool = True


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


if __name__ == "__main__":
    run(main)
