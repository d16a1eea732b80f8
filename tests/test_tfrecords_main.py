import subprocess
import sys

import pytest
from small_pictures import folder_of

from tfanime.command_line import run
from tfanime.tfrecords.__main__ import main


def ended(arguments):
    with pytest.raises(SystemExit) as end:
        run(lambda: main([str(argument) for argument in arguments]))
    return end.value.code or 0


def test_command_prints_the_account(tmp_path, capfd):
    source = folder_of(tmp_path / "faces", 4)
    arguments = [source, tmp_path / "out", "--size", "24", "--workers", "1", "--detector", "none"]
    assert ended(arguments) == 0
    text = capfd.readouterr().out
    assert (
        "found    4 pictures" in text
        and "rows without a picture: 1 (such as 'missing.png'); pictures without tags of their own: 1" in text
    )
    assert "hair_colour 75.0%" in text
    assert f"python -m tfanime.recipes.dcgan --image_size 16 --data {tmp_path / 'out'}" in text
    assert ended(arguments) == 0
    assert "already complete: 4 records" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["missing", "out"], 1, "SOURCE must be an existing folder"),
        (["empty", "out"], 1, "SOURCE must hold pictures"),
        (["faces", "file/out"], 1, "OUT must be a folder that can be written"),
        (["faces", "out", "--size", "4"], 2, "--size must be at least 8"),
        (["faces", "out", "--sise", "4"], 2, "Did you mean --size?"),
        (["faces", "out", "--card", "bad.toml"], 2, "'sise'"),
        (["faces", "out", "--tags", "file"], 1, "the tags file 'file'"),
        (["faces", "out", "--size", "99"], 1, "dropped: too_small 2"),
    ],
)
def test_command_errors_are_one_line(arguments, status, message, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TFANIME_DEBUG", raising=False)
    folder_of(tmp_path / "faces", 2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "bad.toml").write_text("sise = 3\n")
    assert ended([*arguments, "--workers=1", "--progress=false", "--detector=none"]) == status
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0]


def test_help_does_not_load_tensorflow():
    program = (
        "import sys, tfanime.tfrecords.__main__ as m\n"
        "try: m.main(['--help'])\n"
        "finally: assert 'tensorflow' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "--detector" in result.stdout and "examples:" in result.stdout and "tags.csv" in result.stdout
