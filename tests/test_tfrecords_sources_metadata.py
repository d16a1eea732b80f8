import json
import os

import pytest

from tfanime.tfrecords.filters import Dropped
from tfanime.tfrecords.sources import metadata
from tfanime.tfrecords.sources.metadata import Metadata, Wanted, parse_ratings, read_metadata

# As gallery-dl 1.32 writes them, shortened; the values are made up.
DANBOORU = {
    "id": 1,
    "created_at": "2019-12-31T22:46:05.385-04:00",
    "score": 7,
    "rating": "g",
    "tag_string": "1girl blonde_hair hat original some_artist",
    "tag_count_general": 3,
    "tag_string_general": "1girl blonde_hair hat",
    "tag_string_artist": "some_artist",
    "tags": ["1girl", "blonde_hair", "hat", "original", "some_artist"],
    "date": "2020-01-01 02:46:05",
    "category": "danbooru",
    "subcategory": "tag",
}
KONACHAN = {
    "id": 9,
    "tags": "armor blonde_hair original",
    "created_at": 1265452800,
    "score": 12,
    "rating": "s",
    "date": "2010-02-06 10:40:00",
    "category": "konachan",
}
GELBOORU = {
    "id": 11,
    "created_at": "Fri Dec 31 21:25:41 -0600 2021",
    "score": 4,
    "rating": "sensitive",
    "tags": "1girl blue_eyes don&#039;t_say &gt;:) smile",
    "date": "2022-01-01 03:25:41",
    "category": "gelbooru",
}
SAFEBOORU = {
    "id": "77",
    "created_at": "Sat Apr 01 12:34:56 +0000 2023",
    "score": "3",
    "rating": "s",
    "tags": "1girl &gt;:) red_hair",
    "category": "safebooru",
}
E621 = {
    "id": 5,
    "created_at": "2007-02-17T14:02:32.455-05:00",
    "score": {"up": 10, "down": -3, "total": 7},
    "tags": ["blue_hair", "hi_res", "human", "smile"],
    "rating": "s",
    "tags_general": ["blue_hair", "smile"],
    "category": "e621",
}


def read(tmp_path, content):
    path = tmp_path / "1.jpg.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read_metadata(path)


@pytest.mark.parametrize(
    ("post", "expected"),
    [
        (DANBOORU, Metadata("1girl blonde_hair hat original some_artist", "general", 2020, 7, True)),
        (KONACHAN, Metadata("armor blonde_hair original", "general", 2010, 12)),
        (GELBOORU, Metadata("1girl blue_eyes don't_say >:) smile", "sensitive", 2022, 4, True)),
        (SAFEBOORU, Metadata("1girl >:) red_hair", "general", 2023, 3, True)),
        (E621, Metadata("blue_hair hi_res human smile", "general", 2007, 7, True)),
    ],
    ids=lambda value: value["category"] if isinstance(value, dict) else "",
)
def test_metadata_of_each_board_is_read(tmp_path, post, expected):
    assert read(tmp_path, post) == expected


@pytest.mark.parametrize(
    ("rating", "post", "expected"),
    [
        ("s", DANBOORU, "sensitive"),
        ("s", {"category": "my_own_board", "tag_count_general": 3}, "sensitive"),
        ("s", {}, "sensitive"),
        ("s", {"category": "yandere"}, "general"),
        ("q", KONACHAN, "questionable"),
        ("e", DANBOORU, "explicit"),
        ("Safe", SAFEBOORU, "general"),
        ("explicit", GELBOORU, "explicit"),
        (" Mature ", {}, "mature"),
        ("\ud800", {}, "\\ud800"),
        ("e", {"category": "newgrounds"}, "general"),
        ("a", {"category": "newgrounds"}, "explicit"),
        ("R-18", {"category": "pixiv"}, "explicit"),
        ({"general": 0.2, "explicit": 0.7}, {}, "explicit"),
        ("?", SAFEBOORU, None),
        ("", SAFEBOORU, None),
        (4.5, {}, None),
        (None, DANBOORU, None),
    ],
)
def test_ratings_are_read_by_letter_word_and_board(tmp_path, rating, post, expected):
    assert read(tmp_path, {**post, "rating": rating}).rating == expected


@pytest.mark.parametrize(
    ("post", "expected"),
    [
        ({"is_mature": True, "rating": "general"}, "explicit"),
        ({"is_mature": False}, None),
        ({"safety": "unsafe"}, "explicit"),
        ({"safety": "safe"}, "general"),
        ({"x_restrict": 1, "tags": ["smile"]}, "explicit"),
        ({"x_restrict": 0}, None),
        ({"possibly_sensitive": True}, "questionable"),
        ({"rating": "general", "tags": ["R-18", "smile"]}, "explicit"),
        ({"tags": "smile rating:explicit"}, "explicit"),
        ({"tags": ["explicit"], "rating": "s", "category": "konachan"}, "explicit"),
        (["smile", "nsfw"], "explicit"),
        ({"rating": {"general": 0.1, "explicit": 0.9}, "general": {"smile": 0.8}}, "explicit"),
    ],
)
def test_ratings_are_read_from_other_fields(tmp_path, post, expected):
    assert read(tmp_path, post).rating == expected


