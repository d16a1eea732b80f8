import hashlib
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfanime.precision import precision_policy
from tfanime.tagger import files as tagger_files
from tfanime.tagger.network import tagger
from tfanime.tags import JIN34, KONACHAN26

SMALL = {"image_size": 16, "channels": [4, 6], "blocks": 1}


def network(seed=0):
    """A small tagger with random weights, statistics of batch norm included."""
    model = tagger(len(KONACHAN26), **SMALL)
    random = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(random.uniform(0.1, 1, weight.shape))
    return model


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "deep" / "one.two"
    arrays = tagger_files.to_arrays(network())
    tagger_files.save(path, "mine3", SMALL, KONACHAN26, arrays, terms="none", holdout={"faces": 3})
    return path


@pytest.fixture
def packaged(saved, monkeypatch):
    """The files of the network that tfanime carries, in place of its own."""
    monkeypatch.setattr(tagger_files, "PACKAGED", saved)
    change_card(saved, name="tagger1")
    return saved


def images(count=5, size=16):
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), np.uint8)


def change_card(path, **values):
    card = path.with_name(f"{path.name}.json")
    card.write_text(json.dumps(json.loads(card.read_text()) | values))


def test_write_tagger_round_trip(saved):
    opened = tagger_files.open_tagger(saved)
    assert (opened.name, opened.image_size, opened.vocabulary) == ("mine3", 16, KONACHAN26)
    assert (opened.card["terms"], opened.card["holdout"]) == ("none", {"faces": 3})
    pictures = tf.constant(images(), tf.float32) / 127.5 - 1
    expected = network()(pictures, training=False)
    for values, rounded in zip(expected, opened.model(pictures), strict=True):
        assert np.abs(values).max() > 1 and not np.array_equal(values, rounded)
        np.testing.assert_allclose(values, rounded, rtol=5e-3, atol=5e-3)
    assert not opened.model.trainable_variables
    assert {path.name for path in saved.parent.iterdir()} == {"one.two.npz", "one.two.json"}


def test_write_tagger_halves_kernels_and_keeps_statistics():
    arrays = tagger_files.to_arrays(network())
    kinds = {path.rpartition("/")[2]: array.dtype for path, array in arrays.items()}
    assert kinds.pop("kernel") == np.float16 and set(kinds.values()) == {np.dtype(np.float32)}
    assert kinds.keys() == {"gamma", "beta", "moving_mean", "moving_variance", "bias"}
    full = tagger(26)
    assert sum(array.nbytes for array in tagger_files.to_arrays(full).values()) < 3e6


def test_open_tagger_opens_the_carried_network_in_float32(packaged):
    with precision_policy("mixed_bfloat16"):
        model = tagger_files.open_tagger().model
    assert isinstance(model, keras.Model) and model.get_layer("stem_conv").compute_dtype == "float32"
    assert [tuple(shape) for shape in model.output_shape] == [(None, 6), (None, len(tagger_files.VOCABULARY))]
    assert tagger_files.open_tagger().name == f"{tagger_files.NAME}{tagger_files.VERSION}"


def test_predict_takes_any_number_in_any_batch(saved):
    opened = tagger_files.open_tagger(saved)
    features, logits = opened.predict(images(7), batch=3)
    assert features.shape == (7, 6) and logits.shape == (7, 26) and features.dtype == np.float32
    expected = opened.model(images(7).astype(np.float32) / 127.5 - 1)
    np.testing.assert_allclose(features, expected[0], rtol=1e-4)
    np.testing.assert_allclose(logits, expected[1], rtol=1e-4, atol=1e-4)
    assert [values.shape for values in opened.predict(images(0))] == [(0, 6), (0, 26)]


