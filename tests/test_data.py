import dataclasses
import io
import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfanime import data
from tfanime.tfrecords.example import features
from tfanime.tfrecords.manifest import Manifest


@pytest.fixture(scope="module")
def faces(shards):
    return data.load(shards, progress=False)


@pytest.fixture(scope="module")
def records(shards):
    """What the shards hold, read by other means: (uint8 [48, 32, 32, 3], tags [48, n])."""
    manifest = Manifest.load(shards)
    files = [str(shards / shard["file"]) for shard in manifest.shards]
    schema = features(len(manifest.vocabulary))
    parsed = [tf.io.parse_single_example(record, schema) for record in tf.data.TFRecordDataset(files)]
    images = [np.asarray(Image.open(io.BytesIO(record["image"].numpy())).convert("RGB")) for record in parsed]
    return np.stack(images), np.stack([record["tags"].numpy() for record in parsed])


def damaged(shards, folder, change):
    """A copy of the shards whose first shard's bytes are `change(bytes)`, under another fingerprint."""
    shutil.copytree(shards, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    path = folder / manifest["shards"][0]["file"]
    path.write_bytes(change(bytearray(path.read_bytes())))
    (folder / "manifest.json").write_text(json.dumps(manifest | {"fingerprint": folder.name.ljust(64, "0")}))
    return folder


def decoded_folders(cache):
    return sorted(path.name for path in (cache / "decoded").iterdir())


def test_described_by_none_drops_tags(faces):
    plain = faces.described_by(None)
    assert plain.vocabulary is None and plain.tags.shape == (48, 0)
    images, labelled = next(iter(plain.batches(4, seed=1))), next(iter(faces.batches(4, seed=1)))
    np.testing.assert_array_equal(images, labelled[0])
    assert plain.identity == faces.identity == {"fingerprint": faces.fingerprint, "count": 48, "stored_size": 32}


def test_batches_mirror_half_of_the_pictures(shards):
    faces = data.load(shards, progress=False)
    plain, flipped = (
        [batch[0].numpy() for batch in faces.batches(6, critic_steps=2, seed=3, horizontal_flip=flip).take(8)]
        for flip in (False, True)
    )
    plain, flipped = np.concatenate(plain), np.concatenate(flipped)  # [48, 2, height, width, 3]
    same = (plain == flipped).all(axis=(2, 3, 4))
    mirrored = (plain[:, :, :, ::-1] == flipped).all(axis=(2, 3, 4))
    assert (same | mirrored).all() and 0.3 < mirrored.mean() < 0.7
    late = next(iter(faces.batches(6, critic_steps=2, seed=3, start=7, horizontal_flip=True)))[0].numpy()
    np.testing.assert_array_equal(late, flipped[-6:])


def test_load_gives_pictures_and_tags_of_the_shards(faces, records):
    images, tags = records
    assert faces.count == 48 and faces.image_size == 32
    np.testing.assert_array_equal(faces.images(np.arange(48)), images)
    np.testing.assert_array_equal(faces.images([[3, 47], [0, 3]]), images[[[3, 47], [0, 3]]])
    np.testing.assert_array_equal(faces.tags, tags)
    assert faces.tags.dtype == np.int8 and {-1, 1} <= set(np.unique(tags)) <= {-1, 0, 1}
    assert faces.vocabulary.name == "jin34" and tags.shape[1] == len(faces.vocabulary)


def test_load_resizes_with_antialiasing(shards, records):
    small = data.load(shards, 16, progress=False).images(np.arange(48))
    assert small.shape == (48, 16, 16, 3) and small.dtype == np.uint8
    # Bicubic with the kernel stretched to the scale, here by Pillow, which rounds between its two passes.
    expected = np.stack([np.asarray(Image.fromarray(image).resize((16, 16), Image.BICUBIC)) for image in records[0]])
    assert np.abs(small.astype(int) - expected).mean() < 0.5
    picked = tf.image.resize(records[0], (16, 16), "bicubic", antialias=False)
    assert np.abs(small - picked.numpy().clip(0, 255)).mean() > 2


def test_load_keeps_decoded_pictures(shards, faces, cache, monkeypatch):
    monkeypatch.setattr(data, "_decode", None)
    again = data.load(shards, progress=False)
    assert again.path == faces.path and again.path.is_relative_to(cache)
    np.testing.assert_array_equal(again.tags, faces.tags)


def test_indices_of_each_epoch_are_another_permutation(faces):
    order = faces.indices(seed=5, step=0, batch_size=48 * 20).reshape(20, 48)  # 20 epochs
    np.testing.assert_array_equal(np.sort(order), np.tile(np.arange(48), (20, 1)))
    assert len({tuple(epoch) for epoch in order}) == 20
    assert tuple(order[0]) != tuple(range(48))


def test_indices_continue_across_epochs(faces):
    order = faces.indices(seed=5, step=0, batch_size=48 * 20)
    for size in (1, 7, 32, 100):
        steps = 48 * 20 // size
        parts = [faces.indices(5, step, size) for step in range(steps)]
        np.testing.assert_array_equal(np.concatenate(parts), order[: steps * size])


def test_indices_are_a_function_of_seed_and_step(faces):
    first = faces.indices(5, 3, 16)
    faces.indices(6, 100, 16)  # nothing that was asked for in between matters
    np.testing.assert_array_equal(faces.indices(5, 3, 16), first)
    seeds = [0, 1, -1, -2, 2**63, 2**64 - 3]
    assert len({tuple(faces.indices(seed, 0, 48)) for seed in seeds}) == len(seeds)


def test_batches_have_the_pictures_of_their_step(faces, records):
    images, tags = records
    elements = list(faces.batches(20, critic_steps=3, seed=4).take(4).as_numpy_iterator())
    order = faces.indices(4, 0, 4 * 3 * 20).reshape(4, 3, 20)  # step, critic step, place in the batch
    for step, (batch, batch_tags) in enumerate(elements):
        assert batch.shape == (20, 3, 32, 32, 3) and batch.dtype == np.float32
        assert batch_tags.shape == (20, 3, tags.shape[1]) and batch_tags.dtype == np.float32
        for critic_step in range(3):
            indices = order[step, critic_step]
            np.testing.assert_array_equal(np.round((batch[:, critic_step] + 1) * 127.5), images[indices])
            np.testing.assert_array_equal(batch_tags[:, critic_step], tags[indices])
    assert elements[0][0].min() >= -1 and elements[0][0].max() <= 1


def test_batches_have_known_shapes(faces):
    images, tags = faces.batches(20, critic_steps=3).element_spec
    assert images.shape == (20, 3, 32, 32, 3) and tags.shape == (20, 3, len(faces.vocabulary))


def test_batches_from_start_continue_a_run(faces):
    undisturbed = list(faces.batches(16, critic_steps=2, seed=1).take(6).as_numpy_iterator())
    resumed = list(faces.batches(16, critic_steps=2, seed=1, start=4).take(2).as_numpy_iterator())
    for (images, tags), (images_again, tags_again) in zip(undisturbed[4:], resumed, strict=True):
        np.testing.assert_array_equal(images, images_again)
        np.testing.assert_array_equal(tags, tags_again)


def test_batches_are_shared_by_devices(faces, two_devices):
    whole, tags = next(iter(faces.batches(6, critic_steps=2)))
    halves, halves_of_tags = next(iter(two_devices.experimental_distribute_dataset(faces.batches(6, critic_steps=2))))
    halves = two_devices.experimental_local_results(halves)
    assert [half.shape for half in halves] == [(3, 2, 32, 32, 3)] * 2
    np.testing.assert_array_equal(np.concatenate(halves), whole)
    np.testing.assert_array_equal(np.concatenate(two_devices.experimental_local_results(halves_of_tags)), tags)


def test_batches_equal_their_joined_parts(faces):
    options = {"batch_size": 12, "critic_steps": 2, "seed": 1, "start": 3, "horizontal_flip": True}
    whole = list(faces.batches(**options).take(5).as_numpy_iterator())
    # The second of two machines, each with two devices of its own.
    parts = list(faces.batches(**options, parts=4, own=range(2, 4)).take(10).as_numpy_iterator())
    for step, (images, tags) in enumerate(whole):
        own = parts[2 * step : 2 * step + 2]
        np.testing.assert_array_equal(np.concatenate([part[0] for part in own]), images[6:])
        np.testing.assert_array_equal(np.concatenate([part[1] for part in own]), tags[6:])
    stream = faces.batches(**options, parts=4, own=range(2, 4))
    assert stream.element_spec[0].shape == (3, 2, 32, 32, 3)
    assert stream.cardinality() == tf.data.INFINITE_CARDINALITY
    with pytest.raises(ValueError, match=r"batch_size must be a multiple of parts, 5. Received: 12"):
        faces.batches(12, parts=5)


def test_load_without_a_vocabulary_gives_no_tags(faces):
    untagged = dataclasses.replace(faces, vocabulary=None, tags=np.zeros((48, 0), np.int8))
    assert untagged.batches(4).element_spec.shape == (4, 1, 32, 32, 3)
    assert next(iter(untagged.batches(4))).shape == (4, 1, 32, 32, 3)


def test_batches_larger_than_the_data_are_refused(faces):
    with pytest.raises(ValueError, match=r"batch_size must be at most the number of pictures, 48. Received: 49"):
        faces.batches(49)


@pytest.mark.parametrize("image_size", [33, 0, -1])
def test_load_refuses_a_size_above_the_shards(shards, image_size):
    with pytest.raises(ValueError, match=rf"image_size must be from 1 to .* 32\. Received: {image_size}\. .*--size"):
        data.load(shards, image_size)


def test_load_names_a_missing_folder_manifest_or_shard(shards, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"existing folder. Received: '.*nowhere'"):
        data.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"must hold manifest.json"):
        data.load(tmp_path)
    folder = damaged(shards, tmp_path / "missing", bytes)
    shard = min(folder.glob("*.tfrecord"))
    shard.unlink()
    with pytest.raises(FileNotFoundError, match=f"a shard that is missing: {shard.name}"):
        data.load(folder)


