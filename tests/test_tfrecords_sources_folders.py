import os

import pytest
from small_pictures import noise

from tfanime.tfrecords.crop import FORMATS, decode
from tfanime.tfrecords.sources import folders
from tfanime.tfrecords.sources.folders import MOST_OTHERS, list_pictures


def tree(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def listed(folder):
    return list_pictures(str(folder)).ids


def test_walk_is_in_sorted_order(tmp_path):
    tree(tmp_path, "b.PNG", "a/z.jpg", "a/b/c.webp", ".hidden/x.png", ".x.png", "notes.txt", "c.gif", "d.bmp", "a.jpeg")
    assert listed(tmp_path) == ["a.jpeg", "a/b/c.webp", "a/z.jpg", "b.PNG", "c.gif", "d.bmp"]


@pytest.mark.parametrize(
    ("format", "suffixes"),
    [
        ("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif")),
        ("PNG", (".png", ".apng")),
        ("WEBP", (".webp",)),
        ("GIF", (".gif",)),
        ("BMP", (".bmp",)),
    ],
)
def test_walk_lists_pictures_of_every_suffix(tmp_path, format, suffixes):
    for suffix in suffixes:
        noise().save(tmp_path / f"a{suffix.upper()}", format)
        decode((tmp_path / f"a{suffix.upper()}").read_bytes())
    assert listed(tmp_path) == sorted(f"a{suffix.upper()}" for suffix in suffixes) and format in FORMATS


def test_walk_counts_other_files_by_suffix(tmp_path):
    tree(tmp_path, "1.jpg", "1.jpg.json", "1.txt", "2.avif", "a/3.AVIF", "a/4", "5.mp4", "5.mp4.json", "tags.csv")
    tree(tmp_path, "notes.txt", "a/1.txt", ".hidden", ".x/5.avif", "lists/exclude.txt", "a.b/archive.tar.gz")
    skip = (tmp_path / "tags.csv", tmp_path / "lists" / ".." / "lists" / "exclude.txt")
    expected = {".avif": 2, ".txt": 2, "": 1, ".gz": 1, ".mp4": 1}
    assert list(list_pictures(str(tmp_path), skip=skip).passed_over.items()) == list(expected.items())
    assert list_pictures(str(tmp_path), kinds=(), skip=skip).passed_over == expected
    assert list_pictures(str(tmp_path)).passed_over == expected | {".csv": 1, ".txt": 3}


def test_walk_counts_rare_suffixes_together(tmp_path):
    tree(tmp_path, os.fsdecode(b"a.\xff"), os.fsdecode(b"b.\xff"), *(f"a.{number:06d}" for number in range(50)))
    passed_over = list_pictures(str(tmp_path)).passed_over
    assert len(passed_over) == MOST_OTHERS + 1 and sum(passed_over.values()) == 52
    assert passed_over[".\\udcff"] == 2 and passed_over["others"] == 52 - 2 - (MOST_OTHERS - 1)
    assert ascii(passed_over).isprintable() and str(passed_over).encode()


def test_walk_leaves_out_a_folder_under_any_name(tmp_path, monkeypatch):
    faces = tree(
        tmp_path / "faces", "1.png", "out/2.png", "out/below/3.png", "out.png/4.png", "out/faces-00000.tfrecord"
    )
    (faces / "link").symlink_to(faces / "out")
    assert listed(faces) == ["1.png", "out.png/4.png", "out/2.png", "out/below/3.png"]
    monkeypatch.chdir(faces)
    for out in (faces / "out", f"{faces}/out/", faces / "link", faces / "none" / ".." / "out", "out"):
        found = list_pictures(str(faces), skip=[out])
        assert found.ids == ["1.png", "out.png/4.png"] and not found.passed_over, out
    assert listed(faces) == list_pictures(str(faces), skip=[faces, tmp_path]).ids


def test_walk_ignores_folders_without_pictures(tmp_path):
    before = list_pictures(str(tree(tmp_path, "1.jpg", "a/2.jpg", "a/2.txt")))
    tree(tmp_path, "notes/a.md", "notes/b.txt")
    (tmp_path / "out" / "below").mkdir(parents=True)
    after = list_pictures(str(tmp_path))
    assert (after.pictures, after.beside, after.times) == (before.pictures, before.beside, before.times)


