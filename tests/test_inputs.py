import numpy as np
import pytest
import tensorflow as tf
import tiny_networks

from tfanime.inputs import Inputs
from tfanime.latents import Latents
from tfanime.tag_sampling import TagSampler

PLAIN = Inputs(Latents(3))
TAGGED = Inputs(Latents(3, "uniform"), tiny_networks.VOCABULARY)
SEEDS = np.array([4, 2**40, 9])


def test_specs_are_what_the_network_takes():
    assert PLAIN.specs == (tf.TensorSpec([None, 3], tf.float32, "latents"),)
    assert TAGGED.specs == (*PLAIN.specs, tf.TensorSpec([None, 5], tf.float32, "tags"))
    assert TAGGED.seed_specs == (tf.TensorSpec([None], tf.int64, "seed"), TAGGED.specs[1])
    for inputs, tags in ((PLAIN, 0), (TAGGED, 5)):
        network = tiny_networks.generator(tags=tags)
        assert [tuple(spec.shape) for spec in inputs.specs] == [each.shape for each in network.inputs]
        assert network(inputs.from_seeds(SEEDS)).shape == (3, 4, 4, 3)


def test_seeds_name_latents_and_tags():
    np.testing.assert_array_equal(PLAIN.from_seeds(SEEDS), Latents(3).from_seeds(SEEDS))
    wanted = np.tile(tiny_networks.VOCABULARY.wanted("green, no hat"), (3, 1))
    latents, tags = TAGGED.from_seeds(SEEDS, wanted)
    np.testing.assert_array_equal(latents, Latents(3, "uniform").from_seeds(SEEDS))
    np.testing.assert_array_equal(tags, TagSampler(tiny_networks.VOCABULARY).from_seeds(SEEDS, wanted))
    assert (tags.numpy()[:, 1] == 1).all() and (tags.numpy()[:, 3] == -1).all()


def test_a_draw_is_a_function_of_seed_and_step():
    latents, tags = TAGGED.batch(4, 7, 2)
    np.testing.assert_array_equal(latents, Latents(3, "uniform").batch(4, 7, 2))
    np.testing.assert_array_equal(tags, TagSampler(tiny_networks.VOCABULARY).batch(4, 7, 2))
    assert not np.array_equal(PLAIN.batch(4, 7, 2), PLAIN.batch(4, 7, 3))


@pytest.mark.parametrize("inputs", [PLAIN, TAGGED])
def test_the_way_begins_and_ends_at_both_ends(inputs):
    first, second = inputs.from_seeds(SEEDS), inputs.from_seeds(SEEDS + 1)
    for share, end in ((0.0, first), (1.0, second)):
        on_the_way = inputs.between(first, second, np.full(3, share, np.float32))
        for found, expected in zip(tf.nest.flatten(on_the_way), tf.nest.flatten(end), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_tags_fade_in_a_line():
    first, second = ([tf.zeros((1, 3)), tf.fill((1, 5), value)] for value in (-1.0, 1.0))
    np.testing.assert_allclose(TAGGED.between(first, second, [0.25])[1], np.full((1, 5), -0.5))
