"""The client's command line: `python -m tfanime.serving.client`."""

from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from tfanime.command_line import load_tensorflow, parse, run
from tfanime.files import require_writable_folder
from tfanime.generator.pictures import PICTURE_KINDS, Form
from tfanime.generator.tiles import through
from tfanime.picture_files import read_picture, require_picture_name, write_picture
from tfanime.seeds import parse_seeds, require_writable_out, write_in_batches
from tfanime.serving.client.connection import Connection

EPILOG = """\
examples:
  python -m tfanime.serving.client --seeds 0-15 --out avatars.png          (one sheet)
  python -m tfanime.serving.client --seeds 3,5,8-10 --out avatars          (avatars/seed-00000003.png ...)
  python -m tfanime.serving.client --seeds 0-15 --tags "blonde hair, no hat" --out blonde.png
  python -m tfanime.serving.client --list_tags
  python -m tfanime.serving.client --model enlarger --picture small.png --out large.png
  python -m tfanime.serving.client --server gpu7:8500 --model faces --seeds 7 --out seven.png
  python -m tfanime.serving.client --rest --server gpu7:8501 --tls_ca ca.pem --seeds 7 --out seven.png
"""


@dataclass(frozen=True)
class Config(Connection):
    """Client

    Args:
        picture: A picture file, in place of seeds, for a model that enlarges or redraws pictures; --out is then a file
            that ends in .png, .jpg or .webp. The picture may have any size, and keeps its alpha.
        seeds: Seeds and ranges separated by commas, such as 0-15 or 3,5,8-10.
        out: A path that ends in .png for one sheet, or a folder for single PNGs.
        tags: Tags to draw, such as "blonde hair, twin tails, no hat", of a model with tags; the seed decides about all
            other tags.
        allow_untrained_tags: Whether to allow tags that no training face had; their effect is unknown.
        list_tags: Print the model's tags by group, each with its probability when the seed decides, and draw nothing.
        batch: Largest number of seeds in one request.
        retries: Number of retries while no server answers.
    """

    picture: str | None = None
    seeds: str = ""
    out: str = ""
    tags: str = ""
    allow_untrained_tags: bool = False
    list_tags: bool = False
    batch: int = 64
    retries: int = 5

    def rules(self):
        if self.list_tags and (self.seeds or self.out or self.tags or self.picture):
            raise ValueError("--list_tags must stand without --seeds, --out, --tags and --picture")
        if self.picture is not None:
            if self.seeds or self.tags:
                raise ValueError("--picture must stand without --seeds and --tags")
            require_picture_name(self.out, "--out")
        elif not self.list_tags:
            for name in ("seeds", "out"):
                yield name, bool(getattr(self, name)), "given, or --list_tags"
            parse_seeds(self.seeds)


def main(arguments=None):
    """Fetches avatars and writes them."""
    config = parse(
        Config,
        program="python -m tfanime.serving.client",
        description="Fetch avatars from a server: python -m tfanime.serving, or TensorFlow Serving.",
        epilog=EPILOG,
        arguments=arguments,
    )
    seeds = [] if config.list_tags or config.picture else parse_seeds(config.seeds)
    if seeds:
        require_writable_out(config.out, len(seeds))
    picture = None
    if config.picture:
        picture = read_picture(config.picture)
        require_writable_folder(Path(config.out).parent, "the folder of out")
    if not config.rest:
        load_tensorflow()
    with config.client(retries=config.retries, batch=config.batch) as client:
        if config.list_tags:
            _list_tags(client.vocabulary())
            return
        if picture:
            write_picture(config.out, _through(client, picture))
            print(f"wrote {config.out}{f' ({picture.note})' if picture.note else ''}")
            return
        tags = config.tags
        if config.allow_untrained_tags and tags.strip():
            tags = client.wanted(tags, allow_untrained=True)
        write_in_batches(client.generate_in_batches(seeds, tags), len(seeds), config.out)
    print(f"wrote {len(seeds):,} avatar{'s' if len(seeds) > 1 else ''} to {config.out}")


def _through(client, picture):
    """A picture after the client's model, in tiles if it is large."""
    card = client.model_card()
    if card.get("kind") not in PICTURE_KINDS:
        raise ValueError(f"--picture must be left out for model {client.model!r}, which draws avatars from seeds")
    form = Form.from_json(card)
    with tqdm(desc=form.kind, unit=" tiles", disable=None, leave=False) as bar:

        def progress(count):
            bar.total = count
            bar.update()

        return through(getattr(client, form.kind), picture, form, progress=progress)


def _list_tags(vocabulary):
    if vocabulary is None:
        print("no tags: the model was trained without")
        return
    for group in vocabulary.groups:
        print(f"{group.name} ({'one of' if group.exclusive else 'any of'})")
        for tag in group.tags:
            unseen = "  of no training face" if tag in vocabulary.untrained else ""
            print(f"  {tag.replace('_', ' '):<24}{vocabulary.probabilities[tag]:6.1%}{unseen}")


if __name__ == "__main__":
    run(main)
