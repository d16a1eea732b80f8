import json

import pytest

from tfanime.command_line import parse, published_names, published_path
from tfanime.tags import JIN34, KONACHAN26
from tfanime.tfrecords.settings import Settings
from tfanime.tfrecords.tagging import load_vocabulary

CARDS = ("tfanime.tfrecords", "cards")


def test_defaults(tmp_path):
    settings = Settings("faces", str(tmp_path / "mine"))
    assert settings.name == "mine" and settings.workers >= 1 and settings.detector == "animeface"
    assert Settings("drawn", "out").detector == "none"


@pytest.mark.parametrize(
    ("wrong", "value"),
    [
        ("size", 7),
        ("quality", 0),
        ("threshold", 1.5),
        ("zoom", 0.0),
        ("shard_records", 0),
        ("workers", 0),
        ("count", 0),
        ("seed", -1),
        ("name", "a/b"),
        ("detector", "eyes"),
        ("tagger", "me"),
        ("vocabulary", "words"),
        ("tags", "no.csv"),
        ("enlarge", 0.5),
        ("max_pixels", 10**12),
        ("sharpness", -1.0),
        ("chroma", -1.0),
        ("duplicates", 8),
        ("holdout", 0.6),
        ("beam_options", "--x"),
        ("detect_size", 8),
        ("exclude", "no.txt"),
        ("min_year", 3),
    ],
)
def test_each_rule_names_the_flag_and_the_value(wrong, value):
    with pytest.raises(ValueError, match=rf"--{wrong} must be .*Received: {value!r}"):
        Settings("faces", "out", **{wrong: value})


def test_card_holds_what_has_an_effect():
    flags = {"detector": "none", "workers": 3, "overwrite": True, "zoom": 2.0, "runner": "DirectRunner"}
    card = Settings("/somewhere/faces", "out", **flags).card()
    assert card["source"] == "faces" and card["size"] == 96
    assert not {"out", "workers", "overwrite", "zoom", "count", "runner", "threshold", "tagger_model"} & set(card)
    assert Settings("faces", "out", detector="animeface", zoom=2.0).card()["zoom"] == 2.0
    assert Settings("drawn", "out", count=3).card()["count"] == 3
    assert "duplicates" in card and "duplicates" not in Settings("drawn", "out").card()
    assert json.loads(json.dumps(card)) == card


def test_vocabulary_by_name_and_by_file(tmp_path):
    assert load_vocabulary("none") is None and load_vocabulary("konachan26") is KONACHAN26
    path = tmp_path / "words.json"
    path.write_text(json.dumps(JIN34.to_json()))
    assert load_vocabulary(str(path)) == JIN34
    path = tmp_path / "words.toml"
    path.write_text('name = "w"\n[[groups]]\nname = "g"\nexclusive = true\ntags = ["a", "b"]\n')
    assert load_vocabulary(str(path)).tags == ("a", "b")


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "x"}', '{"name": "x", "groups": [1]}'])
def test_bad_vocabulary_files_are_named(tmp_path, text):
    path = tmp_path / "words.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"--vocabulary must be a file with name and groups.*words\.json"):
        load_vocabulary(str(path))


@pytest.mark.parametrize("name", published_names(CARDS))
def test_every_card_can_be_read(name):
    settings = parse(
        Settings,
        program="tfrecords",
        published=CARDS,
        flag="--card",
        positional=("source", "out"),
        arguments=["faces", "out", "--card", name],
    )
    assert settings.name == name.replace("_", "-") and published_path(name, CARDS, "--card")
