"""The text files beside pictures: the tags of all in one CSV file, of one picture in a text file, the exclude list."""

import csv
import os
import re
from pathlib import Path

from tfanime.tfrecords.sources.encodings import decode_text
from tfanime.tfrecords.sources.metadata import read_bounded
from tfanime.tfrecords.sources.words import PLAIN, join_tags

TAGS_FILE = "tags.csv"
MOST_TEXT = 1 << 20  # bytes of a text file beside a picture
KINDS = ("json", "txt", "info")  # of the files beside a picture, the last one gallery-dl's info.json of its folder


def with_slashes(path):
    """A path as people write it in a list, as the path of a picture: `.\\a\\1.jpg` and `./a/1.jpg` are `a/1.jpg`."""
    return path.replace("\\", "/").removeprefix("./")


def names_beside(name, kind):
    """The files that may describe a picture, the first that exists does: `X.jpg.json`, `X.json`.

    The pages `123_p0.jpg`, `123_p1.jpg` of one work share `123.json`.

    Args:
        name: The picture's name, or its path.
        kind: One of `KINDS`.
    """
    if kind == "info":
        return (os.path.join(os.path.dirname(name), "info.json"),)
    stem = os.path.splitext(name)[0]
    work = re.sub(r"_p\d+\Z", "", stem)
    stems = [name, stem, work] if kind == "json" and work != stem else [name, stem]
    return tuple(f"{each}.{kind}" for each in stems)


def read_words(path, reader=PLAIN):
    """Reads the tags in a text file.

    Args:
        path: The file.
        reader: How tags are read, a `WordReader`.

    Returns:
        The tags separated by spaces, spaces inside a tag as underscores; None if it has none.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no text, or too large.
    """
    return join_tags(reader.of_text(decode_text(read_bounded(path, MOST_TEXT))))


def read_exclude(path):
    """Reads an exclude list: one id a line; empty lines and lines that start with `# ` are passed over.

    Returns:
        The ids as a set.

    Raises:
        ValueError: It is not UTF-8.
    """
    try:
        lines = Path(path).read_bytes().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"--exclude must be a text file in UTF-8. Received: {str(path)!r}: {error}") from error
    lines = (line.removesuffix("\r") for line in lines)
    return {line for line in lines if line.strip() and not line.startswith("# ")}


def read_tags(path):
    """Reads a tags file: CSV with the columns `file` and `tags`.

    Returns:
        The tags of each file as written, by the file's path with slashes.

    Raises:
        ValueError: It is no such file; the message names the line and the rule.
    """
    path = Path(path)
    rows = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = {"file", "tags"} - set(reader.fieldnames or ())
            if missing:
                raise ValueError(f"line 1 must name the columns file,tags. Received: {reader.fieldnames}")
            for row in reader:
                name, text = row["file"], row["tags"]
                if not name or text is None or None in row:
                    raise ValueError(
                        f"line {reader.line_num} must have one value a column. Received: {list(row.values())}"
                    )
                name = with_slashes(name)
                if name in rows:
                    raise ValueError(f"line {reader.line_num} must not repeat a file. Received: {name!r}")
                rows[name] = text
    except (ValueError, csv.Error) as error:
        raise ValueError(f"the tags file {str(path)!r} must be CSV in UTF-8: {error}") from error
    return rows


def match_tags(rows, ids):
    """Finds the picture of each row.

    A row's `file` is the picture's path relative to the source; or relative to its folder `images`; or, if it is a
    bare name, the name of the only picture so called in all folders. The first rule that fits counts, and every picture
    takes at most one row.

    Args:
        rows: Tags by file, of `read_tags`.
        ids: The pictures' paths relative to the source.

    Returns:
        `(words, rows_without_picture)`: tags by picture id, and how many rows fitted none.
    """
    known = set(ids)
    by_name = {}
    for id in ids:
        by_name.setdefault(id.rpartition("/")[2], []).append(id)
    words, left = {}, dict(rows)
    for rule in (lambda file: file, lambda file: f"images/{file}", lambda file: by_name.get(file, [None])[0]):
        for file in list(left):
            id = rule(file)
            alone = id == file or id == f"images/{file}" or len(by_name.get(file, ())) == 1
            if id in known and id not in words and alone:
                words[id] = left.pop(file)
    return words, len(left)
