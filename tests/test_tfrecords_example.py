import numpy as np
import tensorflow as tf

from tfanime.tfrecords.example import features, parse, serialize
from tfanime.tfrecords.face import Face

FULL = Face(
    "a/b.jpg#1",
    b"\x00png",
    (1, -1, 0),
    box=(1.5, 2.0, 3.0, 4.0),
    score=0.5,
    points=tuple((float(i), i + 0.5) for i in range(5)),
    picture_size=(640, 480),
    sharpness=812.5,
    chroma=14.25,
)
BARE = Face("c.jpg", b"other", (0, 0, 0))


def test_example_round_trip():
    read = parse(tf.constant([serialize(FULL), serialize(BARE)]), 3, names=tuple(features(3)))
    assert read["id"].numpy().tolist() == [b"a/b.jpg#1", b"c.jpg"]
    assert read["image"].numpy().tolist() == [b"\x00png", b"other"]
    np.testing.assert_array_equal(read["tags"], [[1, -1, 0], [0, 0, 0]])
    assert read["face/box"].to_list() == [[1.5, 2, 3, 4], []]
    assert read["face/score"].to_list() == [[0.5], []]
    np.testing.assert_array_equal(read["picture/size"], [[640, 480], [0, 0]])
    np.testing.assert_array_equal(read["face/sharpness"], [812.5, 0])
    np.testing.assert_array_equal(read["face/chroma"], [14.25, 0])
    assert read["face/points"].to_list() == [[0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5], []]


def test_features_default_to_those_of_training():
    assert set(parse([serialize(BARE)], 3)) == {"image", "tags"}
    assert parse([serialize(Face("a", b"x"))], 0)["tags"].shape == (1, 0)


def test_example_of_equal_faces_has_equal_bytes():
    assert serialize(FULL) == serialize(Face(**vars(FULL))) != serialize(BARE)
