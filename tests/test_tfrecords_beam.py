import sys

import pytest
from small_pictures import folder_of, noise

from tfanime.tfrecords import convert as convert_module
from tfanime.tfrecords.convert import convert
from tfanime.tfrecords.settings import Settings

pytest.importorskip("apache_beam", reason="the extra `beam` is not installed")


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """60 pictures, among them some that are unreadable, too small, or nearly the same as another."""
    folder = folder_of(tmp_path_factory.mktemp("beam") / "faces", 60)
    for number in range(0, 60, 7):
        noise(number).save(folder / f"again-{number}.png", optimize=True)
        noise(number).save(folder / f"thrice-{number}.bmp")
    (folder / "0005.png").write_bytes(b"no picture")
    noise(0, 7, 7).save(folder / "small.png")
    return folder


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_beam_writes_the_same_bytes(source, tmp_path, workers):
    flags = {"name": "x", "size": 16, "shard_records": 20, "detector": "none", "holdout": 0.2, "progress": False}
    manifest, _ = convert(Settings(str(source), str(tmp_path / "local"), workers=1, **flags), progress=False)
    assert set(manifest.pictures["dropped"]) == {"duplicate", "too_small", "unreadable"}
    settings = Settings(str(source), str(tmp_path / "beam"), workers=workers, runner="DirectRunner", **flags)
    convert(settings, progress=False)
    assert contents(tmp_path / "beam") == contents(tmp_path / "local")


def test_beam_converts_drawn_avatars_equally(tmp_path):
    flags = {"name": "x", "size": 24, "count": 12, "shard_records": 5, "workers": 1}
    convert(Settings("drawn", str(tmp_path / "local"), **flags), progress=False)
    convert(Settings("drawn", str(tmp_path / "beam"), runner="DirectRunner", **flags), progress=False)
    assert contents(tmp_path / "beam") == contents(tmp_path / "local")


def test_beam_conversion_is_resumed_locally(source, tmp_path, monkeypatch):
    flags = {"name": "x", "size": 16, "shard_records": 20, "detector": "none", "progress": False, "workers": 1}
    convert(Settings(str(source), str(tmp_path / "whole"), **flags), progress=False)
    cut = Settings(str(source), str(tmp_path / "cut"), runner="DirectRunner", **flags)
    monkeypatch.setattr(convert_module, "_manifest", stop)
    with pytest.raises(KeyboardInterrupt):
        convert(cut, progress=False)
    monkeypatch.undo()
    (tmp_path / "cut" / "x-00002-of-00004.tfrecord").unlink()
    convert(Settings(str(source), str(tmp_path / "cut"), **flags), progress=False)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def stop(*arguments):
    raise KeyboardInterrupt


def test_beam_remote_runners_need_absolute_paths(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"out must be an absolute path with --runner FlinkRunner. Received: 'out'"):
        convert(Settings(str(source), "out", runner="FlinkRunner", detector="none", size=16), progress=False)


@pytest.mark.slow
def test_local_runner_does_not_need_beam(tmp_path):
    import subprocess

    program = (
        "import sys; sys.modules['apache_beam'] = None\n"
        "from tfanime.tfrecords.__main__ import main\n"
        f"main(['drawn', {str(tmp_path)!r}, '--count=2', '--size=16', '--workers=1', '--progress=false'])"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
