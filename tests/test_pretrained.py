import hashlib
import shutil

import pytest

from tfanime import pretrained

DIGEST = "0" * 64


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of names, and an empty cache."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "names")
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path / "cache"))
    (tmp_path / "names").mkdir()
    return tmp_path / "names"


def packed(tmp_path, cards=("faces/card.json",), kind="zip"):
    """An archive of cards, its address and its hash."""
    for card in cards:
        (tmp_path / "content" / card).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "content" / card).write_text("{}")
    path = shutil.make_archive(str(tmp_path / "faces"), kind, tmp_path / "content")
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    return f"file://{path}", digest


def test_every_name_of_the_package_can_be_read():
    for name in pretrained.names():
        values = (pretrained.FOLDER / f"{name}.toml").read_text()
        assert "folder" in values or "sha256" in values


def test_names_and_folders_beside_them(folder):
    assert pretrained.names() == []
    for name in ("b", "a"):
        (folder / f"{name}.toml").write_text(f'folder = "{name}-64"')
    assert pretrained.names() == ["a", "b"] and pretrained.folder_of("b") == folder / "b-64"


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_an_archive_is_downloaded_once(folder, tmp_path, kind):
    url, digest = packed(tmp_path, kind=kind)
    (folder / "faces.toml").write_text(f'url = "{url}"\nsha256 = "{digest}"\n')
    found = pretrained.folder_of("faces")
    assert found.is_relative_to(tmp_path / "cache" / "pretrained" / digest) and (found / "card.json").is_file()
    for archive in tmp_path.glob("faces.*"):
        archive.unlink()
    assert pretrained.folder_of("faces") == found


def test_what_is_wrong_is_said(folder, tmp_path):
    url, digest = packed(tmp_path, ("a/card.json", "b/card.json"))
    for text, error, message in (
        (
            f'url = "{url}"\nsha256 = "{digest}"',
            ValueError,
            "must be an archive with one card.json. Received: .* with 2",
        ),
        (f'url = "{url}"\nsha256 = "{DIGEST}"', OSError, "url must be reachable, and what lies there have sha256"),
        (f'url = "{url}"\nsha256 = "short"', ValueError, "must say either folder, or url and sha256, 64 hexa"),
        ('folder = "a"\nurl = "b"', ValueError, "faces.toml must say either folder, or url and sha256"),
        ("folder =", ValueError, "faces.toml must be a file in TOML"),
    ):
        (folder / "faces.toml").write_text(text)
        with pytest.raises(error, match=message):
            pretrained.folder_of("faces")
