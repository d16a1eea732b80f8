import json
import re

import keras
import numpy as np
import pytest
import tiny_networks
import tiny_pictures

from tfanime import generate
from tfanime.generator import CARD, Form, open_discriminator, open_generator, open_network, write_picture_network
from tfanime.images import to_float, to_uint8
from tfanime.models import srgan

SIZES = ((1, 16, 16), (3, 24, 40), (2, 17, 61))


def test_write_picture_network_round_trip(tmp_path):
    network = tiny_pictures.enlarger()
    opened = open_network(tiny_pictures.write(tmp_path))
    assert (opened.kind, opened.form, opened.card) == (
        "upscale",
        tiny_pictures.ENLARGER,
        {"recipe": "upscale", "step": 1},
    )
    assert "licences of the pictures" in opened.licence and len(opened.variables) == len(network.weights)
    for batch, height, width in SIZES:
        pictures = tiny_pictures.pictures(batch, height, width)
        images = opened.images(pictures)
        assert images.dtype == np.uint8 and images.shape == (batch, 2 * height, 2 * width, 3)
        expected = to_uint8(network(to_float(pictures), training=False))
        assert np.abs(images.astype(int) - np.asarray(expected)).max() <= 1


def test_images_of_any_size_are_padded_to_multiples(tmp_path):
    network, opened = tiny_pictures.styliser(), open_network(tiny_pictures.write(tmp_path, "stylise"))
    for height, width, whole in ((18, 33, (20, 36)), (1, 50, (16, 52)), (1, 1, (16, 16)), (32, 16, (32, 16))):
        pictures = tiny_pictures.pictures(2, height, width)
        continued = np.pad(pictures, ((0, 0), (0, whole[0] - height), (0, whole[1] - width), (0, 0)), "edge")
        expected = to_uint8(network(to_float(continued), training=False))[:, :height, :width]
        images = opened.images(pictures)
        assert images.shape == pictures.shape and np.abs(images.astype(int) - np.asarray(expected)).max() <= 1


def test_images_refuse_other_arrays(tmp_path):
    opened = open_network(tiny_pictures.write(tmp_path))
    for wrong in (np.zeros((1, 0, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4, 4, 3))):
        with pytest.raises(ValueError, match=r"images must be uint8 \[batch, height, width, 3\], all at least 1\. Rec"):
            opened.images(wrong)


def test_open_network_refuses_another_kind(tmp_path):
    tiny_pictures.write(tmp_path)
    message = rf"model must be of kind seeds\. Received: {re.escape(repr(str(tmp_path)))}, of kind upscale"
    with pytest.raises(ValueError, match=message):
        open_generator(tmp_path)
    with pytest.raises(ValueError, match="model must be of kind seeds"):
        generate.main([str(tmp_path)])
    with pytest.raises(ValueError, match="model must be of kind stylise"):
        open_network(tmp_path, kinds=["stylise"])
    with pytest.raises(ValueError, match=r"model must be of kind upscale\. Received: 'avatars64', of kind seeds"):
        open_network("avatars64", kinds=["upscale"])


def test_write_picture_network_keeps_discriminator_and_halves_weights(tmp_path):
    network = tiny_pictures.enlarger()
    judge = srgan.discriminator(16, channels=2, dense=4)
    write_picture_network(tmp_path, network, tiny_pictures.ENLARGER, {}, half=True, discriminator=judge)
    for found, expected in ((open_discriminator(tmp_path), judge), (open_network(tmp_path).network, network)):
        for weight, other in zip(found.weights, expected.weights, strict=True):
            np.testing.assert_allclose(weight, other, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": 4}, "must describe its network"),
        ({"scale": 0}, "scale must be a whole number from 1. Received: 0"),
        ({"multiple": "4"}, "multiple must be a whole number from 1. Received: '4'"),
        ({"reach": -1}, "reach must be a whole number from 1, or None. Received: -1"),
        ({"kind": "shrink"}, "its kind is 'shrink', and this version knows seeds, upscale, stylise: take a newer"),
        ({"multiple": ...}, "it lacks multiple"),
    ],
)
def test_open_network_refuses_a_card_of_another_network(tmp_path, change, message):
    tiny_pictures.write(tmp_path)
    card = json.loads((tmp_path / CARD).read_text())
    card = {name: value for name, value in {**card, **change}.items() if value is not ...}
    (tmp_path / CARD).write_text(json.dumps(card))
    with pytest.raises(ValueError, match=re.escape(message)):
        open_network(tmp_path)


def test_open_network_refuses_a_network_of_another_kind(tmp_path):
    write_picture_network(tmp_path, tiny_networks.generator(1), Form("stylise"), {})
    with pytest.raises(ValueError, match="must describe its network"):
        open_network(tmp_path)
    shrinks = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(3, 3)])
    write_picture_network(tmp_path, shrinks, Form("stylise"), {})
    with pytest.raises(ValueError, match="must describe its network"):
        open_network(tmp_path)
