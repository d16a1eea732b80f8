import numpy as np
import pytest
import tensorflow as tf

from tfanime.latents import Latents

SEEDS = [7, 0, 2**63 - 1, -5, 2**40, *range(100, 111)]


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_from_seeds_gives_the_same_bits_in_any_batch_and_graph(distribution):
    latents = Latents(5, distribution)
    whole = latents.from_seeds(np.array(SEEDS)).numpy()
    assert whole.shape == (16, 5) and whole.dtype == np.float32
    for size in (1, 3):
        parts = [latents.from_seeds(np.array(SEEDS[begin : begin + size])) for begin in range(0, 16, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    compiled = tf.function(latents.from_seeds, input_signature=[tf.TensorSpec([None], tf.int64)])
    np.testing.assert_array_equal(compiled(tf.constant(SEEDS, tf.int64)), whole)
    np.testing.assert_array_equal(compiled(tf.constant(SEEDS[3:4], tf.int64)), whole[3:4])
    assert len(np.unique(whole)) == whole.size


def test_from_seeds_gives_the_recorded_numbers():
    # Seeds name avatars: a change here changes every avatar of every model.
    np.testing.assert_allclose(Latents(3).from_seeds([12])[0], [0.41689163, -0.13400733, 0.1123467], rtol=1e-6)
    np.testing.assert_allclose(
        Latents(3, "uniform").from_seeds([12])[0], [0.81714916, -0.4010017, 0.5795889], rtol=1e-6
    )


def test_from_seeds_of_no_seeds_is_empty():
    assert Latents(3).from_seeds([]).shape == (0, 3)


def test_batch_is_a_function_of_seed_and_step():
    latents = Latents(4)
    first = latents.batch(6, 3, 10).numpy()
    latents.batch(6, 3, 11)
    np.testing.assert_array_equal(latents.batch(6, 3, tf.constant(10, tf.int64)), first)
    np.testing.assert_array_equal(tf.function(latents.batch)(6, 3, tf.constant(10, tf.int64)), first)
    assert not np.intersect1d(first, latents.batch(6, 3, 11)).size
    assert not np.intersect1d(first, latents.batch(6, 4, 10)).size


def test_interpolate_follows_circle_or_line():
    first = np.array([[3, 0], [3, 0], [1, 2]], np.float32)
    second = np.array([[0, 1], [0, 3], [2, 4]], np.float32)
    normal = Latents(2)
    for share, end in ((0, first), (1, second)):
        np.testing.assert_allclose(normal.interpolate(first, second, np.full(3, share)), end, atol=1e-6)
    half = np.sqrt(0.5)  # sin 45 / sin 90; parallel vectors have the line's middle
    expected = [[3 * half, half], [3 * half, 3 * half], [1.5, 3]]
    np.testing.assert_allclose(normal.interpolate(first, second, np.full(3, 0.5)), expected, rtol=1e-6)
    third = normal.interpolate(first[1:2], second[1:2], [1 / 3])
    np.testing.assert_allclose(third, [[3 * np.cos(np.pi / 6), 3 * np.sin(np.pi / 6)]], rtol=1e-5)
    line = Latents(2, "uniform").interpolate(first, second, [0.5, 0.25, 0.5])
    np.testing.assert_allclose(line, [[1.5, 0.5], [2.25, 0.75], [1.5, 3]], rtol=1e-6)


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_interpolate_keeps_float64(distribution):
    """A step of 1e-9 of the way is there, which is below what float32 can tell."""
    latents = Latents(4, distribution)
    first, second = (np.asarray(latents.from_seeds([seed]), np.float64) for seed in (1, 2))
    begin, end = (latents.interpolate(first, second, np.array([share])).numpy() for share in (0.5, 0.5 + 1e-9))
    ahead = latents.interpolate(first, second, np.array([0.5 + 1e-3])).numpy()
    np.testing.assert_allclose((end - begin) * 1e6, ahead - begin, rtol=0.05)


def test_distributions_have_their_moments():
    normal = Latents(200).batch(500, 0, 0).numpy()
    assert abs(normal.mean()) < 0.01 and abs(normal.std() - 1) < 0.01 and abs((normal**4).mean() - 3) < 0.1
    uniform = Latents(200, "uniform").batch(500, 0, 0).numpy()
    assert -1 <= uniform.min() < -0.999 and 0.999 < uniform.max() < 1
    assert abs(uniform.mean()) < 0.01 and abs(uniform.std() - 1 / np.sqrt(3)) < 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size must be at least 1. Received: 0"),
        ({"distribution": "cauchy"}, "distribution must be one of .*normal.*uniform.* Received: 'cauchy'"),
    ],
)
def test_latents_refuse_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Latents(**arguments)
