"""Draws avatars. Run as `python -m tfanime.generate RUN --seeds 0-63 --out a.png`."""

from dataclasses import dataclass
from typing import Annotated

from tfanime import command_line
from tfanime.generator import open_generator
from tfanime.latent_space.text import parse_edits
from tfanime.limits import Checked, at_least, between
from tfanime.seeds import parse_seeds, require_writable_out, write_in_batches


@dataclass(frozen=True)
class Config(Checked):
    """Draw avatars.

    Args:
        model: A run folder, a generator's folder (with card.json), a SavedModel, a folder of SavedModels by version, or
            the name of a pretrained generator.
        seeds: Which avatars, such as 0-63 or 3,5,8-10. A seed is always the same avatar.
        tags: What they are to show, such as "blonde hair, smile, no hat", if the generator was trained with tags; the
            seed decides about all other tags.
        allow_untrained_tags: Whether they may be tags that no training face had; nobody knows what comes of those.
        checkpoint: Which state of a run draws them: newest, best (of a run trained with --best_by), or one of the steps
            whose checkpoints are there.
        out: A path that ends in .png for one sheet, or a folder for single PNGs.
        psi: Truncation, of a StyleGAN2: below 1, down to 0, avatars have less variety and fewer are broken.
        direction: How they are all changed: names of directions with amounts, such as "blue eyes=4, pca1=-2", in
            standard deviations. pca1@0-3 changes layers 0 to 3 alone.
        directions: The directions.npz that `python -m tfanime.directions` wrote. Default: that in the generator's own
            folder; avatars64 has one.
        batch: Pictures drawn at once.
    """

    model: str
    seeds: str = "0-63"
    tags: str = ""
    allow_untrained_tags: bool = False
    checkpoint: str = "newest"
    out: str = "avatars.png"
    psi: Annotated[float, between(0, 1)] = 1.0
    direction: str = ""
    directions: str | None = None
    batch: Annotated[int, at_least(1)] = 64

    def rules(self):
        parse_seeds(self.seeds)  # these say themselves what is wrong
        parse_edits(self.direction)
        yield "directions", self.directions is None or bool(self.direction), "left out without --direction"


def main(arguments=None):
    """Draws; `--help` lists the flags."""
    config = command_line.parse(
        Config,
        program="python -m tfanime.generate",
        description="Draw avatars from a trained generator.",
        epilog="""examples:
  python -m tfanime.generate runs/wgan --seeds 0-63 --out avatars.png
  python -m tfanime.generate runs/dragan --tags "blonde hair, blue eyes, smile" --out blonde.png
  python -m tfanime.generate avatars64 --psi 0.7 --out fewer_broken.png
  python -m tfanime.generate avatars64 --direction "blue eyes=4" --out blue.png
  python -m tfanime.generate exports/tfanime --seeds 7,12,100-199 --out avatars/
""",
        positional=("model",),
        arguments=arguments,
    )
    command_line.load_tensorflow()
    seeds = parse_seeds(config.seeds)
    require_writable_out(config.out, len(seeds))  # before the networks, whose opening takes longer
    generator = open_generator(config.model, config.checkpoint)
    if config.direction:
        from tfanime.latent_space.edits import edited_generator

        edits = parse_edits(config.direction)
        generator = edited_generator(config.model, generator, edits, config.directions, config.psi)
    elif config.psi != 1:
        generator = generator.truncated(config.psi)
    write_in_batches(
        generator.images_in_batches(seeds, config.tags, config.batch, config.allow_untrained_tags), seeds, config.out
    )
    print(f"wrote {len(seeds):,} avatar{'s' if len(seeds) > 1 else ''} to {config.out}")


if __name__ == "__main__":
    command_line.run(main)
