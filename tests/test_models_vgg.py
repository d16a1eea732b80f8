"""Trained VGG networks: which layer answers what, and what is said where weights are missing."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_vgg

from tfanime.models import vgg


def pixels(size=16):
    return np.random.default_rng(0).uniform(0, 255, (2, size, size, 3)).astype(np.float32)


def keras_network():
    """The tiny network in Keras' layers, which have the ReLU in them, as its VGGs do."""
    x = images = keras.Input((None, None, 3))
    outputs = {}
    for i, block in enumerate(tiny_vgg.arrays(), 1):
        x = x if i == 1 else keras.layers.MaxPooling2D()(x)
        for j, weights in enumerate(block, 1):
            x = keras.layers.Conv2D(weights[0].shape[-1], 3, padding="same", activation="relu", name=f"conv{i}_{j}")(x)
            outputs[f"conv{i}_{j}"] = x
    model = keras.Model(images, outputs)
    for i, block in enumerate(tiny_vgg.arrays(), 1):
        for j, weights in enumerate(block, 1):
            model.get_layer(f"conv{i}_{j}").set_weights(weights)
    return model


def test_layers_equal_keras():
    network = tiny_vgg.tiny_vgg()
    expected = keras_network()(pixels()[..., ::-1] - np.float32(tiny_vgg.MEAN))
    assert network.layers == list(expected)
    layers = ("conv4_1", "conv2_2")  # in the order that was asked for
    answers = network(tf.constant(pixels()), layers, rectified=True)
    before = network(tf.constant(pixels()), layers)
    for layer, answer, unrectified in zip(layers, answers, before, strict=True):
        np.testing.assert_allclose(answer, expected[layer], rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(np.maximum(unrectified, 0), answer, rtol=1e-6)
        assert np.min(unrectified) < 0
    assert network(tf.constant(pixels(20)), ("conv4_2",))[0].shape == (2, 3, 3, 6)


def test_lower_precision_is_close():
    network = tiny_vgg.tiny_vgg()
    exact, near = (network(tf.constant(pixels()), ("conv4_2",), dtype=name)[0] for name in ("float32", "bfloat16"))
    assert near.dtype == tf.float32
    assert 0 < np.linalg.norm(exact - near) / np.linalg.norm(exact) < 0.05


def test_unknown_layers_are_refused():
    with pytest.raises(ValueError, match=r"layer must be one of conv1_1, .*, conv4_2 of tiny. Received: 'conv5_1'"):
        tiny_vgg.tiny_vgg()(tf.constant(pixels()), ("conv5_1",))
    with pytest.raises(ValueError, match=r"network must be one of hed_vgg16, vgg19. Received: 'vgg11'"):
        vgg.open_vgg("vgg11")


@tiny_vgg.installed
def test_hed_vgg16_has_the_packaged_weights():
    network = vgg.open_vgg("hed_vgg16")
    assert network.layers[-1] == "conv5_3" and len(network.layers) == 13
    assert network(tf.constant(pixels(32)), ("conv4_3",))[0].shape == (2, 4, 4, 512)


def test_vgg19_equals_keras(monkeypatch):
    with keras.device("cpu"):
        network = keras.applications.VGG19(include_top=False, weights=None)
    monkeypatch.setattr(keras.applications, "VGG19", lambda **options: network)
    found = vgg.open_vgg("vgg19")
    assert len(found.layers) == 16 and found.layers[11] == "conv4_4"
    images = np.random.default_rng(1).uniform(0, 255, (1, 16, 16, 3)).astype(np.float32)
    expected = keras.Model(network.input, network.get_layer("block3_conv4").output)(
        keras.applications.vgg19.preprocess_input(images.copy())
    )
    np.testing.assert_allclose(found(tf.constant(images), ("conv3_4",), True)[0], expected, rtol=1e-3, atol=1e-3)


def test_vgg19_without_internet_names_the_reason(monkeypatch):
    def refused(**options):
        raise Exception("URL fetch failure on https://example.org/vgg19.h5: None -- unreachable")

    monkeypatch.setattr(keras.applications, "VGG19", refused)
    with pytest.raises(OSError, match=r"vgg19 must be downloaded once, .*URL fetch failure.* take hed_vgg16: pip"):
        vgg.open_vgg("vgg19")
