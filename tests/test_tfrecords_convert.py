import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small_pictures import data_of, folder_of, noise

from tfanime.drawn import avatars
from tfanime.tfrecords import runners, shards
from tfanime.tfrecords.convert import convert
from tfanime.tfrecords.example import parse
from tfanime.tfrecords.manifest import Manifest
from tfanime.tfrecords.settings import Settings


def settings(source, out, **flags):
    flags = {"name": "x", "size": 16, "shard_records": 10, "workers": 1, "detector": "none"} | flags
    return Settings(str(source), str(out), **flags)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def records(folder, names):
    manifest = Manifest.load(folder)
    for shard in manifest.shards:
        for record in tf.data.TFRecordDataset(str(folder / shard["file"])).as_numpy_iterator():
            values = parse([record], len(manifest.vocabulary or ()), names)
            yield [values[name].numpy()[0] for name in names]


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """40 pictures of 24 px, two of them unreadable and one too small."""
    folder = folder_of(tmp_path_factory.mktemp("source") / "faces", 40)
    (folder / "0007.png").write_bytes(b"no picture")
    (folder / "0008.png").write_bytes((folder / "0008.png").read_bytes()[:400])
    (folder / "0009.png").write_bytes(data_of(noise(9, 7, 7)))
    return folder


@pytest.fixture(scope="module")
def converted(faces, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    assert convert(settings(faces, out), progress=False)[1]
    return out


def test_manifest_accounts_for_every_picture_of_the_source(converted):
    manifest = Manifest.load(converted)
    assert manifest.count == 37 and sum(shard["count"] for shard in manifest.shards) == 37
    pictures = manifest.pictures
    assert (pictures["found"], pictures["kept"]) == (40, 37)
    assert pictures["dropped"] == {"too_small": 1, "unreadable": 2}
    assert (pictures["rows_without_picture"], pictures["pictures_without_row"]) == (1, 1)
    assert manifest.tag_counts["smile"] == pictures["tags_known"]["smile"] == 36
    assert manifest.tag_counts["hat"] == pictures["tags_known"]["hat"] == 0
    assert manifest.detector["name"] == "none" and [tagger["name"] for tagger in manifest.taggers] == ["sidecar"]
    assert manifest.card["size"] == 16 and manifest.vocabulary.name == "jin34"
    for shard in manifest.shards:
        assert os.path.getsize(converted / shard["file"]) == shard["bytes"]
    with open(converted / "dropped.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["reason"]) for row in rows] == [
        ("0007.png", "unreadable"),
        ("0008.png", "unreadable"),
        ("0009.png", "too_small"),
    ]
    assert rows[2]["value"] == "7"


def test_records_have_picture_and_tags(converted, faces):
    vocabulary = Manifest.load(converted).vocabulary
    seen = set()
    for id, image, tags in records(converted, ("id", "image", "tags")):
        seen.add(id)
        crop = np.asarray(Image.open(io.BytesIO(image)))
        source = Image.open(faces / id.decode()).resize((16, 16), Image.Resampling.LANCZOS)
        np.testing.assert_array_equal(crop, source)
        if id == b"0001.png":
            assert not tags.any()
        else:
            assert ("blonde_hair" if int(id[:4]) % 2 else "blue_hair") in vocabulary.decode(tags)
    assert len(seen) == 37


def test_convert_leaves_shards_and_accounts_only(converted):
    assert sorted(contents(converted)) == [
        "dropped.csv",
        "dropped.tfrecord",
        "manifest.json",
        "report.html",
        *(f"x-{i:05d}-of-00004.tfrecord" for i in range(4)),
    ]


def test_convert_with_two_workers_writes_the_same_bytes(converted, faces, tmp_path):
    convert(settings(faces, tmp_path / "two", workers=2), progress=False)
    assert contents(tmp_path / "two") == contents(converted)


def test_convert_again_finds_it_complete(converted, faces, monkeypatch):
    before = contents(converted)
    monkeypatch.setattr(runners, "outcomes", None)  # nothing may be converted
    manifest, fresh = convert(settings(faces, converted, workers=2), progress=False)
    assert not fresh and manifest.count == 37 and contents(converted) == before


def test_convert_with_other_settings_needs_overwrite(faces, tmp_path):
    out, source = tmp_path / "out", tmp_path / "faces"
    folder_of(source, 3)
    convert(settings(source, out), progress=False)
    before = contents(out)
    with pytest.raises(ValueError, match=r"--size 16 \(now 12\).*--overwrite"):
        convert(settings(source, out, size=12), progress=False)
    noise(77).save(source / "new.png")
    with pytest.raises(ValueError, match=r"other pictures.*--overwrite"):
        convert(settings(source, out), progress=False)
    assert contents(out) == before
    (out / "mine.txt").write_text("")
    assert convert(settings(source, out, overwrite=True), progress=False)[0].count == 4
    assert (out / "mine.txt").is_file() and len(list(out.glob("x-*.tfrecord"))) == 1


def test_convert_detects_missing_shards(faces, tmp_path):
    convert(settings(faces, tmp_path / "out"), progress=False)
    next((tmp_path / "out").glob("*.tfrecord")).unlink()
    with pytest.raises(ValueError, match=r"no such file; --overwrite"):
        convert(settings(faces, tmp_path / "out"), progress=False)


def test_convert_does_not_overwrite_unknown_shards(faces, tmp_path):
    (tmp_path / "y-00000-of-00001.tfrecord").write_text("mine")
    with pytest.raises(ValueError, match=r"OUT must be empty.*--overwrite"):
        convert(settings(faces, tmp_path), progress=False)
    assert contents(tmp_path) == {"y-00000-of-00001.tfrecord": b"mine"}


def test_convert_without_kept_faces_fails_and_writes_reasons(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(b"no")
    first = r"Received: 1, dropped: unreadable 1; the first of dropped.csv: a.jpg: unreadable not one of JPEG"
    with pytest.raises(ValueError, match=first):
        convert(settings(tmp_path / "in", tmp_path / "out"), progress=False)
    assert sorted(os.listdir(tmp_path / "out")) == ["dropped.csv", "dropped.tfrecord"]
    noise().save(tmp_path / "in" / "b.png")
    assert convert(settings(tmp_path / "in", tmp_path / "out"), progress=False)[0].count == 1


def test_unreadable_sidecar_keeps_its_picture(tmp_path):
    folder = folder_of(tmp_path / "in", 3)
    (folder / "0001.png.json").write_text("{damaged")
    manifest, _ = convert(settings(folder, tmp_path / "out"), progress=False)
    assert manifest.count == 3 and manifest.pictures["sidecar_unreadable"] == 1
    assert len(manifest.pictures["unread"]) == 1 and manifest.pictures["unread"][0].startswith("0001.png, json: Expect")
    strict, _ = convert(settings(folder, tmp_path / "strict", strict=True), progress=False)
    assert strict.count == 2 and strict.pictures["dropped"] == {"sidecar_unreadable": 1}


def test_full_disk_keeps_finished_shards(converted, faces, tmp_path, monkeypatch):
    written, open_writer = [], shards.open_writer

    def fills_up(path):
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return open_writer(path)

    monkeypatch.setattr(shards, "open_writer", fills_up)
    with pytest.raises(OSError, match="no space left on the device"):
        convert(settings(faces, tmp_path / "out"), progress=False)
    kept = contents(tmp_path / "out")
    assert [name for name in kept if name.startswith("x-")] == [
        "x-00000-of-00004.tfrecord",
        "x-00001-of-00004.tfrecord",
    ]
    assert not [name for name in kept if name.endswith(".part")]
    with pytest.raises(ValueError, match=r"--size 16 \(now 20\)"):
        convert(settings(faces, tmp_path / "out", size=20), progress=False)
    convert(settings(faces, tmp_path / "out"), progress=False)
    assert len(written) == 6 and contents(tmp_path / "out") == contents(converted)


@pytest.mark.kill
def test_kill_9_keeps_finished_shards(tmp_path):
    source, out = folder_of(tmp_path / "faces", 1500, size=40), tmp_path / "out"
    flags = {"shard_records": 20, "workers": 2}
    command = [
        sys.executable,
        "-m",
        "tfanime.tfrecords",
        str(source),
        str(out),
        "--name=x",
        "--size=16",
        "--detector=none",
    ]
    process = subprocess.Popen(
        [*command, "--shard_records=20", "--workers=2", "--progress=false"], stderr=subprocess.DEVNULL
    )
    finished = set()
    while len(finished) < 3 and process.poll() is None:
        time.sleep(0.005)
        finished = {path.name for path in out.glob("*.tfrecord")} if out.exists() else finished
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert finished and not (out / "manifest.json").exists()
    state = json.loads((out / shards.STATE).read_text())
    folder = shards.ShardFolder(out)
    folder.begin(folder.state())
    times = {name: (out / name).stat().st_mtime_ns for name in finished if folder.account(name)}
    assert times and state["card"]["size"] == 16
    convert(settings(source, out, **flags), progress=False)
    assert {name: (out / name).stat().st_mtime_ns for name in times} == times
    convert(settings(source, tmp_path / "whole", **flags | {"workers": 1}), progress=False)
    assert contents(out) == contents(tmp_path / "whole")


def test_unknown_words_are_counted_and_another_vocabulary_is_refused(tmp_path):
    folder = folder_of(tmp_path / "in", 3)
    (folder / "tags.csv").write_text(
        "file,tags\n0000.png,smile greenish_eyes\n0001.png,greenish_eyes blond_haar\n0002.png,smile\n"
    )
    manifest, _ = convert(settings(folder, tmp_path / "out"), progress=False)
    assert manifest.pictures["unknown_words"] == {"greenish_eyes": 2, "blond_haar": 1}
    (folder / "tags.csv").write_text("file,tags\n0000.png,blonde_haar\n0001.png,greenish_eyes\n")
    with pytest.raises(ValueError, match=r"none of blonde_haar, greenish_eyes \(near: blonde_hair\)"):
        convert(settings(folder, tmp_path / "other"), progress=False)
    assert not (tmp_path / "other").exists()


def test_pictures_without_a_tags_file_have_no_vocabulary(tmp_path):
    (tmp_path / "in").mkdir()
    noise().save(tmp_path / "in" / "a.png")
    manifest, _ = convert(settings(tmp_path / "in", tmp_path / "out", size=24), progress=False)
    assert manifest.vocabulary is None and manifest.taggers == []
    ((image, tags),) = records(tmp_path / "out", ("image", "tags"))
    assert tags.shape == (0,) and image == (tmp_path / "in" / "a.png").read_bytes()


def test_drawn_avatars_are_converted(tmp_path):
    manifest, _ = convert(settings("drawn", tmp_path, count=3, seed=4, size=32), progress=False)
    assert manifest.count == 3 and manifest.card["source"] == "drawn"
    for id, image, tags in records(tmp_path, ("id", "image", "tags")):
        seed = int(id.decode().rpartition("/")[2])
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(image))), avatars.draw(seed, size=32))
        np.testing.assert_array_equal(tags, avatars.drawn_tags(seed))


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    """120 pictures of which every third repeats an earlier number, smaller and as JPEG."""
    folder = tmp_path_factory.mktemp("repeated") / "faces"
    folder.mkdir()
    for number in range(120):
        image = Image.fromarray(np.asarray(avatars.draw(number - number % 3, size=64)))
        image.resize((64 - number % 3 * 8,) * 2).save(folder / f"{number:03d}.jpg", quality=95 - number % 3 * 10)
    return folder


