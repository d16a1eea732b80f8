import os

import pytest

from tfanime import files


def test_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with files.replacing(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
    assert target.read_text() == "half"
    with pytest.raises(RuntimeError), files.replacing(target) as temporary:
        temporary.write_text("broken")
        raise RuntimeError
    assert target.read_text() == "half"
    assert os.listdir(target.parent) == ["a.txt"]


def test_folder_appears_whole_or_not_at_all(tmp_path):
    with files.replacing(tmp_path / "run") as temporary:
        temporary.mkdir()
        (temporary / "a").write_text("1")
    assert (tmp_path / "run" / "a").read_text() == "1"
    with pytest.raises(OSError), files.replacing(tmp_path / "run") as temporary:
        temporary.mkdir()
        (temporary / "a").write_text("2")
    assert (tmp_path / "run" / "a").read_text() == "1" and os.listdir(tmp_path) == ["run"]


def test_write_text_is_utf8(tmp_path):
    files.write_text(tmp_path / "a", "\u00e9")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa9"


def test_require_writable_folder_makes_it_and_leaves_nothing(tmp_path):
    assert os.listdir(files.require_writable_folder(tmp_path / "a" / "b", "OUT")) == []


def test_require_writable_folder_names_argument_and_path(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"OUT must be a folder .*file/below"):
        files.require_writable_folder(tmp_path / "file" / "below", "OUT")


def test_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path))
    assert files.cache_folder() == tmp_path
    monkeypatch.delenv("TFANIME_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert files.cache_folder() == tmp_path / "x" / "tfanime"


def test_a_locked_folder_takes_one_process_at_a_time(tmp_path):
    again = files.locked(tmp_path, "run")
    with files.locked(tmp_path, "run"), pytest.raises(BlockingIOError, match="run must not be in use"), again:
        pass
    with files.locked(tmp_path, "run"):  # free again
        pass


def test_equal_process_ids_write_different_temporary_files(tmp_path):
    with files.replacing(tmp_path / "a") as one, files.replacing(tmp_path / "a") as two:
        assert one != two
        for path in (one, two):
            assert path.name.startswith(f".a.{os.getpid()}.") and path.suffix == ".part"
            path.write_text("")
