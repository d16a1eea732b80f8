import re

import numpy as np
import pytest
from PIL import Image

from tfanime import command_line, generate
from tfanime.images import grid


@pytest.fixture(scope="module")
def generator(run_folder):
    return generate.open_generator(run_folder)


def difference(first, second):
    return np.abs(first.astype(int) - second).max()


def test_where_avatars_cannot_be_written_costs_no_opening(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "open_generator", None)
    with pytest.raises(ValueError, match=r"out must end in .png, or be a folder. Received: a.jpg"):
        generate.main([str(tmp_path), "--out=a.jpg"])


def test_a_sheet_from_the_command_line(generator, run_folder, tmp_path, capsys):
    out = tmp_path / "new" / "avatars.png"
    generate.main([str(run_folder), "--seeds=2,4-6", f"--out={out}", "--batch=3"])
    assert capsys.readouterr().out == f"wrote 4 avatars to {out}\n"
    assert difference(np.asarray(Image.open(out)), grid(generator.images([2, 4, 5, 6]))) <= 1


def test_single_pictures_from_the_command_line(generator, run_folder, tmp_path):
    generate.main([str(run_folder), "--seeds", "7,3", "--out", str(tmp_path / "avatars")])
    assert sorted(path.name for path in (tmp_path / "avatars").iterdir()) == ["seed-00000003.png", "seed-00000007.png"]
    picture = np.asarray(Image.open(tmp_path / "avatars" / "seed-00000007.png"))
    assert difference(picture, generator.images([7])[0]) <= 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "model"),
        (["runs/nowhere", "--batch=0"], 2, "--batch must be at least 1. Received: 0"),
        (["runs/nowhere", "--seed=3"], 2, r"Received: --seed=3. Did you mean --seeds\?"),
        (["runs/nowhere", "--seeds=3-x"], 2, "seeds must be whole numbers"),
        (["runs/nowhere"], 1, "Received: 'runs/nowhere', which does not exist"),
    ],
)
def test_errors_are_one_line_and_a_status(arguments, status, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as raised:
        command_line.run(lambda: generate.main(arguments))
    assert raised.value.code == status
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(message, error), error
    assert not list(tmp_path.iterdir())