def repeated_settings(source, out, **flags):
    return settings(source, out, **{"size": 32, "duplicates": 4, "tagger": "none", "holdout": 0.1} | flags)


def test_duplicates_keep_the_first_in_the_order(repeated, tmp_path):
    manifest, _ = convert(repeated_settings(repeated, tmp_path), progress=False)
    with open(tmp_path / "dropped.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["reason"] for row in rows} == {"duplicate"} and manifest.pictures["dropped_faces"]["duplicate"] == len(
        rows
    )
    assert 70 <= len(rows) <= 80  # two of each three; a hash may fail to see one
    for row in rows:
        earlier, _, bits = row["value"].rpartition(" ")
        assert int(row["id"][:3]) // 3 == int(earlier[:3]) // 3 and int(bits.strip("()")) <= 4
        assert shards.order_of(earlier) < shards.order_of(row["id"])
    everything, _ = convert(repeated_settings(repeated, tmp_path, duplicates=-1, overwrite=True), progress=False)
    assert everything.count + everything.holdout["count"] == 120


def test_holdout_has_its_own_shards_and_no_duplicates(repeated, tmp_path):
    manifest, _ = convert(repeated_settings(repeated, tmp_path), progress=False)
    assert manifest.holdout["count"] > 0 and manifest.split("holdout").count == manifest.holdout["count"]
    assert manifest.count + manifest.holdout["count"] == manifest.pictures["kept"]
    ids = [{id for (id,) in records_of(tmp_path, manifest.split(name), ["id"])} for name in ("train", "holdout")]
    assert len(ids[0]) == manifest.count and len(ids[1]) == manifest.holdout["count"] and not ids[0] & ids[1]
    assert manifest.fingerprint != manifest.holdout["fingerprint"]


