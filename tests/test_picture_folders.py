"""Folders of pictures through a command."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfanime.picture_folders import change_folder, picture_paths, read_or_check


def write(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(name, format="PNG")


def test_picture_paths_look_at_names_below_the_folder_only(tmp_path, monkeypatch):
    write(tmp_path / ".hidden" / "pictures" / "b" / "a.png", tmp_path / ".hidden" / "pictures" / ".b" / "a.png")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert picture_paths("../.hidden/pictures", "out") == [Path("b/a.png")]


def test_change_folder_does_not_take_its_own_output(tmp_path):
    write(tmp_path / "a.png", tmp_path / "b" / "a.png")
    for written, there in ((2, 0), (0, 2)):
        assert change_folder(lambda picture: picture, tmp_path, tmp_path / "large") == (written, there, {})
    assert sorted(path.relative_to(tmp_path / "large") for path in (tmp_path / "large").rglob("*.png")) == [
        Path("a.png"),
        Path("b/a.png"),
    ]


def test_change_folder_gives_each_picture_a_name_of_its_own(tmp_path):
    write(*(tmp_path / "in" / name for name in ("a.jpg", "a.png", "a.jpg.png", "b.webp")))
    assert change_folder(lambda picture: picture, tmp_path / "in", tmp_path / "out") == (4, 0, {})
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a.jpg.png", "a.jpg.png.png", "a.png.png", "b.png"]


def test_read_or_check_refuses_a_pictures_name_for_a_folder(tmp_path):
    write(tmp_path / "a.png")
    with pytest.raises(
        ValueError, match=r"--out must be a folder, because there are many pictures. Received: .*large.png"
    ):
        read_or_check(tmp_path, tmp_path / "large.png")