def test_load_refuses_a_truncated_shard(shards, tmp_path, cache):
    folder = damaged(shards, tmp_path / "truncated", lambda content: content[:-100])
    with pytest.raises(ValueError, match=r"shard .* is damaged: the manifest says .* --overwrite"):
        data.load(folder, progress=False)
    assert not [name for name in decoded_folders(cache) if "truncated" in name]


def test_load_detects_flipped_bits_in_a_shard(shards, tmp_path, cache):
    def flip(content):
        content[len(content) // 2] ^= 1
        return content

    folder = damaged(shards, tmp_path / "flipped", flip)
    with pytest.raises(
        ValueError, match=rf"shard {folder}/drawn-0000\d-of-00002.tfrecord is damaged: corrupted record at [0-9]+"
    ):
        data.load(folder, progress=False)
    assert not [name for name in decoded_folders(cache) if "flipped" in name]


def test_load_detects_a_picture_that_cannot_be_decoded(shards, tmp_path):
    folder = tmp_path / "undecodable"
    shutil.copytree(shards, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    path = folder / manifest["shards"][0]["file"]
    with tf.io.TFRecordWriter(str(path)) as writer:
        tags = tf.train.Feature(int64_list=tf.train.Int64List(value=[-1] * 34))
        image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"\x89PNG\r\n\x1a\n and no more"]))
        record = tf.train.Example(features=tf.train.Features(feature={"tags": tags, "image": image}))
        writer.write(record.SerializeToString())
    manifest["shards"][0]["bytes"] = path.stat().st_size
    (folder / "manifest.json").write_text(json.dumps(manifest | {"fingerprint": "undecodable".ljust(64, "0")}))
    with pytest.raises(ValueError, match=r"shard .* is damaged"):
        data.load(folder, progress=False)


