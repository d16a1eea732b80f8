"""The test of judges: its distortions, its count of pairs and its tables."""

import judges
import numpy as np
import pytest
import tiny_features

from tfanime import data
from tfanime.generator import open_generator


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)


@pytest.mark.parametrize("distortion", judges.DISTORTIONS, ids=lambda distortion: distortion.name)
def test_distortions_change_pictures_and_keep_shape_and_type(distortion, images):
    found = distortion(images)
    assert (found.dtype, found.shape) == (np.uint8, images.shape) and (found != images).any()


def test_distortions_have_their_named_effect(images):
    pictures = np.float32(images)
    np.testing.assert_array_equal(judges.shift(1)(pictures)[:, :, 1:], pictures[:, :, :-1])
    np.testing.assert_array_equal(judges.average(2)(pictures)[3], (pictures[3] + pictures[2]) / 2)
    changed = (judges.smeared_eyes(5)(pictures) != pictures).any(axis=(0, 2, 3))
    assert changed.any() and not changed[:13].any() and not changed[23:].any()
    grey = np.full((1, 8, 8, 3), 100.0, np.float32)
    np.testing.assert_allclose(judges.hatching(6)(grey)[0, 0, :4, 0], [100, 106, 100, 94], atol=1e-4)
    np.testing.assert_allclose(judges.checkerboard(0.5)(grey)[0, :2, 0, 0], [127.5 - 27.5 / 4, 127.5 - 27.5 * 0.75])
    luma = np.float32([0.299, 0.587, 0.114])
    np.testing.assert_allclose(judges.bleeding(2)(pictures) @ luma, pictures @ luma, atol=1e-2)


def test_pairs_in_order_counts_correctly_ranked_pairs():
    grades = ("none", "weak", "strong", "strong")
    distortions = [judges.Distortion(str(place), grade, None) for place, grade in enumerate(grades)]
    pairs = judges.graded(distortions)
    assert pairs == [(2, 0), (2, 1), (3, 0), (3, 1)]
    assert judges.in_order([1, 2, 3, 4], pairs) == (4, [])
    assert judges.in_order([1, 2, 1.5, 2], pairs) == (2, [(2, 1), (3, 1)])


@pytest.mark.slow
def test_tables_have_all_values(capsys, shards, run_folder, tmp_path):
    network = tiny_features.write(tmp_path / "tiny.keras")
    flags = ["--data", str(shards), "--image_size=16", "--samples=20", f"--features={network}"]
    judges.main(flags)
    lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    rows = {cells[0]: cells[1:] for cells in lines}
    assert {distortion.name for distortion in judges.DISTORTIONS} < set(rows)
    assert float(rows["averages of 16"][1]) > float(rows["mirrored"][1])  # Frechet distance
    pairs = sum(each.grade == "strong" for each in judges.DISTORTIONS)
    pairs *= len(judges.DISTORTIONS) - pairs
    assert rows["tiny"][0].endswith(f" of {pairs}")


def test_models_are_ranked_as_expected(capsys, shards, run_folder, tmp_path, monkeypatch):
    """Real faces, and averages of few and of many, stand for models."""
    network = tiny_features.write(tmp_path / "tiny.keras")
    faces = data.load(shards, 16).images(np.arange(20))
    models = {"best": faces} | {
        name: judges.average(count)(faces).astype(np.uint8) for name, count in (("worst", 16), ("middle", 3))
    }
    monkeypatch.setattr(judges, "pictures_of", lambda model, count: models[model][:count])
    flags = ["--data", str(shards), "--image_size=16", "--samples=20", f"--features={network}", "--distort=0"]

    def tables(order):
        judges.main([*flags, f"--models={order}"])
        lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line[:2] == "| "]
        return {cells[0]: cells[1:] for cells in lines}

    rows = tables("worst,middle,best")
    assert list(rows)[1:5] == ["undistorted", "worst", "middle", "best"]
    assert float(rows["worst"][0]) > float(rows["middle"][0]) > float(rows["best"][0])
    assert rows["tiny"][0] == "3 of 3" and rows["tiny"][-1] == "none"
    rows = tables("worst,best,middle")
    assert rows["tiny"][0] == "2 of 3" and rows["tiny"][-1] == "best before middle"


def test_checkpoint_pictures_are_averaged_or_raw(run_folder):
    drawn = open_generator(run_folder).images(range(70))
    np.testing.assert_array_equal(judges.pictures_of(str(run_folder), 70), drawn)
    np.testing.assert_array_equal(judges.pictures_of(f"{run_folder}@2", 70), drawn)
    raw = judges.pictures_of(f"{run_folder}:raw", 70)
    assert raw.dtype == np.uint8 and raw.shape == drawn.shape and (raw != drawn).any()
    np.testing.assert_array_equal(raw, judges.pictures_of(f"{run_folder}@2:raw", 70))


def test_bad_flags_are_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        judges.main(["--data=a", "--samples=3"])
    assert stop.value.code == 2 and "--samples must be at least 8. Received: 3" in capsys.readouterr().err
