import dataclasses
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from tfanime.tags import JIN34, KONACHAN26, TagGroup, TagVocabulary


def by_tag(vocabulary, words):
    return dict(zip(vocabulary.tags, vocabulary.encode(words), strict=True))


def test_vocabulary_names_have_their_sizes():
    assert len(JIN34) == 34 and len(KONACHAN26) == 26


def test_encode_one_exclusive_tag_rules_out_its_group():
    values = by_tag(JIN34, ["blue_hair", "smile"])
    assert values["blue_hair"] == 1 and values["red_hair"] == -1
    assert values["smile"] == 1 and values["hat"] == -1
    assert values["blue_eyes"] == values["red_eyes"] == 0  # nobody said anything about the eyes


def test_encode_several_exclusive_tags_are_unknown_among_themselves():
    values = by_tag(KONACHAN26, ["blue_hair", "red_hair"])
    assert values["blue_hair"] == values["red_hair"] == 0 and values["green_hair"] == -1


def test_encode_maps_aliases_and_ignores_unknown_words():
    values = by_tag(JIN34, ["twintails", "gray_hair", "1girl"])
    assert values["twin_tails"] == 1 and values["grey_hair"] == 1


@pytest.mark.parametrize("vocabulary", [JIN34, KONACHAN26])
def test_aliases_mean_one_tag_each(vocabulary):
    for alias, tag in vocabulary.aliases.items():
        assert vocabulary.canonical(alias) == tag and vocabulary.decode(vocabulary.encode([alias])) == (tag,)


@pytest.mark.parametrize(
    ("words", "tags"),
    [
        ("teal_hair light_blue_eyes", ("aqua_hair", "blue_eyes")),
        ("low_twintails twin_drills side_ponytail", ("twin_tails", "drill_hair", "ponytail")),
        ("witch_hat hair_ribbon semi-rimless_eyewear", ("hat", "ribbon", "glasses")),
        (":D very_long_hair :o full-face_blush", ("long_hair", "blush", "smile", "open_mouth")),
        ("light_brown_hair brown_hair", ("brown_hair",)),
        # What an alias must not say: these are other things than hats, glasses, blush, ribbons and yellow eyes.
        ("unworn_hat headwear helmet sunglasses eyewear_on_head blush_stickers hair_bow hazel_eyes", ()),
        ("hatsune_miku", ()),
    ],
)
def test_aliases_include_board_words(words, tags):
    assert JIN34.decode(JIN34.encode(words.split())) == tags


def test_silver_is_a_tag_of_jin34_only():
    assert JIN34.canonical("silver_hair") == "silver_hair" and KONACHAN26.canonical("silver_hair") == "gray_hair"


def test_canonical_ignores_spelling():
    vocabulary = TagVocabulary("x", (TagGroup("g", ("T-Shirt", "hat"), False),), aliases={"Tee Shirt": "T-Shirt"})
    assert [vocabulary.canonical(text) for text in (" t_shirt", "TEE-shirt", "T  -Shirt", "shirt")] == [
        "T-Shirt",
        "T-Shirt",
        "T-Shirt",
        None,
    ]
    assert vocabulary.encode(["tee_shirt"]).tolist() == [1, -1]


def test_encode_counts_repeated_tags_once():
    assert (
        KONACHAN26.encode(["gray_hair", "grey_hair", "silver_hair"]).tolist()
        == KONACHAN26.encode(["gray_hair"]).tolist()
    )


def test_slices_cover_the_vector_in_order():
    assert [JIN34.tags[where] for _, where in JIN34.slices] == [group.tags for group in JIN34.groups]


def test_decode_inverts_encode():
    tags = ("pink_hair", "long_hair", "blush", "aqua_eyes")
    assert JIN34.decode(JIN34.encode(tags)) == tags
    with pytest.raises(ValueError, match="shape"):
        JIN34.decode([1, 1])


def test_parse_reads_typed_tags():
    assert JIN34.parse(" Smile, Twin-Tails ,blond hair,") == ("blonde_hair", "twin_tails", "smile")


