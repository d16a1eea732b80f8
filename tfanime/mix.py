"""Mixes avatars' styles. Run as `python -m tfanime.mix MODEL --rows 0-5 --columns 6-13 --out mixed.png`."""

from dataclasses import dataclass
from typing import Annotated

from tfanime import command_line
from tfanime.generator import open_generator
from tfanime.latent_space.text import parse_layers, parse_points
from tfanime.limits import Checked, Limit, at_least, between
from tfanime.seeds import MAX_SHEET, require_writable_out

PNG = Limit("a file that ends in .png", lambda value: value.lower().endswith(".png"))


@dataclass(frozen=True)
class Config(Checked):
    """Mix styles.

    Args:
        model: A run folder, a generator's folder (with card.json), or the name of a pretrained generator, of a
            StyleGAN2.
        rows: One avatar for each row: seeds such as 0-5, and files that `python -m tfanime.project` wrote, such as
            me.npz, separated by commas.
        columns: One avatar for each column, whose layers are mixed into the rows' avatars; as for rows.
        layers: The layers taken from the columns, from 0 on, the coarsest first. A StyleGAN2 of 64 px has 10, two for
            each size from 4 px. 0-3 decide pose, face and shape of the hair, the last ones colours.
        tags: Tags of the avatars of seeds, if the generator was trained with tags; the seed decides about all other
            tags.
        allow_untrained_tags: Whether to allow tags that no training face had.
        psi: Truncation of all avatars, from 0 (their mean) to 1 (none).
        checkpoint: Checkpoint of a run: newest, best, or the step of one that is there.
        out: The sheet, a file that ends in .png.
        batch: Pictures drawn at once.
    """

    model: str
    rows: str = "0-5"
    columns: str = "6-13"
    layers: str = "0-3"
    tags: str = ""
    allow_untrained_tags: bool = False
    psi: Annotated[float, between(0, 1)] = 1.0
    checkpoint: str = "newest"
    out: Annotated[str, PNG] = "mixed.png"
    batch: Annotated[int, at_least(1)] = 64

    def rules(self):
        cells = 1
        for name in ("rows", "columns"):
            cells *= 1 + len(parse_points(getattr(self, name), name))  # raises its own error
        yield "rows", cells <= MAX_SHEET, f"few enough, with all columns, for a sheet of {MAX_SHEET:,} pictures"


def main(arguments=None):
    """Mixes; `--help` lists the flags."""
    config = command_line.parse(
        Config,
        program="python -m tfanime.mix",
        description="Mix styles: draw every row's avatar with some layers of every column's avatar.",
        epilog="""examples:
  python -m tfanime.mix avatars64 --out mixed.png
  python -m tfanime.mix avatars64 --rows 0-5 --columns 6-13 --layers 4-9 --out colours.png
  python -m tfanime.mix runs/faces --rows projected/me.npz --columns 0-7 --psi 0.7
""",
        positional=("model",),
        arguments=arguments,
    )
    command_line.load_tensorflow()
    from tfanime.images import grid, write_png
    from tfanime.latent_space.mixing import mixing_grid, require_styles
    from tfanime.latent_space.points import points_of
    from tfanime.latent_space.space import LatentSpace

    require_writable_out(config.out, 1)
    space = LatentSpace(open_generator(config.model, config.checkpoint))
    require_styles(space, "mixing")
    layers = parse_layers(config.layers, space.layers)
    rows, columns = (
        space.truncated(points_of(space, parse_points(text), config.tags, config.allow_untrained_tags), config.psi)
        for text in (config.rows, config.columns)
    )
    write_png(config.out, grid(mixing_grid(space, rows, columns, layers, config.batch), 1 + len(columns)))
    print(f"wrote {len(rows) * len(columns):,} mixtures to {config.out}")


if __name__ == "__main__":
    command_line.run(main)
