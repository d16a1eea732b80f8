"""The folder of shards while it is being made: finished shards, planned shards, and how a shard is written."""

import base64
import bisect
import collections
import contextlib
import csv
import errno
import functools
import hashlib
import itertools
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfanime.files import replacing, write_text
from tfanime.tfrecords.example import serialize, serialize_drop
from tfanime.tfrecords.manifest import FILE_NAME
from tfanime.tfrecords.pictures import Drop

STATE = "conversion.json"
DROPPED = "dropped.csv"
DROPPED_SAMPLE = "dropped.tfrecord"
REPORT = "report.html"
MOST_UNREAD = 5  # of the files beside a shard's pictures that cannot be read, named in its account
MOST_WORDS = 1000  # of a shard's unknown words: of millions of pictures they would fill a manifest
SHOWN = 48  # thumbnails of dropped faces and pictures, for each reason
NOTE = "finished shards are kept: free some space and run the same command again"
ENCODED = {"encoding": "utf-8", "errors": "replace", "newline": ""}
SHARD = re.compile(r"\.?.+-\d{5}-of-\d{5}\.tfrecord(\.json)?")


@dataclass(frozen=True)
class PlannedShard:
    """A shard to be written.

    Args:
        file: Its file name.
        split: `"train"` or `"holdout"`.
        ids: The ids of its pictures, in order.
    """

    file: str
    split: str
    ids: tuple


def order_of(id):
    """The sort key of a picture: the SHA-256 of its id.

    It shuffles the pictures and depends on nothing else.
    """
    return hashlib.sha256(id.encode(errors="surrogateescape")).digest()


def plan(ids, name, shard_records, holdout=0.0):
    """Divides pictures into shards: contiguous, even ranges of their hashed order.

    The pictures whose hash, read as a fraction of all hashes, is below `holdout` are held out. A picture therefore
    stays on its side when others are added.

    Args:
        ids: The pictures' ids.
        name: Name of the data set.
        shard_records: About how many pictures a shard has.
        holdout: Share of the pictures to hold out, 0 to below 1.

    Returns:
        A list of `PlannedShard`s; those held out come first, because their hashes do.
    """
    ordered = sorted((order_of(id), id) for id in ids)
    kept_out = bisect.bisect_left(ordered, round(holdout * 2**64), key=lambda pair: int.from_bytes(pair[0][:8], "big"))
    ids = [id for _, id in ordered]
    return [
        *_even(ids[:kept_out], f"{name}-holdout", "holdout", shard_records),
        *_even(ids[kept_out:], name, "train", shard_records),
    ]