@pytest.mark.parametrize(
    ("post", "year"),
    [
        ({"created_at": "2021-02-13 16:27:39"}, 2021),
        ({"created_at": "2020-01-01T00:30:00+01:00"}, 2019),
        ({"created_at": "2020-01-01"}, 2020),
        ({"created_at": "1265452800"}, 2010),
        ({"created_at": {"json_class": "Time", "s": 1643733759, "n": 0}}, 2022),
        ({"created_at": "yesterday", "date": "2012-05-05 00:00:00"}, 2012),
        ({"created_at": "2012-05-05T10:00:00Z", "date": "2024-01-01"}, 2012),
        ({"created_at": 0, "date": None}, None),
        ({"created_at": "0001-01-01T00:00:00+10:00"}, None),
        ({"created_at": 10**30}, None),
        ({"created_at": 1e300}, None),
        ({"created_at": True}, None),
        ({"created_at": ["2012"]}, None),
        ({"created_at": ""}, None),
        ({}, None),
    ],
)
def test_years_are_read(tmp_path, post, year):
    assert read(tmp_path, post).year == year


@pytest.mark.parametrize(
    ("score", "expected"),
    [(-3, -3), ("12", 12), (2.7, 2), ("", None), (True, None), (None, None), ([1], None), ({"up": 1}, None)],
)
def test_scores_are_read(tmp_path, score, expected):
    assert read(tmp_path, {"score": score}).score == expected


def test_scores_that_are_not_numbers_are_ignored(tmp_path):
    assert read(tmp_path, b'{"score": NaN}').score is None and read(tmp_path, b'{"score": 1e999}').score is None


@pytest.mark.parametrize(
    ("post", "words"),
    [
        ({"tags": "blonde hair, blue eyes,"}, "blonde_hair blue_eyes"),
        ({"tags": "a,b_c smile"}, "a,b_c smile"),
        ({"tags": ["long hair", "long_hair", "", " smile "]}, "long_hair smile"),
        ({"tags": [{"name": "hat", "translated_name": None}, {"id": 1}, 5, None]}, "hat"),
        ({"tags": {"general": ["hat", "smile"], "artist": ["x"], "odd": "y"}}, "hat smile x"),
        ({"tags": "  "}, None),
        ({"tag_string": "", "tags": []}, None),
        ({"tags": 5}, None),
        ({"tag_string": "", "tags_general": ["hat"], "tags_character": "miku"}, "miku hat"),
        ({"tag_string_general": "hat smile"}, "hat smile"),
        ({}, None),
    ],
)
def test_tags_are_read_in_every_shape(tmp_path, post, words):
    assert read(tmp_path, post).words == words


def test_metadata_in_other_encodings_and_responses_is_read(tmp_path):
    text = json.dumps({"tags": "桜 smile"}, ensure_ascii=False)
    for encoding in ("utf-8-sig", "utf-16"):
        assert read(tmp_path, text.encode(encoding)).words == "桜 smile"
    assert read(tmp_path, [DANBOORU]).rating == "general"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (["hat", "twin tails"], "hat twin_tails"),
        ([{"name": "hat"}], "hat"),
        ([], None),
        ({"smile": 0.9, "hat": 0.2}, "smile"),
        ({"score": 3, "width": 900, "smile": "x"}, None),
        ({}, None),
    ],
)
def test_metadata_file_of_tags_only_is_read(tmp_path, content, words):
    assert read(tmp_path, content).words == words


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Expecting value"),
        (b'{"rating": "g", "tags"', "Expecting ':'"),
        (b"\xff\xfe\xfd", "no text in UTF-8"),
        (b"5", "no JSON object"),
        (b'{"score": ' + b"9" * 5000 + b"}", "4300 digits"),
        (b"[" * 200_000, "nested too deep"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content)


def test_huge_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(metadata, "MOST_BYTES", 100)
    assert read(tmp_path, b"{}" + b" " * 98) == Metadata()
    with pytest.raises(ValueError, match="more than"):
        read(tmp_path, b"{}" + b" " * 99)


def test_pipes_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", "/dev/zero"):
        with pytest.raises(ValueError, match="no regular file"):
            metadata.read_bounded(path)
    with pytest.raises(IsADirectoryError):
        metadata.read_bounded(tmp_path)


def test_parse_ratings_reads_a_list():
    assert parse_ratings("any") is None
    assert parse_ratings("general, Explicit") == {"general", "explicit"}


@pytest.mark.parametrize("text", ["", "safe", "g", "general,", "any,general"])
def test_unknown_ratings_are_named(text):
    with pytest.raises(ValueError, match=r"--ratings must be any, or some of general, sensitive, .*Received: '"):
        parse_ratings(text)


def test_wanted_pictures_are_kept():
    assert Wanted().all and not Wanted(min_score=0).all and not Wanted(frozenset({"general"})).all
    Wanted().require(Metadata())
    Wanted(frozenset({"general"})).require(Metadata())
    Wanted(frozenset({"general"}), 2010, 5).require(Metadata(None, "general", 2010, 5))


@pytest.mark.parametrize(
    ("wanted", "known", "reason", "value"),
    [
        (Wanted(frozenset({"general"})), Metadata(rating="explicit"), "rating", "explicit"),
        (Wanted(frozenset({"general"})), Metadata(rating="mature"), "rating", "mature"),
        (Wanted(min_year=2010), Metadata(year=2009), "old", 2009),
        (Wanted(min_year=2010), Metadata(), "old", "unknown"),
        (Wanted(min_score=0), Metadata(score=-1), "low_score", -1),
        (Wanted(min_score=0), Metadata(), "low_score", "unknown"),
    ],
)
def test_unwanted_pictures_are_dropped(wanted, known, reason, value):
    with pytest.raises(Dropped) as dropped:
        wanted.require(known)
    assert (dropped.value.reason, dropped.value.value) == (reason, value)
