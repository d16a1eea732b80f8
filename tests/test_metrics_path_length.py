"""The perceptual path length against closed forms, which linear generators and features have."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tfanime.inputs import Inputs
from tfanime.latents import Latents
from tfanime.metrics.path_length import METRIC, path_length, trimmed_mean
from tfanime.tags import TagGroup, TagVocabulary

SIZE, SIDE, PAIRS = 8, 4, 70
MATRIX = np.random.default_rng(0).normal(0, 0.05, (SIZE, SIDE * SIDE * 3))
FEATURES = np.random.default_rng(1).normal(size=(SIDE * SIDE * 3, 5)) / 127.5


def draw(latents, seeds):
    del seeds
    return (latents @ MATRIX.astype(np.float32)).reshape(-1, SIDE, SIDE, 3)


def features(pictures):
    assert pictures.dtype == np.float32
    return pictures.reshape(len(pictures), -1).astype(np.float64) @ FEATURES


def ends(latents, seed=0):
    seeds = seed + 2 * np.arange(PAIRS)
    return [np.asarray(latents.from_seeds(each), np.float64) for each in (seeds, seeds + 1)]


def expected(tangents):
    """Of the derivative of the path at each place, what a linear generator and linear features make of it."""
    return trimmed_mean(np.sum((tangents @ MATRIX @ (FEATURES * 127.5)) ** 2, axis=1))


@pytest.mark.parametrize("sampling", ["full", "end"])
def test_path_length_of_a_linear_generator_is_constant(sampling):
    latents = Latents(SIZE, "uniform")
    first, second = ends(latents)
    value = path_length(draw, latents, features, PAIRS, sampling=sampling)
    assert value == pytest.approx(expected(second - first), rel=2e-3)


@pytest.mark.parametrize("sampling", ["full", "end"])
def test_path_length_follows_the_great_circle(sampling):
    latents = Latents(SIZE)
    first, second = ends(latents, seed=4)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    angle = np.arccos(np.sum(first * second, axis=1) / lengths)[:, None]
    place = np.random.Generator(np.random.Philox(key=4)).random(PAIRS)[:, None] if sampling == "full" else 0.0
    tangents = (np.cos(place * angle) * second - np.cos((1 - place) * angle) * first) * angle / np.sin(angle)
    value = path_length(draw, latents, features, PAIRS, seed=4, sampling=sampling)
    assert value == pytest.approx(expected(tangents), rel=2e-3)


def test_path_length_does_not_depend_on_epsilon():
    """A generator that bends, with pictures around 127: the step of the paper and one that is ten times as long."""

    def bent(latents, seeds):
        return np.tanh(draw(latents, seeds) * 3)

    values = [path_length(bent, Latents(SIZE), features, PAIRS, epsilon=epsilon) for epsilon in (1e-4, 1e-3)]
    assert values[0] == pytest.approx(values[1], rel=1e-2)


@pytest.mark.slow
def test_path_length_depends_on_seeds_not_on_batches():
    latents = Latents(SIZE)
    seen = []

    def drawn(rows, seeds):
        seen.append(seeds)
        return draw(rows, seeds)

    assert path_length(drawn, latents, features, PAIRS, seed=3) == path_length(draw, latents, features, PAIRS, seed=3)
    assert [len(seeds) for seeds in seen] == [64, 64, 12]
    assert all((seeds[: len(seeds) // 2] == seeds[len(seeds) // 2 :]).all() for seeds in seen)  # one seed for both ends
    assert path_length(draw, latents, features, PAIRS, seed=3) != path_length(draw, latents, features, PAIRS, seed=4)


def test_path_length_drops_the_outermost_percent():
    distances = np.arange(1000.0)
    distances[-5:] = 1e9
    assert trimmed_mean(distances) == pytest.approx(np.mean(distances[9:991]))
    assert trimmed_mean(np.array([1.0, 3.0])) == 2.0
    with pytest.raises(ValueError, match="distances along paths must be finite"):
        trimmed_mean(np.array([1.0, np.nan]))


def test_path_length_gives_both_ends_the_same_tags():
    """A generator whose pictures are its tags, far apart: along a path nothing changes."""
    vocabulary = TagVocabulary("hair", (TagGroup("hair_colour", ("red_hair", "blue_hair"), exclusive=True),))
    given = []

    def network(inputs, training):
        assert training is False
        latents, tags = inputs
        given.append(tags)
        return tf.reshape(tf.repeat(tags[:, :1], 3, axis=1), [-1, 1, 1, 3]) + 0.0 * latents[0, 0]

    latents = Latents(SIZE)
    generator = SimpleNamespace(network=network, latents=latents, inputs=Inputs(latents, vocabulary))
    of_floats = SimpleNamespace(of_floats=lambda pictures: pictures.reshape(len(pictures), -1))
    found = METRIC.compute(generator, of_floats, seed=0, progress=False, **METRIC.options | {"pairs": 20})
    assert found == {"path_length": 0.0} and given[0].shape[1] == 2


def test_path_length_heading_names_the_features():
    def heading(value, sampling):
        return METRIC.numbers[0].said({"network": {"value": value}, "ppl": METRIC.options | {"sampling": sampling}})

    assert heading("fd_tagger1", "full").heading == "ppl_tagger1"
    assert heading("fid_clean", "end").heading == "ppl_fid_clean_end"
    assert "2,048 paths" in heading("fid", "full").meaning
