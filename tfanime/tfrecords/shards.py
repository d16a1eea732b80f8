"""The folder of shards while it is being made: what is finished, what is left, and how a shard is written."""

import contextlib
import errno
import hashlib
import json
import os
import re
import struct
from pathlib import Path

import tensorflow as tf

from tfanime.files import replacing, write_text
from tfanime.tfrecords.example import serialize
from tfanime.tfrecords.manifest import FILE_NAME

STATE = "conversion.json"
SHARD = re.compile(r"\.?.+-\d{5}-of-\d{5}\.tfrecord(\.json)?")


def plan(ids, name, shard_records):
    """Divides pictures into shards: contiguous, even ranges of their hashed order.

    The order is that of the SHA-256 of the ids, which mixes the pictures for good and depends on nothing else.

    Args:
        ids: The pictures' ids.
        name: Name of the data set.
        shard_records: About how many pictures a shard has.

    Returns:
        A dictionary from the shard's file name to its ids, in order.
    """
    ids = sorted(ids, key=lambda id: hashlib.sha256(id.encode(errors="surrogateescape")).digest())
    count = max(1, round(len(ids) / shard_records))
    bounds = [len(ids) * index // count for index in range(count + 1)]
    return {
        f"{name}-{index:05d}-of-{count:05d}.tfrecord": ids[bounds[index] : bounds[index + 1]] for index in range(count)
    }


class ShardFolder:
    """A folder of shards that is not finished.

    Beside each finished shard lies its account, `.NAME.tfrecord.json`, written after it; `conversion.json` says what
    is being converted. Both are removed once the manifest, which then says all that they do, is there.

    Args:
        folder: The folder.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def state(self, damaged_is_none=False):
        """What is being converted here, as `begin` was told; None if nothing is.

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
            raise ValueError(f"{path} must be JSON that tfanime wrote ({error}); --overwrite begins anew") from error

    def require_shards(self, manifest):
        """Checks that the shards of a manifest are there, whole.

        Raises:
            ValueError: One is missing or has another size.
        """
        for shard in manifest.shards:
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
        """Removes the shards, their accounts and the manifest, and nothing else."""
        # The manifest goes first: a folder with a manifest is complete at every moment.
        for path in (self.folder / FILE_NAME, self.folder / STATE, *self.shards()):
            path.unlink(missing_ok=True)

    def begin(self, state):
        """Notes what is being converted, and removes what a killed process left half written."""
        for path in self.folder.glob(".*.part"):
            path.unlink()
        if not (self.folder / STATE).is_file():
            write_text(self.folder / STATE, json.dumps(state, indent=1) + "\n")

    def end(self):
        """Removes what only an unfinished conversion needs."""
        for path in self.shards():
            if path.name.endswith(".json"):
                path.unlink()
        (self.folder / STATE).unlink(missing_ok=True)

    def account(self, name):
        """The account of a finished shard, None if it is not finished."""
        try:
            account = json.loads((self.folder / f".{name}.json").read_text(encoding="utf-8"))
            return account if (self.folder / name).stat().st_size == account["bytes"] else None
        except (OSError, ValueError, KeyError):
            return None

    def records(self, name):
        """Yields the records of a finished shard, serialised."""
        # Read by hand, because tf.data would look for accelerators first. A record is framed by its length (8 bytes),
        # a checksum of that (4) and a checksum of the record (4).
        with open(self.folder / name, "rb") as file:
            while header := file.read(12):
                yield file.read(struct.unpack("<Q", header[:8])[0])
                file.seek(4, os.SEEK_CUR)

    def write(self, name, outcomes, tag_count, digest):
        """Writes a shard and its account.

        Args:
            name: Its file name.
            outcomes: Iterable of the `Outcome`s of its pictures, in order.
            tag_count: Length of the vocabulary.
            digest: A `hashlib` object that is updated with every record.

        Returns:
            The account: a dictionary of `file`, `count` (records), `bytes`, `kept` (pictures), `holds` and `known`
            (for each tag, in how many records its value is +1, and is not 0), `drops` (`[id, reason, value]`) and
            `lost` (the reasons of the pictures of which nothing is kept).

        Raises:
            OSError: The disk is full, for instance; what was written of this shard is removed.
        """
        account = {"file": name, "count": 0, "bytes": 0, "kept": 0, "drops": [], "lost": []}
        holds, known = [0] * tag_count, [0] * tag_count
        with _as_os_errors(self.folder):
            with replacing(self.folder / name) as temporary, open_writer(str(temporary)) as writer:
                for outcome in outcomes:
                    for face in outcome.faces:
                        record = serialize(face)
                        writer.write(record)
                        digest.update(record)
                        for index, value in enumerate(face.tags):
                            holds[index] += value > 0
                            known[index] += value != 0
                    account["count"] += len(outcome.faces)
                    account["kept"] += bool(outcome.faces)
                    account["drops"] += [list(drop) for drop in outcome.drops]
                    account["lost"] += [] if outcome.faces else [outcome.drops[0][1]]
            account |= {"bytes": (self.folder / name).stat().st_size, "holds": holds, "known": known}
            write_text(self.folder / f".{name}.json", json.dumps(account) + "\n")
        return account


def open_writer(path):
    """A writer of records, a context manager."""
    return tf.io.TFRecordWriter(path)


@contextlib.contextmanager
def _as_os_errors(folder):
    """TensorFlow has its own exceptions for what the operating system refuses."""
    note = "finished shards are kept: make room and run the same command again"
    try:
        yield
    except tf.errors.OpError as error:
        raise OSError(f"OUT must be writable. Received: {str(folder)!r}: {error.message}; {note}") from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise OSError(f"OUT must have room. Received: {str(folder)!r}: {error.strerror}; {note}") from error
