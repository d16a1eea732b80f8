"""Draws avatars. Run as `python -m tfanime.generate RUN --seeds 0-63 --out a.png`."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tfanime import command_line
from tfanime.generator import open_generator, open_network
from tfanime.generator.enlarging import Enlarger
from tfanime.latent_space.text import parse_edits
from tfanime.limits import Checked, at_least, between
from tfanime.seeds import LARGEST_SEED, MAX_SEEDS, parse_seeds, require_writable_out, write_in_batches


@dataclass(frozen=True)
class Config(Checked):
    """Draw avatars.

    Args:
        model: A run folder, a generator's folder (with card.json), a SavedModel, a folder of SavedModels by version, or
            the name of a pretrained generator.
        seeds: Which avatars, such as 0-63 or 3,5,8-10. A seed is always the same avatar.
        tags: Tags to draw, such as "blonde hair, smile, no hat", if the generator was trained with tags; the seed
            decides about all other tags. A weight up to 3 after a colon shows a tag more clearly ("smile:1.5") or less
            ("smile:0.5").
        allow_untrained_tags: Whether to allow tags that no training face had; their effect is unknown.
        checkpoint: Checkpoint of a run: newest, best (for a run trained with --best_by), or the step of one that is
            there.
        out: A path that ends in .png for one sheet, or a folder for single PNGs.
        best_of: Number of seeds that are drawn for each avatar. The tagger that tfanime carries keeps the one that
            shows --tags best: seed 5 with --best_of 4 is one of the seeds 20 to 23. The kept seeds are printed; they
            draw the same avatars without --best_of.
        psi: Truncation, 0 to 1, for a StyleGAN2: smaller values give less variety and fewer broken avatars.
        direction: Changes of all avatars: names of directions with amounts in standard deviations, such as "blue
            eyes=4, pca1=-2". pca1@0-3 changes layers 0 to 3 only.
        directions: The directions.npz that `python -m tfanime.directions` wrote. Default: the one in the generator's
            own folder; avatars64 has one.
        upscale: A network that enlarges the avatars, as `python -m tfanime.upscale --with` takes it.
        batch: Pictures drawn at once.
    """

    model: str
    seeds: str = "0-63"
    tags: str = ""
    allow_untrained_tags: bool = False
    checkpoint: str = "newest"
    out: str = "avatars.png"
    best_of: Annotated[int, between(1, 64)] = 1
    psi: Annotated[float, between(0, 1)] = 1.0
    direction: str = ""
    directions: str | None = None
    upscale: str | None = None
    batch: Annotated[int, at_least(1)] = 64

    def rules(self):
        seeds = parse_seeds(self.seeds)  # raises its own error
        parse_edits(self.direction)
        yield "directions", self.directions is None or bool(self.direction), "left out without --direction"
        yield "best_of", self.best_of == 1 or bool(self.tags.strip()), "1 without --tags"
        most = MAX_SEEDS // len(seeds), (LARGEST_SEED + 1) // (max(seeds) + 1)
        yield "best_of", self.best_of <= max(1, min(most)), f"at most {max(1, min(most)):,} for these seeds"


def best_of_several(generator, seeds, tags, count, tagger, batch=64, allow_untrained_tags=False):
    """Draws several avatars for each seed and keeps the one that shows the tags best.

    Args:
        generator: A `tfanime.generator.Generator` with a vocabulary.
        seeds: Sequence of ints. Seed s stands for the seeds count * s to count * s + count - 1.
        tags: See `Generator.images`; at least one that the tagger knows.
        count: Number of avatars drawn for each seed.
        tagger: A `tfanime.tagger.files.TaggerNetwork`. The avatar for which it predicts the tags with the highest
            probability is kept.
        batch: Pictures drawn at once.
        allow_untrained_tags: See `Generator.images`.

    Yields:
        `(kept, images)`, for some seeds at a time: the kept seeds, a list of ints, and their avatars,
        uint8 `[len(kept), height, width, 3]`.

    Raises:
        ValueError: The generator has no tags, or the tagger knows none of these.
    """
    from tfanime.metrics.attributes import in_words_of
    from tfanime.training.tag_losses import tag_loss

    if not generator.vocabulary:
        raise ValueError(f"tags must be left out for a generator that was trained without. Received: {tags!r}")
    wanted = np.sign(generator.vocabulary.wanted(tags, allow_untrained_tags))[None]
    asked = in_words_of(tagger.vocabulary, generator.vocabulary, wanted)
    exclusive = np.concatenate([np.repeat(group.exclusive, len(group.tags)) for group in tagger.vocabulary.groups])
    if not ((asked > 0) | (asked < 0) & ~exclusive).any():  # one excluded colour is not enough to choose by
        raise ValueError(f"tags must include one that {tagger.name} predicts, for best_of. Received: {tags!r}")
    together = max(1, batch // count)
    for begin in range(0, len(seeds), together):
        part = seeds[begin : begin + together]
        candidates = [count * seed + place for seed in part for place in range(count)]
        images = generator.images(candidates, tags, batch, allow_untrained_tags)
        logits = tagger.predict(images)[1]
        losses = tag_loss(tagger.vocabulary, np.repeat(asked, len(logits), axis=0), logits, "softmax").numpy()
        kept = np.arange(len(part)) * count + losses.reshape(len(part), count).argmin(axis=1)
        yield [candidates[place] for place in kept], images[kept]


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
  python -m tfanime.generate avatars64 --tags "green hair:1.5, red eyes" --best_of 4 --out green.png
  python -m tfanime.generate avatars64 --direction "blue eyes=4" --out blue.png
  python -m tfanime.generate avatars64 --upscale runs/enlarger --out large.png
  python -m tfanime.generate exports/tfanime --seeds 7,12,100-199 --out avatars/
""",
        positional=("model",),
        arguments=arguments,
    )
    command_line.load_tensorflow()
    seeds = parse_seeds(config.seeds)
    require_writable_out(config.out, len(seeds))  # before the networks, whose opening takes longer
    enlarger = config.upscale and Enlarger(open_network(config.upscale, kinds=("upscale",)))
    generator = open_generator(config.model, config.checkpoint)
    if config.direction:
        from tfanime.latent_space.edits import edited_generator

        edits = parse_edits(config.direction)
        generator = edited_generator(config.model, generator, edits, config.directions, config.psi)
    elif config.psi != 1:
        generator = generator.truncated(config.psi)
    if config.best_of > 1:
        from tfanime.tagger.files import open_tagger

        tagger = open_tagger()
        print(f"{tagger.name} keeps one of {config.best_of} avatars each, the one that shows the tags best")
        drawn = best_of_several(
            generator, seeds, config.tags, config.best_of, tagger, config.batch, config.allow_untrained_tags
        )
    else:
        drawn = generator.images_in_batches(seeds, config.tags, config.batch, config.allow_untrained_tags)
    if enlarger:
        drawn = ((part, enlarger.images(images)) for part, images in drawn)
    kept = write_in_batches(drawn, len(seeds), config.out)
    if config.best_of > 1:
        print(f"kept --seeds {','.join(map(str, kept))}")
    print(f"wrote {len(seeds):,} avatar{'s' if len(seeds) > 1 else ''} to {config.out}")


if __name__ == "__main__":
    command_line.run(main)