def records_of(folder, manifest, names):
    for shard in manifest.shards:
        for record in tf.data.TFRecordDataset(str(folder / shard["file"])).as_numpy_iterator():
            values = parse([record], len(manifest.vocabulary or ()), names)
            yield [values[name].numpy()[0] for name in names]


def test_duplicates_are_equal_after_an_interruption(repeated, tmp_path, monkeypatch):
    convert(repeated_settings(repeated, tmp_path / "whole"), progress=False)
    open_writer = shards.open_writer

    def fails_at_the_sixth(path):
        if "00003-of" in path:
            raise OSError(28, "No space left on device")
        return open_writer(path)

    monkeypatch.setattr(shards, "open_writer", fails_at_the_sixth)
    with pytest.raises(OSError, match="no space left"):
        convert(repeated_settings(repeated, tmp_path / "cut"), progress=False)
    assert len(list((tmp_path / "cut").glob("*.tfrecord"))) == 4
    monkeypatch.undo()
    convert(repeated_settings(repeated, tmp_path / "cut", workers=2), progress=False)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_resume_detects_a_change_that_keeps_the_size(tmp_path, monkeypatch):
    source = folder_of(tmp_path / "faces", 30)
    open_writer = shards.open_writer

    def fails(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shards, "open_writer", fails)
    with pytest.raises(OSError, match="no space left"):
        convert(settings(source, tmp_path / "out"), progress=False)
    monkeypatch.setattr(shards, "open_writer", open_writer)
    os.utime(source / "0003.png", ns=(1, 1))
    with pytest.raises(ValueError, match="pictures or tags that have changed since"):
        convert(settings(source, tmp_path / "out"), progress=False)