def test_walk_ignores_files_that_are_not_needed(tmp_path):
    tree(tmp_path, "1.jpg")
    before = list_pictures(str(tmp_path), kinds=("json",))
    tree(tmp_path, "1.txt")
    assert list_pictures(str(tmp_path), kinds=("json",)) == before
    tree(tmp_path, "1.json")
    after = list_pictures(str(tmp_path), kinds=("json",))
    assert after.beside != before.beside and after.pictures == before.pictures and not after.alone


def test_walk_enters_folders_named_like_pictures(tmp_path):
    assert listed(tree(tmp_path, "a.jpg/b.jpg")) == ["a.jpg/b.jpg"]


def test_walk_visits_each_folder_once(tmp_path):
    folder = tree(tmp_path / "faces", "z/1.png", "b/2.png")
    tree(tmp_path / "elsewhere", "below/3.png")
    (folder / "a").symlink_to(folder / "z")
    (folder / "b" / "round").symlink_to(folder)
    (folder / "b" / "up").symlink_to(tmp_path / "elsewhere")
    (folder / "c").symlink_to(tmp_path / "elsewhere" / "below")
    (tmp_path / "elsewhere" / "back").symlink_to(folder / "b")
    assert listed(folder) == ["b/2.png", "b/up/below/3.png", "z/1.png"]


def test_walk_lists_broken_links(tmp_path):
    tree(tmp_path, "a.png")
    (tmp_path / "nothing.png").symlink_to(tmp_path / "missing.png")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    assert listed(tmp_path) == ["a.png", "nothing.png", "self.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_walk_refuses_unreadable_folders(tmp_path):
    tree(tmp_path, "a/1.png")
    (tmp_path / "a").chmod(0)
    try:
        with pytest.raises(PermissionError):
            list_pictures(str(tmp_path))
    finally:
        (tmp_path / "a").chmod(0o700)


def test_walk_finds_files_beside_pictures(tmp_path):
    tree(tmp_path, "1.jpg", "1.jpg.json", "2.jpg", "3.png", "a/4.jpg", "4.json", "other.json")
    found = list_pictures(str(tmp_path))
    assert found.kinds == ("json",) and found.alone == ["2.jpg", "3.png", "a/4.jpg"]
    tree(tmp_path, "a/4.txt", "2.json")
    found = list_pictures(str(tmp_path))
    assert found.kinds == ("json", "txt") and found.alone == ["3.png"]


def test_walk_does_not_depend_on_the_file_systems_order(tmp_path, monkeypatch):
    found = list_pictures(str(tree(tmp_path, "1.jpg", "2.jpg", "2.txt", "a/3.jpg", "b/4.jpg")))
    forwards = folders._folders_below
    monkeypatch.setattr(
        folders,
        "_folders_below",
        lambda folder, skip: [(path, files[::-1]) for path, files in forwards(folder, skip)][::-1],
    )
    assert list_pictures(str(tmp_path)) == found


def test_digests_change_with_names_sizes_and_times(tmp_path):
    tree(tmp_path, "1.jpg", "1.jpg.json", "a/2.jpg", "other.json")

    def digests():
        found = list_pictures(str(tmp_path))
        return (found.pictures, found.beside), found.times

    seen = [digests()]
    assert digests() == seen[0]
    os.utime(tmp_path / "other.json", ns=(1, 1))
    assert digests() == seen[0]
    for name in ("1.jpg", "1.jpg.json", "a/2.jpg"):  # as large as before
        os.utime(tmp_path / name, ns=(1, len(seen)))
        contents, times = digests()
        assert contents == seen[0][0] and times not in [before for _, before in seen]
        seen.append((contents, times))
    contents = [seen[0][0]]
    for change, changed in (
        (lambda: (tmp_path / "1.jpg").write_bytes(b"x"), (True, False)),
        (lambda: (tmp_path / "1.jpg.json").write_bytes(b"x"), (False, True)),
        (lambda: (tmp_path / "a" / "2.txt").write_bytes(b""), (False, True)),
        (lambda: (tmp_path / "a" / "2.txt").rename(tmp_path / "a" / "2.json"), (False, True)),
        (lambda: (tmp_path / "a").rename(tmp_path / "b"), (True, True)),
        (lambda: (tmp_path / "b" / "2.json").unlink(), (False, True)),
        (lambda: (tmp_path / "b" / "2.jpg").rename(tmp_path / "2.jpg"), (True, False)),
    ):
        change()
        contents.append(digests()[0])
        assert tuple(now != before for now, before in zip(contents[-1], contents[-2], strict=True)) == changed
