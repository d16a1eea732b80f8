import os

import pytest

from tfanime.tfrecords import folders
from tfanime.tfrecords.folders import list_pictures


def tree(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def listed(folder):
    return list_pictures(str(folder)).ids


def test_a_tree_is_walked_in_sorted_order(tmp_path):
    tree(tmp_path, "b.PNG", "a/z.jpg", "a/b/c.webp", ".hidden/x.png", ".x.png", "notes.txt", "c.gif", "d.bmp", "a.jpeg")
    assert listed(tmp_path) == ["a.jpeg", "a/b/c.webp", "a/z.jpg", "b.PNG", "c.gif", "d.bmp"]


def test_a_folder_named_as_a_picture_is_a_folder(tmp_path):
    assert listed(tree(tmp_path, "a.jpg/b.jpg")) == ["a.jpg/b.jpg"]


def test_each_folder_is_visited_once_and_not_by_its_link(tmp_path):
    folder = tree(tmp_path / "faces", "z/1.png", "b/2.png")
    tree(tmp_path / "elsewhere", "below/3.png")
    (folder / "a").symlink_to(folder / "z")
    (folder / "b" / "round").symlink_to(folder)
    (folder / "b" / "up").symlink_to(tmp_path / "elsewhere")
    (folder / "c").symlink_to(tmp_path / "elsewhere" / "below")
    (tmp_path / "elsewhere" / "back").symlink_to(folder / "b")
    assert listed(folder) == ["b/2.png", "b/up/below/3.png", "z/1.png"]


def test_links_to_nothing_and_to_themselves_are_listed(tmp_path):
    tree(tmp_path, "a.png")
    (tmp_path / "nothing.png").symlink_to(tmp_path / "missing.png")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    assert listed(tmp_path) == ["a.png", "nothing.png", "self.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_an_error(tmp_path):
    tree(tmp_path, "a/1.png")
    (tmp_path / "a").chmod(0)
    try:
        with pytest.raises(PermissionError):
            list_pictures(str(tmp_path))
    finally:
        (tmp_path / "a").chmod(0o700)


def test_files_beside_pictures(tmp_path):
    tree(tmp_path, "1.jpg", "1.jpg.json", "2.jpg", "3.png", "a/4.jpg", "4.json", "other.json")
    found = list_pictures(str(tmp_path))
    assert found.kinds == ("json",) and found.alone == ["2.jpg", "3.png", "a/4.jpg"]
    tree(tmp_path, "a/4.txt", "2.json")
    found = list_pictures(str(tmp_path))
    assert found.kinds == ("json", "txt") and found.alone == ["3.png"]


def test_the_order_of_the_file_system_does_not_matter(tmp_path, monkeypatch):
    found = list_pictures(str(tree(tmp_path, "1.jpg", "2.jpg", "2.txt", "a/3.jpg", "b/4.jpg")))
    forwards = folders._folders_below
    monkeypatch.setattr(
        folders, "_folders_below", lambda folder: [(path, files[::-1]) for path, files in forwards(folder)][::-1]
    )
    assert list_pictures(str(tmp_path)) == found


def test_what_changes_the_digests(tmp_path):
    tree(tmp_path, "1.jpg", "1.jpg.json", "a/2.jpg", "other.json")

    def digests():
        found = list_pictures(str(tmp_path))
        return found.contents, found.times

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
    for change in (
        lambda: (tmp_path / "1.jpg").write_bytes(b"x"),
        lambda: (tmp_path / "1.jpg.json").write_bytes(b"x"),
        lambda: (tmp_path / "a" / "2.txt").write_bytes(b""),
        lambda: (tmp_path / "a" / "2.txt").rename(tmp_path / "a" / "2.json"),
        lambda: (tmp_path / "a").rename(tmp_path / "b"),
        lambda: (tmp_path / "b" / "2.jpg").rename(tmp_path / "2.jpg"),
    ):
        change()
        contents.append(digests()[0])
    assert len(set(contents)) == len(contents)
