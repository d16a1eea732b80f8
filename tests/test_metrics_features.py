import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfanime.images import to_float
from tfanime.metrics import features
from tfanime.metrics.features import extract, in_batches, open_network, parse_network, parse_networks
from tfanime.precision import precision_policy

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), np.uint8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tagger", ("tagger", {})),
        ("tagger:file=runs/a/tagger", ("tagger", {"file": "runs/a/tagger"})),
        ("inception:url=http://a:1/b.tgz,sha256=12", ("inception", {"url": "http://a:1/b.tgz", "sha256": "12"})),
        ("inception:file=a/b:c.pb", ("inception", {"file": "a/b:c.pb"})),
        ("a/b:c.onnx", ("a/b:c.onnx", {})),
        ("i2v.onnx:size=224,scale=255", ("i2v.onnx", {"size": "224", "scale": "255"})),
        ("./model:output=pool=1", ("./model", {"output": "pool=1"})),
    ],
)
def test_open_network_parses_names_and_options(text, expected):
    assert parse_network(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inceptoin", r"must be one of tagger, hed_vgg16, inception, inception_clean, .*, or the path .*'inceptoin'"),
        ("", "must be one of"),
        ("tagger:size=3", r"options of the feature network tagger must be of file. Received: 'tagger:size=3'"),
        ("inception:size=3", r"options of the feature network inception must be of file, url, sha256"),
        ("inception_keras:size=3", r"options of the feature network inception_keras must be none"),
    ],
)
def test_open_network_refuses_unknown_networks(text, message):
    with pytest.raises(ValueError, match=message):
        parse_network(text)


def test_parse_networks_reads_a_list():
    texts = ["inception:file=a,sha256=12", "b.onnx:size=4,mean=1/2/3", "hed_vgg16"]
    assert parse_networks(",".join(texts)) == texts and parse_networks("tagger", most=1) == ["tagger"]
    for text, message in (
        ("tagger,", "must be one of tagger"),
        ("tagger,tagger", r"must be named once each. Received: 'tagger,tagger'"),
        ("tagger,hed_vgg16", r"must be at most 1 feature networks. Received: 'tagger,hed_vgg16'"),
    ):
        with pytest.raises(ValueError, match=message):
            parse_networks(text, most=1)


@pytest.fixture
def tagging_network(monkeypatch):
    """What stands for the package's tagger, and for one of another name: 8 px, 4 features, 3 tags."""
    pictures = layers.Input((8, 8, 3))
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(pictures))
    model = keras.Model(pictures, (pooled, layers.Dense(3)(pooled)))

    def open_tagger(path):
        return SimpleNamespace(model=model, image_size=8, name="mine 2" if path else "tagger1")

    monkeypatch.setattr("tfanime.tagger.files.open_tagger", open_tagger)
    return model


def test_tagger_gives_its_features(tagging_network):
    network = open_network("tagger")
    assert (network.name, network.value, network.size, network.dimensions) == ("tagger", "fd_tagger1", 8, 4)
    resized = np.round(np.clip(tf.image.resize(IMAGES, (8, 8), "bicubic", antialias=True), 0, 255))
    expected = tagging_network.predict(resized / 127.5 - 1, verbose=0)[0]
    np.testing.assert_allclose(network(IMAGES), expected, rtol=1e-4, atol=1e-5)
    small = IMAGES[:, :8, :8]
    np.testing.assert_allclose(network(small), tagging_network(to_float(small))[0], rtol=1e-4, atol=1e-5)
    before = network.weights
    tagging_network.layers[1].bias.assign_add([1.0, 0, 0, 0])
    assert open_network("tagger").weights != before == network.weights


def test_tagger_file_gives_features_under_its_own_name(tagging_network):
    network = open_network("tagger:file=runs/mine/tagger")
    assert (network.name, network.value) == ("tagger", f"fd_mine_2_{network.weights[:8]}")
    np.testing.assert_array_equal(network(IMAGES), open_network("tagger")(IMAGES))


def test_features_are_computed_in_float32(tagging_network):
    """On a processor TF32 is only a flag; it must be off while features are computed, and then as it was."""
    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    network, seen = open_network("tagger"), []

    def compute(images):
        seen.append(enabled())
        return network.compute(images)

    assert enabled()
    dataclasses.replace(network, compute=compute)(IMAGES)
    assert seen == [False] and enabled()


def test_inception_keras_gives_features(monkeypatch):
    calls = []

    def small(**options):
        calls.append(options | {"policy": keras.config.dtype_policy().name})
        return keras.Sequential([layers.Input((None, None, 3)), layers.GlobalAveragePooling2D()])

    monkeypatch.setattr(keras.applications, "InceptionV3", small)
    with precision_policy("mixed_bfloat16"):
        network = open_network("inception_keras")
    assert calls == [{"include_top": False, "pooling": "avg", "policy": "float32"}]
    assert network.value == "fd_inception_keras"
    expected = tf.image.resize(IMAGES, (299, 299), "bilinear", antialias=True).numpy().mean(axis=(1, 2)) / 127.5 - 1
    np.testing.assert_allclose(network(IMAGES), expected, atol=1e-4)
    monkeypatch.setattr(keras.applications, "InceptionV3", lambda **_: (_ for _ in ()).throw(Exception("no network")))
    with pytest.raises(OSError, match=r"weights of inception_keras must be reachable at first use. Received: no net"):
        open_network("inception_keras")


def test_extract_rounds_pictures_to_bytes(tagging_network):
    network = open_network("tagger")
    for wrong, said in ((IMAGES / 255, "float64"), (IMAGES[0], r"uint8 \(12, 12, 3\)"), (IMAGES[:0], r"uint8 \(0, ")):
        with pytest.raises(ValueError, match=rf"images must be uint8 \[batch >= 1, height, .* Received: {said}"):
            network(wrong)


def test_extract_does_not_round_floats(tagging_network):
    """A step of a tenth of a grey level moves the features, at the size of the input and at another."""
    network = open_network("tagger")
    for images in (IMAGES, IMAGES[:, :8, :8]):
        pixels = np.clip(images, 1, 254)
        np.testing.assert_allclose(network.of_floats(pixels), network(pixels), atol=0.02)
        steps = [network.of_floats(pixels + step) - network.of_floats(pixels) for step in np.float32([0.1, 0.2])]
        np.testing.assert_allclose(2 * steps[0], steps[1], atol=1e-3)
        assert np.abs(steps[0]).max() > 1e-4
    with pytest.raises(ValueError, match=r"'tagger' must take floats. Received: one that takes bytes alone"):
        dataclasses.replace(network, takes_floats=False).of_floats(IMAGES)


def test_extract_joins_batches(tagging_network, shards):
    from tfanime import data

    faces = data.load(shards, 16)
    network = open_network("tagger")
    order = np.arange(48)[::-1]
    parts = list(extract(network, in_batches(faces, order, batch=20), total=48, progress="test"))
    assert [len(part) for part in parts] == [20, 20, 8]
    np.testing.assert_allclose(np.concatenate(parts), network(faces.images(order)), rtol=1e-4, atol=1e-5)


def test_networks_describe_their_protocol(tagging_network):
    protocol = open_network("tagger").protocol
    assert set(protocol) == {"name", "value", "weights", "resize", "size", "dimensions"}
    assert len(protocol["weights"]) == 64
    assert features.DEFAULT in features.NETWORKS
