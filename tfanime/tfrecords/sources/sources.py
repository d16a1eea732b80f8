"""The source of pictures: a folder tree, with the words that describe its pictures."""

import collections
import dataclasses
import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from PIL import Image

from tfanime.limits import SHARE, Limit, between
from tfanime.tfrecords.crop import CropSettings, decode
from tfanime.tfrecords.filters import Dropped
from tfanime.tfrecords.sources.folders import SUFFIXES, digest_of, list_pictures
from tfanime.tfrecords.sources.metadata import (
    MOST_BYTES,
    Metadata,
    Wanted,
    parse_ratings,
    rating_of,
    read_bounded,
    read_metadata,
    strictest,
)
from tfanime.tfrecords.sources.sidecars import (
    KINDS,
    TAGS_FILE,
    match_tags,
    names_beside,
    read_exclude,
    read_tags,
    read_words,
    with_slashes,
)
from tfanime.tfrecords.sources.words import PLAIN, WordReader, join_tags
from tfanime.tfrecords.taggers.tagging import tagger_names


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """Which pictures are taken, and the words that describe them

    Args:
        tags: The tags file, CSV with the columns file,tags (tags separated by spaces). Default: tags.csv in SOURCE. A
            picture X.jpg without a row takes its tags from X.jpg.json (as gallery-dl writes it) or X.json, else from
            X.jpg.txt or X.txt, else from X.jpg.caption or X.caption.
        tags_threshold: Smallest score of a tag in a JSON file with scores.
        ratings: Ratings that are kept: some of general, sensitive, questionable, explicit, separated by commas, or
            `any`. Of several ratings of a picture the strictest counts. A picture without a rating is kept.
        strict: Leave out a picture if the file beside it cannot be read; otherwise it is kept without that file.
        min_year: Earliest year of upload, by the JSON file; a picture of an unknown year is left out. Default: all are
            kept.
        min_score: Smallest score by the votes of a board's users, by the JSON file; a picture of an unknown score is
            left out. Default: all are kept.
        exclude: Text file (UTF-8) of ids to leave out, one a line: a picture by its path below SOURCE (all its faces),
            or one of its faces by the picture's path and the face's number: a/1.jpg#0 is the first, a/1.jpg#1 the
            second, which has this id in the records and in dropped.csv too. Or a CSV file with a column id.
    """

    tags: Annotated[str | None, Limit("an existing CSV file", os.path.isfile)] = None
    tags_threshold: Annotated[float, SHARE] = 0.5
    ratings: str = "general,sensitive"
    strict: bool = False
    min_year: Annotated[int | None, between(1990, 9999)] = None
    min_score: int | None = None
    exclude: Annotated[str | None, Limit("an existing text file", os.path.isfile)] = None

    def rules(self):
        """Yields nothing; raises ValueError where a word of the ratings is wrong."""
        parse_ratings(self.ratings)
        yield from ()

    def idle(self):
        """Yields the fields that have no effect: avatars that tfanime draws are all wanted."""
        if self.source == "drawn":
            yield from SourceSettings.__dataclass_fields__
        elif "sidecar" not in tagger_names(self.tagger):
            yield from ("tags", "tags_threshold")


@dataclass(frozen=True)
class Picture:
    """A picture and the words that describe it.

    Args:
        image: RGB `PIL.Image`.
        data: The file's bytes if they are a JPEG or PNG of just that, else None.
        words: Its tags, separated by spaces or commas; None if it has none.
        origin: Where they are from, as `tfanime.tfrecords.taggers.tagging.Sight` has it.
        unread: Of each file beside it that cannot be read, its name and why.
        excluded: Whether it is on the exclude list. Such a picture is decoded all the same: else the near duplicate
            of what somebody left out would come in its place.
    """

    image: Image.Image
    data: bytes | None
    words: str | None
    excluded: bool = False
    origin: str = "row"
    unread: tuple[str, ...] = ()


