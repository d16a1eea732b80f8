"""Reads what a report is made of: the faces in shards, and the list of what was left out."""

import csv
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tfanime.landmarks.points import NAMES
from tfanime.tfrecords.face import POINT_NAMES


@dataclass
class Kept:
    """A face as its record has it.

    Args:
        id: The face's id.
        image: The crop as PNG or JPEG bytes.
        tags: int8 `[vocabulary]` of +1, -1 and 0.
        box: (left, top, right, bottom) in pixels of the picture; empty where no detector ran.
        score: The detector's, or None.
        points: (x, y) of `POINT_NAMES` in pixels of the picture, or empty.
        landmarks: (x, y) of `tfanime.landmarks.points.NAMES` as shares of the crop, or empty.
        picture_size: (width, height) in pixels, or None.
        sharpness: As `tfanime.tfrecords.filters` measures it, or None.
        chroma: Histogram of the chroma.
        held_out: Whether it lies in a hold-out shard.
        siblings: Whether the shards have further faces of its picture; known once the next face was read.
    """

    id: str
    image: bytes
    tags: np.ndarray
    box: tuple
    score: float | None
    points: tuple
    landmarks: tuple
    picture_size: tuple | None
    sharpness: float | None
    chroma: float | None
    held_out: bool
    siblings: bool = False

    @classmethod
    def parse(cls, record, held_out=False):
        """Reads a serialised `tf.train.Example`; features that it lacks are empty or None."""
        values = tf.train.Example.FromString(record).features.feature

        def one(name):
            return next(iter(values[name].float_list.value), None)

        def pairs(name, count):
            values_of = values[name].float_list.value
            return tuple(zip(values_of[::2], values_of[1::2], strict=True)) if len(values_of) == 2 * count else ()

        size = tuple(values["picture/size"].int64_list.value)
        return cls(
            id=values["id"].bytes_list.value[0].decode(errors="replace"),
            image=values["image"].bytes_list.value[0],
            tags=np.array(values["tags"].int64_list.value, np.int8),
            box=tuple(values["face/box"].float_list.value),
            score=one("face/score"),
            points=pairs("face/points", len(POINT_NAMES)),
            landmarks=pairs("face/landmarks", len(NAMES)),
            picture_size=size if len(size) == 2 else None,
            sharpness=one("face/sharpness"),
            chroma=one("face/chroma"),
            held_out=held_out,
        )

    def side(self, zoom):
        """Side of the square that became the crop, in pixels of the picture, an estimate for an aligned face; None
        where it is not known.
        """
        if self.box:
            return max(1, round(zoom * max(self.box[2] - self.box[0], self.box[3] - self.box[1])))
        return min(self.picture_size) if self.picture_size else None


@dataclass(frozen=True)
class Lost:
    """A picture or face that was left out, as `dropped.tfrecord` has it.

    Args:
        id: Its id.
        reason: A key of `tfanime.tfrecords.filters.REASONS`.
        value: What was measured.
        image: JPEG bytes of a thumbnail; empty where nothing could be decoded.
    """

    id: str
    reason: str
    value: str
    image: bytes

    @classmethod
    def parse(cls, record):
        """Reads a serialised `tf.train.Example`."""
        values = tf.train.Example.FromString(record).features.feature
        texts = [b"".join(values[name].bytes_list.value) for name in ("id", "reason", "value", "image")]
        return cls(*(text.decode(errors="replace") for text in texts[:3]), texts[3])

    @property
    def earlier(self):
        """Of a near duplicate: the id of the earlier face; else None."""
        match = re.fullmatch(r"(.*) \(\d+\)", self.value, re.DOTALL) if self.reason == "duplicate" else None
        return match and match[1]


def records(path):
    """Yields the records of a TFRecord file, serialised.

    Raises:
        ValueError: The file is cut short.
    """
    # By hand, because tf.data would look for accelerators first. A record is framed by its length (8 bytes), a checksum
    # of that (4) and a checksum of the record (4).
    with open(path, "rb") as file:
        while header := file.read(12):
            length = struct.unpack("<Q", header[:8])[0] if len(header) == 12 else 0
            rest = file.read(length + 4) if len(header) == 12 and length < 1 << 31 else b""
            if len(rest) != length + 4:
                raise ValueError(f"{Path(path)} must be a whole TFRecord file. Received: one that is damaged")
            yield rest[:-4]


def faces(folder, manifest):
    """Yields the `Kept` faces of all shards, the hold-out behind the others.

    Raises:
        FileNotFoundError: A shard is missing.
        ValueError: A shard is damaged or has records of another form.
    """
    held_out = manifest.holdout["shards"] if manifest.holdout else ()
    for shards, flag in ((manifest.shards, False), (held_out, True)):
        for shard in shards:
            path = Path(folder) / shard["file"]
            if not path.is_file():
                raise FileNotFoundError(f"SHARDS must hold all that manifest.json names. Received: no {str(path)!r}")
            try:
                for record in records(path):
                    yield Kept.parse(record, flag)
            except (DecodeError, IndexError) as error:
                raise ValueError(f"{path} must hold faces that tfanime wrote. Received: {error}") from error


def lost_sample(folder, most):
    """A sample of what was left out.

    Args:
        folder: The folder of shards.
        most: How many of each reason, at most.

    Returns:
        Lists of `Lost` by reason: of `dropped.tfrecord`, and of `dropped.csv` for reasons without pictures.
    """
    sample = {}
    path = Path(folder) / "dropped.tfrecord"
    for record in records(path) if path.is_file() else ():
        lost = Lost.parse(record)
        sample.setdefault(lost.reason, []).append(lost)
    unseen = {}
    for id, reason, value in lost_rows(folder):
        if reason not in sample and len(unseen.setdefault(reason, [])) < most:
            unseen[reason].append(Lost(id, reason, value, b""))
    sample |= unseen
    return {reason: lost[:most] for reason, lost in sample.items() if lost[:most]}


def lost_rows(folder):
    """Yields `(id, reason, value)` of `dropped.csv`; nothing without that file."""
    path = Path(folder) / "dropped.csv"
    if not path.is_file():
        return
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        for row in csv.DictReader(file):
            yield row.get("id") or "", row.get("reason") or "", row.get("value") or ""
