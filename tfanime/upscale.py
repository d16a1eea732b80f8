"""Enlarges pictures. Run as `python -m tfanime.upscale pictures/ --with NETWORK --out large/`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tfanime import command_line
from tfanime.generator import open_network
from tfanime.generator.enlarging import Enlarger
from tfanime.generator.tiles import SIDE
from tfanime.limits import SHARE, Checked, at_least
from tfanime.picture_files import Picture, write_picture
from tfanime.picture_folders import change_folder, read_or_check, report_folder, require_out_folder, there_already
from tfanime.seeds import avatar_path, parse_seeds

SEEDS = "0-63"


@dataclass(frozen=True)
class Config(Checked):
    """Enlarge pictures.

    Args:
        pictures: A picture, a folder of pictures (whose sub-folders and names are kept), or what draws avatars, as
            `python -m tfanime.generate` takes it.
        with_: The network that enlarges: a run folder of the recipe srgan, a generator's folder of kind upscale, a
            SavedModel, or the name of a pretrained one.
        out: Where they go: for one picture a file that ends in .png, .jpg or .webp, else a folder, which is filled up
            if some are there already.
        seeds: Which avatars of a generator, such as 0-15 or 3,5,8-10. Default: 0-63.
        scale: How many times larger pictures become: a power of the network's own scale. Default: that.
        strength: How much of the network's picture is taken, 0 to 1; the rest is a bicubic enlargement.
        flips: Enlarge each picture mirrored and turned as well, in all 8 ways, and take the mean: better by a little,
            and 8 times slower.
        tile: Side of the parts in which large pictures are computed, in pixels; smaller ones take less memory.
        checkpoint: Which state of a run enlarges: newest, best, or one of the steps whose checkpoints are there.
    """

    pictures: str
    with_: str
    out: str
    seeds: str | None = None
    scale: int | None = None
    strength: Annotated[float, SHARE] = 1.0
    flips: bool = False
    tile: Annotated[int, at_least(16)] = SIDE
    checkpoint: str = "newest"

    def rules(self):
        parse_seeds(self.seeds or SEEDS)  # raises its own error
        yield "seeds", not self.seeds or not is_pictures(self.pictures), "left out for pictures, which have none"


def is_pictures(path):
    """Whether a path names pictures, a file or a folder, and not what draws avatars."""
    path = Path(path)
    if path.is_file():
        return True
    drawing = ("run.json", "card.json", "saved_model.pb")
    return path.is_dir() and not any((path / name).exists() or list(path.glob(f"*/{name}")) for name in drawing)


def enlarge_avatars(enlarge, generator, seeds, out):
    """Enlarges the avatars of seeds into a folder, `seed-00000012.png`; those that are there already stay.

    Args:
        enlarge: An `Enlarger`.
        generator: A `tfanime.generator.Generator`.
        seeds: Sequence of ints.
        out: The folder.

    Returns:
        How many were written.
    """
    from tqdm import tqdm

    missing = [seed for seed in seeds if not avatar_path(out, seed).exists()]
    with tqdm(total=len(missing), unit=" avatars", disable=None) as bar:
        for part, images in generator.images_in_batches(missing, batch=16) if missing else ():
            for seed, image in zip(part, images, strict=True):
                write_picture(avatar_path(out, seed), enlarge(Picture(image)))
            bar.update(len(part))
    return len(missing)


def main(arguments=None):
    """Enlarges; `--help` lists the flags."""
    config = command_line.parse(
        Config,
        program="python -m tfanime.upscale",
        description="Enlarge pictures, or the avatars of a generator.",
        epilog="""examples:
  python -m tfanime.upscale small.png --with runs/enlarger --out large.png
  python -m tfanime.upscale pictures/ --with runs/enlarger --out large/ --strength 0.7
  python -m tfanime.upscale avatars64 --seeds 0-15 --with runs/enlarger --out avatars/
""",
        positional=("pictures",),
        arguments=arguments,
    )
    path, out = Path(config.pictures), Path(config.out)
    picture = None
    if is_pictures(path):
        picture = read_or_check(path, out)
    else:
        require_out_folder(out)
    command_line.load_tensorflow()
    network = open_network(config.with_, config.checkpoint, ("upscale",))
    enlarge = Enlarger(network, config.scale, config.strength, config.flips, config.tile)
    if picture:
        _one(enlarge, picture, out)
    elif is_pictures(path):
        return report_folder(*change_folder(enlarge, path, out), out)
    else:
        from tfanime.generator import open_generator

        seeds = parse_seeds(config.seeds or SEEDS)
        count = enlarge_avatars(enlarge, open_generator(config.pictures), seeds, out)
        print(f"wrote {count:,} avatars to {out}{there_already(len(seeds) - count)}")
    return 0


def _one(enlarge, picture, out):
    from tqdm import tqdm

    with tqdm(unit=" tiles", disable=None, leave=False) as bar:

        def progress(count):
            bar.total = enlarge.passes * count
            bar.update()

        write_picture(out, enlarge(picture, progress))
    print(f"wrote {out}{f' ({picture.note})' if picture.note else ''}")


if __name__ == "__main__":
    command_line.run(main)
