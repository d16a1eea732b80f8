import csv
import errno
import hashlib
import os

import pytest
import tensorflow as tf

from tfanime.tfrecords import shards
from tfanime.tfrecords.example import serialize
from tfanime.tfrecords.face import Face
from tfanime.tfrecords.pictures import Drop, Outcome

NAME = "x-00000-of-00001.tfrecord"
OUTCOMES = [
    Outcome(
        "a",
        (Face("a", b"1", (1, -1), (0, 1)), Face("a#1", b"2", (1, 0), (1, -1))),
        (Drop("a#2", "too_small", "3", b"jpeg"),),
        (("a", 7), ("a#1", 8)),
        ("brille", "hut"),
        True,
    ),
    Outcome("b", (), (Drop("b", "no_face", "0", b"another"), Drop("b#1", "no_face", "0", b"third"))),
    Outcome("c", (Face("c", b"3" * 5000, (0, 0), (-1, -1)),), (), (("c", 9),), ("hut",), False, ("c.txt: no text",)),
]


def write(folder):
    return folder.write(NAME, OUTCOMES, tag_count=2, tagger_count=2, thumbnails=1)


def test_plan_divides_pictures_evenly():
    ids = [f"{number}.jpg" for number in range(1000)]
    plan = shards.plan(ids, "x", 300)
    assert [shard.file for shard in plan] == [f"x-{index:05d}-of-00003.tfrecord" for index in range(3)]
    assert [len(shard.ids) for shard in plan] == [333, 333, 334]
    flat = [id for shard in plan for id in shard.ids]
    assert flat == sorted(ids, key=lambda id: hashlib.sha256(id.encode()).digest())
    assert shards.plan(ids[::-1], "x", 300) == plan
    assert [shard.file for shard in shards.plan(ids[:2], "x", 300)] == ["x-00000-of-00001.tfrecord"]


def test_holdout_depends_on_each_picture_only():
    ids = [f"{number}.jpg" for number in range(2000)]

    def held_out(ids, holdout=0.1):
        plan = shards.plan(ids, "x", 100, holdout)
        assert sorted(id for shard in plan for id in shard.ids) == sorted(ids)
        assert [shard.split for shard in plan] == sorted(shard.split for shard in plan)
        assert all(("-holdout-" in shard.file) == (shard.split == "holdout") for shard in plan)
        return {id for shard in plan if shard.split == "holdout" for id in shard.ids}

    assert 150 < len(held_out(ids)) < 250
    assert held_out(ids[:500]) == held_out(ids) & set(ids[:500])
    assert held_out(ids, 0.05) < held_out(ids) and held_out(ids, 0.0) == set()


def test_shard_has_account_and_records(tmp_path):
    folder = shards.ShardFolder(tmp_path)
    account = write(folder)
    records = [serialize(face) for outcome in OUTCOMES for face in outcome.faces]
    assert account == {
        "state": None,
        "file": NAME,
        "count": 3,
        "bytes": os.path.getsize(tmp_path / NAME),
        "sha256": hashlib.sha256(b"".join(records)).hexdigest(),
        "kept": 2,
        "holds": [[1, 0], [1, 0]],
        "known": [[1, 0], [1, 1]],
        "drops": [
            ["a#2", "too_small", "3", "anBlZw=="],
            ["b", "no_face", "0", "YW5vdGhlcg=="],
            ["b#1", "no_face", "0", ""],
        ],
        "lost": ["no_face"],
        "filed": [["a", 7], ["a#1", 8], ["c", 9]],
        "not_understood": 1,
        "sidecar_unreadable": 1,
        "unread": ["c.txt: no text"],
        "unknown_words": {"hut": 2, "brille": 1},
    }
    assert records == list(tf.data.TFRecordDataset(str(tmp_path / NAME)).as_numpy_iterator())
    assert folder.account(NAME) == account


def test_shard_lists_and_shows_drops(tmp_path):
    folder = shards.ShardFolder(tmp_path)
    folder.write_dropped([write(folder)])
    assert (tmp_path / "dropped.csv").read_text() == "id,reason,value\na#2,too_small,3\nb,no_face,0\nb#1,no_face,0\n"
    shown = list(tf.data.TFRecordDataset(str(tmp_path / "dropped.tfrecord")).as_numpy_iterator())
    values = [tf.train.Example.FromString(record).features.feature for record in shown]
    assert [value["id"].bytes_list.value[0] for value in values] == [b"a#2", b"b"]
    assert [value["image"].bytes_list.value[0] for value in values] == [b"jpeg", b"another"]


def test_drop_of_any_name_is_one_row(tmp_path):
    names = ["a\rb.png", "a\nb.png", "a\r\nb.png", 'a"b.png', "a,b.png", "\r.png", "plain.png"]
    shards.ShardFolder(tmp_path).write_dropped([{"drops": [[name, "blurred", "1.5", ""] for name in names]}])
    with open(tmp_path / "dropped.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["id", "reason", "value"], *([name, "blurred", "1.5"] for name in sorted(names))]


def test_shard_that_is_incomplete_is_not_finished(tmp_path):
    folder = shards.ShardFolder(tmp_path)
    write(folder)
    with open(tmp_path / NAME, "rb+") as file:
        file.truncate(100)
    assert folder.account(NAME) is None
    write(folder)
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
def test_shard_on_a_full_disk_fails_without_partial_files(tmp_path, monkeypatch, error):
    monkeypatch.setattr(shards, "open_writer", lambda path: FullDisk(path, error))
    message = "(no space left on the device that holds OUT|OUT must be writable).*; finished shards are kept"
    with pytest.raises(OSError, match=message):
        write(shards.ShardFolder(tmp_path))
    assert os.listdir(tmp_path) == []


def test_account_of_another_conversion_is_ignored(tmp_path):
    folder = shards.ShardFolder(tmp_path)
    folder.begin({"a": 1})
    write(folder)
    assert folder.account(NAME)
    (tmp_path / shards.STATE).unlink()
    folder.begin({"a": 2})
    assert folder.account(NAME) is None


def test_clear_of_a_relative_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.makedirs("relative/out")
    write(shards.ShardFolder("relative/out"))
    shards.ShardFolder("relative/out").clear()
    assert os.listdir("relative/out") == []


def test_clear_removes_its_own_files_only(tmp_path):
    folder = shards.ShardFolder(tmp_path)
    folder.begin({"a": 1})
    write(folder)
    for name in ("manifest.json", "dropped.csv", "dropped.tfrecord", "report.html"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "other.tfrecord").write_text("mine")
    assert folder.state() == {"a": 1}
    folder.clear()
    assert sorted(os.listdir(tmp_path)) == ["notes.txt", "other.tfrecord"]


def test_begin_removes_incomplete_files_and_keeps_the_state(tmp_path):
    folder = shards.ShardFolder(tmp_path)
    folder.begin({"a": 1})
    (tmp_path / f".{NAME}.123.part").write_text("half")
    folder.begin({"a": 2})
    assert os.listdir(tmp_path) == [shards.STATE] and folder.state() == {"a": 1}


def test_damaged_state_names_the_remedy(tmp_path):
    (tmp_path / shards.STATE).write_text("{")
    with pytest.raises(ValueError, match="--overwrite"):
        shards.ShardFolder(tmp_path).state()
    assert shards.ShardFolder(tmp_path).state(damaged_is_none=True) is None
