"""Landmarks: their names and tables, the network, and its files."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tiny_photos

from tfanime.images import to_float
from tfanime.landmarks import files as landmark_files
from tfanime.landmarks.network import landmark_network
from tfanime.landmarks.points import EYES, MIRRORED, NAMES, eye_distance, read_points, write_points
from tfanime.precision import precision_policy
from tfanime.tagger.files import to_arrays

SMALL = {"image_size": 16, "channels": [2, 3], "hidden": 4}


def points(count, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (count, len(NAMES), 2)).astype(np.float32)


def network(seed=0):
    """A small network whose points depend on the picture."""
    model = landmark_network(**SMALL)
    random = np.random.default_rng(seed)
    for weight in model.weights:
        low = 0.2 if "variance" in weight.path or "gamma" in weight.path else -0.5
        weight.assign(random.uniform(low, 0.5, weight.shape))
    return model


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "deep" / "one.two"
    landmark_files.save(path, SMALL, to_arrays(network()), terms="none")
    return path


def test_landmark_names_have_sides():
    assert len(set(NAMES)) == len(NAMES) == 32
    assert [NAMES[each] for each in (0, 4, 20)] == ["left_eye_outer", "right_eye_outer", "upper_lip_top"]
    for side, eye in zip(("left", "right"), EYES, strict=True):
        assert all(name.startswith(f"{side}_eye") for name in NAMES[eye])
    assert [MIRRORED[each] for each in MIRRORED] == list(range(len(NAMES)))
    changed = {NAMES[i]: NAMES[j] for i, j in enumerate(MIRRORED) if i != j}
    assert len(changed) == 24 and changed["left_nostril"] == "right_nostril" and "chin" not in changed
    some = np.zeros((2, len(NAMES), 2))
    some[:, EYES[0]], some[:, EYES[1]] = (0.25, 0.5), (0.55, 0.9)
    np.testing.assert_allclose(eye_distance(some), [0.5, 0.5])


def test_landmark_table_round_trip(tmp_path):
    path, some = tmp_path / "points.csv", points(3)
    write_points(path, {"b, c.png": some[0], "a.png": some[1] - 1, "d.png": some[2]})
    rows, found = read_points(path, ["none.png", "a.png", "b, c.png"])
    assert list(rows) == [1, 2]
    np.testing.assert_allclose(found, [some[1] - 1, some[0]], atol=1e-5)


def test_landmark_table_errors_are_named(tmp_path):
    path = tmp_path / "points.csv"
    write_points(path, {"a.png": points(1)[0]})
    with pytest.raises(ValueError, match=r"points must be those of the faces. Received: .*which has none of 1"):
        read_points(path, ["b.png"])
    text = path.read_text()
    path.write_text(f"{text}b.png,1,nan\n")
    with pytest.raises(ValueError, match=r"points must have 64 finite numbers in each row. Received: .*line 3"):
        read_points(path, ["b.png"])
    path.write_text(text.replace("id,", "name,"))
    with pytest.raises(ValueError, match=r"points must be a CSV file with the columns id, left_eye_outer_x"):
        read_points(path, ["a.png"])
    with pytest.raises(FileNotFoundError):
        read_points(tmp_path / "other.csv", ["a.png"])


def test_landmark_network_has_the_documented_size():
    model = landmark_network()
    assert model.output_shape == (None, 32, 2) and model.count_params() < 500_000
    found = model(tf.zeros((2, 64, 64, 3)))
    np.testing.assert_allclose(found, np.full((2, 32, 2), 0.5), atol=0.05)
    with precision_policy("mixed_bfloat16"):
        assert landmark_network(**SMALL)(tf.zeros((1, 16, 16, 3))).dtype == tf.float32
    for arguments, message in (
        ({"image_size": 24}, "image_size must be a multiple of 16. Received: 24"),
        ({"hidden": 0}, "hidden must be at least 1. Received: 0"),
        ({"channels": (4, 0)}, "channels must be at least 1. Received: 0"),
    ):
        with pytest.raises(ValueError, match=message):
            landmark_network(**arguments)


def test_landmark_network_round_trip(saved):
    opened = landmark_files.open_landmarks(saved)
    assert (opened.image_size, opened.card["terms"]) == (16, "none") and not opened.model.trainable_weights
    images = tf.random.stateless_uniform((3, 16, 16, 3), (1, 2), -1, 1)
    found = opened(images)
    assert float(tf.reduce_max(tf.math.reduce_std(found, axis=0))) > 0.01
    np.testing.assert_allclose(found, network()(images, training=False), rtol=1e-2, atol=1e-2)
    larger = tf.random.stateless_uniform((3, 32, 24, 3), (1, 3), -1, 1)
    resized = tf.image.resize(larger, (16, 16), antialias=True)
    np.testing.assert_allclose(opened(larger), opened(resized), rtol=1e-5)


def test_carried_landmark_network_can_be_opened():
    opened = landmark_files.open_landmarks()
    assert landmark_files.PACKAGED.with_suffix(".npz").stat().st_size < 1_000_000
    errors = opened.card["holdout"]["errors"]["moved"]
    assert errors["network"] < 0.2 * errors["mean face"] < 0.2 * errors["another face"]
    # It knows a face's sides and heights in a stand-in for a photo, whose eyes, mouth and chin lie at fixed places.
    image = to_float(np.asarray(tiny_photos.photo(3, 64))[None])
    found = dict(zip(NAMES, opened(image).numpy()[0], strict=True))
    assert found["left_eye_inner"][0] < found["nose_tip"][0] < found["right_eye_inner"][0]
    heights = [found[name][1] for name in ("left_eye_top", "nose_tip", "lower_lip_bottom", "chin")]
    assert heights == sorted(heights)


def test_landmark_files_that_are_damaged_are_refused(saved):
    with pytest.raises(FileNotFoundError, match=r"must have the files none.npz and none.json, which `python -m tfanim"):
        landmark_files.open_landmarks(saved.with_name("none"))
    weights, card = (saved.with_name(f"one.two.{ending}") for ending in ("npz", "json"))
    text, data = card.read_text(), weights.read_bytes()
    weights.write_bytes(data[:-1] + b"x")
    message = r"a landmark network must be those of its card, SHA-256 .*one.two.npz', with .* is damaged"
    with pytest.raises(ValueError, match=message):
        landmark_files.open_landmarks(saved)
    weights.write_bytes(data)
    for change, message in (
        ({"points": ["nose"]}, "a landmark network must be of format 1 and give the 32 points"),
        ({"format": 2}, "of format 2"),
        ({"network": SMALL | {"hidden": 5}}, "must have shape"),
    ):
        card.write_text(json.dumps(json.loads(text) | change))
        with pytest.raises(ValueError, match=message):
            landmark_files.open_landmarks(saved)
    card.write_text("{}")
    with pytest.raises(ValueError, match="the card of a landmark network must be a file that tfanime wrote"):
        landmark_files.open_landmarks(saved)
