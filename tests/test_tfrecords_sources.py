import os

import numpy as np
import pytest
from small_pictures import data_of, folder_of, noise

from tfanime.tags import JIN34
from tfanime.tfrecords import drawn
from tfanime.tfrecords.filters import Dropped
from tfanime.tfrecords.sources import DrawnSource, FolderSource, match_tags, read_tags


def test_a_tree_is_walked_in_sorted_order(tmp_path):
    for name in ("b.PNG", "a/z.jpg", "a/b/c.webp", ".hidden/x.png", ".x.png", "notes.txt", "c.gif", "d.bmp"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    assert FolderSource(tmp_path).ids == ["a/b/c.webp", "a/z.jpg", "b.PNG", "c.gif", "d.bmp"]


def test_rows_and_pictures_without_each_other_are_counted(tmp_path):
    source = FolderSource(folder_of(tmp_path / "faces", 5))
    assert len(source) == 5
    assert source.rows_without_picture == 1 and source.pictures_without_row == 1
    assert source.words_of("0001.png") is None and source.words_of("0002.png") == "blue_hair smile"
    assert sorted(source.used_words) == ["blonde_hair", "blue_hair", "red_hair", "smile"]


def test_listing_depends_on_pictures_and_rows(tmp_path):
    folder = folder_of(tmp_path / "faces", 3)
    listing = FolderSource(folder).listing
    assert FolderSource(folder).listing == listing
    (folder / "tags.csv").write_text((folder / "tags.csv").read_text().replace("blue", "red"))
    assert FolderSource(folder).listing != listing
    other = FolderSource(folder).listing
    noise(9, 30, 30).save(folder / "9.png")
    assert FolderSource(folder).listing != other


@pytest.mark.parametrize("kind", ["missing", "file", "empty"])
def test_bad_sources_are_named(tmp_path, kind):
    path = tmp_path / kind
    if kind == "file":
        path.write_text("")
    elif kind == "empty":
        path.mkdir()
    with pytest.raises((ValueError, FileNotFoundError), match=f"SOURCE must .*{kind}"):
        FolderSource(path)


def test_rows_match_by_path_then_images_then_the_only_name():
    ids = ["1.jpg", "images/1.jpg", "images/2.jpg", "a/3.jpg", "a/4.jpg", "b/4.jpg", "a/5.jpg"]
    rows = {"1.jpg": "top", "2.jpg": "in images", "3.jpg": "only name", "4.jpg": "two so called", "x/5.jpg": "other"}
    words, left = match_tags(rows, ids)
    assert words == {"1.jpg": "top", "images/2.jpg": "in images", "a/3.jpg": "only name"}
    assert left == 2


def test_a_picture_takes_one_row():
    words, left = match_tags({"1.jpg": "by name", "images/1.jpg": "by path"}, ["images/1.jpg"])
    assert words == {"images/1.jpg": "by path"} and left == 1


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"name,tags\n1.jpg,a\n", "columns file,tags"),
        (b"file,tags\n1.jpg\n", "line 2 must have one value a column"),
        (b"file,tags\n1.jpg,a,b\n", "line 2 must have one value a column"),
        (b"file,tags\n1.jpg,a\n./1.jpg,b\n", "line 3 must not repeat"),
        (b"file,tags\n\xff\xfe,a\n", "CSV in UTF-8"),
        (b'file,tags\n1.jpg,"a\n', "CSV in UTF-8"),
        (b"", "columns file,tags"),
    ],
)
def test_bad_tags_files_are_named(tmp_path, content, rule):
    path = tmp_path / "tags.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"tags file .*tags\.csv.*{rule}"):
        read_tags(path)


def test_tags_files_of_other_systems(tmp_path):
    path = tmp_path / "tags.csv"
    path.write_bytes("\ufefffile,tags,note\r\na\\1.jpg,red_hair smile,x\r\n".encode())
    assert read_tags(path) == {"a/1.jpg": "red_hair smile"}


def test_opener_gives_pixels_and_only_plain_bytes(tmp_path):
    (tmp_path / "a.png").write_bytes(data_of(noise(1)))
    (tmp_path / "b.bmp").write_bytes(data_of(noise(2), "bmp"))
    opener = FolderSource(tmp_path).opener()
    image, data = opener("a.png")
    assert data == (tmp_path / "a.png").read_bytes()
    np.testing.assert_array_equal(image, noise(1))
    assert opener("b.bmp")[1] is None


def test_a_picture_that_vanished_is_unreadable(tmp_path):
    noise().save(tmp_path / "a.png")
    opener = FolderSource(tmp_path).opener()
    (tmp_path / "a.png").unlink()
    with pytest.raises(Dropped) as drop:
        opener("a.png")
    assert drop.value.reason == "unreadable" and "FileNotFoundError" in drop.value.value


def test_links_and_names_of_other_systems(tmp_path):
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
        with pytest.raises(Dropped, match="unreadable"):
            source.opener()(id)


def test_drawn_avatars_come_with_their_tags():
    source = DrawnSource(count=2, seed=5, size=32)
    image, data = source.opener()(source.ids[1])
    assert len(source) == 2 and data is None and image.size == (32, 32)
    np.testing.assert_array_equal(image, drawn.draw(6, size=32))
    np.testing.assert_array_equal(JIN34.encode(source.words_of(source.ids[1]).split()), drawn.drawn_tags(6))
