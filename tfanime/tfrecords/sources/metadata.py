"""An image board's metadata of a picture: the JSON file that gallery-dl writes beside it.

`gallery-dl` with its postprocessor `metadata` writes `X.jpg.json` beside `X.jpg`. Its keys are those of the board:

- Danbooru (danbooru, aibooru): tags `tag_string`, and `tags` as a list; ratings g, s, q, e; `created_at` ISO 8601
- Moebooru (konachan, yandere): tags a string; ratings s (safe), q, e; `created_at` seconds since 1970
- Gelbooru (gelbooru; safebooru is its older version): tags a string, escaped as HTML; ratings words, or s (safe), q, e;
  `created_at` as in Fri Dec 31 21:25:41 -0600 2021; the older version's scores are strings
- e621: tags a list; ratings s (safe), q, e; `created_at` ISO 8601; the score an object with a total

The letter s is why the board matters: it is `sensitive` on Danbooru, whose mildest rating is g, and the mildest one
(`general`) elsewhere.
"""

import datetime
import errno
import json
import math
import os
import stat
from dataclasses import dataclass

from tfanime.tfrecords.filters import Dropped
from tfanime.tfrecords.sources.encodings import decode_text
from tfanime.tfrecords.sources.words import PLAIN, join_tags

RATINGS = ("general", "sensitive", "questionable", "explicit")
MOST_BYTES = 1 << 24  # larger files are not sidecars

_RATINGS = {
    **dict.fromkeys(("g", "safe", "sfw", "everyone"), "general"),
    **dict.fromkeys(("q", "sketchy"), "questionable"),
    **dict.fromkeys(("e", "nsfw", "unsafe", "adult", "r18", "r-18", "r18g", "r-18g", "18+"), "explicit"),
}
_NEWGROUNDS = {"e": "general", "t": "sensitive", "m": "questionable", "a": "explicit"}  # everyone, teen, mature, adult
# Fields that say of a picture that it is not for everybody, whatever its rating is.
_FLAGS = {
    **dict.fromkeys(("is_mature", "is_adult", "is_nsfw", "adult", "mature", "nsfw", "over_18", "r18"), "explicit"),
    **dict.fromkeys(("x_restrict", "xRestrict"), "explicit"),  # pixiv: 1 is R-18, 2 is R-18G
    **dict.fromkeys(("possibly_sensitive", "sensitive"), "questionable"),
}
_FIELDS = ("rating", "rating_name", "safety", "content_rating", "age_rating")
_AS_TAGS = {word: rating for word, rating in _RATINGS.items() if len(word) > 1} | {word: word for word in RATINGS}
# Boards whose guidelines ask for every tag that can be seen, with tags of their software in Danbooru's manner.
COMPLETE = ("danbooru", "aibooru", "atfbooru", "booruvar", "gelbooru", "safebooru", "e621", "e926", "e6ai")
_DANBOORU = ("danbooru", "aibooru", "atfbooru", "booruvar")  # gallery-dl's boards that run Danbooru's software


@dataclass(frozen=True)
class Metadata:
    """Metadata of a picture.

    Args:
        words: Its tags, separated by spaces; None if none are known.
        rating: One of `RATINGS`, or another word if the board has a rating that is none of them; None if not known.
        year: The year (UTC) in which it was uploaded, None if not known.
        score: The votes of the board's users, None if not known.
        complete: Whether it comes from a board whose tagging is complete, one of `COMPLETE`.
    """

    words: str | None = None
    rating: str | None = None
    year: int | None = None
    score: int | None = None
    complete: bool = False


@dataclass(frozen=True)
class Wanted:
    """Which pictures are wanted.

    Args:
        ratings: The ratings that are kept; None for all.
        min_year: Least year; None for all.
        min_score: Least score; None for all.
    """

    ratings: frozenset | None = None
    min_year: int | None = None
    min_score: int | None = None

    @property
    def all(self):
        """Whether every picture is wanted, whatever a board says of it."""
        return self.ratings is None and self.min_year is None and self.min_score is None

    def require(self, metadata):
        """Drops a picture that is not wanted.

        A picture without a rating is kept: most folders have none. With a least year or score, pictures of which it is
        unknown are dropped.

        Raises:
            Dropped: `rating`, `old` or `low_score`, with what the picture has, or `unknown`.
        """
        if self.ratings is not None and metadata.rating is not None and metadata.rating not in self.ratings:
            raise Dropped("rating", metadata.rating)
        if self.min_year is not None and (metadata.year is None or metadata.year < self.min_year):
            raise Dropped("old", "unknown" if metadata.year is None else metadata.year)
        if self.min_score is not None and (metadata.score is None or metadata.score < self.min_score):
            raise Dropped("low_score", "unknown" if metadata.score is None else metadata.score)


def parse_ratings(text):
    """Reads `--ratings`: some of `RATINGS` separated by commas, or `any`.

    Returns:
        A frozenset; None for `any`.

    Raises:
        ValueError: A word is no rating, or there is none.
    """
    words = {word.strip().lower() for word in text.split(",")}
    if words == {"any"}:
        return None
    if not words <= set(RATINGS):
        raise ValueError(f"--ratings must be any, or some of {', '.join(RATINGS)}. Received: {text!r}")
    return frozenset(words)


