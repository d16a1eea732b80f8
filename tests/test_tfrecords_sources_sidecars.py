import pytest

from tfanime.tfrecords.sources.sidecars import (
    match_tags,
    names_beside,
    read_exclude,
    read_tags,
    read_words,
    with_slashes,
)


def test_sidecar_names_follow_the_picture():
    names = names_beside("a.b/1.x.jpg", "json")
    assert names == ("a.b/1.x.jpg.json", "a.b/1.x.json", "a.b/1.x.jpg.JSON", "a.b/1.x.JSON")


@pytest.mark.parametrize("path", ["a/1.jpg", "./a/1.jpg", "a\\1.jpg", ".\\a\\1.jpg"])
def test_paths_of_other_systems_are_read(path):
    assert with_slashes(path) == "a/1.jpg"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("long_hair smile", "long_hair smile"),
        ("long_hair  smile\r\n", "long_hair smile"),
        ("long hair, smile", "long_hair smile"),
        ("blonde hair,blue eyes", "blonde_hair blue_eyes"),
        ("long hair\nsmile\n\nlong hair\n", "long_hair smile"),
        ("long hair,\r\n blue eyes,", "long_hair blue_eyes"),
        ("\ufeff桜 smile", "桜 smile"),
        (" \n", None),
        ("", None),
    ],
)
def test_text_file_gives_words(tmp_path, content, words):
    path = tmp_path / "1.txt"
    path.write_bytes(content.encode())
    assert read_words(path) == words


def test_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "1.txt"
    path.write_bytes(b"smile\0\1\2\3")
    with pytest.raises(ValueError, match="no text in UTF-8"):
        read_words(path)


def test_exclude_list_gives_ids(tmp_path):
    path = tmp_path / "exclude.txt"
    path.write_bytes("\ufeff# seen by hand\r\n\r\na/1.jpg\r\n桜 #2.png#1\n #3.png\n#4.png\n  \na/1.jpg".encode())
    assert read_exclude(path) == {"a/1.jpg", "桜 #2.png#1", " #3.png", "#4.png"}


def test_exclude_list_as_csv_takes_any_name(tmp_path):
    path = tmp_path / "exclude.csv"
    path.write_bytes('\ufeffid,reason\n"# a.jpg",x\n"line\nbreak.jpg#1",y\n,z\n'.encode())
    assert read_exclude(path) == {"# a.jpg", "line\nbreak.jpg#1"}
    path.write_text("name\na.jpg\n")
    with pytest.raises(ValueError, match=r"--exclude must be CSV in UTF-8 with a column id.*exclude\.csv"):
        read_exclude(path)


def test_exclude_list_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "exclude.txt"
    path.write_text("a.jpg\n", encoding="utf-16")
    with pytest.raises(ValueError, match=r"--exclude must be a text file in UTF-8.*exclude\.txt"):
        read_exclude(path)


def test_rows_match_by_path_then_images_then_unique_name():
    ids = ["1.jpg", "images/1.jpg", "images/2.jpg", "a/3.jpg", "a/4.jpg", "b/4.jpg", "a/5.jpg"]
    rows = {"1.jpg": "top", "2.jpg": "in images", "3.jpg": "only name", "4.jpg": "two so called", "x/5.jpg": "other"}
    words, left = match_tags(rows, ids)
    assert words == {"1.jpg": "top", "images/2.jpg": "in images", "a/3.jpg": "only name"}
    assert left == ["4.jpg", "x/5.jpg"]


@pytest.mark.parametrize(
    ("file", "ids", "id"),
    [
        ("が.jpg", ["か\u3099.jpg"], "か\u3099.jpg"),  # macOS decomposes
        ("/home/me/faces/a/1.jpg", ["a/1.jpg", "b/1.jpg"], "a/1.jpg"),
        ("C:/faces/1.jpg", ["1.jpg"], "1.jpg"),
        ("faces/1.jpg", ["1.jpg"], "1.jpg"),
        ("b/1.jpg", ["a/b/1.jpg", "a/c/1.jpg"], "a/b/1.jpg"),
        ("1", ["a/1.jpg"], "a/1.jpg"),
        ("faces/1", ["1.png"], "1.png"),
        ("1", ["a/1.jpg", "b/1.jpg"], None),
        ("1", ["1.jpg", "1.png"], None),
        ("b/1.jpg", ["a/b/1.jpg", "c/b/1.jpg"], None),
        ("x/1.jpg", ["1.jpg", "x/2.jpg"], None),  # a picture of x that is gone
        ("x/1.jpg", ["a/1.jpg"], None),
    ],
)
def test_rows_with_other_paths_match_a_unique_picture(file, ids, id):
    words, left = match_tags({file: "hat"}, ids)
    assert (words, left) == (({id: "hat"}, []) if id else ({}, [file]))


def test_rows_that_mean_the_same_picture_are_left_out():
    words, left = match_tags({"x/1.jpg": "hat", "y/1.jpg": "smile"}, ["1.jpg"])
    assert words == {} and left == ["x/1.jpg", "y/1.jpg"]


def test_pictures_take_one_row_each():
    words, left = match_tags({"1.jpg": "by name", "images/1.jpg": "by path"}, ["images/1.jpg"])
    assert words == {"images/1.jpg": "by path"} and left == ["1.jpg"]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"name,tags\n1.jpg,a\n", "columns file,tags"),
        (b"file,tags\n1.jpg\n", "line 2 must have one value a column"),
        (b"file,tags\n1.jpg,a,b\n", "line 2 must have one value a column"),
        (b"file,tags\n1.jpg,a\n./1.jpg,b\n", "line 3 must not repeat"),
        (b"file,tags\n\0\1,a\n", "no text in UTF-8"),
        (b'file,tags\n1.jpg,"a\n', "CSV in UTF-8"),
        (b"", "columns file,tags"),
    ],
)
def test_tags_file_errors_name_the_line(tmp_path, content, rule):
    path = tmp_path / "tags.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"tags file .*tags\.csv.*{rule}"):
        read_tags(path)


def test_tags_files_of_other_systems_are_read(tmp_path):
    path = tmp_path / "tags.csv"
    path.write_bytes("\ufefffile,tags,note\r\na\\1.jpg,red_hair smile,x\r\n".encode())
    assert read_tags(path) == {"a/1.jpg": "red_hair smile"}


@pytest.mark.parametrize(
    "content",
    [
        "file,tags\r\n1.jpg,smile\r\n,\r\n",
        "file,tags,,\n1.jpg,smile,,\n,,,\n",
        "file,tags\n1.jpg,smile,,\n\n",
        "file;tags\n1.jpg;smile\n;\n",
        "file\ttags\n1.jpg\tsmile\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_tags_files_of_spreadsheets_are_read(tmp_path, content, encoding):
    path = tmp_path / "tags.csv"
    path.write_bytes(content.encode(encoding))
    assert read_tags(path) == {"1.jpg": "smile"}
