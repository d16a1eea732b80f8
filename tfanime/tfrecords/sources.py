"""Where pictures come from: a folder tree with its tags file, or seeds of drawn avatars."""

import collections
import csv
import functools
import hashlib
import os
from pathlib import Path

import numpy as np
from PIL import Image

from tfanime.tags import JIN34
from tfanime.tfrecords.crop import decode
from tfanime.tfrecords.filters import Dropped
from tfanime.tfrecords.tagging import split

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
TAGS_FILE = "tags.csv"


class FolderSource:
    """The pictures in a folder and in all folders below it.

    Args:
        folder: The folder.
        tags: Path of the tags file; default: `tags.csv` in the folder, if there is one.

    Attributes:
        ids: Paths relative to the folder, with slashes, sorted.
        words: For each id that has a row in the tags file, its tags as written there.
        rows_without_picture: How many rows of the tags file name no picture.
        pictures_without_row: How many pictures have no row there.
        used_words: How many rows of the tags file have each word; None without a tags file.
        listing: SHA-256 (hex) over ids, file sizes and rows: what `resume` compares.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: It is no folder, it holds no picture, or the tags file cannot be read.
    """

    def __init__(self, folder, tags=None):
        self.folder = Path(folder)
        if not self.folder.exists():
            raise FileNotFoundError(f"SOURCE must be an existing folder of pictures. Received: {str(folder)!r}")
        if not self.folder.is_dir():
            raise ValueError(f"SOURCE must be a folder of pictures. Received the file {str(folder)!r}")
        files = sorted(_pictures_below(str(self.folder)))
        if not files:
            raise ValueError(
                f"SOURCE must hold pictures ({', '.join(SUFFIXES)}). Received: {str(folder)!r}, no picture"
            )
        self.ids = [name for name, _ in files]
        path = Path(tags) if tags else self.folder / TAGS_FILE
        self.words, self.rows_without_picture, self.used_words = {}, 0, None
        if path.is_file():
            rows = read_tags(path)
            self.words, self.rows_without_picture = match_tags(rows, self.ids)
            words = (word for text in rows.values() for word in set(split(text)))
            self.used_words = dict(sorted(collections.Counter(words).items()))
        self.pictures_without_row = len(self.ids) - len(self.words)
        digest = hashlib.sha256()
        for name, size in files:
            digest.update(f"{name}\0{size}\0{self.words.get(name)}\n".encode(errors="surrogateescape"))
        self.listing = digest.hexdigest()

    def __len__(self):
        return len(self.ids)

    def words_of(self, id):
        """The tags of a picture as its row has them, None without a row."""
        return self.words.get(id)

    def opener(self):
        """What the workers get of this source: a function from an id to `(image, bytes)`, see `open_file`."""
        return functools.partial(open_file, str(self.folder))


def open_file(folder, id):
    """Reads and decodes a picture.

    Returns:
        `(image, data)`: an RGB `PIL.Image`, and the file's bytes if they are a JPEG or PNG of just that, else None.

    Raises:
        Dropped: `unreadable`.
    """
    try:
        id.encode()
        data = (Path(folder) / id).read_bytes()
    except UnicodeEncodeError as error:
        raise Dropped("unreadable", "the file's name is not UTF-8") from error
    except OSError as error:
        raise Dropped("unreadable", f"{type(error).__name__}: {error.strerror}") from error
    image, plain = decode(data)
    return image, data if plain else None


class DrawnSource:
    """Avatars that tfanime draws, with the tags that they were drawn from.

    Args:
        count: How many.
        seed: Seed of the first; the others count up from it.
        size: Their side, in pixels.
    """

    rows_without_picture = pictures_without_row = 0

    def __init__(self, count, seed, size):
        from tfanime.tfrecords import drawn

        self.ids = [f"drawn/{number:010d}" for number in range(seed, seed + count)]
        self.size = size
        self.used_words = dict.fromkeys(JIN34.tags, count)
        self.listing = hashlib.sha256(f"drawn {drawn.VERSION} {count} {seed} {size}".encode()).hexdigest()

    def __len__(self):
        return len(self.ids)

    def words_of(self, id):
        """The tags that the avatar is drawn from."""
        from tfanime.tfrecords import drawn

        return " ".join(JIN34.decode(drawn.drawn_tags(_seed(id))))

    def opener(self):
        """What the workers get of this source, see `FolderSource.opener`."""
        return functools.partial(draw, self.size)


def draw(size, id):
    """Draws the avatar of an id: `(image, None)`, as `open_file`."""
    from tfanime.tfrecords import drawn

    return Image.fromarray(np.asarray(drawn.draw(_seed(id), size=size))).convert("RGB"), None


def _seed(id):
    return int(id.rpartition("/")[2])


def _pictures_below(folder):
    """Yields `(path relative to folder, bytes)` of every picture; hidden files and folders are passed over."""

    def fail(error):
        raise error  # a folder that cannot be read would be lost without a word

    seen = {os.path.realpath(folder)}
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=fail):
        real = {name: os.path.realpath(os.path.join(parent, name)) for name in sorted(folders)}
        folders[:] = [name for name in real if not name.startswith(".") and real[name] not in seen]
        seen.update(real[name] for name in folders)  # links may lead round in circles
        for name in files:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                path = os.path.join(parent, name)
                size = os.path.getsize(path) if os.path.exists(path) else -1  # a link to nothing is unreadable
                yield os.path.relpath(path, folder).replace(os.sep, "/"), size


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
                name = name.replace("\\", "/").removeprefix("./")
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
