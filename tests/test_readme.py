"""The README is short and names what there is; the programs of the guide run as they stand there."""

import re
import runpy
from pathlib import Path

from tfanime.__main__ import STAGES
from tfanime.tfrecords.convert import convert
from tfanime.tfrecords.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "guide" / "library.md").read_text(encoding="utf-8")
ELSEWHERE = {
    "tfanime.recipes.landmarks",
    "tfanime.recipes.tagger",
    "tfanime.evaluate.tags",
    "tfanime.evaluate.rate",
    "tfanime.serving.load",
}


def test_readme_names_every_stage_and_recipe_of_the_package():
    assert [name for name, _ in STAGES if f"python -m {name}" not in README and name not in ELSEWHERE] == []


def test_readme_is_short():
    assert len(README.splitlines()) <= 120


def programs():
    return re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def test_library_example_runs(tmp_path, monkeypatch):
    code = programs()[0]
    shorter = code.replace("steps_per_epoch=100, epochs=10", "steps_per_epoch=2, epochs=1")
    assert shorter != code
    convert(Settings("drawn", str(tmp_path / "tfrecords" / "faces"), size=32, count=64, workers=1), progress=False)
    (tmp_path / "example.py").write_text(shorter)
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path("example.py")
    assert names["gan"].step == 2
    assert names["avatars"].shape == (16, 32, 32, 3)


def test_library_drawing_runs(in_tmp):
    Path("example.py").write_text(programs()[1])
    assert runpy.run_path("example.py")["images"].shape == (2, 64, 64, 3)


def test_library_loss_runs(in_tmp):
    import tensorflow as tf

    Path("example.py").write_text(programs()[2])
    loss = runpy.run_path("example.py")["least_squares"]
    assert (
        float(loss.discriminator(tf.constant([1.0]), tf.constant([0.0]))) == 0
        and float(loss.generator(tf.constant([0.0]))) == 1
    )
