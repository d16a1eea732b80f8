import pytest

from tfanime.tfrecords import default
from tfanime.tfrecords.manifest import Manifest


def test_default_shards_are_drawn_once(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path))
    folder = default.default_shards(size=16, count=3)
    assert "drawing 3 avatars" in capfd.readouterr().err
    manifest = Manifest.load(folder)
    assert folder.parent == tmp_path and (manifest.count, manifest.image_size, manifest.name) == (3, 16, "drawn")
    monkeypatch.setattr(default.subprocess, "run", None)  # a second drawing would fail
    assert default.default_shards(size=16, count=3) == folder
    assert capfd.readouterr().err == ""


def test_default_shards_name_an_unwritable_cache(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OSError, match="TFANIME_CACHE must be a folder"):
        default.default_shards(size=16, count=3)
