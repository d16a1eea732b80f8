import os
import time

import pytest

from tfanime import files


def test_replacing_a_file_is_all_or_nothing(tmp_path):
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


def test_replacing_a_folder_is_all_or_nothing(tmp_path):
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


def test_require_writable_folder_creates_it_empty(tmp_path):
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


def test_cache_folder_without_a_home_names_the_variable(monkeypatch):
    for name in ("TFANIME_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(user):
        raise KeyError(f"getpwuid(): uid not found: {user}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(OSError, match=r"^TFANIME_CACHE must name a folder .* HOME is not set"):
        files.in_cache("kind/name", lambda folder: None)


def _into_a_full_disk(folder):
    (folder / "a").symlink_to("/dev/full")
    (folder / "a").write_text("1")


def _by_numpy_into_a_full_disk(folder):
    raise OSError("100 requested and 4 written")


@pytest.mark.parametrize("fill", [_into_a_full_disk, _by_numpy_into_a_full_disk])
def test_in_cache_names_a_full_cache(tmp_path, monkeypatch, fill):
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path))
    with pytest.raises(
        OSError, match=r"the cache cannot be written .*(No space|4 written).*TFANIME_CACHE. Received.*name"
    ):
        files.in_cache("kind/name", fill)
    assert list((tmp_path / "kind").iterdir()) == []


def test_in_cache_names_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path / "file"))
    message = (
        r"the cache cannot be written \(Not a directory\).* another folder with TFANIME_CACHE. Received: .*kind/name"
    )
    with pytest.raises(OSError, match=message):
        files.in_cache("kind/name", lambda folder: None)


def test_in_cache_passes_on_errors_of_fill(tmp_path, monkeypatch):
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match=r"missing\.txt") as caught:
        files.in_cache("kind/name", lambda folder: (tmp_path / "missing.txt").read_text())
    assert "TFANIME_CACHE" not in str(caught.value)


def _age(folder, seconds):
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (time.time() - seconds,) * 2)


def test_in_cache_fills_a_folder_once(tmp_path, monkeypatch):
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path))
    calls = []

    def fill(folder):
        calls.append(folder)
        assert list(folder.iterdir()) == []
        (folder / "a").write_text("all of it")

    for _ in range(2):
        assert files.in_cache("kind/name", fill) == tmp_path / "kind" / "name"
    assert (tmp_path / "kind" / "name" / "a").read_text() == "all of it"
    assert len(calls) == 1 and not calls[0].exists()


def test_in_cache_is_all_or_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path))

    def fail(folder):
        (folder / "a").write_text("half")
        raise OSError("the disk is full")

    def be_slower(folder):
        files.in_cache("kind/name", lambda other: (other / "a").write_text("another process's"))
        (folder / "a").write_text("this one's")

    with pytest.raises(OSError, match="the disk is full"):
        files.in_cache("kind/name", fail)
    assert list((tmp_path / "kind").iterdir()) == []
    assert (files.in_cache("kind/name", be_slower) / "a").read_text() == "another process's"
    assert [path.name for path in (tmp_path / "kind").iterdir()] == ["name"]


def test_in_cache_removes_abandoned_leftovers(tmp_path, monkeypatch):
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path))
    names = ("dead", "written", "whole")
    dead, written, whole = (tmp_path / "kind" / (f".{name}.1.part" if name != "whole" else name) for name in names)
    for folder in (dead, written, whole):
        folder.mkdir(parents=True)
        (folder / "a").write_text("")
        _age(folder, 2 * files.LEFT_AFTER)
    os.utime(written / "a")
    files.in_cache("kind/name", lambda folder: None)
    assert not dead.exists() and written.exists() and whole.exists()
    _age(written, files.LEFT_AFTER - 60)
    files.in_cache("kind/other", lambda folder: None)
    assert written.exists()


def test_locked_admits_one_process(tmp_path):
    again = files.locked(tmp_path, "run")
    with files.locked(tmp_path, "run"), pytest.raises(BlockingIOError, match="run must not be in use"), again:
        pass
    with files.locked(tmp_path, "run"):  # free again
        pass


def test_replacing_with_equal_process_ids_uses_different_files(tmp_path):
    with files.replacing(tmp_path / "a") as one, files.replacing(tmp_path / "a") as two:
        assert one != two
        for path in (one, two):
            assert path.name.startswith(f".a.{os.getpid()}.") and path.suffix == ".part"
            path.write_text("")


def test_replacing_takes_the_longest_names(tmp_path):
    name = "\u3042" * 83 + ".png"  # 253 bytes
    with files.replacing(tmp_path / name) as temporary:
        temporary.write_text("whole")
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_text() == "whole"


def test_require_utf8_refuses_other_bytes_first(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9")
    with pytest.raises(ValueError, match=r"OUT must be a path in UTF-8. Received: b'.*caf\\xe9'; rename it"):
        files.require_writable_folder(path, "OUT")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["[Group] faces", "a*b", "what?", "back\\slash"])
def test_without_wildcards_yields_an_equivalent_folder(tmp_path, name):
    folder = tmp_path / name / "run"
    folder.mkdir(parents=True)
    with files.without_wildcards(folder) as plain:
        assert not set("[*?\\") & set(plain)
        (tmp_path / plain / "a").write_text("1")
    assert (folder / "a").read_text() == "1" and not os.path.lexists(plain)


def test_without_wildcards_yields_a_plain_folder_itself(tmp_path):
    for name in ("plain", "{a} 100% ]\n "):
        with files.without_wildcards(tmp_path / name) as plain:
            assert plain == str(tmp_path / name)