def test_manifest_counts_tags_by_tagger(tmp_path):
    folder = folder_of(tmp_path / "in", 6)
    manifest, _ = convert(settings(folder, tmp_path / "out", tagger="sidecar,colours"), progress=False)
    sidecar, colours = manifest.taggers
    assert (sidecar["name"], colours["name"]) == ("sidecar", "colours")
    assert sidecar["holds"]["smile"] == 5 and colours["known"]["smile"] == 0
    assert sidecar["holds"]["blue_hair"] == 3 and sidecar["known"]["blonde_hair"] == 5
    assert manifest.tag_counts["blue_hair"] == sidecar["holds"]["blue_hair"] + colours["holds"]["blue_hair"]


def test_exclude_list_leaves_out_pictures(tmp_path):
    source = folder_of(tmp_path / "in", 4)
    (tmp_path / "exclude.txt").write_text("0002.png\n0001.png#7\nnowhere.png\n")
    flags = {"exclude": str(tmp_path / "exclude.txt")}
    manifest, _ = convert(settings(source, tmp_path / "out", **flags), progress=False)
    assert manifest.count == 3 and manifest.pictures["dropped"] == {"excluded": 1}
    assert manifest.pictures["exclude_without_picture"] == 2
    (tmp_path / "exclude.txt").write_text("0002.png\n0001.png\n")
    with pytest.raises(ValueError, match="another exclude list"):
        convert(settings(source, tmp_path / "out", **flags), progress=False)


