"""The wheel carries the published recipes and cards, found by the same names as in a checkout."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import tfanime

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # A copy, because setuptools packs what an earlier build has left in the folder `build`.
    # (vendor, what the page fetches once, is copied along.)
    strangers = ("build", ".*", "*.tfrecord", "runs", "demo", "exports", "evaluation", "*.egg-info", "__pycache__")
    source = shutil.copytree(ROOT, folder / "source", symlinks=True, ignore=shutil.ignore_patterns(*strangers))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    (path,) = folder.glob("tfanime-*.whl")
    return path


def test_wheel_has_all_files_and_no_others(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    code = {str(path.relative_to(ROOT)) for path in (ROOT / "tfanime").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == code
    for folder, target, patterns in (
        ("recipes", "tfanime/recipes/published", ("*.toml", "studies/*.toml")),
        ("tfrecords", "tfanime/tfrecords/cards", ("*.toml",)),
    ):
        expected = set()
        for pattern in patterns:
            paths = list((ROOT / folder).glob(pattern))
            assert paths
            expected |= {f"{target}/{path.relative_to(ROOT / folder)}" for path in paths}
        assert {name for name in names if name.startswith(target)} == expected
    read = {".npz", ".json", ".html", ".js", ".css", ".jinja", ".pyi", ".typed"}  # by the code beside them
    beside = {str(path.relative_to(ROOT)) for path in (ROOT / "tfanime").rglob("*") if path.suffix in read}
    assert len(beside) > 6 and beside <= set(names)


def test_package_stub_lists_its_names():
    stub = (ROOT / "tfanime" / "__init__.pyi").read_text()
    declared = {name: module for module, name in re.findall(r"^from (\S+) import (\w+) as \2$", stub, re.MULTILINE)}
    assert declared == tfanime._PUBLIC
    assert sorted([*declared, "__version__"]) == sorted(tfanime.__all__)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("tfanime.recipes.dcgan", "--config", "dcgan_r1_64", "--print_config"), "r1_gamma = 0.3"),
        (("tfanime.recipes.study", "optimizers", "--dry_run"), "optimizer=sgd,learning_rate=0.2 (to do)"),
        (
            ("tfanime.tfrecords", "here", "there", "--card", "anime_faces", "--print_config"),
            'vocabulary = "konachan26"',
        ),
    ],
)
@pytest.mark.parametrize("place", ["wheel", "checkout"])
def test_published_names_are_found_in_wheel_and_checkout(wheel, tmp_path, arguments, line, place):
    if place == "wheel":
        zipfile.ZipFile(wheel).extractall(tmp_path)
    environment = os.environ | {"PYTHONPATH": str(tmp_path if place == "wheel" else ROOT)}
    result = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert line in result.stdout.splitlines()
