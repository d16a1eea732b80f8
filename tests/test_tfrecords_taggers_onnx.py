import json
import pickle
import re
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tfanime.limits import broken
from tfanime.tags import JIN34, TagGroup, TagVocabulary
from tfanime.tfrecords.taggers.onnx import OnnxTagger, read_tag_list
from tfanime.tfrecords.taggers.tagging import Sight, TaggingSettings, make_tagger

package = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
helper = package.helper

VOCABULARY = TagVocabulary(
    "colours",
    (TagGroup("colour", ("red_hair", "green_hair", "blue_hair"), True), TagGroup("rest", ("hat", "smile"), False)),
    aliases={"crimson_hair": "red_hair"},
)
CROP = Image.new("RGB", (24, 24), (200, 120, 40))


def save(path, nodes, inputs=None, output=(None, None), kind=package.TensorProto.FLOAT, constants=()):
    """Writes a graph from the input `in` (or several) to `out`."""
    graph = helper.make_graph(
        nodes,
        "tagger",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in (inputs or {}).items()],
        [helper.make_tensor_value_info("out", kind, output)],
        [package.numpy_helper.from_array(value, name) for name, value in constants],
    )
    package.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return str(path)


def means(path, shape=(None, 3, None, None), axes=(2, 3), **keywords):
    """A network whose outputs are its input's means over `axes`: one for each channel."""
    node = helper.make_node("ReduceMean", ["in"], ["out"], axes=list(axes), keepdims=0)
    return save(path, [node], {"in": shape}, **keywords)


def constant(path, values, shape=(1, 3, 8, 8)):
    """A network that answers `values` whatever it sees."""
    nodes = [
        helper.make_node("ReduceMean", ["in"], ["mean"], axes=[0, 1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "none"], ["nothing"]),
        helper.make_node("Add", ["nothing", "values"], ["out"]),
    ]
    constants = [("none", np.float32(0)), ("values", np.array([values], np.float32))]
    return save(path, nodes, {"in": shape}, constants=constants)