def test_excluded_face_does_not_come_back_as_its_twin(repeated, tmp_path):
    before, _ = convert(repeated_settings(repeated, tmp_path / "out", holdout=0.0), progress=False)
    with open(tmp_path / "out" / "dropped.csv", newline="") as file:
        twin, earlier = next((row["id"], row["value"].rpartition(" ")[0]) for row in csv.DictReader(file))
    for line in (earlier, f"{earlier}#0"):
        (tmp_path / "exclude.txt").write_text(line + "\n")
        flags = {"holdout": 0.0, "exclude": str(tmp_path / "exclude.txt"), "overwrite": True}
        after, _ = convert(repeated_settings(repeated, tmp_path / "out", **flags), progress=False)
        assert after.count == before.count - 1 and after.pictures["dropped_faces"]["excluded"] == 1
        assert after.pictures["exclude_without_picture"] == 0
        kept = {id.decode() for (id,) in records_of(tmp_path / "out", after, ["id"])}
        assert not kept & {twin, earlier}


def test_overwrite_of_a_relative_folder_removes_old_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "in", 40)
    open_writer = shards.open_writer

    def fails(path):
        if "00002-of" in path:
            raise OSError(28, "No space left on device")
        return open_writer(path)

    monkeypatch.setattr(shards, "open_writer", fails)
    with pytest.raises(OSError, match="no space left"):
        convert(settings("in", "out"), progress=False)
    monkeypatch.setattr(shards, "open_writer", open_writer)
    convert(settings("in", "out", size=12, overwrite=True), progress=False)
    sizes = {Image.open(io.BytesIO(image)).size for (image,) in records(tmp_path / "out", ["image"])}
    assert sizes == {(12, 12)}
    convert(settings("in", "out", shard_records=40, overwrite=True), progress=False)
    assert [path.name for path in (tmp_path / "out").glob("x-*")] == ["x-00000-of-00001.tfrecord"]
    with pytest.raises(ValueError, match="dropped: too_small"):
        convert(settings("in", "out", size=1000, overwrite=True), progress=False)
    assert sorted(os.listdir("out")) == ["dropped.csv", "dropped.tfrecord"]
    assert convert(settings("in", "out"), progress=False)[0].count == 40


def test_out_must_not_be_the_source(tmp_path):
    source = folder_of(tmp_path / "in", 3)
    with pytest.raises(ValueError, match="OUT must be another folder than SOURCE"):
        convert(settings(source, f"{source}/."), progress=False)
    assert not list(source.glob("*.json"))


def test_out_may_lie_inside_the_source(tmp_path):
    source = folder_of(tmp_path / "in", 30)
    assert convert(settings(source, source / "out"), progress=False)[1]
    assert not convert(settings(source, source / "out"), progress=False)[1]


