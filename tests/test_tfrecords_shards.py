import errno
import hashlib
import os

import pytest
import tensorflow as tf

from tfanime.tfrecords import shards
from tfanime.tfrecords.example import serialize
from tfanime.tfrecords.face import Face
from tfanime.tfrecords.pictures import Outcome

NAME = "x-00000-of-00001.tfrecord"
OUTCOMES = [
    Outcome("a", (Face("a", b"1", (1, -1)), Face("a#1", b"2", (1, 0))), (("a#2", "too_small", "3"),)),
    Outcome("b", (), (("b", "no_face", "0"),)),
    Outcome("c", (Face("c", b"3" * 5000, (0, 0)),), ()),
]


def test_plan_divides_the_hashed_order_evenly():
    ids = [f"{number}.jpg" for number in range(1000)]
    plan = shards.plan(ids, "x", 300)
    assert list(plan) == [f"x-{index:05d}-of-00003.tfrecord" for index in range(3)]
    assert [len(part) for part in plan.values()] == [333, 333, 334]
    flat = [id for part in plan.values() for id in part]
    assert flat == sorted(ids, key=lambda id: hashlib.sha256(id.encode()).digest())
    assert shards.plan(ids[::-1], "x", 300) == plan
    assert list(shards.plan(ids[:2], "x", 300)) == ["x-00000-of-00001.tfrecord"]


def test_account_and_records(tmp_path):
    folder, digest = shards.ShardFolder(tmp_path), hashlib.sha256()
    account = folder.write(NAME, OUTCOMES, 2, digest)
    assert account == {
        "file": NAME,
        "count": 3,
        "bytes": os.path.getsize(tmp_path / NAME),
        "kept": 2,
        "holds": [2, 0],
        "known": [2, 1],
        "drops": [["a#2", "too_small", "3"], ["b", "no_face", "0"]],
        "lost": ["no_face"],
    }
    records = [serialize(face) for outcome in OUTCOMES for face in outcome.faces]
    assert (
        list(folder.records(NAME)) == records == list(tf.data.TFRecordDataset(str(tmp_path / NAME)).as_numpy_iterator())
    )
    assert digest.hexdigest() == hashlib.sha256(b"".join(records)).hexdigest()
    assert folder.account(NAME) == account


def test_a_shard_without_its_account_or_cut_short_is_not_finished(tmp_path):
    folder = shards.ShardFolder(tmp_path)
    folder.write(NAME, OUTCOMES, 2, hashlib.sha256())
    with open(tmp_path / NAME, "rb+") as file:
        file.truncate(100)
    assert folder.account(NAME) is None
    folder.write(NAME, OUTCOMES, 2, hashlib.sha256())
    (tmp_path / f".{NAME}.json").unlink()
    assert folder.account(NAME) is None


class FullDisk:
    """A writer whose second record does not fit."""

    def __init__(self, path, error):
        self.file, self.error, self.left = open(path, "wb"), error, 1  # noqa: SIM115

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, record):
        if not self.left:
            raise self.error
        self.left -= 1
        self.file.write(record)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "x; No space left on device"),
    ],
)
def test_a_full_disk_is_one_error_and_leaves_nothing_half(tmp_path, monkeypatch, error):
    monkeypatch.setattr(shards, "open_writer", lambda path: FullDisk(path, error))
    with pytest.raises(OSError, match=r"OUT must .*No space left on device; finished shards are kept"):
        shards.ShardFolder(tmp_path).write(NAME, OUTCOMES, 2, hashlib.sha256())
    assert os.listdir(tmp_path) == []


def test_clear_removes_only_its_own(tmp_path):
    folder = shards.ShardFolder(tmp_path)
    folder.begin({"a": 1})
    folder.write(NAME, OUTCOMES, 2, hashlib.sha256())
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "other.tfrecord").write_text("mine")
    assert folder.state() == {"a": 1}
    folder.clear()
    assert sorted(os.listdir(tmp_path)) == ["notes.txt", "other.tfrecord"]


def test_begin_removes_half_files_and_keeps_the_state(tmp_path):
    folder = shards.ShardFolder(tmp_path)
    folder.begin({"a": 1})
    (tmp_path / f".{NAME}.123.part").write_text("half")
    folder.begin({"a": 2})
    assert os.listdir(tmp_path) == [shards.STATE] and folder.state() == {"a": 1}


def test_a_damaged_state_names_the_way_out(tmp_path):
    (tmp_path / shards.STATE).write_text("{")
    with pytest.raises(ValueError, match="--overwrite"):
        shards.ShardFolder(tmp_path).state()
    assert shards.ShardFolder(tmp_path).state(damaged_is_none=True) is None
