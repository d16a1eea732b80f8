import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tiny_generator
from PIL import Image

from tfanime import command_line, generate
from tfanime.images import grid, to_uint8
from tfanime.latents import Latents

SEEDS = [3, 0, 12, 2**40, 7, 5]


@pytest.fixture(scope="module")
def generator(run_folder):
    return generate.open_generator(run_folder)


def difference(first, second):
    return np.abs(first.astype(int) - second).max()


def test_a_run_draws_with_its_average_in_full_precision(generator, run_folder):
    images = generator.images(SEEDS)
    assert images.shape == (6, 16, 16, 3) and images.dtype == np.uint8
    assert generator.latents == Latents(5, "uniform") and generator.card["step"] == 2
    assert {layer.compute_dtype for layer in generator.network.layers} == {"float32"}
    expected = to_uint8(generator.network(generator.latents.from_seeds(SEEDS), training=False)).numpy()
    assert difference(images, expected) <= 1
    reader = tf.train.load_checkpoint(str(run_folder / "checkpoints"))
    stored = [name for name in reader.get_variable_to_shape_map() if "ema_generator" in name and "kernel" in name]
    kernels = {weight.shape: weight.numpy() for weight in generator.network.weights if weight.name == "kernel"}
    assert len(stored) == len(kernels) == 3
    for name in stored:
        value = reader.get_tensor(name)
        np.testing.assert_array_equal(kernels[value.shape], value)


def test_a_seed_is_the_same_avatar_in_any_batch(generator):
    images = generator.images(SEEDS)
    assert len({image.tobytes() for image in images}) == 6
    for batch in (1, 4):
        assert difference(generator.images(SEEDS, batch=batch), images) <= 1
    assert difference(generator.images(SEEDS[::-1])[::-1], images) <= 1


def test_a_moved_run_can_be_opened(generator, run_folder, tmp_path):
    moved = shutil.copytree(run_folder, tmp_path / "moved")
    np.testing.assert_array_equal(generate.open_generator(moved).images(SEEDS), generator.images(SEEDS))


def test_the_highest_version_of_a_saved_model_is_taken(tmp_path):
    for version, seed in (("9", 1), ("10", 2)):
        tiny_generator.save(tmp_path / version, seed)
    (tmp_path / "11").mkdir()  # empty
    (tmp_path / "latest").mkdir()
    newest = generate.open_generator(tmp_path).images(SEEDS)
    assert newest.shape == (6, tiny_generator.HEIGHT, tiny_generator.WIDTH, 3)
    np.testing.assert_array_equal(generate.open_generator(tmp_path / "10").images(SEEDS, batch=2), newest)
    assert difference(generate.open_generator(tmp_path / "9").images(SEEDS), newest) > 1


def test_wrong_paths(tmp_path, run_folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"Received: '.*nowhere', which does not exist"):
        generate.open_generator(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"Received: '.*empty', which is none of these"):
        generate.open_generator(tmp_path / "empty")
    shutil.copytree(run_folder, tmp_path / "fresh")
    shutil.rmtree(tmp_path / "fresh" / "checkpoints")
    with pytest.raises(FileNotFoundError, match=r"a run must have a checkpoint. Received: .*fresh', which has none"):
        generate.open_generator(tmp_path / "fresh")
    other = tf.Module()
    other.add = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec([None], tf.int64, name="x")])
    tf.saved_model.save(other, str(tmp_path / "other"), signatures={"add": other.add})
    with pytest.raises(ValueError, match=r"must have the signature 'images'. Received: .*other' with \['add'\]"):
        generate.open_generator(tmp_path / "other")


def test_a_checkpoint_of_something_else_is_no_avatar(run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    checkpoint = tf.train.Checkpoint(weight=tf.Variable(1.0))
    tf.train.CheckpointManager(checkpoint, str(tmp_path / "run" / "checkpoints"), 1).save()
    with pytest.raises(ValueError, match=r"ckpt-1 must be a whole checkpoint of this run's networks: "):
        generate.open_generator(tmp_path / "run")


def test_a_run_of_another_version_is_named(tmp_path):
    details = {"format": 1, "tfanime": "9.8", "recipe": "dcgan", "config": {"steps": 2, "waves": 3, "tides": 4}}
    (tmp_path / "run.json").write_text(json.dumps(details))
    with pytest.raises(ValueError, match=r"model must be a run whose .* made by tfanime 9.8, with tides, waves$"):
        generate.open_generator(tmp_path)


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