def _even(ids, name, split, shard_records):
    if not ids:
        return []
    count = max(1, round(len(ids) / shard_records))
    bounds = [len(ids) * index // count for index in range(count + 1)]
    files = [f"{name}-{index:05d}-of-{count:05d}.tfrecord" for index in range(count)]
    ranges = itertools.pairwise(bounds)
    return [PlannedShard(file, split, tuple(ids[low:high])) for file, (low, high) in zip(files, ranges, strict=True)]


class ShardFolder:
    """A folder of shards that is not finished.

    Beside each finished shard lies its account, `.NAME.tfrecord.json`, written after it; `conversion.json` says what
    is being converted. Both are removed once the manifest, which then says all that they do, is there.

    Args:
        folder: The folder.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.digest = None  # of the running conversion, once it has begun

    def state(self, damaged_is_none=False):
        """The state that `begin` noted for the conversion in this folder; None without one.

        Args:
            damaged_is_none: Whether to return None for a file that cannot be read.

        Raises:
            ValueError: The file that says so is damaged.
        """
        path = self.folder / STATE
        try:
            return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        except ValueError as error:
            if damaged_is_none:
                return None
            raise ValueError(f"{path} must be JSON that tfanime wrote ({error}); --overwrite starts over") from error

    def require_shards(self, manifest):
        """Checks that the shards of a manifest are there, whole.

        Raises:
            ValueError: One is missing or has another size.
        """
        for shard in [*manifest.shards, *(manifest.holdout or {}).get("shards", ())]:
            path = self.folder / shard["file"]
            size = path.stat().st_size if path.is_file() else None
            if size != shard["bytes"]:
                raise ValueError(
                    f"{path} must have the {shard['bytes']} bytes that {FILE_NAME} says. Received: "
                    f"{'no such file' if size is None else size}; --overwrite converts again"
                )

    def shards(self):
        """All files here that are shards or belong to one."""
        return sorted(path for path in self.folder.iterdir() if SHARD.fullmatch(path.name))

    def clear(self):
        """Removes what a conversion writes, and nothing else."""
        # The manifest goes first: a folder with a manifest is complete at every moment.
        for name in (FILE_NAME, STATE, REPORT, DROPPED, DROPPED_SAMPLE):
            (self.folder / name).unlink(missing_ok=True)
        for path in self.shards():
            path.unlink()

    def begin(self, state):
        """Notes the state of the conversion, and removes half-written files of a killed process."""
        self._remove_parts()
        text = json.dumps(state, indent=1) + "\n"
        if not (self.folder / STATE).is_file():
            write_text(self.folder / STATE, text)
        self.digest = hashlib.sha256(text.encode()).hexdigest()

    def end(self):
        """Removes files that only an unfinished conversion needs, and the rest of an unfinished report."""
        self._remove_parts()
        for path in self.shards():
            if path.name.endswith(".json"):
                path.unlink()
        (self.folder / STATE).unlink(missing_ok=True)

    def _remove_parts(self):
        for path in self.folder.glob(".*.part"):
            path.unlink()

    def account(self, name):
        """The account of a finished shard; None if it is not finished, or is one of another conversion."""
        try:
            account = json.loads((self.folder / f".{name}.json").read_text(encoding="utf-8"))
            whole = (self.folder / name).stat().st_size == account["bytes"]
            return account if whole and account["state"] == self.digest else None
        except (OSError, ValueError, KeyError):
            return None

    def write_dropped(self, accounts):
        """Writes which picture or face was left out, why, and what was measured; and a sample of them to look at.

        Args:
            accounts: The accounts of all shards, in order.
        """
        path = self.folder / DROPPED
        with _as_os_errors(self.folder):
            with replacing(path) as temporary, open(temporary, "w", **ENCODED) as file:
                plain, quoting = (
                    csv.writer(file, lineterminator="\n", quoting=each) for each in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
                )
                plain.writerow(("id", "reason", "value"))
                for row in sorted(tuple(drop[:3]) for account in accounts for drop in account["drops"]):
                    # Before Python 3.13 a carriage return is not quoted, and readers take it for the end of the row.
                    (quoting if "\r" in "".join(row) else plain).writerow(row)
            shown = collections.Counter()
            with replacing(self.folder / DROPPED_SAMPLE) as temporary, open_writer(str(temporary)) as writer:
                for id, reason, value, picture in (drop for account in accounts for drop in account["drops"]):
                    if picture and shown[reason] < SHOWN:
                        shown[reason] += 1
                        writer.write(serialize_drop(Drop(id, reason, value, base64.b64decode(picture))))

    def write(self, file, outcomes, tag_count, tagger_count, thumbnails):
        """Writes a shard and its account.

        Args:
            file: Its file name.
            outcomes: Iterable of the `Outcome`s of its pictures, without duplicates, in order.
            tag_count: Length of the vocabulary.
            tagger_count: Number of taggers.
            thumbnails: How many thumbnails to keep for each reason why something is left out.

        Returns:
            The account: a dictionary of `file`, `count` (records), `bytes`, `sha256` (of the records), `kept`
            (pictures), `known` and `holds` (for each tagger and tag, in how many records it gave a value, and +1),
            `drops` (`[id, reason, value, thumbnail]`, base64), `lost` (the reasons of the pictures of which nothing is
            kept), `filed` (`[id, hash]` of each face that duplicates are sought among), `unknown_words` (the
            `MOST_WORDS` most frequent words of files beside pictures that are not tags, with the number of pictures)
            and `not_understood` (pictures none of whose words is a tag), `sidecar_unreadable` (pictures beside which a
            file cannot be read) and `unread` (some of those files, and why).

        Raises:
            OSError: The disk is full, for instance; what was written of this shard is removed.
        """
        account = {"state": self.digest, "file": file, "count": 0, "bytes": 0, "kept": 0}
        account |= {"drops": [], "lost": [], "filed": [], "not_understood": 0, "sidecar_unreadable": 0, "unread": []}
        unknown = collections.Counter()
        known, holds = np.zeros((2, tagger_count, tag_count), int)
        digest, shown = hashlib.sha256(), collections.Counter()
        with _as_os_errors(self.folder):
            with replacing(self.folder / file) as temporary, open_writer(str(temporary)) as writer:
                for outcome in outcomes:
                    for face in outcome.faces:
                        record = serialize(face)
                        writer.write(record)
                        digest.update(record)
                        for index, (value, giver) in enumerate(zip(face.tags, face.givers, strict=True)):
                            if value:
                                known[giver, index] += 1
                                holds[giver, index] += value > 0
                    account["count"] += len(outcome.faces)
                    account["kept"] += bool(outcome.faces)
                    account["not_understood"] += outcome.not_understood
                    unknown.update(outcome.unknown_words)
                    account["sidecar_unreadable"] += bool(outcome.unread)
                    account["unread"] = [*account["unread"], *outcome.unread][:MOST_UNREAD]
                    account["filed"] += [list(pair) for pair in outcome.filed]
                    account["lost"] += [] if outcome.faces else [outcome.drops[0].reason]
                    for drop in outcome.drops:
                        show = bool(drop.thumbnail) and shown[drop.reason] < thumbnails
                        shown[drop.reason] += show
                        picture = base64.b64encode(drop.thumbnail).decode() if show else ""
                        account["drops"].append([drop.id, drop.reason, drop.value, picture])
            account |= {
                "bytes": (self.folder / file).stat().st_size,
                "sha256": digest.hexdigest(),
                "unknown_words": dict(sorted(unknown.items(), key=lambda item: (-item[1], item[0]))[:MOST_WORDS]),
                "known": known.tolist(),
                "holds": holds.tolist(),
            }
            write_text(self.folder / f".{file}.json", json.dumps(account) + "\n")
        return account


def open_writer(path):
    """A writer of records, a context manager."""
    return tf.io.TFRecordWriter(path)


@contextlib.contextmanager
def room_in(folder):
    """Names the folder in the error of a full disk, and what to do.

    Args:
        folder: The folder that is written.
    """
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise OSError(f"no space left on the device that holds OUT ({str(folder)!r}); {NOTE}") from error


@contextlib.contextmanager
def _as_os_errors(folder):
    """Turns TensorFlow's exceptions about files into `OSError`."""
    try:
        with room_in(folder):
            yield
    except tf.errors.OpError as error:
        raise OSError(f"OUT must be writable. Received: {str(folder)!r}: {error.message}; {NOTE}") from error


def shard_writer(conversion, folder, shard_count):
    """What writes the shards of a conversion; can be pickled.

    Args:
        conversion: The `Conversion`.
        folder: The `ShardFolder`.
        shard_count: Number of shards; each shows its share of dropped pictures.

    Returns:
        A function from a file name, and an iterable of `Outcome`s without duplicates, in order, to the shard's account.
    """
    return functools.partial(
        folder.write,
        tag_count=len(conversion.vocabulary or ()),
        tagger_count=len(conversion.converter.tagger.taggers),
        thumbnails=math.ceil(SHOWN / shard_count),
    )
