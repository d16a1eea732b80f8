"""What the README shows works as it stands there."""

import re
import runpy
from pathlib import Path

import pytest

from tfanime import command_line
from tfanime.tfrecords.convert import convert
from tfanime.tfrecords.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_the_library_example_runs(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    shorter = code.replace("steps_per_epoch=100, epochs=10", "steps_per_epoch=2, epochs=1")
    assert shorter != code
    convert(Settings("drawn", str(tmp_path / "tfrecords" / "faces"), size=32, count=64, workers=1), progress=False)
    (tmp_path / "example.py").write_text(shorter)
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path("example.py")
    assert names["gan"].step == 2
    assert names["avatars"].shape == (16, 32, 32, 3)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\((?!https?:)([^)]+)\)", README))))
def test_links_lead_somewhere(path):
    assert (ROOT / path).exists()


def test_published_names_exist():
    for flag, published in (
        ("--config", ("tfanime.recipes", "published")),
        ("--card", ("tfanime.tfrecords", "cards")),
    ):
        names = set(re.findall(rf"{flag} (\w+)", README))
        assert names
        assert names <= set(command_line.published_names(published))