def read_metadata(path, reader=PLAIN):
    """Reads a JSON file as gallery-dl writes it; keys that are missing or odd are not known.

    Args:
        path: The file.
        reader: How tags are read, a `WordReader`.

    Returns:
        The `Metadata`.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged: neither a JSON object nor a list, or larger than `MOST_BYTES`.
    """
    try:
        return _metadata(json.loads(decode_text(read_bounded(path))), reader)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _metadata(post, reader):
    if isinstance(post, list) and len(post) == 1 and _is_post(post[0]):
        post = post[0]  # the answer of a board's API, kept as it came
    elif isinstance(post, list):
        post = {"tags": post}
    if not isinstance(post, dict):
        raise ValueError("no JSON object or list")
    complete = post.get("category") in COMPLETE or "tag_count_general" in post
    words = _words(post, reader)
    return Metadata(words, strictest(_rating(post), rating_of(words)), _year(post), _score(post), complete)


def strictest(*ratings):
    """The one of several ratings, some of which may be None, that the fewest people may see; None for none."""
    known = [rating for rating in ratings if rating is not None]
    # An unknown word counts as the strictest, because its meaning is not known.
    return max(known, key=lambda rating: RATINGS.index(rating) if rating in RATINGS else len(RATINGS), default=None)


def rating_of(words):
    """The strictest rating among tags separated by spaces: `rating:explicit`, `R-18`, `explicit`; None for none."""
    ratings = []
    for word in (words or "").lower().split():
        if word.startswith("rating:") and len(word) > 7:
            ratings.append(_by_word(word[7:], None))
        elif word.strip(",") in _AS_TAGS:
            ratings.append(_AS_TAGS[word.strip(",")])
    return strictest(*ratings)


def read_bounded(path, most=None):
    """The bytes of a file that is not too large.

    Args:
        path: The file.
        most: Most bytes; default: `MOST_BYTES`.

    Raises:
        OSError: It cannot be read.
        ValueError: It is larger, or no file but a pipe or a device, which may never end.
    """
    most = MOST_BYTES if most is None else most
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):  # before it is opened: a pipe waits for a writer
        raise ValueError("no regular file")
    if status.st_size > most:
        raise ValueError(f"more than {most >> 20} MiB")
    with open(path, "rb") as file:
        return file.read(most)


def _is_post(item):
    return isinstance(item, dict) and any(key in item for key in ("tags", "tag_string", "rating", "id"))


def _words(post, reader):
    """All tags: of artists and characters too, because a vocabulary may have them."""
    for name in ("tag_string", "tags"):
        words = join_tags(reader.of_json(post.get(name)))
        if words is not None:
            return words
    parts = [name for name in sorted(post) if name.startswith(("tag_string_", "tags_"))]
    parts += [name for name in ("general", "character") if isinstance(post.get(name), (dict, list))]  # of a network
    words = join_tags(tag for name in parts for tag in reader.of_json(post[name]))
    scores = words is None and all(isinstance(score, (int, float)) for score in post.values())
    return join_tags(reader.of_json(post)) if scores else words


def _rating(post):
    """The strictest of all fields that say one."""
    ratings = [rating for flag, rating in _FLAGS.items() if post.get(flag) in (True, 1, 2, "1", "true", "True")]
    category = "danbooru" if "tag_count_general" in post else post.get("category")
    for field in _FIELDS:
        value = post.get(field)
        if isinstance(value, dict):  # a network's: the likeliest
            scores = [(score, name) for name, score in value.items() if isinstance(score, (int, float))]
            value = max(scores)[1] if scores else None
        if isinstance(value, str) and value.strip() not in ("", "?"):
            ratings.append(_by_word(value.strip().lower(), category))
    return strictest(*ratings)


def _by_word(word, category):
    """A rating in a board's own word or letter."""
    if category == "newgrounds" and word in _NEWGROUNDS:
        return _NEWGROUNDS[word]
    if word == "s":  # the stricter meaning if the board is not known
        return "sensitive" if category in (*_DANBOORU, None) else "general"
    return word if word in RATINGS else _RATINGS.get(word, word.encode("ascii", "backslashreplace").decode()[:40])


def _year(post):
    for name in ("created_at", "date"):  # in this order: a list of popular posts has its own `date`
        try:
            uploaded = _time(post.get(name))
            if uploaded.tzinfo is not None:
                uploaded = uploaded.astimezone(datetime.UTC)
        except (ValueError, TypeError, OverflowError, OSError):
            continue
        if uploaded.year >= 1990:  # boards write 0 or year 1 for want of a date
            return uploaded.year
    return None


def _time(value):
    """When a picture was uploaded.

    Raises:
        ValueError, TypeError, OverflowError, OSError: It is not a time.
    """
    if isinstance(value, dict):
        value = value.get("s")  # Sankaku's API
    if isinstance(value, str) and not value.isdecimal():
        try:
            return datetime.datetime.fromisoformat(value)
        except ValueError:
            return datetime.datetime.strptime(value, "%a %b %d %H:%M:%S %z %Y")
    return datetime.datetime.fromtimestamp(int(value), datetime.UTC)


def _score(post):
    value = post.get("score")
    if isinstance(value, dict):
        value = value.get("total")
    try:
        return None if isinstance(value, bool) else math.floor(float(value))
    except (ValueError, TypeError, OverflowError):
        return None
