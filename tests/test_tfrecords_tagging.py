from tfanime.tags import JIN34, KONACHAN26
from tfanime.tfrecords.tagging import TAGGERS, NoTagger, SidecarTagger, split


def by_tag(tagger, words):
    return dict(zip(tagger.vocabulary.tags, tagger(None, words), strict=True))


def test_sidecar_encodes_the_row():
    tagger = SidecarTagger(KONACHAN26, ["red_hair", "long_hair"])
    assert tagger(None, "red_hair long_hair").tolist() == KONACHAN26.encode(["red_hair", "long_hair"]).tolist()


def test_a_picture_without_a_row_is_unknown_not_plain():
    assert not SidecarTagger(JIN34, ["smile"])(None, None).any()
    assert by_tag(SidecarTagger(JIN34, ["smile"]), "")["smile"] == -1


def test_independent_tags_that_nobody_looked_for_are_unknown():
    values = by_tag(SidecarTagger(JIN34, ["twintails", "red_hair"]), "red_hair")
    assert values["twin_tails"] == -1 and values["glasses"] == 0
    assert values["red_hair"] == 1 and values["blue_hair"] == -1  # exclusive: ruled out, though in no row


def test_no_tagger():
    assert NoTagger()(None, "red_hair").shape == (0,)


def test_split_and_registry():
    assert split(" a b,c\td ") == ["a", "b", "c", "d"]
    assert all(TAGGERS[name].name == name for name in TAGGERS)