class FolderSource:
    """The pictures in a folder and in all folders below it.

    Args:
        folder: The folder.
        tags: Path of the tags file; default: `tags.csv` in the folder, if there is one.
        ratings, min_year, min_score, exclude: Which pictures are left out, see `SourceSettings`.
        read_tags: Whether anybody wants tags. Else no tags file is looked at, and a file beside a picture only for a
            rating, year or score.
        strict: Whether a picture is left out if the file beside it cannot be read.
        skip: Path of a folder that is left out of the walk: where the shards go. None for none.
        reader: How tags are read, a `WordReader`.

    Attributes:
        ids: Paths relative to the folder, with slashes, sorted.
        words: For each id that has a row in the tags file, its tags as written there.
        sidecars: Where tags may come from: `csv`, `json`, `txt`, several of them separated by commas, or None.
        passed_over: How many files are not pictures by their suffix (see `tfanime.tfrecords.sources.folders.Listing`);
            what describes the pictures is not counted.
        rows_without_picture: How many rows of the tags file name no picture.
        row_without_picture: The path in the first of these rows, or None.
        pictures_without_row: How many pictures have no row there and no file beside them; 0 if no tags are wanted.
        used_words: How many rows of the tags file have each word; None without a tags file.
        excluded: Ids of pictures on the exclude list.
        excluded_faces: Single faces there: the picture's id, `#` and the face's number, with `#0` for the first face,
            whose id in the records is the picture's.
        exclude_without_picture: How many ids there belong to no picture.
        listing: SHA-256 (hex) of the names and sizes on which the records depend: `pictures`, `tags` (rows, and the
            files beside pictures) and `exclude`.
        times: SHA-256 (hex) over modification times, which detects changes that keep all sizes.

    Raises:
        FileNotFoundError: The folder, or a file that is named, does not exist.
        ValueError: It is not a folder, has no picture, or the tags file or exclude list cannot be read.
    """

    def __init__(
        self,
        folder,
        tags=None,
        *,
        ratings=SourceSettings.ratings,
        min_year=None,
        min_score=None,
        exclude=None,
        read_tags=True,
        strict=False,
        skip=None,
        reader=PLAIN,
    ):
        self._reader, self._strict = reader, strict
        self.folder = Path(folder)
        self._wanted = Wanted(parse_ratings(ratings), min_year, min_score)
        self._read_tags = read_tags
        if not self.folder.exists():
            raise FileNotFoundError(f"SOURCE must be an existing folder of pictures. Received: {str(folder)!r}")
        if not self.folder.is_dir():
            raise ValueError(f"SOURCE must be a folder of pictures. Received the file {str(folder)!r}")
        looked_for = KINDS if read_tags or not self._wanted.all else ()
        own = [self.folder / TAGS_FILE, *(path for path in (tags, exclude, skip) if path)]
        found = list_pictures(str(self.folder), looked_for, own)
        self.passed_over = found.passed_over
        if not found.ids:
            counts = self.passed_over.items()
            others = ", ".join(f"{count:,} {suffix or 'without a suffix'}" for suffix, count in counts)
            raise ValueError(
                f"SOURCE must hold pictures ({', '.join(SUFFIXES)}). Received: {str(folder)!r}, no picture"
                + (f" but other files ({others})" if others else "")
            )
        self.ids = found.ids
        self._kinds = found.kinds
        self.words, self.used_words, self.sidecars = {}, None, None
        self.rows_without_picture = self.pictures_without_row = 0
        self.row_without_picture = None
        if read_tags:
            self._find_tags(tags, found)
        read = self._exclude(read_exclude(exclude) if exclude else set())
        rows = (f"{id}\0{text}\n" for id, text in sorted(self.words.items()))
        self.listing = {
            "pictures": found.pictures,
            "tags": digest_of([found.beside, *rows]),
            "exclude": digest_of(f"{id}\n" for id in sorted(read)),
        }
        self.times = found.times

    def _find_tags(self, tags, found):
        """Reads the tags file, and says where else tags may come from."""
        path = Path(tags) if tags else self.folder / TAGS_FILE
        if tags or path.is_file():
            rows = read_tags(path)
            self.words, left = match_tags(rows, self.ids)
            self.rows_without_picture, self.row_without_picture = len(left), next(iter(left), None)
            words = (word for text in rows.values() for word in set(self._reader.of_text(text)))
            self.used_words = dict(sorted(collections.Counter(words).items()))
        self.pictures_without_row = sum(id not in self.words for id in found.alone)
        kinds = ["csv"] * (self.used_words is not None) + [kind for kind in found.kinds if kind != "info"]
        self.sidecars = ",".join(kinds) or None

    def _exclude(self, listed):
        """Sorts the ids of the exclude list. No picture's name ends like a face's id, so no line is ambiguous.

        Returns:
            The ids as they were understood, of pictures, faces and neither.
        """
        known = set(self.ids) if listed else ()
        pictures, faces, neither = set(), set(), set()
        for line in listed:
            for id in (line, with_slashes(line)):  # a name may hold a backslash
                picture, _, number = id.rpartition("#")
                if id in known:
                    pictures.add(id)
                elif picture in known and _is_number(number):
                    faces.add(id)
                else:
                    continue
                break
            else:
                neither.add(line)
        self.excluded, self.excluded_faces = frozenset(pictures), frozenset(faces)
        self.exclude_without_picture = len(neither)
        return pictures | faces | neither

    def __len__(self):
        return len(self.ids)

    def words_of(self, id):
        """The tags of a picture as its row has them, None without a row."""
        return self.words.get(id)

    def opener(self, max_pixels=CropSettings.max_pixels):
        """The object that workers open pictures with: a `FileOpener`, which can be pickled.

        Args:
            max_pixels: Most pixels of a picture; larger ones are not decoded.
        """
        how = (self._kinds, self._read_tags, self._reader, self._strict, self._wanted, self.excluded, max_pixels)
        return FileOpener(str(self.folder), *how)


