"""The text files beside pictures: the tags of all in one CSV file, of one picture in a text file, the exclude list."""

import collections
import csv
import io
import os
import re
import unicodedata
from pathlib import Path

from tfanime.tfrecords.sources.encodings import decode_text
from tfanime.tfrecords.sources.metadata import read_bounded
from tfanime.tfrecords.sources.words import PLAIN, join_tags

TAGS_FILE = "tags.csv"
MOST_TEXT = 1 << 20  # bytes of a text file beside a picture
# Of the files beside a picture; `info` is gallery-dl's info.json of its folder.
KINDS = ("json", "txt", "caption", "info")


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
    return tuple(f"{each}.{suffix}" for suffix in (kind, kind.upper()) for each in stems)


def read_words(path, reader=PLAIN):
    """Reads the tags in a text file.

    Args:
        path: The file.
        reader: How tags are read, a `WordReader`.

    Returns:
        The tags separated by spaces, spaces inside a tag as underscores; None if it has none.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not text, or too large.
    """
    return join_tags(reader.of_text(decode_text(read_bounded(path, MOST_TEXT))))


def read_exclude(path):
    """Reads an exclude list: one id a line; empty lines and lines that start with `# ` are passed over.

    A file named `.csv` is CSV with a column `id`, as `dropped.csv` is: there a name may begin with `# ` and hold a
    newline.

    Returns:
        The ids as a set.

    Raises:
        ValueError: It is not UTF-8, or no such CSV.
    """
    if str(path).lower().endswith(".csv"):
        return _excluded_by_csv(path)
    try:
        lines = Path(path).read_bytes().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"--exclude must be a text file in UTF-8. Received: {str(path)!r}: {error}") from error
    lines = (line.removesuffix("\r") for line in lines)
    return {line for line in lines if line.strip() and not line.startswith("# ")}


def _excluded_by_csv(path):
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return {row["id"] for row in csv.DictReader(file, strict=True) if row["id"]}
    except (ValueError, KeyError, csv.Error) as error:
        message = f"{type(error).__name__} {error}"
        raise ValueError(
            f"--exclude must be CSV in UTF-8 with a column id. Received: {str(path)!r}: {message}"
        ) from error


def read_tags(path):
    """Reads a tags file: CSV with the columns `file` and `tags`, separated by commas, semicolons or tabs.

    Rows and columns that are empty, as Excel leaves them behind the others, are passed over.

    Returns:
        The tags of each file as written, by the file's path with slashes.

    Raises:
        ValueError: It is not such a file; the message names the line and the rule.
    """
    path = Path(path)
    rows = {}
    try:
        text = decode_text(path.read_bytes())
        head = text.split("\n", 1)[0]
        delimiter = next((each for each in ",;\t" if each in head), ",")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
        missing = {"file", "tags"} - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"line 1 must name the columns file,tags. Received: {reader.fieldnames}")
        for row in reader:
            name, text, values = row["file"], row["tags"], [*row.pop(None, []), *row.values()]
            if not any(values):
                continue
            if not name or text is None or any(values[: len(values) - len(row)]):
                raise ValueError(f"line {reader.line_num} must have one value a column. Received: {values}")
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
    bare name, the name of the only picture so called in all folders. Else it is a longer or a shorter path of just one
    picture, with the suffix or without: `/home/me/faces/1.jpg`, `faces/1`. The first rule that fits counts, and every
    picture takes at most one row. Composed and decomposed accents (macOS) are the same.

    Args:
        rows: Tags by file, of `read_tags`.
        ids: The pictures' paths relative to the source.

    Returns:
        `(words, left)`: tags by picture id, and the files of the rows that fitted none.
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
    claims = collections.defaultdict(list)
    paths = _Paths(ids) if left else None
    for file in left:
        found = paths.like(file)
        if len(found) == 1 and not found & words.keys():
            claims[found.pop()].append(file)
    for id, files in claims.items():
        if len(files) == 1:
            words[id] = left.pop(files[0])
    return words, list(left)


class _Paths:
    """Finds pictures by paths that begin higher up or lower down, in any normal form, with or without a suffix."""

    def __init__(self, ids):
        self._whole, self._ends, self._folders = {}, {}, set()
        for id in ids:
            path = unicodedata.normalize("NFC", id)
            for form in (path, os.path.splitext(path)[0]):
                self._whole.setdefault(form, set()).add(id)
                for end in _ends(form):
                    self._ends.setdefault(end, set()).add(id)
            self._folders.add(path.partition("/")[0] if "/" in path else None)

    def like(self, file):
        """The ids that a path may mean, as a set."""
        file = unicodedata.normalize("NFC", file)
        found = set(self._ends.get(file, ()))
        if file.partition("/")[0] not in self._folders:  # else it is a picture of that folder, which is not there
            found = found.union(*(self._whole.get(end, ()) for end in _ends(file)))
        return found


def _ends(path):
    """A path, the path without its first folder, without its first two folders, ..."""
    parts = path.split("/")
    return ["/".join(parts[first:]) for first in range(len(parts))]