def test_load_after_a_killed_decoding_decodes_again(shards, tmp_path, monkeypatch):
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path))

    class Killed(BaseException):
        pass

    class Killing(data.tqdm):
        def update(self, count):
            raise Killed

    # Stands for kill -9: ends in the middle, half of the pictures written, and nothing is cleaned up.
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(data, "tqdm", Killing)
        patch.setattr(data, "DECODE_BATCH", 24)
        patch.setattr("tfanime.files.shutil.rmtree", lambda *arguments, **options: None)
        data.load(shards, 16)
    (left,) = (tmp_path / "decoded").iterdir()
    assert left.name.endswith(".part") and (left / "images.uint8").exists()
    faces = data.load(shards, 16, progress=False)
    assert faces.images(range(48)).std() > 10
    assert {path.name for path in (tmp_path / "decoded").iterdir()} == {left.name, faces.path.parent.name}


def test_images_refuse_a_truncated_decoded_file(shards, tmp_path, monkeypatch):
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path))
    faces = data.load(shards, 8, progress=False)
    os.truncate(faces.path, 47 * 8 * 8 * 3 + 5)
    with pytest.raises(ValueError, match="must hold 48 pictures, number 47 is cut off"):
        faces.images([0, 47])
    with pytest.raises(ValueError, match=r"images.uint8 is damaged. Remove the folder"):
        data.load(shards, 8)
