"""The command line of stage 1."""

import textwrap
from pathlib import Path

from tfanime.command_line import parse, run
from tfanime.tfrecords.settings import DRAWN, Settings

DESCRIPTION = """\
Turns a folder of pictures into shards of TFRecords: finds the faces, crops them square, tags them, and accounts for
every picture in manifest.json and dropped.csv. An interrupted conversion goes on when the same command runs again.
"""
EPILOG = """\
examples:
  python -m tfanime.tfrecords faces/ tfrecords/faces --size 96
      pictures that are face crops already; tags from faces/tags.csv if it is there
  python -m tfanime.tfrecords illustrations/ tfrecords/mine --card illustrations
      full illustrations: animeface finds the faces, each is zoomed out by 1.5 and resized
  python -m tfanime.tfrecords drawn tfrecords/drawn --count 10000 --size 64
      avatars that tfanime draws, with their true tags; needs no picture at all

tags.csv has the columns file,tags: `2.jpg,blonde_hair pink_eyes`. A row belongs to the picture with that path below
SOURCE or below SOURCE/images, or, if it is a bare name, to the only picture so called anywhere. Rows without a
picture and pictures without a row are counted, no error.
"""


def main(arguments=None):
    """Reads the command line, converts, and prints the account."""
    settings = parse(
        Settings,
        program="python -m tfanime.tfrecords",
        description=DESCRIPTION,
        epilog=EPILOG,
        published=("tfanime.tfrecords", "cards"),
        flag="--card",
        positional=("source", "out"),
        arguments=arguments,
    )
    from tfanime.tfrecords.convert import convert

    try:
        manifest, fresh = convert(settings, settings.progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted: finished shards are kept, the same command goes on from them") from None
    if not fresh:
        print(f"{settings.out} is already complete: {manifest.count:,} records")
        return
    print(summary(manifest, settings))


def summary(manifest, settings):
    """The account of a conversion in a few lines of text."""
    pictures = manifest.pictures
    lines = [f"found    {pictures['found']:,} pictures"]
    lines.append(f"kept     {pictures['kept']:,}, {manifest.count:,} faces of {manifest.image_size} px")
    for reason, count in pictures["dropped"].items():
        lines.append(f"dropped  {count:,} {reason}")
    if manifest.vocabulary:
        if pictures["rows_without_picture"] or pictures["pictures_without_row"]:
            lines.append(
                f"tags     {pictures['rows_without_picture']:,} rows without a picture, "
                f"{pictures['pictures_without_row']:,} pictures without a row"
            )
        unknown = pictures["unknown_words"]
        if unknown:
            words = ", ".join(f"{word} {count:,}" for word, count in list(unknown.items())[:8])
            words += ", ..." if len(unknown) > 8 else ""
            text = f"not in vocabulary {manifest.vocabulary.name}: {words}"
            lines += textwrap.wrap(text, 100, initial_indent="tags     ", subsequent_indent="         ")
        known = [
            f"{group.name} {max(pictures['tags_known'][tag] for tag in group.tags) / manifest.count:.1%}"
            for group in manifest.vocabulary.groups
        ]
        lines += textwrap.wrap(f"known in the faces: {', '.join(known)}", 100, initial_indent="tags     ")
    elif settings.tagger != "none" and settings.vocabulary != "none" and settings.source != DRAWN:
        lines.append("tags     none: SOURCE has no tags.csv and --tags names no file")
    size = sum(shard["bytes"] for shard in manifest.shards) / 1e6
    lines.append(f"written  {len(manifest.shards)} shards, {size:,.1f} MB, in {Path(settings.out)}")
    lines.append(f"next     python -m tfanime.recipes.wgan --data {Path(settings.out)}")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
