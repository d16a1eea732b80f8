import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfanime.images import to_float
from tfanime.metrics import features
from tfanime.metrics.features import extract, in_batches, open_network, parse_network

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), np.uint8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tagger", ("tagger", {})),
        ("inception:file=a/b:c.pb", ("inception", {"file": "a/b:c.pb"})),
        ("a/b:c.onnx", ("a/b:c.onnx", {})),
        ("i2v.onnx:size=224,scale=255", ("i2v.onnx", {"size": "224", "scale": "255"})),
        ("./model:output=pool=1", ("./model", {"output": "pool=1"})),
    ],
)
def test_how_networks_are_named(text, expected):
    assert parse_network(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inceptoin", r"must be one of tagger, inception, inception_clean, inception_keras, or the path .*'inceptoin'"),
        ("", "must be one of"),
        ("tagger:file=a.pb", r"options of the feature network tagger must be none. Received: 'tagger:file=a.pb'"),
        ("inception:size=3", r"options of the feature network inception must be none but file"),
    ],
)
def test_what_is_no_network(text, message):
    with pytest.raises(ValueError, match=message):
        parse_network(text)


@pytest.fixture
def tagging_network(monkeypatch):
    """What stands for the package's tagger: 8 px, 4 features, 3 tags."""
    pictures = layers.Input((8, 8, 3))
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(pictures))
    model = keras.Model(pictures, (pooled, layers.Dense(3)(pooled)))
    module = SimpleNamespace(load=lambda: model, VERSION=1)
    monkeypatch.setitem(sys.modules, "tfanime.metrics.tagger_network", module)
    monkeypatch.setattr("tfanime.metrics.tagger_network", module, raising=False)
    return model


def test_the_tagger(tagging_network):
    network = open_network()
    assert (network.name, network.value, network.size, network.dimensions) == ("tagger", "fd_tagger1", 8, 4)
    resized = np.round(np.clip(tf.image.resize(IMAGES, (8, 8), "bicubic", antialias=True), 0, 255))
    expected = tagging_network.predict(resized / 127.5 - 1, verbose=0)[0]
    np.testing.assert_allclose(network(IMAGES), expected, rtol=1e-4, atol=1e-5)
    small = IMAGES[:, :8, :8]
    np.testing.assert_allclose(network(small), tagging_network(to_float(small))[0], rtol=1e-4, atol=1e-5)
    before = network.weights
    tagging_network.layers[1].bias.assign_add([1.0, 0, 0, 0])
    assert open_network().weights != before == network.weights


def test_a_build_without_the_tagger(monkeypatch):
    monkeypatch.setitem(sys.modules, "tfanime.metrics.tagger_network", None)
    monkeypatch.delattr("tfanime.metrics.tagger_network", raising=False)
    with pytest.raises(ImportError, match="the feature network tagger must be part of this build"):
        open_network("tagger")


def test_inception_of_keras(monkeypatch):
    calls = []

    def small(**options):
        calls.append(options)
        return keras.Sequential([layers.Input((None, None, 3)), layers.GlobalAveragePooling2D()])

    monkeypatch.setattr(keras.applications, "InceptionV3", small)
    network = open_network("inception_keras")
    assert calls == [{"include_top": False, "pooling": "avg"}] and network.value == "fd_inception_keras"
    expected = tf.image.resize(IMAGES, (299, 299), "bilinear", antialias=True).numpy().mean(axis=(1, 2)) / 127.5 - 1
    np.testing.assert_allclose(network(IMAGES), expected, atol=1e-4)
    monkeypatch.setattr(keras.applications, "InceptionV3", lambda **_: (_ for _ in ()).throw(Exception("no network")))
    with pytest.raises(OSError, match=r"weights of inception_keras must be reachable at first use. Received: no net"):
        open_network("inception_keras")


def test_pictures_are_bytes(tagging_network):
    network = open_network()
    for wrong, said in ((IMAGES / 255, "float64"), (IMAGES[0], r"uint8 \(12, 12, 3\)"), (IMAGES[:0], r"uint8 \(0, ")):
        with pytest.raises(ValueError, match=rf"images must be uint8 \[batch >= 1, height, .* Received: {said}"):
            network(wrong)


def test_of_many_pictures(tagging_network, shards):
    from tfanime import data

    faces = data.load(shards, 16)
    network = open_network()
    order = np.arange(48)[::-1]
    parts = list(extract(network, in_batches(faces, order, batch=20), total=48, progress="test"))
    assert [len(part) for part in parts] == [20, 20, 8]
    np.testing.assert_allclose(np.concatenate(parts), network(faces.images(order)), rtol=1e-4, atol=1e-5)


def test_every_network_says_what_it_depends_on(tagging_network):
    protocol = open_network().protocol
    assert set(protocol) == {"name", "value", "weights", "resize", "size", "dimensions"}
    assert len(protocol["weights"]) == 64
    assert features.DEFAULT in features.NETWORKS
