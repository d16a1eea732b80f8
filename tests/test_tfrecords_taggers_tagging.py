import json
import pickle
from dataclasses import dataclass

import numpy as np
import pytest

from tfanime.limits import broken
from tfanime.tags import JIN34, KONACHAN26, TagGroup, TagVocabulary
from tfanime.tfrecords.taggers.tagging import (
    Chain,
    SidecarTagger,
    Sight,
    TaggingSettings,
    load_vocabulary,
    make_tagger,
    split,
)

SMALL = TagVocabulary(
    "small", (TagGroup("colour", ("red", "green", "blue"), exclusive=True), TagGroup("rest", ("hat", "smile"), False))
)


def sight(words, origin="row"):
    return Sight(crop=None, detection=None, words=words, origin=origin)


@dataclass
class Saying:
    """A tagger that says one thing, and counts how often it was asked."""

    values: list
    name: str = "saying"
    version: str = "1"
    asked: int = 0

    def __call__(self, sight):
        self.asked += 1
        return np.array(self.values, np.int8)


def chained(*said):
    values, givers = Chain(SMALL, [Saying(values) for values in said])(sight(None))
    return values.tolist(), givers.tolist()


def by_tag(tagger, words):
    return dict(zip(tagger.vocabulary.tags, tagger(sight(words)), strict=True))


def test_sidecar_encodes_the_row():
    tagger = SidecarTagger(KONACHAN26, used_words=["red_hair", "long_hair"])
    assert tagger(sight("red_hair,long_hair")).tolist() == KONACHAN26.encode(["red_hair", "long_hair"]).tolist()


def test_sidecar_without_a_row_is_unknown():
    tagger = SidecarTagger(JIN34, used_words=["smile"])
    assert not tagger(sight(None)).any() and not tagger(sight("")).any()


@pytest.mark.parametrize("origin", ["row", "board", "file"])
@pytest.mark.parametrize("absence", ["auto", "always", "never"])
def test_sidecar_of_unknown_words_is_unknown(origin, absence):
    tagger = SidecarTagger(JIN34, TaggingSettings(absence=absence), ["smile"])
    assert not tagger(sight("1girl der_hut someone", origin)).any()


@pytest.mark.parametrize(
    ("absence", "origin", "smile", "glasses"),
    [
        ("auto", "row", -1, 0),  # some row has smile, none glasses
        ("auto", "board", -1, -1),
        ("auto", "file", 0, 0),
        *(("always", origin, -1, -1) for origin in ("row", "board", "file")),
        *(("never", origin, 0, 0) for origin in ("row", "board", "file")),
    ],
)
def test_sidecar_missing_tags_are_absent_if_they_were_looked_for(absence, origin, smile, glasses):
    tagger = SidecarTagger(JIN34, TaggingSettings(absence=absence), ["smile", "hat"])
    values = dict(zip(JIN34.tags, tagger(sight("hat red_hair", origin)), strict=True))
    assert values["hat"] == 1 and values["red_hair"] == 1 and values["blue_hair"] == -1 and values["blue_eyes"] == 0
    assert (values["smile"], values["glasses"]) == (smile, glasses)


def test_sidecar_empty_row_means_absence_with_always_only():
    assert by_tag(SidecarTagger(JIN34, TaggingSettings(absence="always"), ["smile"]), "")["smile"] == -1
    assert not SidecarTagger(JIN34, TaggingSettings(), ["smile"])(sight("")).any()


def test_sidecar_independent_tags_not_looked_for_are_unknown():
    values = by_tag(SidecarTagger(JIN34, used_words=["twintails", "red_hair"]), "red_hair")
    assert values["twin_tails"] == -1 and values["glasses"] == 0
    assert values["red_hair"] == 1 and values["blue_hair"] == -1  # exclusive: ruled out, though in no row


def test_sidecar_empty_tags_file_leaves_independent_tags_unknown():
    assert not SidecarTagger(JIN34, used_words=[])(sight("")).any()


def test_chain_takes_an_exclusive_group_from_the_first_tagger_that_knows():
    assert chained([1, -1, -1, 0, 0], [-1, 1, -1, 0, 0]) == ([1, -1, -1, 0, 0], [0, 0, 0, -1, -1])
    assert chained([0, 0, 0, 0, 0], [-1, 1, -1, 0, 0]) == ([-1, 1, -1, 0, 0], [1, 1, 1, -1, -1])


