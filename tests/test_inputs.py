import numpy as np
import pytest
import tensorflow as tf
import tiny_networks
import tiny_stylegan2

from tfanime.inputs import Inputs
from tfanime.latents import Latents
from tfanime.tag_sampling import TagSampler

PLAIN = Inputs(Latents(3))
TAGGED = Inputs(Latents(3, "uniform"), tiny_networks.VOCABULARY)
SEEDS = np.array([4, 2**40, 9])


def test_specs_equal_the_networks_inputs():
    assert PLAIN.specs == (tf.TensorSpec([None, 3], tf.float32, "latents"),)
    assert TAGGED.specs == (*PLAIN.specs, tf.TensorSpec([None, 5], tf.float32, "tags"))
    assert TAGGED.seed_specs == (tf.TensorSpec([None], tf.int64, "seed"), TAGGED.specs[1])
    for inputs, tags in ((PLAIN, 0), (TAGGED, 5)):
        network = tiny_networks.generator(tags=tags)
        assert [tuple(spec.shape) for spec in inputs.specs] == [each.shape for each in network.inputs]
        assert network(inputs.from_seeds(SEEDS)).shape == (3, 4, 4, 3)


def test_from_seeds_gives_latents_and_tags():
    np.testing.assert_array_equal(PLAIN.from_seeds(SEEDS), Latents(3).from_seeds(SEEDS))
    wanted = np.tile(tiny_networks.VOCABULARY.wanted("green, no hat"), (3, 1))
    latents, tags = TAGGED.from_seeds(SEEDS, wanted)
    np.testing.assert_array_equal(latents, Latents(3, "uniform").from_seeds(SEEDS))
    np.testing.assert_array_equal(tags, TagSampler(tiny_networks.VOCABULARY).from_seeds(SEEDS, wanted))
    assert (tags.numpy()[:, 1] == 1).all() and (tags.numpy()[:, 3] == -1).all()


def test_batch_is_a_function_of_seed_and_step():
    latents, tags = TAGGED.batch(4, 7, 2)
    np.testing.assert_array_equal(latents, Latents(3, "uniform").batch(4, 7, 2))
    np.testing.assert_array_equal(tags, TagSampler(tiny_networks.VOCABULARY).batch(4, 7, 2))
    assert not np.array_equal(PLAIN.batch(4, 7, 2), PLAIN.batch(4, 7, 3))


@pytest.mark.parametrize("inputs", [PLAIN, TAGGED])
def test_between_begins_and_ends_exactly(inputs):
    first, second = inputs.from_seeds(SEEDS), inputs.from_seeds(SEEDS + 1)
    for share, end in ((0.0, first), (1.0, second)):
        on_the_way = inputs.between(first, second, np.full(3, share, np.float32))
        for found, expected in zip(tf.nest.flatten(on_the_way), tf.nest.flatten(end), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_between_interpolates_tags_linearly():
    first, second = ([tf.zeros((1, 3)), tf.fill((1, 5), value)] for value in (-1.0, 1.0))
    np.testing.assert_allclose(TAGGED.between(first, second, [0.25])[1], np.full((1, 5), -0.5))


def test_of_network_finds_the_noise_inputs():
    network = tiny_stylegan2.generator()
    inputs = Inputs.of_network(network, Latents(6), tiny_networks.VOCABULARY)
    assert (
        list(inputs.sizes) == ["latents", "tags", "embedding_noise", "noise"] == [each.name for each in network.inputs]
    )
    assert [spec.name for spec in inputs.specs] == ["latents", "tags", "noise"]  # what counts when drawing
    assert [spec.name for spec in inputs.seed_specs] == ["seed", "tags"]
    latents, _, embedding_noise, noise = inputs.from_seeds(SEEDS)
    np.testing.assert_array_equal(latents, Latents(6).from_seeds(SEEDS))
    np.testing.assert_array_equal(embedding_noise, np.zeros((3, 10)))
    np.testing.assert_array_equal(inputs.from_seeds(SEEDS[1:2])[3], noise[1:2])  # a seed's own
    drawn = np.asarray(inputs.from_seeds(range(200))[3])
    assert abs(drawn.mean()) < 0.01 and abs(drawn.std() - 1) < 0.01
    assert np.abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 0.3
    trained = inputs.batch(4, 7, 2)
    assert [part.shape[1] for part in trained] == [6, 5, 10, 656]
    for part, other in zip(trained, inputs.batch(4, 7, 3), strict=True):
        assert not np.array_equal(part, other)
    numbers = np.concatenate([trained[2].numpy().ravel(), trained[3].numpy().ravel(), trained[0].numpy().ravel()])
    assert len(set(numbers)) > 0.99 * len(numbers)  # no stream is another's
    ends = inputs.from_seeds(SEEDS), inputs.from_seeds(SEEDS + 1)
    half = inputs.between(*ends, np.full(3, 0.5, np.float32))
    assert abs(half[3].numpy().std() - 1) < 0.05
    for share, end in ((0.0, ends[0]), (1.0, ends[1])):
        for found, expected in zip(inputs.between(*ends, np.full(3, share, np.float32)), end, strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_of_network_without_noise_has_no_noise():
    assert Inputs.of_network(tiny_networks.generator(), Latents(3)) == PLAIN
