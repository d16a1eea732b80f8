"""Stage 2: shards to batches.

The order of the pictures is a pure function of (seed, step), so that a resumed run sees what an undisturbed one would
have seen. A shard can only be read from its start, so the pictures are decoded and resized once into one flat file
of uint8 (kept in the cache folder under the data's fingerprint), in which every picture has a known offset. Memory use
does not grow with the set: the operating system's page cache is the only cache.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tfanime.files import in_cache, require_utf8
from tfanime.images import to_float
from tfanime.tags import TagVocabulary
from tfanime.tfrecords.example import parse
from tfanime.tfrecords.manifest import Manifest

DECODE_BATCH = 256
DECODING = 2  # increased when the pixels of `_decode` change, so that older caches are not used


@dataclass(frozen=True)
class FaceData:
    """Decoded faces of one size, with their tags.

    Args:
        path: Flat file of uint8 `[count, image_size, image_size, 3]`.
        count: Number of pictures.
        image_size: Height and width in pixels.
        tags: int8 array `[count, len(vocabulary)]` of +1, -1 and 0 (unknown); no columns without a vocabulary.
        vocabulary: The `TagVocabulary`, or None.
        fingerprint: The shards' fingerprint, from their manifest.
        stored_size: Height and width of the pictures in the shards; they were resized if it is not `image_size`.
        points: Where `tfanime.landmarks.points.NAMES` lie, float32 `[count, len(NAMES), 2]`, shares of width and
            height; None for faces that the converter has not aligned.
    """

    path: Path
    count: int
    image_size: int
    tags: np.ndarray
    vocabulary: TagVocabulary | None
    fingerprint: str
    stored_size: int
    points: np.ndarray | None = None

    @property
    def identity(self) -> dict:
        """The data's identity, which must be the same when a run is resumed: a dictionary that JSON can represent."""
        return {"fingerprint": self.fingerprint, "count": self.count, "stored_size": self.stored_size}

    def described_by(self, vocabulary: TagVocabulary | None) -> "FaceData":
        """The same faces with the tags of another vocabulary, whose tags this one has; None for no tags."""
        columns = [self.vocabulary.tags.index(tag) for tag in vocabulary.tags] if vocabulary else []
        return replace(self, tags=self.tags[:, columns], vocabulary=vocabulary)

    def images(self, indices: Any) -> np.ndarray:
        """Reads pictures by number.

        Args:
            indices: Integer array of any shape, values in [0, count).

        Returns:
            uint8 array `[*indices.shape, image_size, image_size, 3]`.
        """
        indices = np.asarray(indices)
        shape = (self.image_size, self.image_size, 3)
        images = np.empty((indices.size, *shape), np.uint8)
        with open(self.path, "rb", buffering=0) as file:
            for image, index in zip(images, indices.flat, strict=True):
                # Not a memory map, whose pages would count as this process's memory.
                if os.preadv(file.fileno(), [image.reshape(-1)], int(index) * image.size) != image.size:
                    raise ValueError(f"{self.path} must hold {self.count} pictures, number {index} is cut off")
        return images.reshape(*indices.shape, *shape)

    def indices(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """The pictures of a step. Every epoch is a new permutation of all pictures, and epochs follow each other
        without gaps.

        Args:
            seed: Seed of the run.
            step: Number of the step, from 0.
            batch_size: Pictures a step.

        Returns:
            int64 array `[batch_size]`, a pure function of the arguments.
        """
        positions = np.arange(step * batch_size, (step + 1) * batch_size)
        epochs = positions // self.count
        return np.concatenate(
            [
                _permutation(self.count, seed, epoch)[positions[epochs == epoch] % self.count]
                for epoch in np.unique(epochs)
            ]
        )

    def batches(
        self,
        batch_size: int,
        *,
        critic_steps: int = 1,
        seed: int = 0,
        start: int = 0,
        horizontal_flip: bool = False,
        parts: int = 1,
        own: Sequence[int] = (0,),
    ) -> tf.data.Dataset:
        """The infinite stream of training batches.

        Args:
            batch_size: Pictures a critic step, over all devices.
            critic_steps: Fresh batches a training step.
            seed: Seed of the order.
            start: The training step to begin with; a run resumed at step N passes N.
            horizontal_flip: Whether each picture is mirrored with probability 1/2, a function of seed and step as well.
            parts: Equal parts that each batch is cut into, one for each device.
            own: Numbers of the parts in this stream; the parts of a step follow each other.

        Returns:
            A `tf.data.Dataset` of float32 `[batch_size / parts, critic_steps, image_size, image_size, 3]` in [-1, 1];
            with a vocabulary, of pairs of that and the tags, float32
            `[batch_size / parts, critic_steps, len(vocabulary)]`.

        Raises:
            ValueError: There are fewer pictures than one batch has, or it cannot be cut into such parts.
        """
        if batch_size > self.count:
            raise ValueError(f"batch_size must be at most the number of pictures, {self.count}. Received: {batch_size}")
        if batch_size % parts:
            raise ValueError(f"batch_size must be a multiple of parts, {parts}. Received: {batch_size}")
        shape = (batch_size // parts, critic_steps)

        def read(number):
            step, place = divmod(int(number), len(own))
            step += start
            rows = slice(own[place] * shape[0], (own[place] + 1) * shape[0])
            # Whole critic batches follow each other in the order; the batch axis goes first only in the result,
            # because strategies split that axis.
            order = self.indices(seed, step, batch_size * critic_steps).reshape(critic_steps, batch_size).T[rows]
            images = self.images(order)
            if horizontal_flip:
                flipped = _flips(seed, step, (batch_size, critic_steps))[rows]
                images[flipped] = images[flipped][..., ::-1, :]
            return images, self.tags[order].astype(np.float32)

        def element(number):
            images, tags = tf.numpy_function(read, [number], (tf.uint8, tf.float32), stateful=False)
            images = to_float(tf.ensure_shape(images, (*shape, self.image_size, self.image_size, 3)))
            if not self.vocabulary:
                return images
            return images, tf.ensure_shape(tags, (*shape, len(self.vocabulary)))

        # Infinite, because several workers would otherwise ask each other before each step whether all have a batch
        # left.
        return tf.data.Dataset.counter().map(element, num_parallel_calls=1).prefetch(2 * len(own))


def _flips(seed, step, shape):
    """Which pictures of a step are mirrored, bool `[*shape]`."""
    # The random numbers of the permutation of the epoch with this number, one block of Philox later. A key of their own
    # would be cleaner, but older runs that are resumed use this one.
    generator = np.random.Generator(np.random.Philox(key=np.array([seed % 2**64, step], np.uint64), counter=1))
    return generator.random(shape) < 0.5


_last_permutation = (None, None)


def _permutation(count, seed, epoch):
    # Every step asks for the order of its epoch, so the newest one is kept, at 8 bytes a picture.
    global _last_permutation
    key = (count, seed, int(epoch))
    newest = _last_permutation  # read once: several streams may run in threads of their own
    if newest[0] != key:
        generator = np.random.Generator(np.random.Philox(key=np.array([seed % 2**64, epoch], np.uint64)))
        _last_permutation = newest = (key, generator.permutation(count))
    return newest[1]


def load(
    shards: str | os.PathLike[str],
    image_size: int | None = None,
    *,
    split: Literal["train", "holdout"] = "train",
    progress: bool = True,
) -> FaceData:
    """Opens a folder of shards for training, decoding it on first use.

    Args:
        shards: Folder that `python -m tfanime.tfrecords` wrote.
        image_size: Height and width to train at; default: that of the shards. Pictures are resized to a smaller one
            (antialiased bicubic).
        split: `"train"`, or `"holdout"` for the faces that `--holdout` kept from training.
        progress: Whether to show a progress bar while decoding.

    Returns:
        A `FaceData`.

    Raises:
        FileNotFoundError: The folder, its manifest or a shard does not exist.
        ValueError: `image_size` is above the shards', the split is unknown, a shard is damaged, or the path of `shards`
            is not UTF-8.
    """
    shards = require_utf8(shards, "shards")
    manifest = Manifest.load(shards).split(split)
    image_size = manifest.image_size if image_size is None else image_size
    if not 1 <= image_size <= manifest.image_size:
        raise ValueError(
            f"image_size must be from 1 to that of the shards in {str(shards)!r}, {manifest.image_size}. "
            f"Received: {image_size}. Larger pictures need another conversion, with a larger --size"
        )
    _check_shards(shards, manifest)
    folder = in_cache(
        f"decoded/{manifest.fingerprint[:32]}-{image_size}-{DECODING}{'-points' if manifest.card.get('align') else ''}",
        lambda target: _decode(shards, manifest, image_size, target, progress),
    )
    details = json.loads((folder / "details.json").read_text())
    path, points = folder / "images.uint8", folder / "points.npy"
    if path.stat().st_size != details["count"] * image_size**2 * 3:
        raise ValueError(f"{path} is damaged. Remove the folder {folder}; it will be made again")
    return FaceData(
        path,
        details["count"],
        image_size,
        np.load(folder / "tags.npy"),
        manifest.vocabulary,
        manifest.fingerprint,
        manifest.image_size,
        np.load(points) if points.is_file() else None,
    )


def _check_shards(folder, manifest):
    for shard in manifest.shards:
        path = folder / shard["file"]
        if not path.is_file():
            raise FileNotFoundError(f"{folder / 'manifest.json'} names a shard that is missing: {shard['file']}")
        if path.stat().st_size != shard["bytes"]:
            raise ValueError(
                f"shard {path} is damaged: the manifest says {shard['bytes']} bytes, it has {path.stat().st_size}. "
                "Convert the pictures again with --overwrite"
            )


def _decode(folder, manifest, image_size, target, progress):
    tag_count = len(manifest.vocabulary) if manifest.vocabulary else 0

    def resized(encoded):
        # This operation reads PNG too. Its fast default is up to 22 grey levels away from what other decoders show.
        image = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")
        if manifest.image_size != image_size:
            image = tf.image.resize(image, (image_size, image_size), "bicubic", antialias=True)
            image = tf.cast(tf.round(tf.clip_by_value(image, 0.0, 255.0)), tf.uint8)
        return tf.ensure_shape(image, (image_size, image_size, 3))

    def decoded(serialized):
        record = parse(serialized, tag_count, ("image", "tags", "face/landmarks"))
        images = tf.map_fn(
            resized, record["image"], fn_output_signature=tf.TensorSpec((image_size, image_size, 3), tf.uint8)
        )
        return images, tf.cast(record["tags"], tf.int8), record["face/landmarks"].to_tensor()

    files = [str(folder / shard["file"]) for shard in manifest.shards]
    dataset = tf.data.TFRecordDataset(files).batch(DECODE_BATCH).map(decoded, tf.data.AUTOTUNE).prefetch(2)
    tags, points = [], []
    bar = tqdm(total=manifest.count, desc=f"decoding at {image_size} px", unit=" pictures", disable=not progress)
    try:
        with bar, open(target / "images.uint8", "wb") as file:
            for images, batch_tags, coordinates in dataset.as_numpy_iterator():
                file.write(images.tobytes())
                tags.append(batch_tags)
                points.append(coordinates.reshape(len(images), -1, 2))
                bar.update(len(images))
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        cause = re.sub(r"\{\{.*?\}\} ?| \[Op:.*", "", error.message.splitlines()[0])  # without the graph's names
        damaged = next(filter(_is_damaged, files), folder)
        raise ValueError(f"shard {damaged} is damaged: {cause}. Convert the pictures again with --overwrite") from error
    count = sum(map(len, tags))
    if count != manifest.count:
        raise ValueError(f"the shards in {folder} hold {count} records, their manifest says {manifest.count}")
    np.save(target / "tags.npy", np.concatenate(tags))
    if points[0].size:
        np.save(target / "points.npy", np.concatenate(points))
    (target / "details.json").write_text(json.dumps({"count": count, "image_size": image_size}))


def _is_damaged(file):
    try:
        for _ in tf.data.TFRecordDataset(file):
            pass
    except tf.errors.DataLossError:
        return True
    return False
