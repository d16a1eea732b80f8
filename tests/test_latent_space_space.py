import numpy as np
import pytest
import tensorflow as tf
import tiny_networks

from tfanime.generator import Generator, open_generator
from tfanime.images import to_uint8
from tfanime.latent_space.space import LatentSpace, joined
from tfanime.latents import Latents

SEEDS = [3, 1, 4]


def difference(first, second):
    return np.abs(np.asarray(first, int) - np.asarray(second, int)).max()


def test_from_seeds_gives_points_that_draw_the_avatars(styled, styled_folder):
    points = styled.from_seeds(SEEDS, "green, no hat")
    assert (styled.has_styles, styled.layers, styled.size) == (True, 6, 10)
    assert points.codes.shape == (3, 6, 10) and list(points.others) == ["tags", "noise"]
    expected = open_generator(styled_folder).images(SEEDS, "green, no hat")
    assert difference(styled.images(points, batch=2), expected) <= 1
    assert difference(styled.images(styled.from_seeds(SEEDS)), expected) > 1


def test_truncated_points_draw_truncated_avatars(styled, styled_folder):
    points = styled.from_seeds(SEEDS)
    expected = open_generator(styled_folder).truncated(0.3).images(SEEDS)
    assert difference(styled.images(styled.truncated(points, 0.3)), expected) <= 1
    assert styled.truncated(points, 1) is points
    np.testing.assert_allclose(styled.truncated(points, 0.0).codes[:, 2], styled.centres(points), atol=1e-6)


def test_space_without_styles_has_one_layer_of_latents(tagged):
    space = LatentSpace(tagged)
    points = space.from_seeds(SEEDS, "red")
    assert (space.has_styles, space.layers, space.size) == (False, 1, tiny_networks.LATENTS)
    inputs = tagged.inputs.from_seeds(SEEDS, np.tile(tagged.vocabulary.wanted("red"), (3, 1)))
    np.testing.assert_array_equal(space.images(points), to_uint8(tagged.network(inputs)))
    np.testing.assert_array_equal(space.centres(points), np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"psi must be 1 for a generator without styles.* Received: 0.5"):
        space.truncated(points, 0.5)


def test_space_works_without_tags():
    space = LatentSpace(Generator(None, network=tiny_networks.generator(), latents=Latents(3)))
    assert space.images(space.from_seeds(SEEDS)).shape == (3, 4, 4, 3)
    with pytest.raises(ValueError, match="tags must be left out for a generator that was trained without"):
        space.from_seeds(SEEDS, "red")


def test_points_are_indexed_and_joined(styled):
    points = styled.from_seeds(SEEDS)
    again = joined([points[2:], points[[0, 1]]])
    assert len(again) == 3
    np.testing.assert_array_equal(again.codes, tf.gather(points.codes, [2, 0, 1]))
    np.testing.assert_array_equal(again.others["noise"], tf.gather(points.others["noise"], [2, 0, 1]))


def test_pictures_have_gradients_by_codes(styled):
    points = styled.from_seeds([0])
    with tf.GradientTape() as tape:
        tape.watch(points.codes)
        total = tf.reduce_sum(styled.pictures(points))
    assert np.abs(tape.gradient(total, points.codes)).max(axis=-1).all()


def test_fingerprint_differs_between_networks(styled, styled_folder, tagged):
    assert styled.fingerprint == LatentSpace(open_generator(styled_folder)).fingerprint
    assert styled.fingerprint != LatentSpace(tagged).fingerprint


@pytest.mark.slow
def test_space_refuses_a_saved_model(tagged_export):
    with pytest.raises(ValueError, match=r"model must be a run folder.* Received: a SavedModel"):
        LatentSpace(open_generator(tagged_export))