def test_chain_lets_a_later_tagger_decide_between_several():
    several = [0, 0, -1, 0, 0]
    assert chained(several, [-1, 1, -1, 0, 0]) == ([-1, 1, -1, 0, 0], [1, 1, 0, -1, -1])
    assert chained(several, [-1, -1, 1, 0, 0]) == ([0, 0, -1, 0, 0], [-1, -1, 0, -1, -1])
    assert chained(several, [0, -1, 0, 0, 0]) == ([0, 0, -1, 0, 0], [-1, -1, 0, -1, -1])
    third = chained(several, [-1, -1, 1, 0, 0], [1, -1, -1, 0, 0])
    assert third == ([1, -1, -1, 0, 0], [2, 2, 0, -1, -1])


def test_chain_keeps_a_choice_with_zeros_beside_it():
    assert chained([1, 0, -1, 0, 0], [-1, 1, -1, 0, 0]) == ([1, 0, -1, 0, 0], [0, -1, 0, -1, -1])
    assert chained([0, 0, -1, 0, 0], [1, 0, 0, 0, 0]) == ([1, 0, -1, 0, 0], [1, -1, 0, -1, -1])


def test_chain_decides_independent_tags_one_by_one():
    assert chained([0, 0, 0, -1, 0], [0, 0, 0, 1, 1]) == ([0, 0, 0, -1, 1], [-1, -1, -1, 0, 1])


def test_chain_asks_no_further_tagger_when_all_is_known():
    taggers = [Saying([1, -1, -1, 1, -1]), Saying([0, 0, 0, 0, 0])]
    Chain(SMALL, taggers)(sight(None))
    assert [tagger.asked for tagger in taggers] == [1, 0]


def test_make_tagger_builds_chains():
    tagger = make_tagger(JIN34, TaggingSettings(), ["smile"])
    values, givers = pickle.loads(pickle.dumps(tagger))(sight("smile"))
    assert JIN34.decode(values) == ("smile",) and values.dtype == givers.dtype == np.int8
    assert set(givers[values != 0]) == {0} and set(givers[values == 0]) == {-1}
    for vocabulary, name in ((JIN34, "none"), (None, "sidecar")):
        empty = make_tagger(vocabulary, TaggingSettings(tagger=name), None)
        assert empty.taggers == () and [part.shape for part in empty(sight("smile"))] == [(0,), (0,)]


@pytest.mark.parametrize("value", ["me", "sidecar,sidecar", "none,sidecar", " none", "sidecar,", ""])
def test_tagger_names_must_be_unique(value):
    ((name, rule),) = broken(TaggingSettings(tagger=value))
    assert name == "tagger" and "colours" in rule


def test_tag_settings_defaults_are_valid():
    assert not list(broken(TaggingSettings()))
    with pytest.raises(ValueError, match=r"--vocabulary must be jin34.*Received: 'words'"):
        list(TaggingSettings(vocabulary="words").rules())


def test_tag_settings_list_fields_without_effect():
    networks = {name for name in TaggingSettings.__dataclass_fields__ if name.startswith("tagger_")}
    assert set(TaggingSettings().idle()) == networks
    assert set(TaggingSettings(tagger="colours").idle()) == networks | {"absence"}
    assert set(TaggingSettings(tagger="none").idle()) == networks | {"vocabulary", "absence"}
    assert set(TaggingSettings(vocabulary="none").idle()) == networks | {"tagger", "absence"}


def test_split_reads_words():
    assert split(" a b,c\td ") == ["a", "b", "c", "d"]


def test_read_vocabulary_takes_names_and_files(tmp_path):
    assert load_vocabulary("none") is None and load_vocabulary("konachan26") is KONACHAN26
    path = tmp_path / "words.json"
    path.write_text(json.dumps(JIN34.to_json()))
    assert load_vocabulary(str(path)) == JIN34
    path = tmp_path / "words.toml"
    path.write_text('name = "w"\n[[groups]]\nname = "g"\nexclusive = true\ntags = ["a", "b"]\n')
    assert load_vocabulary(str(path)).tags == ("a", "b")


def test_read_vocabulary_extends_a_built_in_one(tmp_path):
    path = tmp_path / "more.toml"
    path.write_bytes('\ufeffbase = "jin34"\n[aliases]\n"lächeln" = "smile"\n'.encode())  # Windows' editor begins so
    vocabulary = load_vocabulary(str(path))
    assert vocabulary.tags == JIN34.tags and vocabulary.canonical("Lächeln") == "smile"
    assert vocabulary.canonical("grin") == "smile"


@pytest.mark.parametrize("text", ["{", "[]", '{"base": "x"}', '{"name": "x"}', '{"name": "x", "groups": [1]}'])
def test_read_vocabulary_names_bad_files(tmp_path, text):
    path = tmp_path / "words.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"--vocabulary must be a file with name and groups.*words\.json"):
        load_vocabulary(str(path))
