import io
import json

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
import tiny_pictures
from PIL import Image

from tfanime import export
from tfanime.generator import open_network
from tfanime.images import png_of, to_float, to_uint8

SIZES = ((1, 16, 16), (3, 24, 40), (2, 20, 64))


@pytest.fixture(scope="module", params=["upscale", pytest.param("stylise", marks=pytest.mark.slow)])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory):
    return tiny_pictures.write(tmp_path_factory.mktemp(kind), kind)


@pytest.fixture(scope="module")
def exported(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("exports")
    return export.export(folder, out / "model", onnx=out / "model.onnx")


def difference(first, second):
    return np.abs(np.asarray(first).astype(int) - np.asarray(second)).max()


def test_export_of_a_picture_network_equals_keras_at_every_size(kind, folder, exported):
    here, there = open_network(folder), open_network(exported.parent)
    assert there.form == here.form and there.licence == here.licence and there.network is None
    assert len(there.variables) == len(here.variables)
    for size in (*SIZES, (1, 1, 30), (2, 33, 18)):
        pictures = tiny_pictures.pictures(*size)
        images = there.images(pictures)
        scale = here.form.scale
        assert images.shape == (size[0], scale * size[1], scale * size[2], 3)
        assert difference(images, here.images(pictures)) <= 1


def test_export_of_a_picture_network_refuses_too_many_pixels(kind, exported):
    signatures = (model := tf.saved_model.load(str(exported))).signatures
    refused = pytest.raises(tf.errors.InvalidArgumentError, match="pictures must have at most 4194304 pixels together")
    with refused:
        signatures[kind](pictures=tf.zeros([2, 1500, 1500, 3], tf.uint8))
    with refused:
        signatures[f"{kind}_png"](picture_bytes=tf.constant([png_of(np.zeros((2100, 2100, 3), np.uint8))]))
    assert model


def test_export_of_a_picture_network_has_its_signatures(kind, folder, exported):
    signatures = (model := tf.saved_model.load(str(exported))).signatures
    assert model and set(signatures) == {kind, f"{kind}_png", "model_card", "serving_default"}
    pictures = tiny_pictures.pictures(2, 24, 40)
    expected = open_network(folder).images(pictures)
    for name in (kind, "serving_default"):
        assert difference(signatures[name](pictures=tf.constant(pictures))["images"], expected) <= 1
    other = tiny_pictures.pictures(1, 17, 9)[0]
    alpha = np.dstack([pictures[1], np.full((24, 40), 9, np.uint8)])
    files = [png_of(pictures[0]), png_of(alpha), png_of(other)]
    encoded = signatures[f"{kind}_png"](picture_bytes=tf.constant(files))["image_bytes"].numpy()
    images = [np.asarray(Image.open(io.BytesIO(file))) for file in encoded]
    assert difference(np.stack(images[:2]), expected) <= 1
    assert difference(images[2], open_network(folder).images(other[None])[0]) <= 1


def test_model_card_of_a_picture_network_has_its_form(kind, folder, exported):
    card = json.loads((exported / "assets" / "model_card.json").read_text())
    assert {name: card[name] for name in ("kind", "scale", "multiple", "reach")} == open_network(folder).form.to_json()
    assert card["training"] == {"recipe": kind, "step": 1} and "vocabulary" not in card
    assert set(card["signatures"]) == {kind, f"{kind}_png", "model_card"}
    sides = "2 height, 2 width" if kind == "upscale" else "height, width"
    assert card["signatures"][kind]["outputs"] == {"images": f"uint8 [batch, {sides}, 3]"}


def test_onnx_of_a_picture_network_takes_any_size(kind, folder, exported):
    session = onnxruntime.InferenceSession(
        str(exported.parent.parent / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    network = open_network(folder).network
    for size in SIZES:
        pictures = to_float(tiny_pictures.pictures(*size)).numpy()
        (images,) = session.run(["images"], {"pictures": pictures})
        assert difference(to_uint8(images), to_uint8(network(pictures, training=False))) <= 1
    card = json.loads(session.get_modelmeta().custom_metadata_map["model_card"])
    assert card["kind"] == kind and "seeds" not in session.get_modelmeta().custom_metadata_map
