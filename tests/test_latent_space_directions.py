from dataclasses import dataclass, field

import numpy as np
import pytest
import tiny_networks

from tfanime.generator import Generator
from tfanime.latent_space import directions
from tfanime.latent_space.space import LatentSpace
from tfanime.latents import Latents


@dataclass
class Tagger:
    """Says of a picture how red and how bright it is, and that it shows nothing else."""

    bias: tuple = (0, 0)
    vocabulary: object = field(default_factory=lambda: tiny_networks.VOCABULARY)

    def predict(self, images):
        colours = images.reshape(len(images), -1, 3).astype(float).mean(axis=1)
        logits = np.full((len(images), 5), -9.0)
        logits[:, 0] = colours[:, 0] - colours[:, 2] + self.bias[0]
        logits[:, 4] = colours.mean(axis=1) + self.bias[1]
        return None, logits


def of_latents(**options):
    network = tiny_networks.generator(**options)
    vocabulary = tiny_networks.VOCABULARY if options.get("tags") else None
    return LatentSpace(Generator(None, vocabulary, network, Latents(3)))


def test_spread_is_the_covariance_under_the_same_tags(styled):
    covariance = directions.spread(styled)
    many = np.asarray(styled.sample(4096, alike=4096).codes[:, 0], float)
    other = np.cov(np.asarray(styled.sample(4096).codes[:, 0], float).T)
    assert np.trace(covariance) < np.trace(other)
    assert 0.5 < np.trace(covariance) / np.trace(np.cov(many.T)) < 2
    np.testing.assert_array_equal(directions.spread(of_latents()), np.eye(3))


def test_pca_finds_the_longest_axes(styled):
    covariance = directions.spread(styled)
    found = directions.pca(styled, 10, covariance)
    assert [each.name for each in found[:2]] == ["pca1", "pca2"] and len(found) == 10
    steps = np.array([each.step for each in found], float)
    np.testing.assert_allclose(steps.T @ steps, covariance, atol=1e-5)  # axes with standard deviations as lengths
    np.testing.assert_allclose(sum(each.strength for each in found), 1)
    assert [each.strength for each in found] == sorted((each.strength for each in found), reverse=True)
    with pytest.raises(ValueError, match="pca needs a network with styles"):
        directions.pca(of_latents(), 3, np.eye(3))


def test_sefa_finds_the_directions_that_affine_layers_enlarge_most(styled):
    kernels = [layer.affine.kernel.numpy() for layer in styled.synthesis.layers if hasattr(layer, "affine")]
    assert len(kernels) == 8  # five convolutions, three times colours
    weights = np.concatenate(kernels, axis=1)
    weights /= np.linalg.norm(weights, axis=0)
    left, strengths, _ = np.linalg.svd(weights.astype(float))
    covariance = directions.spread(styled)
    for each, axis, strength in zip(directions.sefa(styled, 3, covariance), left.T, strengths, strict=False):
        length = np.linalg.norm(each.step)
        np.testing.assert_allclose(np.abs(each.step @ axis), length, rtol=1e-4)
        np.testing.assert_allclose(length**2, axis @ covariance @ axis, rtol=1e-4)
        np.testing.assert_allclose(each.strength, strength**2 / np.sum(strengths**2), rtol=1e-4)


def test_sefa_of_latents_takes_the_first_dense_layer():
    space = of_latents(tags=5)
    kernel = next(layer for layer in space.network.layers if hasattr(layer, "kernel")).kernel.numpy()
    assert kernel.shape == (8, 8)
    np.testing.assert_array_equal(directions.first_weights(space), kernel[:3].astype(float))
    (first, *_) = directions.sefa(space, 3, directions.spread(space))
    np.testing.assert_allclose(np.linalg.norm(first.step), 1, rtol=1e-6)


def test_sefa_refuses_a_network_without_a_first_dense_layer():
    import keras
    from keras import layers

    inputs = layers.Input((3,))
    images = layers.Conv2DTranspose(3, 4)(layers.Reshape((1, 1, 3))(inputs))
    space = LatentSpace(Generator(None, network=keras.Model(inputs, images), latents=Latents(3)))
    with pytest.raises(ValueError, match="sefa needs a network whose first layer on the latents is dense"):
        directions.first_weights(space)


@pytest.mark.parametrize("kind", ["styles", "latents", "latents and tags"])
def test_of_tags_finds_directions_that_raise_the_taggers_logits(kind, styled):
    space = styled if kind == "styles" else of_latents(tags=5 if kind.endswith("tags") else 0)
    many = Tagger().predict(space.images(space.sample(64)))[1][:, [0, 4]]
    tagger = Tagger(bias=-np.median(many, axis=0))
    found, left_out = directions.of_tags(space, tagger, 512)
    assert [each.name for each in found] == ["red", "smile"] and left_out == ["green", "blue", "hat"]
    points = space.sample(64)
    for each, place, deviation in zip(found, (0, 4), many.std(axis=0), strict=True):
        assert 0.2 < each.strength <= 1
        answers = [
            tagger.predict(space.images(directions.moved(points, each.step, amount)))[1][:, place].mean()
            for amount in (-1, 0, 1)
        ]
        assert answers[0] < answers[1] < answers[2]
        assert 0.2 * deviation < answers[2] - answers[0] < 4 * deviation  # a step is about one standard deviation


def test_moved_changes_the_given_layers(styled):
    points, step = styled.from_seeds([1, 2]), np.arange(10, dtype=np.float32)
    change = directions.moved(points, step, -2, [0, 3]).codes.numpy() - points.codes.numpy()
    np.testing.assert_allclose(change[:, [0, 3]], np.broadcast_to(-2 * step, (2, 2, 10)), atol=1e-5)
    assert not change[:, [1, 2, 4, 5]].any()
    np.testing.assert_allclose(directions.moved(points, step, 1).codes - points.codes, step + 0 * change, atol=1e-5)


def test_write_directions_round_trip(styled, tagged, tmp_path):
    written = [directions.Direction(name, np.full(10, value, np.float32), 0.25) for name, value in (("a", 1), ("b", 2))]
    path = tmp_path / "directions.npz"
    directions.write_directions(path, styled, written)
    found = directions.read_directions(path, styled)
    assert list(found) == ["a", "b"] and found["b"].strength == 0.25
    np.testing.assert_array_equal(found["b"].step, np.full(10, 2))
    with pytest.raises(ValueError, match="must have been made with the same network"):
        directions.read_directions(path, LatentSpace(tagged))
    with pytest.raises(FileNotFoundError, match=r"directions must be a file .* 'nowhere.npz', which does not exist"):
        directions.read_directions("nowhere.npz", styled)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="must be a file of directions"):
        directions.read_directions(path, styled)
