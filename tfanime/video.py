"""A film from avatar to avatar. Run as `python -m tfanime.video MODEL --avatars 0-5 --out film.mp4`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tfanime import command_line
from tfanime.files import require_writable_folder
from tfanime.generator import open_generator
from tfanime.latent_space.text import parse_points
from tfanime.limits import Checked, Limit, at_least, between

FILM = Limit("a file that ends in .mp4 or .gif", lambda value: value.lower().endswith((".mp4", ".gif")))
BATCH = 32


@dataclass(frozen=True)
class Config(Checked):
    """Film a path through a latent space.

    Args:
        model: A run folder, a generator's folder (with card.json), or the name of a pretrained generator.
        avatars: The avatars of the film, which ends at the first one again: seeds such as 0-5, and files that `python
            -m tfanime.project` wrote, such as me.npz, separated by commas.
        tags: Tags of the avatars of seeds, if the generator was trained with tags. Several sets, separated by
            semicolons, belong to one avatar each, or are shown by one avatar in turn.
        allow_untrained_tags: Whether to allow tags that no training face had.
        psi: Truncation of the avatars, for a StyleGAN2, from 0 (their mean) to 1 (none).
        frames: Number of frames from each avatar to the next one.
        fps: Frames a second; a GIF has at most 50.
        scale: Factor by which frames are enlarged.
        checkpoint: Checkpoint of a run: newest, best, or the step of one that is there.
        out: The film, a file that ends in .mp4 or .gif.
    """

    model: str
    avatars: str = "0-5"
    tags: str = ""
    allow_untrained_tags: bool = False
    psi: Annotated[float, between(0, 1)] = 1.0
    frames: Annotated[int, at_least(1)] = 60
    fps: Annotated[int, between(1, 120)] = 30
    scale: Annotated[int, between(1, 16)] = 4
    checkpoint: str = "newest"
    out: Annotated[str, FILM] = "film.mp4"

    def rules(self):
        avatars, tags = parse_points(self.avatars), self.tags.split(";")
        matches = 1 in (len(tags), len(avatars)) or len(tags) == len(avatars)
        yield "tags", matches, "one set for all avatars, or as many sets as there are avatars"
        yield "avatars", max(len(avatars), len(tags)) > 1, "at least 2, or one with several sets of tags"


def main(arguments=None):
    """Films; `--help` lists the flags."""
    config = command_line.parse(
        Config,
        program="python -m tfanime.video",
        description="Film a closed path from avatar to avatar, a spline in the latent space.",
        epilog="""examples:
  python -m tfanime.video avatars64 --avatars 0-5 --out film.mp4
  python -m tfanime.video avatars64 --avatars 7 --tags "blonde hair; blue hair; red hair" --out hair.gif
  python -m tfanime.video runs/faces --avatars projected/me.npz,3,projected/you.npz --psi 0.7
""",
        positional=("model",),
        arguments=arguments,
    )
    command_line.load_tensorflow()
    from tqdm import tqdm

    from tfanime.latent_space.movies import write_movie
    from tfanime.latent_space.paths import closed_path
    from tfanime.latent_space.space import LatentSpace

    require_writable_folder(Path(config.out).parent, "the folder of out")
    space = LatentSpace(open_generator(config.model, config.checkpoint))
    keys = space.truncated(_keys(space, config), config.psi)
    way = closed_path(space, keys, config.frames)
    with tqdm(total=len(way), unit=" pictures", disable=None) as bar:

        def pictures():
            for begin in range(0, len(way), BATCH):
                images = space.images(way[begin : begin + BATCH])
                yield from images
                bar.update(len(images))

        write_movie(config.out, pictures(), config.fps, config.scale)
    print(f"wrote {len(way):,} frames, {len(way) / config.fps:.1f} s, to {config.out}")


def _keys(space, config):
    from tfanime.latent_space.points import points_of
    from tfanime.latent_space.space import joined

    avatars, tags = parse_points(config.avatars), [each.strip() for each in config.tags.split(";")]
    if len(tags) == 1:
        return points_of(space, avatars, tags[0], config.allow_untrained_tags)
    avatars = avatars * len(tags) if len(avatars) == 1 else avatars
    pairs = zip(avatars, tags, strict=True)
    return joined([points_of(space, [avatar], each, config.allow_untrained_tags) for avatar, each in pairs])


if __name__ == "__main__":
    command_line.run(main)
