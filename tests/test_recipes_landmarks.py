"""The recipe of the landmark network: from shards and a table of points to files that a loss opens."""

from pathlib import Path

import numpy as np
import pytest
import tiny_photos
from recipe_runs import metrics, same, tensors

from tfanime.landmarks import files as landmark_files
from tfanime.landmarks.points import NAMES, write_points
from tfanime.recipes import landmarks
from tfanime.runs import RunFolder
from tfanime.tfrecords.alignment import PLACES, anchors

TINY = ["--image_size=16", "--batch_size=8", "--precision=float32"]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Shards of stand-ins for photos, and a table of points of all but two of them."""
    folder = tmp_path_factory.mktemp("labelled")
    shards = tiny_photos.shards_of(tiny_photos.folder_of(folder / "pictures", 24, 16), folder / "shards", 16)
    random = np.random.default_rng(0)
    base = random.uniform(0.2, 0.8, (len(NAMES), 2))
    write_points(
        folder / "points.csv", {f"{i:03d}.png": base + random.normal(0, 0.02, base.shape) for i in range(2, 24)}
    )
    return [f"--data={shards}", f"--points={folder / 'points.csv'}"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A network that takes no time."""
    monkeypatch.setattr("tfanime.landmarks.network.CHANNELS", (2, 3))
    monkeypatch.setattr("tfanime.landmarks.network.HIDDEN", 4)


@pytest.mark.slow
def test_landmarks_recipe_evaluates_writes_and_resumes(labelled, in_tmp, capsys):
    flags = [*labelled, *TINY, "--steps=4", "--epoch_steps=2"]
    assert landmarks.main([*flags, "--run=whole", "--labels=by rule"]) == 0
    printed, warned = capsys.readouterr()
    assert "warning: --points have none of" in warned and "| moved | " in printed
    assert [line["step"] for line in metrics("whole")] == [2, 4]
    opened = landmark_files.open_landmarks("whole/landmarks")
    card = opened.card
    assert card["network"] == {"image_size": 16, "channels": [2, 3], "hidden": 4}
    assert card["trained_on"]["labels"] == "by rule" and card["trained_on"]["steps"] == 4
    assert card["trained_on"]["faces"] + card["holdout"]["faces"] == 22
    errors = card["holdout"]["errors"]
    assert errors["as they are"]["mean face"] < errors["as they are"]["another face"]
    assert errors["moved"]["mean face"] > errors["as they are"]["mean face"]
    config = landmarks.Config(data=labelled[0][7:], points=labelled[1][9:], run="whole", image_size=16)
    data, held_out = (landmarks.open_points(config, RunFolder("whole"), split) for split in ("train", "holdout"))
    assert landmarks.evaluate(opened.model, data, held_out) == errors
    # The same run in two parts, and its network once more.
    before = Path("whole/landmarks.npz").read_bytes()
    assert landmarks.main(["--run=whole", "--out=other/one"]) == 0
    assert Path("other/one.npz").read_bytes() == before
    assert landmarks.main([*flags, "--run=parts", "--minutes=1e-6"]) == 0
    assert landmarks.main(["--run=parts", "--minutes=9"]) == 0
    assert same(tensors("whole"), tensors("parts"))


def test_landmark_batches_are_a_function_of_seed_and_step(labelled, in_tmp):
    config = landmarks.Config(data=labelled[0][7:], points=labelled[1][9:], run="a", image_size=16, batch_size=4)
    data = landmarks.open_data(config, RunFolder("a"), lambda text: None)
    whole = list(landmarks.batches(config, data).take(3))
    images, points = next(iter(landmarks.batches(config, data, start=2)))
    assert np.array_equal(images, whole[2][0]) and np.array_equal(points, whole[2][1])
    assert images.shape == (4, 16, 16, 3) and points.shape == (4, len(NAMES), 2)


def test_landmarks_recipe_takes_the_points_of_aligned_shards(tmp_path, in_tmp):
    photos = tiny_photos.folder_of(tmp_path / "pictures", 12, 64)
    shards = tiny_photos.shards_of(photos, tmp_path / "shards", 16, align=True)
    config = landmarks.Config(data=str(shards), run="a", image_size=16, batch_size=4)
    data = landmarks.open_data(config, RunFolder("a"), lambda text: None)
    assert data.count == data.faces.count > 4
    np.testing.assert_array_equal(data.take(np.array([2, 1]))[1], data.faces.points[[2, 1]])
    assert next(iter(landmarks.batches(config, data)))[1].shape == (4, len(NAMES), 2)
    off = anchors(data.points) - PLACES
    assert np.sqrt(np.mean(off**2)) < 0.05


def test_landmarks_recipe_flags_are_read():
    config = landmarks.Config(data="a", points="b", run="r", steps=100, learning_rate=0.5, weight_decay=0.25, seed=3)
    game = landmarks.build(config, None)
    assert float(game.point_optimizer.learning_rate) == 0.5 and game.point_optimizer.weight_decay == 0.25
    game.point_optimizer.iterations.assign(100)
    assert float(game.point_optimizer.learning_rate) == 0 and game.seed == 3
    decayed = [each.name for each in game.network.trainable_variables if game.point_optimizer._use_weight_decay(each)]
    assert set(decayed) == {"kernel"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--points=p"], "--data must be a folder of shards with held-out faces. Received: None"),
        (["--data=d", "--points=p", "--image_size=24"], "--image_size must be a multiple of 16. Received: 24"),
        (["--data=d", "--points=p", "--learning_rate=0"], "--learning_rate must be above 0. Received: 0"),
    ],
)
def test_landmarks_recipe_refuses_bad_flags_in_one_line(flags, message, in_tmp, capsys):
    with pytest.raises(SystemExit) as end:
        landmarks.main(flags)
    assert end.value.code == 2 and message in capsys.readouterr().err


def test_landmarks_recipe_refuses_missing_points(labelled, in_tmp):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        landmarks.main([labelled[0], "--points=nowhere.csv", *TINY])
    write_points("others.csv", {"x.png": np.zeros((len(NAMES), 2))})
    with pytest.raises(ValueError, match=r"points must be those of the faces. Received: 'others.csv', which has none"):
        landmarks.main([labelled[0], "--points=others.csv", *TINY])
    with pytest.raises(ValueError, match=r"--points must be a table of points, for shards .* --align. Received: None"):
        landmarks.main([labelled[0], *TINY])
    assert not Path("runs").exists()
