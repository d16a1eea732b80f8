"""Finds directions of a latent space. Run as `python -m tfanime.directions MODEL --out directions`."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tfanime import command_line
from tfanime.files import require_writable_folder
from tfanime.generator import open_generator
from tfanime.latent_space.text import parse_points
from tfanime.limits import Checked, Limit, at_least, between


@dataclass(frozen=True)
class Config(Checked):
    """Find directions.

    Args:
        model: A run folder, a generator's folder (with card.json), or the name of a pretrained generator.
        out: The folder for directions.npz and a sheet NAME.png for each direction.
        show: Names of directions in a file, such as "blue eyes, pca3": only their sheets are drawn.
        directions: The directions.npz for --show. Default: the one in the generator's own folder; avatars64 has one.
        sefa: Number of directions that the first weights enlarge most.
        pca: Number of main axes of w, for a StyleGAN2.
        pictures: Number of avatars that are drawn and tagged to find a direction for each tag; 0 for no such
            directions.
        tagger: Path of a tagger's files without their suffixes, such as runs/tagger/tagger. Default: the tagger that
            tfanime carries.
        avatars: The avatars on the sheets: seeds such as 0-7, and files that `python -m tfanime.project` wrote, such as
            me.npz, separated by commas.
        steps: How far the avatars are moved on the sheets, in standard deviations: numbers separated by commas, with an
            equals sign, because they may begin with a minus: --steps=-3,0,3.
        psi: Truncation of the avatars on the sheets, for a StyleGAN2.
        checkpoint: Checkpoint of a run: newest, best, or the step of one that is there.
    """

    model: str
    out: str = "directions"
    show: str = ""
    directions: str | None = None
    sefa: Annotated[int, at_least(0)] = 10
    pca: Annotated[int, at_least(0)] = 10
    pictures: Annotated[int, at_least(0)] = 2048
    tagger: str | None = None
    avatars: str = "0-7"
    steps: Annotated[str, Limit("numbers separated by commas, such as -3,0,3", lambda text: _numbers(text))] = (
        "-4,-2,0,2,4"
    )
    psi: Annotated[float, between(0, 1)] = 1.0
    checkpoint: str = "newest"

    def rules(self):
        parse_points(self.avatars)  # raises its own error
        yield "directions", self.directions is None or bool(self.show), "left out without --show"
        yield "pictures", self.pictures == 0 or self.pictures >= 256, "0, or at least 256"
        yield "pictures", self.sefa + self.pca + self.pictures > 0, "above 0 where --sefa and --pca are 0"


def main(arguments=None):
    """Finds directions; `--help` lists the flags."""
    config = command_line.parse(
        Config,
        program="python -m tfanime.directions",
        description="Find directions in which avatars can be changed: by closed form, by main axes, and by tags.",
        epilog="""examples:
  python -m tfanime.directions avatars64 --psi 0.7
  python -m tfanime.directions runs/faces --out directions --pictures 8192
  python -m tfanime.directions avatars64 --show "blue eyes, pca3" --avatars projected/me.npz --out edited
  python -m tfanime.generate runs/faces --directions directions/directions.npz --direction "blue eyes=4, pca1@0-3=-2"
""",
        positional=("model",),
        arguments=arguments,
    )
    command_line.load_tensorflow()
    from tfanime.latent_space import directions
    from tfanime.latent_space.points import points_of
    from tfanime.latent_space.space import LatentSpace

    out = require_writable_folder(config.out, "out")
    space = LatentSpace(open_generator(config.model, config.checkpoint))
    points = space.truncated(points_of(space, parse_points(config.avatars)), config.psi)
    if config.show:
        found = _known(space, config)
        _write_sheets(space, points, found, config)
        print(f"wrote sheets of {len(found)} directions to {out}")
        return
    found, left_out = _find(space, config)
    directions.write_directions(out / directions.FILE, space, found)
    _write_sheets(space, points, found, config)
    width = max(len(each.name) for each in found)
    for each in found:
        print(f"{each.name:<{width}}  {each.strength:7.1%}")
    if left_out:
        print(f"left out, because too few or too many avatars show them: {', '.join(left_out)}")
    print(f"wrote {len(found)} directions to {out / directions.FILE}, and a sheet of each beside it")


def _known(space, config):
    from tfanime.latent_space.directions import read_directions
    from tfanime.latent_space.edits import own_file

    known = read_directions(config.directions or own_file(config.model), space)
    names = [re.sub(r"[ -]+", "_", name.strip()).lower() for name in config.show.split(",")]
    for name in names:
        if name not in known:
            raise ValueError(f"show must be names of {', '.join(known)}. Received: {name!r}")
    return [known[name] for name in names]


def _find(space, config):
    from tfanime.latent_space import directions
    from tfanime.tagger.files import open_tagger

    covariance = directions.spread(space)
    found, left_out = [], []
    if config.sefa:
        found += directions.sefa(space, config.sefa, covariance)
    if config.pca and space.has_styles:
        found += directions.pca(space, config.pca, covariance)
    elif config.pca:
        print("no pca: this network has no w, and no axis of its latents is longer than another")
    if config.pictures:
        of_tags, left_out = directions.of_tags(space, open_tagger(config.tagger), config.pictures, progress=True)
        found += of_tags
    return found, left_out


def _write_sheets(space, points, found, config):
    import numpy as np
    from tqdm import tqdm

    from tfanime.images import grid, write_png
    from tfanime.latent_space.directions import moved
    from tfanime.sheets import PADDING, captioned

    amounts = _numbers(config.steps)
    for each in tqdm(found, desc="sheets", disable=None):
        rows = np.concatenate([space.images(moved(points, each.step, amount)) for amount in amounts])
        captions = [f"{each.name.replace('_', ' ')}\n{amount:+g}".replace("+0", "0") for amount in amounts]
        sheet = captioned(grid(rows, len(points), PADDING), captions, rows.shape[1] + PADDING)
        write_png(Path(config.out) / f"{each.name}.png", sheet)


def _numbers(text):
    """The numbers of a text such as "-3,0,3", or None if it is another text."""
    try:
        numbers = [float(each) for each in text.split(",")]
    except (AttributeError, ValueError):
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


if __name__ == "__main__":
    command_line.run(main)
