"""Faces that are moved with their points and repainted, and what a step of learning points computes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfanime.landmarks.network import landmark_network
from tfanime.landmarks.points import MIRRORED, NAMES
from tfanime.training.point_regression import PointRegression, moved, repainted

POINTS = np.random.default_rng(0).uniform(0.3, 0.7, (6, len(NAMES), 2)).astype(np.float32)


def dots(size=48):
    """Black pictures with a soft white dot at each one's first point, which no mirroring may exchange: the chin."""
    places = POINTS[:, NAMES.index("chin")]
    grid = (np.arange(size) + 0.5) / size
    squares = (grid[None, None, :] - places[:, :1, None]) ** 2 + (grid[None, :, None] - places[:, 1:, None]) ** 2
    return np.repeat(np.exp(-squares / 0.002)[..., None], 3, axis=-1).astype(np.float32)


def centres(images):
    """Where the light of each picture lies, shares."""
    weights = np.mean(images, axis=-1)
    grid = (np.arange(weights.shape[1]) + 0.5) / weights.shape[1]
    mass = weights.sum(axis=(1, 2))
    return (
        np.stack([(weights * grid[None, None, :]).sum((1, 2)), (weights * grid[None, :, None]).sum((1, 2))], 1)
        / (mass[:, None])
    )


@pytest.mark.parametrize("mirror", [0.0, 1.0])
def test_varied_points_move_with_their_pictures(mirror):
    images, points = moved(tf.constant(dots()), tf.constant(POINTS), seed=3, step=5, mirror=mirror)
    chins = points.numpy()[:, NAMES.index("chin")]
    np.testing.assert_allclose(centres(images.numpy()), chins, atol=0.004)
    assert np.abs(chins - POINTS[:, NAMES.index("chin")]).mean() > 0.03
    again = moved(tf.constant(dots()), tf.constant(POINTS), seed=3, step=5, mirror=mirror)[1]
    others = moved(tf.constant(dots()), tf.constant(POINTS), seed=3, step=6, mirror=mirror)[1]
    assert np.array_equal(points, again) and not np.allclose(points, others)


def test_varied_mirrors_points_and_sides():
    images = tf.random.stateless_uniform((6, 16, 16, 3), (1, 2))
    still = {"turn": 0.0, "scales": (1.0, 1.0), "shift": 0.0}
    seen, points = moved(images, tf.constant(POINTS), 1, 0, **still, mirror=0.0)
    np.testing.assert_allclose(seen, images, atol=1e-5)
    np.testing.assert_allclose(points, POINTS, atol=1e-6)
    seen, points = moved(images, tf.constant(POINTS), 1, 0, **still, mirror=1.0)
    np.testing.assert_allclose(seen, images[:, :, ::-1], atol=1e-5)
    np.testing.assert_allclose(points, (POINTS * [-1, 1] + [1, 0])[:, list(MIRRORED)], atol=1e-6)


def test_repainted_pictures_keep_their_points():
    images = tf.random.stateless_uniform((40, 16, 16, 3), (1, 2), -1, 1)
    found = repainted(images, 1, 2).numpy()
    assert found.shape == images.shape and np.abs(found).max() <= 1
    assert np.array_equal(found, repainted(images, 1, 2)) and not np.array_equal(found, repainted(images, 1, 3))
    colours = [len(np.unique(np.round(image, 4))) for image in found]
    assert 0 < sum(count <= 8 for count in colours) < 30


def test_point_regression_step_and_fit_learn():
    model = PointRegression(landmark_network(image_size=16, channels=(4, 4), hidden=8))
    model.compile(keras.optimizers.Adam(0.01))
    images = tf.random.stateless_uniform((6, 16, 16, 3), (1, 2), -1, 1)
    expected = np.linalg.norm(model.network(images, training=True).numpy() - POINTS, axis=-1)
    pairs = tf.data.Dataset.from_tensors((images, POINTS)).repeat()
    logs = model.fit(pairs, epochs=40, steps_per_epoch=1, verbose=0).history
    assert logs["loss"][0] == pytest.approx(expected.mean(), rel=1e-4)
    assert logs["loss"][-1] < 0.7 * logs["loss"][0] and logs["error"][0] > logs["loss"][0]
    assert model.step == 40 and model(images).shape == POINTS.shape