def _is_number(text):
    """Whether a face's number is written as in its id."""
    return text.isdecimal() and text.isascii() and (text == "0" or text[0] != "0")


_READ = {"json": read_metadata, "info": read_metadata, "txt": read_words, "caption": read_words}


@dataclass(frozen=True)
class FileOpener:
    """Reads a picture and its words; called with an id and the words of its row, or None.

    Words are read first, and a picture that is not wanted is not opened.

    Args:
        folder: The source.
        kinds: Which kinds of files are beside pictures; others are not looked for.
        read_tags: Whether tags are wanted of them.
        reader: How tags are read, a `WordReader`.
        strict: Whether a picture is left out if the file beside it cannot be read.
        wanted: Which pictures are wanted, a `Wanted`.
        excluded: The ids on the exclude list.
        max_pixels: Most pixels of a picture.
    """

    folder: str
    kinds: tuple[str, ...]
    read_tags: bool
    reader: WordReader
    strict: bool
    wanted: Wanted
    excluded: frozenset
    max_pixels: int

    def __call__(self, id, words):
        """Opens a picture.

        Returns:
            A `Picture`.

        Raises:
            Dropped: `rating`, `old`, `low_score`, `too_large`, `unreadable` or `sidecar_unreadable`; `excluded` in
                place of the last three, where somebody has left the picture out already.
        """
        try:
            return self._open(id, words)
        except Dropped as dropped:
            if id in self.excluded and dropped.reason in ("too_large", "unreadable", "sidecar_unreadable"):
                raise Dropped("excluded") from dropped
            raise

    def _open(self, id, words):
        try:
            id.encode()
        except UnicodeEncodeError as error:
            raise Dropped("unreadable", "the file's name is not UTF-8") from error
        words, origin, unread = self._said(id, words)
        if unread and self.strict:
            raise Dropped("sidecar_unreadable", unread[0])
        try:
            # No picture of so many pixels needs as much, even without compression, 16 bits a channel and transparent.
            data = read_bounded(Path(self.folder) / id, 8 * self.max_pixels + MOST_BYTES)
        except OSError as error:
            raise Dropped("unreadable", f"{type(error).__name__}: {error.strerror}") from error
        except ValueError as error:
            raise Dropped("unreadable", str(error)) from error
        image, plain = decode(data, self.max_pixels)
        return Picture(image, data if plain else None, words, id in self.excluded, origin, unread)

    def _said(self, id, row):
        """The tags and rating of a picture from its sources.

        Returns:
            `(words, origin, unread)` as a `Picture` has them.

        Raises:
            Dropped: It is not wanted.
        """
        read, found, unread = self.read_tags and row is None, {}, []
        for kind, how in (_READ if read or not self.wanted.all else {}).items():
            try:
                found[kind] = self._beside(id, kind, how)
            except (OSError, ValueError) as error:
                said = f"{type(error).__name__}: {error.strerror}" if isinstance(error, OSError) else str(error)
                unread.append(f"{os.path.basename(id)}, {kind}: {said}")
        metadata = found.get("json") or Metadata()
        of_folder = found.get("info") or Metadata()
        texts = [found.get("txt"), found.get("caption")]
        ratings = [metadata.rating, of_folder.rating, *(rating_of(words) for words in (*texts, row))]
        self.wanted.require(dataclasses.replace(metadata, rating=strictest(*ratings)))
        if row is not None:
            return join_tags(self.reader.of_text(row)) or "", "row", tuple(unread)
        if not self.read_tags:
            return None, "file", tuple(unread)
        if metadata.words is not None:
            return metadata.words, "board" if metadata.complete else "file", tuple(unread)
        return next(filter(None, texts), None), "file", tuple(unread)

    def _beside(self, id, kind, read):
        """The content of a file beside a picture; None if there is no such file."""
        for name in names_beside(id, kind) if kind in self.kinds else ():
            try:
                return read(Path(self.folder) / name, self.reader)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):
                    raise
        return None
