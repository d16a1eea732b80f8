"""The one schema of a record, which drives the writer and the reader.

One record is one face. Importing this module loads TensorFlow; the converter's workers therefore return `Face`s and
only the process that writes shards imports it.
"""

import tensorflow as tf

from tfanime.tfrecords.face import Face


def _bytes(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _floats(values):
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _integers(values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def features(tag_count):
    """The features of a record, as `tf.io.parse_example` wants them.

    Args:
        tag_count: Length of the vocabulary, 0 for shards without tags.

    Returns:
        A dictionary: `id` and `image` scalar strings, `tags` int64 `[tag_count]` (+1 holds, -1 does not, 0 unknown),
        `face/box`, `face/score`, `face/points` and `face/landmarks` ragged floats, `picture/size` int64 `[2]` (width,
        height), `face/sharpness` and `face/chroma` scalar floats, see `Face`. Only aligned faces have
        `face/landmarks`.
    """
    return {
        "id": tf.io.FixedLenFeature([], tf.string),
        "image": tf.io.FixedLenFeature([], tf.string),
        "tags": tf.io.FixedLenFeature([tag_count], tf.int64),
        "face/box": tf.io.RaggedFeature(tf.float32),
        "face/score": tf.io.RaggedFeature(tf.float32),
        "face/points": tf.io.RaggedFeature(tf.float32),
        "face/landmarks": tf.io.RaggedFeature(tf.float32),
        "picture/size": tf.io.FixedLenFeature([2], tf.int64),
        "face/sharpness": tf.io.FixedLenFeature([], tf.float32),
        "face/chroma": tf.io.FixedLenFeature([], tf.float32),
    }


def serialize(face: Face):
    """Turns a `Face` into the bytes of a `tf.train.Example` (deterministic: equal faces give equal bytes)."""
    values = {
        "id": _bytes(face.id.encode()),
        "image": _bytes(face.image),
        "tags": _integers([int(value) for value in face.tags]),
        "face/box": _floats(face.box),
        "face/score": _floats([] if face.score is None else [face.score]),
        "face/points": _floats([coordinate for point in face.points for coordinate in point]),
        "picture/size": _integers(face.picture_size),
        "face/sharpness": _floats([face.sharpness]),
        "face/chroma": _floats([face.chroma]),
    }
    if face.landmarks:
        values["face/landmarks"] = _floats([coordinate for point in face.landmarks for coordinate in point])
    return _example(values)


def serialize_drop(drop):
    """Turns a `Drop` with its thumbnail into the bytes of an example, for `dropped.tfrecord`."""
    values = {
        "id": _bytes(drop.id.encode(errors="replace")),
        "reason": _bytes(drop.reason.encode()),
        "value": _bytes(drop.value.encode(errors="replace")),
        "image": _bytes(drop.thumbnail),
    }
    return _example(values)


def _example(values):
    return tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString(deterministic=True)


def parse(serialized, tag_count, names=("image", "tags")):
    """Parses a batch of records inside a `tf.data` pipeline.

    Args:
        serialized: String tensor `[batch]`.
        tag_count: Length of the vocabulary.
        names: Which of `features()` to read.

    Returns:
        A dictionary of tensors, the batch first; pictures stay encoded (`image`, string `[batch]`).
    """
    schema = features(tag_count)
    return tf.io.parse_example(serialized, {name: schema[name] for name in names})