def test_predict_resizes_with_antialiasing(saved):
    opened = tagger_files.open_tagger(saved)
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 200
    grey = np.full((1, 16, 16, 3), 100, np.uint8)
    np.testing.assert_allclose(opened.predict(stripes)[0], opened.predict(grey)[0], rtol=0.1)
    assert not np.allclose(opened.predict(stripes // 2)[0], opened.predict(grey)[0], rtol=0.1)
    with pytest.raises(ValueError, match=r"images must be uint8 .* Received: float32 \(1, 16, 16, 3\)"):
        opened.predict(grey.astype(np.float32))


@pytest.mark.parametrize("ending", ["npz", "json"])
def test_open_tagger_names_a_missing_file(packaged, ending):
    packaged.with_name(f"one.two.{ending}").unlink()
    with pytest.raises(FileNotFoundError, match=rf"Received: '.*one.two.{ending}', which this installation lacks"):
        tagger_files.open_tagger()
    with pytest.raises(FileNotFoundError, match=r"tfanime.recipes.tagger` writes both"):
        tagger_files.open_tagger(packaged)


def test_open_tagger_refuses_damaged_weights(saved):
    weights = saved.with_name("one.two.npz")
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ValueError, match=r"must be those of its card, SHA-256 .*one.two.npz', with .* is damaged"):
        tagger_files.open_tagger(saved)
    weights.write_bytes(data[:-10])
    with pytest.raises(ValueError, match="is damaged"):
        tagger_files.open_tagger(saved)


def test_open_tagger_refuses_weights_that_are_not_arrays(saved):
    weights = saved.with_name("one.two.npz")
    for data in (b"", b"no zip", b"PK\x03\x04 half a zip"):
        weights.write_bytes(data)
        change_card(saved, sha256=hashlib.sha256(data).hexdigest())
        with pytest.raises(ValueError, match="must be arrays that NumPy reads"):
            tagger_files.open_tagger(saved)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 2}, "its format is 2, this version of tfanime reads 1"),
        (
            {"network": {**SMALL, "channels": [4, 7]}},
            r"the weight block_1_0_1_conv/kernel must have shape \(3, 3, 4, 7\)",
        ),
        ({"network": {**SMALL, "blocks": 2}}, r"not in both \['block_0_1_1_conv/kernel'"),
        ({"vocabulary": JIN34.to_json()}, r"the weight tag_logits/kernel must have shape \(6, 34\)"),
    ],
)
def test_open_tagger_refuses_a_card_of_another_network(saved, values, message):
    change_card(saved, **values)
    with pytest.raises(ValueError, match=message):
        tagger_files.open_tagger(saved)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}'])
def test_open_tagger_refuses_an_invalid_card(saved, text):
    saved.with_name("one.two.json").write_text(text)
    with pytest.raises(ValueError, match=r"the card of a tagger must be a file that tfanime wrote. .*one.two.json"):
        tagger_files.open_tagger(saved)


@pytest.mark.parametrize("values", [{"name": "tagger2"}, {"vocabulary": JIN34.to_json()}])
def test_open_tagger_refuses_another_network_in_place_of_the_carried_one(packaged, values):
    change_card(packaged, **values)
    with pytest.raises(ValueError, match=r"the tagger that tfanime carries must be tagger1. Received: "):
        tagger_files.open_tagger()


@pytest.mark.parametrize("value", [np.nan, 1e5])
def test_write_tagger_refuses_weights_beyond_float16(value):
    model = network()
    model.get_layer("tag_logits").kernel.assign(np.full((6, 26), value))
    with pytest.raises(ValueError, match=re.escape("finite, also in float16. Received: tag_logits/kernel is not")):
        tagger_files.to_arrays(model)


def test_write_tagger_interrupted_leaves_no_valid_mixture(saved, monkeypatch):
    def fail(*arguments):
        raise OSError("no space")

    monkeypatch.setattr(tagger_files, "write_text", fail)
    with pytest.raises(OSError, match="no space"):
        tagger_files.save(saved, "mine4", SMALL, KONACHAN26, tagger_files.to_arrays(network(1)))
    with pytest.raises(ValueError, match="another network"):
        tagger_files.open_tagger(saved)


def test_carried_tagger_has_its_card_and_accuracy():
    assert tagger_files.PACKAGED.with_suffix(".npz").stat().st_size < 8e6
    network = tagger_files.open_tagger()
    assert network.name == "tagger1" and network.vocabulary.tags == KONACHAN26.tags
    assert network.model.count_params() < 3e6 and network.card["terms"]
    features, logits = network.predict(images(3, 96))
    assert features.shape == (3, 256) and np.isfinite(features).all() and features.std(axis=0).max() > 0
    assert logits.shape == (3, 26)
    asked = {entry["name"]: entry for entry in network.card["holdout"]["questions"]}
    assert asked.keys() == {"hair_colour", "hair_length", "eye_colour"}
    for entry in asked.values():
        assert entry["ahead_of_majority"][0] > 0 and entry.get("ahead_of_nearest_colour", [1])[0] > 0