@pytest.mark.parametrize("change", ["vocabulary", "sidecar", "picture", "exclude"])
def test_complete_folder_names_changes(change, tmp_path):
    source = folder_of(tmp_path / "in", 4)
    words = {"name": "w", "groups": [{"name": "g", "exclusive": False, "tags": ["smile"]}]}
    (tmp_path / "words.json").write_text(json.dumps(words))
    (source / "0001.txt").write_text("smile")
    (tmp_path / "exclude.txt").write_text("0003.png\n")
    flags = {"vocabulary": str(tmp_path / "words.json"), "exclude": str(tmp_path / "exclude.txt")}
    convert(settings(source, tmp_path / "out", **flags), progress=False)
    said = {"vocabulary": "another vocabulary", "exclude": "another exclude list"}
    if change == "vocabulary":
        words["groups"][0]["tags"].append("hat")
        (tmp_path / "words.json").write_text(json.dumps(words))
    elif change == "exclude":
        (tmp_path / "exclude.txt").write_text("0002.png\n")
    else:
        path = source / {"sidecar": "0001.txt", "picture": "0002.png"}[change]
        os.utime(path, ns=(1, 1))
    with pytest.raises(ValueError, match=said.get(change, "pictures or tags that have changed since")):
        convert(settings(source, tmp_path / "out", **flags), progress=False)


def test_holdout_that_is_empty_is_an_error_when_read(tmp_path):
    manifest, _ = convert(settings(folder_of(tmp_path / "in", 2), tmp_path / "out", holdout=0.001), progress=False)
    assert manifest.holdout["count"] == 0
    with pytest.raises(ValueError, match="the split holdout of shards 'x' must not be empty"):
        manifest.split("holdout")


def test_sidecar_words_count_if_the_tags_file_has_no_row(tmp_path):
    source = folder_of(tmp_path / "in", 3)
    (source / "0001.txt").write_text("glasses, red hair")  # it has no row, and no row has glasses
    manifest, _ = convert(settings(source, tmp_path / "out"), progress=False)
    assert manifest.tag_counts["glasses"] == 1 and manifest.tag_counts["red_hair"] == 1


def test_pictures_with_unknown_words_only_are_unknown_and_counted(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(12):
        noise(number).save(tmp_path / "in" / f"{number}.png")
        danbooru = {"category": "danbooru", "tags": ["1girl", "smile" if number < 3 else "hat"]}
        pixiv = {"category": "pixiv", "rating": "General", "tags": ["Mädchen", "Brille"]}
        (tmp_path / "in" / f"{number}.png.json").write_text(json.dumps(danbooru if number < 6 else pixiv))
    manifest, _ = convert(settings(tmp_path / "in", tmp_path / "out"), progress=False)
    assert manifest.pictures["tags_known"]["smile"] == 6 and manifest.tag_counts["smile"] == 3
    assert manifest.pictures["pictures_not_understood"] == 6
    assert manifest.pictures["unknown_words"] == {"1girl": 6, "Brille": 6, "Mädchen": 6}


def test_quoted_cell_is_split_at_commas(tmp_path):
    folder = folder_of(tmp_path / "in", 2)
    (folder / "tags.csv").write_text('file,tags\n0000.png,"blue hair, smile"\n0001.png,red_hair hat\n')
    manifest, _ = convert(settings(folder, tmp_path / "out"), progress=False)
    assert {tag: count for tag, count in manifest.tag_counts.items() if count} == {
        "blue_hair": 1,
        "smile": 1,
        "red_hair": 1,
        "hat": 1,
    }


def test_source_named_in_another_encoding_is_converted(tmp_path):
    source = folder_of(tmp_path / os.fsdecode(b"bad\xff"), 3)
    manifest, _ = convert(settings(source, tmp_path / "out"), progress=False)
    assert manifest.count == 3 and manifest.card["source"] == "bad\ufffd"


def test_missing_report_is_written_again(faces, tmp_path):
    convert(settings(faces, tmp_path), progress=False)
    before = contents(tmp_path)
    (tmp_path / "report.html").unlink()
    assert not convert(settings(faces, tmp_path), progress=False)[1]
    assert contents(tmp_path) == before