def names(path, *tags):
    path.write_text("\n".join(tags) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def settings(tmp_path):
    """Builds `TaggingSettings` for a network; by default one of the channels' means, 0 to 1, in RGB, NCHW."""

    def build(model=None, tags=("red_hair", "green_hair", "blue_hair"), **changes):
        values = {"tagger_scale": 255.0, "tagger_size": 16, "tagger_layout": "NCHW", **changes}
        return TaggingSettings(
            tagger="onnx",
            tagger_model=model or means(tmp_path / "means.onnx"),
            tagger_tags=names(tmp_path / "tags.txt", *tags) if isinstance(tags, tuple) else tags,
            **values,
        )

    return build


def probabilities(settings, crop=CROP, vocabulary=VOCABULARY):
    return OnnxTagger(vocabulary, settings)._probabilities(crop)


def values(settings, crop=CROP, vocabulary=VOCABULARY):
    tagger = OnnxTagger(vocabulary, settings)
    return dict(zip(vocabulary.tags, tagger(Sight(crop, None, None)).tolist(), strict=True))


def test_onnx_tagger_gets_the_crop(settings):
    np.testing.assert_allclose(probabilities(settings()), np.array([200, 120, 40]) / 255, atol=1e-5)


def test_onnx_tagger_orders_channels(settings):
    np.testing.assert_allclose(
        probabilities(settings(tagger_channels="BGR")), np.array([40, 120, 200]) / 255, atol=1e-5
    )


def test_onnx_tagger_subtracts_the_mean_before_scaling(settings):
    # The grey of the first run, 128, must give probabilities too.
    changed = settings(tagger_mean="20,40,8", tagger_scale=200.0)
    np.testing.assert_allclose(probabilities(changed), [0.9, 0.4, 0.16], atol=1e-5)
    changed = settings(tagger_mean="20,40,8", tagger_scale=200.0, tagger_channels="BGR")
    np.testing.assert_allclose(probabilities(changed), [0.1, 0.4, 0.96], atol=1e-5)
    np.testing.assert_allclose(probabilities(settings(tagger_mean="30")), np.array([170, 90, 10]) / 255, atol=1e-5)


def test_onnx_tagger_reads_both_layouts(settings, tmp_path):
    # A wrong layout would make rows of channels: the crop's left half is red, its right half blue.
    crop = Image.new("RGB", (8, 8), (255, 0, 0))
    crop.paste((0, 0, 255), (4, 0, 8, 8))
    last = means(tmp_path / "last.onnx", (None, None, None, None), (1, 2))
    np.testing.assert_allclose(
        probabilities(settings(last, tagger_layout="NHWC", tagger_size=8), crop), [0.5, 0, 0.5], atol=1e-6
    )
    with pytest.raises(ValueError, match=r"3 names in .*, 8 outputs of"):
        probabilities(settings(last, tagger_layout="NCHW", tagger_size=8), crop)


@pytest.mark.parametrize(("shape", "axes"), [((1, 3, 8, 8), (2, 3)), (("batch", 8, 8, 3), (1, 2))])
def test_onnx_tagger_reads_layout_and_size_from_the_file(settings, tmp_path, shape, axes):
    model = means(tmp_path / "fixed.onnx", shape, axes)
    found = probabilities(settings(model, tagger_layout=None, tagger_size=None))
    np.testing.assert_allclose(found, np.array([200, 120, 40]) / 255, atol=1e-5)


def test_onnx_tagger_takes_a_size(settings, tmp_path):
    # The largest value of a crop with one bright pixel: the smaller the input, the darker it gets.
    node = helper.make_node("ReduceMax", ["in"], ["out"], axes=[2, 3], keepdims=0)
    model = save(tmp_path / "max.onnx", [node], {"in": (None, 3, None, None)})
    crop = Image.new("RGB", (24, 24))
    crop.putpixel((11, 11), (255, 255, 255))
    assert probabilities(settings(model, tagger_size=24), crop)[0] == 1
    assert probabilities(settings(model, tagger_size=6), crop)[0] < 0.5


def test_onnx_tagger_applies_the_activation(settings, tmp_path):
    logits = settings(tagger_mean="100", tagger_scale=10.0, tagger_activation="sigmoid")
    np.testing.assert_allclose(probabilities(logits), 1 / (1 + np.exp([-10.0, -2.0, 6.0])), atol=1e-5)
    assert values(logits) == {"red_hair": 1, "green_hair": -1, "blue_hair": -1, "hat": 0, "smile": 0}
    extreme = settings(constant(tmp_path / "extreme.onnx", [-3e4, 3e4, 0]), tagger_size=8, tagger_activation="sigmoid")
    np.testing.assert_allclose(probabilities(extreme), [0, 1, 0.5])


def test_onnx_tagger_refuses_logits_without_sigmoid(settings):
    with pytest.raises(ValueError, match=r"--tagger_activation must be sigmoid.*from 28 to 28"):
        probabilities(settings(tagger_mean="100", tagger_scale=1.0))


def test_onnx_tagger_runs_float16(settings, tmp_path):
    model = means(tmp_path / "half.onnx", kind=package.TensorProto.FLOAT16)
    np.testing.assert_allclose(probabilities(settings(model)), np.array([200, 120, 40]) / 255, atol=2e-3)


def test_onnx_tagger_applies_the_threshold(settings, tmp_path):
    model = constant(tmp_path / "constant.onnx", [0.6, 0.2, 0.1, 0.6])
    tags = ("red_hair", "green_hair", "blue_hair", "hat")

    def at(threshold):
        return list(values(settings(model, tags, tagger_size=8, tagger_threshold=threshold)).values())

    assert at(0.5) == [1, -1, -1, 1, 0]
    assert at(0.7) == [0, 0, 0, -1, 0]  # no colour is likely, no hat is not likely
    assert at(0.05) == [1, -1, -1, 1, 0]  # one colour, though all are above
    model = constant(tmp_path / "constant.onnx", [0.6, 0.2, 0.7, 0.1])
    assert at(0.5) == [-1, -1, 1, -1, 0]  # the likeliest of two


def test_onnx_tagger_takes_the_likeliest_alias(settings, tmp_path):
    tags = ("red_hair", "crimson hair", "Green-Hair", "SMILE", "rating:safe")
    for outputs in ([0.1, 0.9, 0.5, 0.7, 0.2], [0.9, 0.1, 0.5, 0.7, 0.2]):
        model = constant(tmp_path / "constant.onnx", outputs)
        found = values(settings(model, tags, tagger_size=8, tagger_threshold=0.6))
        assert found == {"red_hair": 1, "green_hair": -1, "blue_hair": -1, "hat": 0, "smile": 1}


def test_onnx_tagger_reads_tag_lists_of_each_kind(settings, tmp_path):
    expected = ["red_hair", ">_<", "a, b"]
    table = tmp_path / "selected_tags.csv"
    table.write_text('tag_id,name,category,count\n1,red_hair,0,5\n2,>_<,0,4\n3,"a, b",4,2\n')
    listed = tmp_path / "tag_list.json"
    listed.write_text(json.dumps(expected))
    lines = tmp_path / "tags.txt"
    lines.write_text("\ufeffred_hair\n>_<\na, b\n\n", encoding="utf-8")
    assert read_tag_list(table) == read_tag_list(listed) == read_tag_list(lines) == expected
    assert values(settings(tags=str(table)))["red_hair"] == 1


@pytest.mark.parametrize(
    ("file", "text"),
    [("a.csv", "tag,count\nred_hair,1\n"), ("a.json", "{"), ("a.json", '{"red_hair": 1}'), ("a.txt", "\n")],
)
def test_onnx_tagger_names_a_bad_tag_list(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=rf"--tagger_tags must be .*{file}"):
        read_tag_list(tmp_path / file)


def test_onnx_tagger_refuses_too_few_and_unknown_names(settings):
    with pytest.raises(
        ValueError, match=r"--tagger_tags must have a name for each output.*2 names in .*, 3 outputs of"
    ):
        OnnxTagger(VOCABULARY, settings(tags=("red_hair", "green_hair")))
    with pytest.raises(ValueError, match=r"--tagger_tags must have tags of vocabulary 'colours'.*one, two, three"):
        OnnxTagger(VOCABULARY, settings(tags=("one", "two", "three")))


@pytest.mark.parametrize(
    ("changes", "shape", "message"),
    [
        ({"tagger_layout": None}, (None, None, None, None), "--tagger_layout must be NHWC or NCHW for"),
        ({"tagger_layout": "NHWC"}, (None, 3, 16, 16), "--tagger_layout must fit .*Received: 'NHWC'"),
        ({"tagger_size": None}, (None, 3, None, None), "--tagger_size must be given"),
        ({"tagger_size": 9}, (None, 3, 16, 16), "--tagger_size must fit .*Received: 9"),
        ({"tagger_size": None}, (None, 3, 16, 8), "--tagger_size must fit .*Received: None"),
        ({}, (4, 3, 16, 16), "--tagger_model must have one input of four axes"),
    ],
)
def test_onnx_tagger_names_unfitting_inputs(settings, tmp_path, changes, shape, message):
    model = means(tmp_path / "shaped.onnx", shape)
    with pytest.raises(ValueError, match=message):
        OnnxTagger(VOCABULARY, settings(model, **changes))


def test_onnx_tagger_refuses_networks_of_another_form(settings, tmp_path):
    flat = save(
        tmp_path / "flat.onnx", [helper.make_node("Identity", ["in"], ["out"])], {"in": (None, 3)}, output=(None, 3)
    )
    add = helper.make_node("Add", ["in", "mask"], ["both"])
    mean = helper.make_node("ReduceMean", ["both"], ["out"], axes=[2, 3], keepdims=0)
    two = save(tmp_path / "two.onnx", [add, mean], {"in": (1, 3, 8, 8), "mask": (1, 3, 8, 8)})
    integers = means(tmp_path / "integers.onnx", kind=package.TensorProto.INT32)
    for model in (flat, two, integers):
        with pytest.raises(ValueError, match=r"--tagger_model must have one input of four axes.*Received: .*in "):
            OnnxTagger(VOCABULARY, settings(model))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(ValueError, match=r"--tagger_model must be an ONNX file.*broken\.onnx"):
        OnnxTagger(VOCABULARY, settings(str(broken)))


def test_onnx_tagger_refuses_a_size_that_the_network_cannot_take(settings, tmp_path):
    weights = np.full((3 * 8 * 8, 3), 1 / 192, np.float32)
    nodes = [helper.make_node("Flatten", ["in"], ["flat"]), helper.make_node("MatMul", ["flat", "weights"], ["out"])]
    model = save(tmp_path / "dense.onnx", nodes, {"in": (None, 3, None, None)}, constants=[("weights", weights)])
    assert probabilities(settings(model, tagger_size=8)).shape == (3,)
    with pytest.raises(ValueError, match=r"--tagger_model must take an input of \[1, 3, 16, 16\]"):
        OnnxTagger(VOCABULARY, settings(model))


def test_onnx_tagger_pickles_small_and_predicts_the_same(settings):
    tagger = OnnxTagger(VOCABULARY, settings())
    expected = tagger(Sight(CROP, None, None)).tolist()
    sent = pickle.dumps(tagger)
    assert len(sent) < 4000 and pickle.loads(sent)(Sight(CROP, None, None)).tolist() == expected


def test_onnx_tagger_version_covers_both_files(settings, tmp_path):
    first = OnnxTagger(VOCABULARY, settings()).version
    assert len(first) == 12 and OnnxTagger(VOCABULARY, settings()).version == first
    assert OnnxTagger(VOCABULARY, settings(tags=("red_hair", "blue_hair", "green_hair"))).version != first
    assert OnnxTagger(VOCABULARY, settings(means(tmp_path / "other.onnx", (1, 3, 16, 16)))).version != first


def test_onnx_tagger_without_onnxruntime_names_the_extra(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install 'tfanime\[onnx\]'"):
        OnnxTagger(VOCABULARY, settings())


def test_onnx_tagger_after_sidecar_fills_in(settings, tmp_path):
    model = constant(tmp_path / "constant.onnx", [0.9, 0.8, 0.1])
    asked = settings(model, ("red_hair", "smile", "blush"), tagger_size=8)
    chain = make_tagger(JIN34, SimpleNamespace(**{**vars(asked), "tagger": "sidecar,onnx"}), ["blue_hair", "blush"])
    found, givers = chain(Sight(CROP, None, "blue_hair blush"))
    by_tag = dict(zip(JIN34.tags, zip(found.tolist(), givers.tolist(), strict=True), strict=True))
    assert by_tag["blue_hair"] == (1, 0) and by_tag["red_hair"] == (-1, 0)
    assert by_tag["blush"] == (1, 0) and by_tag["smile"] == (1, 1) and by_tag["hat"] == (0, -1)


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("tagger_size", 0),
        ("tagger_mean", "1,2"),
        ("tagger_mean", "dark"),
        ("tagger_scale", 0.0),
        ("tagger_threshold", 0.0),
        ("tagger_threshold", 1.1),
        ("tagger_model", None),
        ("tagger_tags", None),
    ],
)
def test_onnx_settings_name_the_flag_of_a_broken_rule(settings, flag, value):
    assert not list(broken(settings()))
    changed = TaggingSettings(**{**vars(settings()), flag: value})
    assert [name for name, _ in broken(changed)] == [flag]
    if value is not None:  # wrong is wrong, even where it is not asked
        changed = TaggingSettings(**{**vars(changed), "tagger": "sidecar"})
        assert [name for name, _ in broken(changed)] == [flag]


@pytest.mark.parametrize("flag", ["tagger_model", "tagger_tags"])
def test_onnx_settings_name_missing_files(settings, flag):
    with pytest.raises(FileNotFoundError, match=rf"--{flag} must be .*Received: 'nowhere', no such file"):
        list(TaggingSettings(**{**vars(settings()), flag: "nowhere"}).rules())


def test_onnx_settings_have_no_effect_without_the_tagger(settings):
    assert list(settings().idle()) == ["absence"]
    assert "tagger_mean" in TaggingSettings(**{**vars(settings()), "tagger": "sidecar"}).idle()
    assert {"tagger", "tagger_model"} <= set(TaggingSettings(**{**vars(settings()), "vocabulary": "none"}).idle())


def test_onnx_cards_of_the_documentation_are_valid(settings):
    text = (Path(__file__).parents[1] / "docs" / "tags.md").read_text(encoding="utf-8")
    cards = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]
    cards = [card for card in cards if "tagger" in card]
    assert len(cards) == 3
    for card in cards:
        files = {name: getattr(settings(), name) for name in ("tagger_model", "tagger_tags")}
        assert not list(broken(TaggingSettings(**{**card, **files})))
