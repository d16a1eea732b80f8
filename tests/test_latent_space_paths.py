import numpy as np
import pytest
import tensorflow as tf

from tfanime.generator import Generator
from tfanime.latent_space.paths import closed_path, periodic_spline
from tfanime.latent_space.space import LatentSpace, Points
from tfanime.latents import Latents


def test_periodic_spline_equals_scipy():
    interpolate = pytest.importorskip("scipy.interpolate")
    keys = np.random.default_rng(0).normal(size=(5, 2, 3))
    expected = interpolate.CubicSpline(np.arange(6), [*keys, keys[0]], bc_type="periodic")(np.arange(20) / 4)
    np.testing.assert_allclose(periodic_spline(keys, 4), expected, atol=1e-12)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_periodic_spline_passes_its_keys_smoothly(count):
    keys = np.random.default_rng(count).normal(size=(count, 3))
    curve = periodic_spline(keys, 100)
    np.testing.assert_allclose(curve[::100], keys, atol=1e-12)
    speed = np.diff(curve, axis=0, append=curve[:1])
    turn = np.diff(speed, axis=0, append=speed[:1])
    jumps = np.abs(np.diff(turn, axis=0, append=turn[:1])).max(axis=1)
    assert jumps.max() < 0.05 * np.abs(turn).max()  # at keys, and where the end meets the beginning, as elsewhere


def test_closed_path_moves_styles_and_keeps_noise(styled):
    keys = styled.from_seeds([1, 2, 3])
    way = closed_path(styled, keys, 4)
    assert len(way) == 12
    np.testing.assert_allclose(way.codes, periodic_spline(keys.codes, 4), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(way.others["noise"], np.tile(keys.others["noise"][:1], (12, 1)))
    first = styled.images(keys[:1])
    assert np.abs(styled.images(way)[0].astype(int) - first[0]).max() <= 1


def test_closed_path_keeps_lengths_of_latents_and_fades_tags(tagged):
    space = LatentSpace(tagged)
    keys = space.from_seeds([1, 2, 3])
    way = closed_path(space, keys, 8)
    lengths = np.linalg.norm(way.codes, axis=-1)
    ends = np.linalg.norm(keys.codes, axis=-1)
    np.testing.assert_allclose(lengths[::8], ends, rtol=1e-5)
    np.testing.assert_allclose(lengths[4::8], (ends + np.roll(ends, -1, axis=0)) / 2, rtol=1e-5)
    tags = keys.others["tags"].numpy()
    np.testing.assert_array_equal(way.others["tags"][4::8], (tags + np.roll(tags, -1, axis=0)) / 2)
    assert space.images(way).shape == (24, 4, 4, 3)


def test_closed_path_keeps_uniform_latents_in_range(tagged):
    space = LatentSpace(Generator(None, network=tagged.network, latents=Latents(3, "uniform")))
    keys = Points(tf.constant([[[1.0, -1.0, 1.0]], [[1.0, 1.0, 0.9]], [[-1.0, 1.0, 1.0]]]))
    assert np.abs(periodic_spline(keys.codes, 8)).max() > 1.01
    assert np.abs(closed_path(space, keys, 8).codes).max() == 1.0


def test_closed_path_refuses_one_avatar(styled):
    with pytest.raises(ValueError, match=r"a film must show at least 2 avatars. Received: 1"):
        closed_path(styled, styled.from_seeds([1]), 8)
