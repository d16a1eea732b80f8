import keras
import numpy as np
import pytest
import tensorflow as tf

from tfanime.models.layers import MinibatchStddev


def expected(images, size):
    """Karras et al. 2018 in NumPy."""
    groups = images.reshape(-1, size, *images.shape[1:])
    deviations = np.sqrt(groups.var(axis=1) + 1e-8).mean(axis=(1, 2, 3))  # one number a group
    channel = np.repeat(deviations, size)[:, None, None, None] * np.ones((1, *images.shape[1:3], 1))
    return np.concatenate([images, channel], axis=-1)


def images(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 3, 2, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("count", "group_size", "size"), [(8, 4, 4), (8, 2, 2), (6, 4, 3), (3, 4, 3), (5, 4, 1), (4, 1, 1)]
)
def test_against_numpy(count, group_size, size):
    batch = images(count) * np.arange(1, count + 1)[:, None, None, None]  # groups of unequal variety
    result = MinibatchStddev(group_size)(batch.astype(np.float32)).numpy()
    np.testing.assert_allclose(result, expected(batch, size), rtol=1e-5, atol=1e-6)


def test_a_batch_of_unknown_size_is_treated_alike():
    layer = MinibatchStddev()
    unknown = tf.function(layer, input_signature=[tf.TensorSpec([None, 3, 2, 5])])
    for count in (8, 6, 5):
        np.testing.assert_allclose(unknown(images(count)), layer(images(count)), rtol=1e-6)


def test_two_halves_give_what_the_whole_gives():
    batch, layer = images(16), MinibatchStddev()
    halves = [layer(batch[:8]), layer(batch[8:])]
    np.testing.assert_allclose(np.concatenate(halves), layer(batch), rtol=1e-6)


def test_equal_pictures_have_a_finite_gradient():
    batch = tf.ones((4, 3, 2, 5))
    with tf.GradientTape() as tape:
        tape.watch(batch)
        result = MinibatchStddev()(batch)
    assert np.isfinite(tape.gradient(result, batch)).all()
    np.testing.assert_allclose(result[..., -1], 1e-4, rtol=1e-4)


def test_in_low_precision_the_statistics_are_not_rounded():
    batch = 100 + images(8)  # bfloat16 keeps steps of 0.5 near 100
    layer = MinibatchStddev(dtype="mixed_bfloat16")
    result = layer(batch)
    assert result.dtype == "bfloat16"
    rounded = tf.cast(tf.cast(batch, tf.bfloat16), tf.float32).numpy()
    np.testing.assert_allclose(tf.cast(result, tf.float32), expected(rounded, 4), rtol=2**-8)


def test_saved_and_loaded(tmp_path):
    inputs = keras.layers.Input((3, 2, 5))
    model = keras.Model(inputs, MinibatchStddev(group_size=2)(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].group_size == 2
    np.testing.assert_array_equal(loaded(images(8)), model(images(8)))


def test_groups_have_members():
    with pytest.raises(ValueError, match=r"group_size must be at least 1. Received: 0"):
        MinibatchStddev(0)
