import pytest

from tfanime.tags import JIN34
from tfanime.tfrecords.sources.words import WordReader, join_tags

READER = WordReader(JIN34)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rating:safe\ncopyright:x\ncharacter:y\na_b smile", "rating:safe copyright:x character:y a_b smile"),
        ("rating: safe\ngeneral: smile", "rating:safe smile"),
        ("twin tails", "twin_tails"),
        ("twin tails\nblue hair", "twin_tails blue_hair"),
        ("solo smile\nhat ribbon", "solo smile hat ribbon"),
        ("1girl solo smile", "1girl solo smile"),
        ("(twin tails:1.2), (blue hair)", "twin_tails blue_hair"),
        ("((smile)), [hat], {ribbon}, ((glasses:1.1))", "smile hat ribbon glasses"),
        ("(smile:-1), hat, (glasses:0), ((ribbon:-0.5):2)", "hat"),
        ("(blue hair, smile:1.1), (hat, glasses:-1)", "blue_hair smile"),
        ("1.2::smile::, -1::hat::", "smile"),
        ("smile, <lora:hat:1>, [glasses:ribbon:0.5], [red|blue] hair", "smile hair"),
        ("blue hair, smile\nNegative prompt: hat, glasses\nSteps: 20, Sampler: ribbon", "blue_hair smile"),
        ("saber_(series), smile, kirby \\(series\\)", "saber_(series) smile kirby_(series)"),
        (":), ;d, smile", ":) ;d smile"),
        ("笑顔、眼鏡，青髪", "笑顔 眼鏡 青髪"),
        ("smile; blue hair|hat", "smile blue_hair hat"),
        ("#笑顔 #眼鏡", "笑顔 #眼鏡"),
        ("女の子　笑顔", "女の子 笑顔"),
        ("long_hair smile, hat", "long_hair smile hat"),
        ("she has no hat", "she_has_no_hat"),
        ("rating:safe::no hat,", "rating:safe::no_hat"),
        ("a girl with long hair", "a_girl_with_long_hair"),
        ("girl who does not smile, blue hair", "girl_who_does_not_smile blue_hair"),
    ],
)  # fmt: skip
def test_words_are_read_from_text_layouts(text, words):
    assert join_tags(READER.of_text(text)) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("twin tails,blue hair", "twin_tails blue_hair"),
        ("smile,hat", "smile hat"),
        ("女の子、笑顔", "女の子 笑顔"),
        ("a,b_c smile", "a,b_c smile"),
        (["smile, blue hair"], "smile blue_hair"),
        ({"smile": 0.9, "hat": 0.1, "glasses": 0.5}, "smile glasses"),
        ({"smile": 90, "hat": 2}, "smile"),
        ({"smile": True, "hat": False}, "smile"),
        ({"general": {"smile": 0.9, "hat": 0.1}, "rating": {"explicit": 0.2}}, "smile"),
        ([["smile", 0.9], ["hat", 0.1]], "smile"),
        ([{"label": "smile", "score": 0.9}, {"label": "hat", "score": 0.1}], "smile"),
        ([{"name": "笑顔", "translated_name": "grin"}], "笑顔 grin"),
    ],
)
def test_words_are_read_from_json_layouts(value, words):
    assert join_tags(READER.of_json(value)) == words


def test_scores_become_tags_from_the_threshold():
    assert WordReader(JIN34, 0.05).of_json({"smile": 0.9, "hat": 0.1}) == ["smile", "hat"]


def test_prompt_nested_too_deeply_gives_no_words():
    assert WordReader(JIN34).of_text("(" * 9 + "smile" + ":1)" * 9) == []


def test_japanese_words_and_full_width_letters_are_read():
    said = JIN34.decode(JIN34.encode(["女の子", "笑顔", "ツインテール", "眼鏡", "金髪"]))
    assert said == ("blonde_hair", "twin_tails", "smile", "glasses")
    assert JIN34.canonical("ﾂｲﾝﾃｰﾙ") == "twin_tails" and JIN34.canonical("ｓｍｉｌｅ") == "smile"


def test_join_tags_separates_by_commas():
    assert join_tags(["a b", "c", "a_b", ""]) == "a_b c" and join_tags([]) is None