def test_parse_is_strict_and_helpful():
    with pytest.raises(ValueError, match=r"'smiel'\. Did you mean smile"):
        JIN34.parse("smiel")
    with pytest.raises(ValueError, match="hair_colour"):
        JIN34.parse("red hair, blue hair")


def test_probabilities_cover_every_tag():
    groups = (TagGroup("colour", ("red", "green"), exclusive=True), TagGroup("more", ("hat", "smile"), exclusive=False))
    vocabulary = TagVocabulary("mine", groups, priors={"red": 0.1, "smile": 0.7})
    assert vocabulary.probabilities == {"red": 0.1, "green": 0.5, "hat": 0.25, "smile": 0.7}


def test_vocabulary_json_round_trip():
    for vocabulary in (JIN34, KONACHAN26):
        again = TagVocabulary.from_json(json.loads(json.dumps(vocabulary.to_json())))
        assert again == vocabulary and again.encode(["red_hair"]).tolist() == vocabulary.encode(["red_hair"]).tolist()


def test_vocabulary_refuses_shared_tags_and_strange_aliases():
    with pytest.raises(ValueError, match="must not share"):
        TagVocabulary("x", (TagGroup("g", ("a",), True), TagGroup("h", ("a",), False)))
    with pytest.raises(ValueError, match="aliases must refer"):
        TagVocabulary("x", (TagGroup("g", ("a",), True),), aliases={"z": "q"})
    with pytest.raises(ValueError, match=r"aliases must not be other tags.*\['b'\]"):
        TagVocabulary("x", (TagGroup("g", ("a", "b"), True),), aliases={"b": "a"})
    with pytest.raises(ValueError, match="must not share"):
        TagVocabulary("x", (TagGroup("g", ("a_b",), True), TagGroup("h", ("A b",), False)))


def test_vocabulary_can_be_pickled():
    JIN34.encode(["smile"])  # fills what is remembered
    again = pickle.loads(pickle.dumps(JIN34))
    assert again == JIN34 and again.encode(["smile"]).tolist() == JIN34.encode(["smile"]).tolist()


