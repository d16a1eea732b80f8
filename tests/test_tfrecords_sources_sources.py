import dataclasses
import json
import os
import pickle

import numpy as np
import pytest
from small_pictures import data_of, folder_of, noise

from tfanime.drawn import avatars
from tfanime.limits import broken
from tfanime.tags import JIN34
from tfanime.tfrecords.filters import Dropped
from tfanime.tfrecords.sources.drawn import DrawnSource
from tfanime.tfrecords.sources.sources import FolderSource, SourceSettings

EXPLICIT = '{"rating": "explicit"}'


def beside(folder, **files):
    """Pictures `a.png`, `b.png`, ... and the files given, `a__png__json` for `a.png.json`."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        name = name.replace("__", ".")
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
        noise().save(folder / f"{name[0]}.png")
    return folder


def dropped(source, id, words=None):
    with pytest.raises(Dropped) as caught:
        source.opener()(id, words)
    return caught.value.reason, caught.value.value


def test_source_counts_unmatched_rows_and_pictures(tmp_path):
    source = FolderSource(folder_of(tmp_path / "faces", 5))
    assert len(source) == 5 and source.sidecars == "csv"
    assert source.rows_without_picture == 1 and source.pictures_without_row == 1
    assert source.words_of("0001.png") is None and source.words_of("0002.png") == "blue_hair smile"
    assert sorted(source.used_words) == ["blonde_hair", "blue_hair", "red_hair", "smile"]


def test_source_counts_a_sidecar_as_a_row(tmp_path):
    folder = folder_of(tmp_path / "faces", 5)
    (folder / "0001.png.txt").write_text("smile")
    source = FolderSource(folder)
    assert source.sidecars == "csv,txt" and source.pictures_without_row == 0


def test_listing_names_changes(tmp_path):
    folder = folder_of(tmp_path / "faces", 3)
    exclude = tmp_path / "exclude.txt"
    exclude.write_text("")
    before = FolderSource(folder).listing
    assert FolderSource(folder).listing == before == FolderSource(folder, exclude=exclude).listing
    seen = {name: [digest] for name, digest in before.items()}
    for change, changed in (
        (lambda: (folder / "tags.csv").write_text((folder / "tags.csv").read_text().replace("blue", "pink")), "tags"),
        (lambda: noise(9, 30, 30).save(folder / "9.png"), "pictures"),
        (lambda: (folder / "9.png.json").write_text("{}"), "tags"),
        (lambda: exclude.write_text("0001.png"), "exclude"),
        (lambda: exclude.write_text("0001.png#0"), "exclude"),
        (lambda: exclude.write_text("0002.png"), "exclude"),
        (lambda: exclude.write_text("# why\n.\\0002.png"), None),
        (lambda: exclude.write_text("0002.png\nmissing.png"), "exclude"),
    ):
        change()
        listing = FolderSource(folder, exclude=exclude).listing
        assert [name for name in listing if listing[name] != seen[name][-1]] == ([changed] if changed else [])
        if changed:
            assert listing[changed] not in seen[changed]
            seen[changed].append(listing[changed])


def test_source_ignores_an_output_folder_below_it(tmp_path):
    folder = folder_of(tmp_path / "faces", 3)
    out = folder / "out"
    before = FolderSource(folder, skip=out)
    out.mkdir()
    noise().save(out / "0007.png")
    (out / "manifest.json").write_text("{}")
    after = FolderSource(folder, skip=out)
    assert after.ids == before.ids and after.passed_over == before.passed_over == {}
    assert after.listing == before.listing and after.times == before.times


def test_source_accounts_for_other_files(tmp_path):
    folder = beside(tmp_path / "faces", a__txt="smile", b__avif="", c__avif="", d="", tags__csv="file,tags\n")
    for name in ("own.csv", "exclude.txt", ".hidden.avif"):
        (folder / name).write_text("file,tags\n")
    named = {"tags": folder / "own.csv", "exclude": folder / "exclude.txt"}
    assert FolderSource(folder, **named).passed_over == {".avif": 2, "": 1}
    assert FolderSource(folder).passed_over == {".avif": 2, "": 1, ".csv": 1, ".txt": 1}


def test_source_without_pictures_names_its_files(tmp_path):
    for name in ("a.avif", "b.avif", "c"):
        (tmp_path / name).write_text("")
    with pytest.raises(ValueError, match=r"no picture but other files \(2 \.avif, 1 without a suffix\)"):
        FolderSource(tmp_path)


def test_source_without_wanted_tags_reads_no_sidecars(tmp_path):
    folder = beside(
        tmp_path / "faces",
        a__png__json={"rating": "explicit", "tags": "hat"},
        b__png__json={"rating": "general", "tags": "hat"},
        c__txt="smile",
    )
    (folder / "c.txt").write_bytes(b"\xff\xfe\x00")
    (folder / "tags.csv").write_text("no tags file")
    source = FolderSource(folder, tags=tmp_path / "missing.csv", read_tags=False)
    assert source.used_words is None and source.sidecars is None and source.passed_over == {}
    assert source.words == {} and source.rows_without_picture == source.pictures_without_row == 0
    assert dropped(source, "a.png") == ("rating", "explicit")
    assert source.opener()("b.png", None).words is None and source.opener()("c.png", None).words is None
    (folder / "tags.csv").write_text("file,tags\nc.png,hat\n")
    assert FolderSource(folder, read_tags=False).listing == source.listing
    (folder / "b.png.json").write_text("damaged")
    assert dropped(FolderSource(folder, read_tags=False, strict=True), "b.png")[0] == "sidecar_unreadable"
    everything = FolderSource(folder, read_tags=False, ratings="any")
    (folder / "a.png.json").unlink()
    assert FolderSource(folder, read_tags=False, ratings="any").listing == everything.listing
    assert everything.opener()("b.png", None).words is None


def test_times_detect_a_change_that_keeps_the_size(tmp_path):
    folder = beside(tmp_path / "faces", a__png__json={"rating": "g"})
    before = FolderSource(folder)
    (folder / "a.png.json").write_text(json.dumps({"rating": "e"}))
    os.utime(folder / "a.png.json", ns=(0, 0))
    after = FolderSource(folder)
    assert after.listing == before.listing and after.times != before.times


@pytest.mark.parametrize("kind", ["missing", "file", "empty"])
def test_bad_source_is_named(tmp_path, kind):
    path = tmp_path / kind
    if kind == "file":
        path.write_text("")
    elif kind == "empty":
        path.mkdir()
    with pytest.raises((ValueError, FileNotFoundError), match=f"SOURCE must .*{kind}"):
        FolderSource(path)


def test_opener_gives_pixels_and_only_plain_bytes(tmp_path):
    (tmp_path / "a.png").write_bytes(data_of(noise(1)))
    (tmp_path / "b.bmp").write_bytes(data_of(noise(2), "bmp"))
    opener = pickle.loads(pickle.dumps(FolderSource(tmp_path).opener()))
    picture = opener("a.png", None)
    assert picture.data == (tmp_path / "a.png").read_bytes() and picture.words is None
    np.testing.assert_array_equal(picture.image, noise(1))
    assert opener("b.bmp", "smile").data is None and opener("b.bmp", "smile").words == "smile"


def test_opener_refuses_too_many_pixels(tmp_path):
    noise(0, 20, 20).save(tmp_path / "a.png")
    source = FolderSource(tmp_path)
    assert source.opener(max_pixels=400)("a.png", None).image.size == (20, 20)
    with pytest.raises(Dropped, match="too_large"):
        source.opener(max_pixels=399)("a.png", None)


def test_pipes_and_infinite_files_are_unreadable(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "endless.png").symlink_to("/dev/zero")
    with open(tmp_path / "large.png", "wb") as file:
        file.truncate(1 << 40)  # of holes: takes no room
    noise().save(tmp_path / "beside.png")
    os.mkfifo(tmp_path / "beside.png.json")
    source = FolderSource(tmp_path)
    assert source.opener()("beside.png", None).unread == ("beside.png, json: no regular file",)
    values = {id: dropped(source, id) for id in source.ids if id != "beside.png"}
    assert values == {
        "endless.png": ("unreadable", "no regular file"),
        "large.png": ("unreadable", "more than 778 MiB"),
        "pipe.png": ("unreadable", "no regular file"),
    }


def test_removed_picture_is_unreadable(tmp_path):
    noise().save(tmp_path / "a.png")
    source = FolderSource(tmp_path)
    (tmp_path / "a.png").unlink()
    reason, value = dropped(source, "a.png")
    assert reason == "unreadable" and "FileNotFoundError" in value


def test_links_and_names_of_other_systems_are_read(tmp_path):
    folder = tmp_path / "faces"
    (folder / "a").mkdir(parents=True)
    noise().save(folder / "a" / "1.png")
    (folder / "a" / "round").symlink_to(folder)
    (folder / "nothing.png").symlink_to(tmp_path / "missing.png")
    odd = os.fsdecode(b"\xff.png")
    noise().save(folder / odd)
    source = FolderSource(folder)
    assert source.ids == ["a/1.png", "nothing.png", odd]
    for id in source.ids[1:]:
        assert dropped(source, id)[0] == "unreadable"


def test_words_come_from_the_first_source_that_has_any(tmp_path):
    folder = beside(
        tmp_path / "faces",
        a__png__json={"tags": "whole_name"},
        a__json={"tags": "stem"},
        a__txt="text",
        b__json={"tags": "stem"},
        c__png__json={"rating": "g"},
        c__png__txt="long hair, smile",
        d__txt="text",
        e__png__json={"tags": ""},
    )
    source = FolderSource(folder)
    opener = source.opener()
    words = {id[0]: opener(id, None).words for id in source.ids}
    assert words == {"a": "whole_name", "b": "stem", "c": "long_hair smile", "d": "text", "e": None}
    assert opener("a.png", "row").words == "row" and opener("a.png", "").words == ""
    assert source.sidecars == "json,txt" and source.used_words is None and source.words_of("a.png") is None


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, {"a", "b", "d"}),
        ({"ratings": "any"}, {"a", "b", "c", "d"}),
        ({"ratings": "explicit"}, {"c", "d"}),
        ({"ratings": "any", "min_year": 2015}, {"b", "c"}),
        ({"ratings": "any", "min_score": 5}, {"a", "c"}),
        ({"ratings": "general,explicit", "min_year": 2015, "min_score": 5}, {"c"}),
    ],
)
def test_board_metadata_decides_absence(tmp_path, flags, expected):
    folder = beside(
        tmp_path / "faces",
        a__png__json={"rating": "general", "created_at": "2009-01-01", "score": 9},
        b__png__json={"rating": "sensitive", "created_at": "2015-01-01", "score": 1},
        c__png__json={"rating": "explicit", "created_at": "2020-01-01", "score": 5},
        d__png__txt="smile",
    )
    (folder / "tags.csv").write_text("file,tags\na.png,hat\nc.png,hat\n")
    source = FolderSource(folder, **flags)
    kept = set()
    for id in source.ids:
        try:
            source.opener()(id, source.words_of(id))
            kept.add(id[0])
        except Dropped as drop:
            assert drop.reason in ("rating", "old", "low_score")
    assert kept == expected


@pytest.mark.parametrize("read_tags", [True, False])
def test_explicit_pictures_are_left_out_by_any_source(tmp_path, read_tags):
    folder = beside(
        tmp_path / "faces",
        a__txt="rating:explicit\nsmile",
        b__png__json={"rating": "general", "tags": "smile"},
        b__txt="smile, nsfw",
        c__png__json={"safety": "unsafe"},
        d__txt="smile",
        e__png__txt="rating: questionable\nhat",
    )
    source = FolderSource(folder, read_tags=read_tags)
    assert {id: dropped(source, id)[1] for id in source.ids if id != "d.png"} == {
        "a.png": "explicit",
        "b.png": "explicit",
        "c.png": "explicit",
        "e.png": "questionable",
    }
    assert source.opener()("d.png", None).unread == () and dropped(source, "d.png", "smile explicit")[1] == "explicit"


def test_text_files_of_other_suffixes_are_read(tmp_path):
    folder = beside(tmp_path / "faces", a__TXT="smile", b__caption="hat", c__png__CAPTION="glasses", d__JSON=["ribbon"])
    source = FolderSource(folder)
    words = {id: source.opener()(id, None).words for id in source.ids}
    assert words == {"a.png": "smile", "b.png": "hat", "c.png": "glasses", "d.png": "ribbon"}
    assert source.passed_over == {} and source.pictures_without_row == 0


def test_metadata_of_a_work_and_of_a_folder_is_read(tmp_path):
    folder = beside(tmp_path / "faces", a__json={"tags": ["hat"]})
    for name in ("123_p0.png", "123_p17.png", "124_p0.png", "below/b.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        noise().save(folder / name)
    (folder / "123.json").write_text(json.dumps({"tags": ["smile"]}))
    (folder / "below" / "info.json").write_text(json.dumps({"tags": ["glasses"], "rating": "explicit"}))
    source = FolderSource(folder)
    opener = source.opener()
    words = {id: opener(id, None).words for id in source.ids if "below" not in id}
    assert words == {"123_p0.png": "smile", "123_p17.png": "smile", "124_p0.png": None, "a.png": "hat"}
    assert dropped(source, "below/b.png") == ("rating", "explicit") and source.pictures_without_row == 2
    assert FolderSource(folder, ratings="any").opener()("below/b.png", None).words is None


def test_unwanted_picture_is_not_decoded(tmp_path):
    folder = beside(tmp_path / "faces", a__png__json=EXPLICIT)
    (folder / "a.png").write_bytes(b"damaged")
    assert dropped(FolderSource(folder), "a.png") == ("rating", "explicit")
    assert dropped(FolderSource(folder, ratings="any"), "a.png")[0] == "unreadable"


def test_excluded_picture_is_decoded_and_marked(tmp_path):
    folder = beside(tmp_path / "faces", a__txt="smile", b__txt="hat", c__png__json=EXPLICIT, d__json="damaged")
    (folder / "e.png").write_bytes(b"damaged")
    noise(6, 100, 100).save(folder / "f.png")
    exclude = tmp_path / "exclude.txt"
    exclude.write_text("a.png\nc.png\nd.png\ne.png\nf.png\n")
    source = FolderSource(folder, exclude=exclude, strict=True)
    opener = source.opener(max_pixels=1000)
    picture = opener("a.png", None)
    assert picture.excluded and picture.words == "smile" and picture.data == (folder / "a.png").read_bytes()
    assert not opener("b.png", None).excluded
    assert dropped(source, "c.png") == ("rating", "explicit")
    for id in ("d.png", "e.png", "f.png"):
        with pytest.raises(Dropped) as caught:
            opener(id, None)
        assert (caught.value.reason, caught.value.value) == ("excluded", "")


@pytest.mark.parametrize(
    ("name", "content"), [("a.png.json", b'{"rating": "e'), ("a.json", b"5"), ("a.txt", b"\xff\xfe\x00")]
)
def test_damaged_sidecar_drops_its_picture_only_if_strict(tmp_path, name, content):
    noise().save(tmp_path / "a.png")
    (tmp_path / name).write_bytes(content)
    picture = FolderSource(tmp_path).opener()("a.png", None)
    assert picture.words is None and len(picture.unread) == 1
    reason, value = dropped(FolderSource(tmp_path, strict=True), "a.png")
    assert reason == "sidecar_unreadable" and (value,) == picture.unread


def test_folder_named_like_a_sidecar_is_ignored(tmp_path):
    noise().save(tmp_path / "a.png")
    (tmp_path / "a.png.json").mkdir()
    source = FolderSource(tmp_path)
    assert source.sidecars is None and source.opener()("a.png", None).words is None


def test_picture_with_the_longest_name_has_no_sidecar(tmp_path):
    long = "x" * 251 + ".png"
    beside(tmp_path, a__png__json={"tags": "hat"})
    noise().save(tmp_path / long)
    (tmp_path / f"{long[:-4]}.txt").write_text("smile")
    source = FolderSource(tmp_path)
    assert source.opener()(long, None).words == "smile" and source.opener()("a.png", None).words == "hat"


def test_exclude_lists_name_pictures_and_faces(tmp_path):
    folder = tmp_path / "faces"
    (folder / "桜").mkdir(parents=True)
    for name in ("a.png", "b.png", "桜/1 #2.png", "# c.png", "a.png#1.png"):
        noise().save(folder / name)
    exclude = tmp_path / "exclude.txt"
    lines = "a.png\n桜/1 #2.png\nb.png#1\n桜/1 #2.png#12\na.png#1.png\n"
    exclude.write_text(f"# why\n# c.png\n{lines}b.png#0\nb.png#01\nb.png#x\nb.png#\nz.png\nz.png#1\n", encoding="utf-8")
    source = FolderSource(folder, exclude=exclude)
    assert source.excluded == {"a.png", "桜/1 #2.png", "a.png#1.png"}
    assert source.excluded_faces == {"b.png#0", "b.png#1", "桜/1 #2.png#12"}
    assert source.exclude_without_picture == 5
    assert source.opener()("桜/1 #2.png", None).excluded and not source.opener()("b.png", None).excluded
    assert not source.opener()("# c.png", None).excluded


def test_exclude_lists_of_other_systems_are_read(tmp_path):
    folder = tmp_path / "faces"
    (folder / "a").mkdir(parents=True)
    for name in ("a/1.png", "a/2.png", "a/3.png", "a\\3.png", "a/4.png", "5.png"):
        noise().save(folder / name)
    exclude = tmp_path / "exclude.txt"
    exclude.write_text("./a/1.png\na\\2.png#0\na\\3.png\na\\3.png#1\n.\\a\\4.png\na/4.png\n./5.png#2\nb\\5.png\n")
    source = FolderSource(folder, exclude=exclude)
    assert source.excluded == {"a/1.png", "a\\3.png", "a/4.png"}
    assert source.excluded_faces == {"a/2.png#0", "a\\3.png#1", "5.png#2"}
    assert source.exclude_without_picture == 1


def test_without_an_exclude_list_nothing_is_excluded(tmp_path):
    source = FolderSource(folder_of(tmp_path / "faces", 2))
    assert not source.excluded and not source.excluded_faces and source.exclude_without_picture == 0


def test_drawn_avatars_come_with_their_tags():
    source = DrawnSource(count=2, seed=5, size=32)
    words = source.words_of(source.ids[1])
    picture = pickle.loads(pickle.dumps(source.opener()))(source.ids[1], words)
    assert len(source) == 2 and picture.data is None and picture.image.size == (32, 32) and picture.words == words
    np.testing.assert_array_equal(picture.image, avatars.draw(6, size=32))
    np.testing.assert_array_equal(JIN34.encode(words.split()), avatars.drawn_tags(6))


def test_sources_have_the_same_interface(tmp_path):
    folder = FolderSource(folder_of(tmp_path / "faces", 1))
    drawn_source = DrawnSource(count=1, seed=0, size=8)
    documented = ("ids", "sidecars", "rows_without_picture", "pictures_without_row", "used_words", "excluded")
    for name in (*documented, "excluded_faces", "exclude_without_picture", "listing", "times", "passed_over"):
        assert type(getattr(folder, name)) is type(getattr(drawn_source, name)), name
    assert list(folder.listing) == list(drawn_source.listing) == ["pictures", "tags", "exclude"]
    assert {len(digest) for source in (folder, drawn_source) for digest in source.listing.values()} == {64}
    assert DrawnSource(count=1, seed=1, size=8).listing["pictures"] != drawn_source.listing["pictures"]


@dataclasses.dataclass(frozen=True)
class AllSettings(SourceSettings):
    source: str = "faces"
    tagger: str = "sidecar"


def broken_rules(**flags):
    return [flag for flag, _ in broken(AllSettings(**flags))]


@pytest.mark.parametrize(
    ("flag", "value"), [("tags", "no.csv"), ("exclude", "no.txt"), ("min_year", 12), ("min_year", 10_000)]
)
def test_source_settings_name_the_flag_of_a_broken_rule(flag, value):
    assert broken_rules() == [] and broken_rules(**{flag: value}) == [flag]


def test_unknown_ratings_are_refused():
    with pytest.raises(ValueError, match=r"--ratings must be .*explicit. Received: 'safe'"):
        broken_rules(ratings="safe")


def test_tags_file_without_a_reader_has_no_effect():
    assert list(AllSettings(tagger="colours").idle()) == ["tags", "tags_threshold"]
    assert list(AllSettings(tagger="colours, sidecar").idle()) == []


def test_source_settings_have_no_effect_on_drawn_avatars():
    assert list(AllSettings().idle()) == []
    assert list(AllSettings(source="drawn").idle()) == [
        "tags",
        "tags_threshold",
        "ratings",
        "strict",
        "min_year",
        "min_score",
        "exclude",
    ]
