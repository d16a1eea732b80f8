"""The command line of stage 1."""

import shlex
import sys
import textwrap
from pathlib import Path

from tfanime.command_line import parse, run
from tfanime.tfrecords.filters import REASONS
from tfanime.tfrecords.settings import DRAWN, Settings

DESCRIPTION = """\
Turns a folder of pictures into shards of TFRecords: finds the faces, crops them square, leaves out unusable ones,
tags the rest, and accounts for every picture in report.html, manifest.json and dropped.csv. An interrupted conversion
goes on when the same command runs again.
"""
EPILOG = """\
examples:
  python -m tfanime.tfrecords illustrations/ tfrecords/mine --size 128 --holdout 0.05
      full illustrations: animeface finds the faces, each is zoomed out by 1.5 and resized; 5 % held out for evaluation
  python -m tfanime.tfrecords faces/ tfrecords/faces --detector none --tagger sidecar,colours
      pictures that are face crops already; tags from faces/tags.csv; colours that it does not name are measured
  python -m tfanime.tfrecords gallery-dl/danbooru tfrecords/danbooru --card danbooru
      what gallery-dl downloaded, with the tags, ratings and scores beside it
  python -m tfanime.tfrecords illustrations/ tfrecords/mine --size 128 --exclude exclude.txt --overwrite
      again, without the faces that were ticked in report.html
  python -m tfanime.tfrecords drawn tfrecords/drawn --count 10000 --size 64
      avatars that tfanime draws, with their true tags; needs no picture at all

Tags: a row of tags.csv (columns file,tags: `2.jpg,blonde_hair pink_eyes`; a row belongs to the picture with that path
below SOURCE or below SOURCE/images, or, if it is a bare name, to the only picture so called anywhere); or a file beside
the picture, X.jpg.json as gallery-dl writes it, or X.txt. Rows without a picture and pictures without tags are counted;
they are not errors.
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

    for note in settings.notes():
        print(f"note: {note}", file=sys.stderr)
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
    pictures, out = manifest.pictures, Path(settings.out)
    held_out = manifest.holdout["count"] if manifest.holdout else 0
    lines = [f"found    {pictures['found']:,} pictures"]
    faces = manifest.count + held_out
    lines.append(f"kept     {pictures['kept']:,}, {faces:,} faces of {manifest.image_size} px")
    if manifest.holdout and not held_out:
        lines.append("split    nothing held out: too few pictures for this --holdout; choose a larger share")
    elif manifest.holdout:
        lines.append(f"split    {manifest.count:,} faces to train on, {held_out:,} held out")
    other = pictures["passed_over"]
    if other:
        kinds = ", ".join(f"{suffix or 'no suffix'} {count:,}" for suffix, count in list(other.items())[:6])
        lines.append(f"other    {sum(other.values()):,} files that are not pictures by their names ({kinds})")
    for reason, count in pictures["dropped_faces"].items():
        lines.append(f"dropped  {count:,} {reason}: {REASONS[reason]}")
    if 2 * pictures["dropped"].get("no_face", 0) >= pictures["found"]:
        lines.append("         most have no face; pictures that are faces already want --detector none")
    if pictures["exclude_without_picture"]:
        lines.append(f"exclude  {pictures['exclude_without_picture']:,} lines of --exclude name nothing")
    if pictures["sidecar_unreadable"]:
        lines.append(
            f"unread   {pictures['sidecar_unreadable']:,} pictures beside which a file cannot be read, such as"
        )
        lines += [f"         {line}" for line in pictures["unread"][:3]]
    if manifest.vocabulary:
        lines += _tags(manifest, faces)
    elif settings.tagger != "none" and settings.vocabulary != "none" and settings.source != DRAWN:
        lines.append("tags     none: SOURCE has no tags.csv, no files beside its pictures, and --tags names no file")
    shards = [*manifest.shards, *(manifest.holdout["shards"] if manifest.holdout else ())]
    size = sum(shard["bytes"] for shard in shards) / 1e6
    lines.append(f"written  {len(shards)} shard{'s' if len(shards) > 1 else ''}, {size:,.1f} MB, in {out}")
    lines.append(f"look at  {out / 'report.html'}")
    size = next((size for size in (64, 32) if size <= manifest.image_size), None)
    how = f"--config dcgan_r1_{size}" if size else "--image_size 16"
    lines.append(f"next     python -m tfanime.recipes.dcgan {how} --data {shlex.quote(str(out))}")
    return "\n".join(lines)


def _tags(manifest, faces):
    """The lines about tags."""
    pictures = manifest.pictures
    if pictures["rows_without_picture"] or pictures["pictures_without_row"]:
        such = f" (such as {pictures['row_without_picture']!r})" if pictures["rows_without_picture"] else ""
        yield (
            f"tags     rows without a picture: {pictures['rows_without_picture']:,}{such}; "
            f"pictures without tags of their own: {pictures['pictures_without_row']:,}"
        )
    if pictures.get("pictures_not_understood"):
        yield _wrapped(
            f"{pictures['pictures_not_understood']:,} pictures with words of which none is a tag: unknown, not without"
        )
    unknown = pictures["unknown_words"]
    if unknown:
        words = ", ".join(f"{word} {count:,}" for word, count in list(unknown.items())[:8])
        words += ", ..." if len(unknown) > 8 else ""
        yield _wrapped(f"not in vocabulary {manifest.vocabulary.name}: {words}")
    if not any(sum(tagger["holds"].values()) for tagger in manifest.taggers):
        yield _wrapped(f"no tag of vocabulary {manifest.vocabulary.name} holds in any face: is it the right one?")
    known = [
        f"{group.name} {max(pictures['tags_known'][tag] for tag in group.tags) / faces:.1%}"
        for group in manifest.vocabulary.groups
    ]
    yield _wrapped(f"known in the faces: {', '.join(known)}")
    if len(manifest.taggers) > 1:
        given = [f"{tagger['name']} {sum(tagger['holds'].values()):,}" for tagger in manifest.taggers]
        yield _wrapped(f"given: {', '.join(given)}")


def _wrapped(text):
    return "\n".join(textwrap.wrap(text, 100, initial_indent="tags     ", subsequent_indent="         "))


if __name__ == "__main__":
    run(main)
