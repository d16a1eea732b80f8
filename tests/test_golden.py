"""Files of older versions, which CHANGELOG.md promises to read, are read.

golden/shards, golden/run and golden/export.tar.xz were written by commit 2fa1303, golden/generator by the first version
with generators' folders, all by their commands (`tfanime.tfrecords drawn`, `tfanime.recipes.dcgan`, `tfanime.export`).
Beside them lies what commit 2fa1303 made of them: golden/shards.npz are the decoded faces, avatars.png what run and
export draw, run-step-3.* the numbers and the avatars of the run after one more step. They are never written anew.
"""

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import tiny_features
from PIL import Image

from tfanime import data, generate
from tfanime.evaluate import __main__ as evaluate
from tfanime.files import versions
from tfanime.generator import open_generator
from tfanime.recipes import dcgan

GOLDEN = Path(__file__).parent / "golden"
TAGS = "brown hair, smile"


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden") / "export"
    with tarfile.open(GOLDEN / "export.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """The run after one step of today's code."""
    folder = shutil.copytree(GOLDEN / "run", tmp_path_factory.mktemp("golden") / "run")
    settings = [f"--config={folder / 'config.toml'}", f"--data={GOLDEN / 'shards'}", f"--run={folder}", "--steps=3"]
    assert dcgan.main(settings) == 0
    return folder


def assert_drawn(model, picture, levels, out):
    """Checks that `generate` draws the kept picture of the first eight seeds."""
    generate.main([str(model), "--seeds=0-7", f"--tags={TAGS}", f"--out={out}"])
    drawn, kept = (np.asarray(Image.open(path)).astype(int) for path in (out, GOLDEN / picture))
    assert drawn.shape == kept.shape and np.abs(drawn - kept).max() <= levels


def test_golden_shards_are_read():
    kept = np.load(GOLDEN / "shards.npz")
    faces = data.load(GOLDEN / "shards", progress=False)
    np.testing.assert_array_equal(faces.images(np.arange(faces.count)), kept["images"])
    np.testing.assert_array_equal(faces.tags, kept["tags"])
    assert faces.vocabulary.tags == open_generator(GOLDEN / "generator").vocabulary.tags
    held_out = data.load(GOLDEN / "shards", split="holdout", progress=False)
    np.testing.assert_array_equal(held_out.images(np.arange(held_out.count)), kept["held_out"])


def test_golden_run_is_drawn_and_resumed(resumed, tmp_path):
    assert_drawn(GOLDEN / "run", "avatars.png", 1, tmp_path / "run.png")
    assert_drawn(resumed, "run-step-3.png", 1, tmp_path / "resumed.png")
    before, line = (json.loads(line) for line in (resumed / "metrics.jsonl").read_text().splitlines())
    assert before["step"] == 2
    for name, value in json.loads((GOLDEN / "run-step-3.json").read_text()).items():
        if name not in ("seconds", "images_per_second"):
            assert line[name] == pytest.approx(value, rel=1e-3), name


def test_golden_generator_folder_draws_the_same(tmp_path):
    assert_drawn(GOLDEN / "generator", "avatars.png", 1, tmp_path / "avatars.png")


def test_golden_export_draws_the_same(export, tmp_path):
    assert_drawn(export, "avatars.png", 1, tmp_path / "avatars.png")
    assert list(versions(export)) == [1]


def test_golden_models_are_evaluated(export, tmp_path):
    features = tiny_features.write(tmp_path / "network.keras", size=8)
    models = [str(GOLDEN / "run"), str(GOLDEN / "generator"), str(export)]
    settings = ["--samples=6", "--tag_pictures=0", f"--features={features}", f"--out={tmp_path}"]
    evaluate.main([*models, f"--data={GOLDEN / 'shards'}", *settings])
    rows = json.loads((tmp_path / "evaluation.json").read_text())["rows"]
    assert [row["name"] for row in rows[:3]] == ["run", "generator", "export"]
    distances = [row["values"]["distance"] for row in rows[:3]]
    assert distances == pytest.approx([distances[0]] * 3, rel=0.05)  # by the one grey level that drawings may differ by