def test_documentation_lists_every_tag_and_alias():
    pages = [Path(__file__).parents[1] / "docs" / name for name in ("tags.md", "tag_words.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    for vocabulary in (JIN34, KONACHAN26):
        for alias, tag in vocabulary.aliases.items():
            assert re.search(rf"^\| `{tag}` \|.*`{re.escape(alias)}`", text, re.MULTILINE), (tag, alias)
        for group in vocabulary.groups:
            row = re.search(rf"`{vocabulary.name}` \|.*?^\| {group.name}(, exclusive)? \| (.*?) \|$", text, re.M | re.S)
            words = row[2].replace(" (`_hair`)", "").replace(" (`_eyes`)", "").split()
            suffix = {"hair_colour": "_hair", "eye_colour": "_eyes"}.get(group.name, "")
            assert tuple(word + suffix for word in words) == group.tags and bool(row[1]) == group.exclusive


def test_wanted_reads_wanted_and_refused_tags():
    values = dict(zip(JIN34.tags, JIN34.wanted("Blonde Hair, smile, no hat, no blue eyes,"), strict=True))
    assert values["blonde_hair"] == values["smile"] == 1
    assert values["hat"] == values["blue_eyes"] == values["red_hair"] == -1
    assert sum(value != 0 for value in values.values()) == 13 + 3 and not JIN34.wanted("").any()


def test_wanted_multiplies_by_weights():
    text = "blonde hair:1.5, no red hair:0.5, :), no hat:2, glasses: .75"
    values = dict(zip(JIN34.tags, JIN34.wanted(text), strict=True))
    assert (values["blonde_hair"], values["red_hair"], values["blue_hair"]) == (1.5, -0.5, -1)
    assert (values["smile"], values["hat"], values["glasses"], values["blush"]) == (1, -2, 0.75, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("smile, no smile", "tags must not be wanted and avoided at once. Received: 'smile' both ways"),
        ("no hats", "tags must be in vocabulary 'jin34'. Received: 'hats'"),
        ("red hair, blue hair", "a face has one tag of group 'hair_colour'"),
        ("red hair:2, blue hair:.5", "a face has one tag of group 'hair_colour'"),
        ("smile:9", r"the weight of a tag must be above 0 and at most 3. Received: 'smile:9'"),
        ("smile:-1", r"the weight of a tag must be above 0 and at most 3. Received: 'smile:-1'"),
        ("no smile:0", r"the weight of a tag must be above 0 and at most 3. Received: 'no smile:0'"),
        ("smile:x", "tags must be in vocabulary 'jin34'. Received: 'smile:x'"),
    ],
)
def test_wanted_refuses_contradictions(text, message):
    with pytest.raises(ValueError, match=message):
        JIN34.wanted(text)


def test_with_frequencies_counts_known_faces():
    groups = {"colour": ("red", "blue"), "length": ("long", "short"), "more": ("hat", "bow")}
    vocabulary = TagVocabulary("v", tuple(TagGroup(name, tags, name != "more") for name, tags in groups.items()))
    faces = np.array([[1, -1, 0, 0, -1, 0], [-1, 1, 0, 0, 1, 0], [1, -1, 0, 0, -1, 0], [0, 0, 0, 0, -1, 0]], np.int8)
    priors = vocabulary.with_frequencies(faces).priors
    assert priors == {"red": 2 / 3, "blue": 1 / 3, "hat": 0.25}  # of lengths and bows nothing is known


def test_from_probabilities_follows_the_threshold():
    vocabulary = TagVocabulary(
        "small", (TagGroup("hair", ("red", "green", "blue"), True), TagGroup("more", ("hat", "smile", "cape"), False))
    )
    places = np.array([0, 1, 1, 3, 4])  # two numbers of a network mean green; it has neither blue nor cape
    for probabilities, expected in (
        ([0.6, 0.1, 0.7, 0.5, 0.49], [-1, 1, -1, 1, -1, 0]),
        ([0.4, 0.1, 0.2, 0.1, 0.9], [0, 0, 0, -1, 1, 0]),
    ):
        np.testing.assert_array_equal(vocabulary.from_probabilities(places, np.array(probabilities), 0.5), expected)


def test_wanted_refuses_untrained_tags_unless_allowed():
    vocabulary = dataclasses.replace(KONACHAN26, untrained=("red_hair", "long_hair"))
    with pytest.raises(ValueError, match=r"Received: red_hair, which the .* never shown; --allow_untrained_tags draws"):
        vocabulary.wanted("red hair, short hair")
    forced = vocabulary.wanted("red hair, short hair", allow_untrained=True)
    np.testing.assert_array_equal(forced, KONACHAN26.wanted("red hair, short hair"))
    np.testing.assert_array_equal(vocabulary.wanted("no red hair"), KONACHAN26.wanted("no red hair"))
    assert TagVocabulary.from_json(json.loads(json.dumps(vocabulary.to_json()))) == vocabulary
    assert "untrained" not in KONACHAN26.to_json()  # as it was in files of older versions
    with pytest.raises(ValueError, match=r"untrained must refer to tags"):
        dataclasses.replace(KONACHAN26, untrained=("tail",))


def test_of_groups_keeps_some_groups():
    whole = dataclasses.replace(KONACHAN26, priors={"red_hair": 0.5, "long_hair": 0.25}, untrained=("red_eyes",))
    part = whole.of_groups({"eye_colour", "hair_length"})
    assert part.groups == KONACHAN26.groups[1:] and part.priors == {"long_hair": 0.25}
    assert part.untrained == ("red_eyes",) and part.canonical("amber eyes") == "yellow_eyes"
    assert part.canonical("redhead") is None and whole.of_groups({"hair_length"}).untrained == ()
    faces = np.array([[1, -1, 0], [1, 0, 0]])
    assert TagVocabulary("x", (TagGroup("g", ("a", "b", "c"), True),)).unseen(faces) == ("b", "c")
