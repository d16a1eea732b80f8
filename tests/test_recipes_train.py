import json
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from recipe_runs import running, tensors, wait_for_step

from tfanime import files
from tfanime.recipes import recipe, wgan
from tfanime.runs import RunFolder

TINY = [
    "--image_size=16",
    "--channels=1",
    "--latent_size=4",
    "--batch_size=4",
    "--precision=float32",
    "--devices=cpu:1",
]
WGAN = [*TINY, "--critic_steps=2"]


def same(first, second):
    return all(np.array_equal(value, second[name]) for name, value in first.items()) and set(first) == set(second)


def test_a_resumed_training_is_the_undisturbed_one(shards, in_tmp, capsys):
    common = [f"--data={shards}", *WGAN, "--seed=3", "--epoch_steps=2", "--sample_steps=4"]
    assert wgan.main([*common, "--run=whole", "--steps=5"]) == 0
    text = capsys.readouterr().out
    assert "wgan: 48 pictures at 16 px, float32, 1 device(s), new -> whole" in text and "step 5 after" in text
    assert wgan.main([*common, "--run=parts", "--steps=3"]) == 0
    assert wgan.main(["--run=parts", "--steps=5"]) == 0  # the rest is the run's own
    assert "resumed at step 3" in capsys.readouterr().out
    assert same(tensors("whole"), tensors("parts"))
    assert len(tensors("whole")) > 30
    whole, parts = RunFolder("whole"), RunFolder("parts")
    assert [entry["step"] for entry in whole.read_metrics()] == [2, 4, 5]
    assert [entry["step"] for entry in parts.read_metrics()] == [2, 3, 5]
    sheets = {whole.sample(step, kind) for step in (4, 5) for kind in (None, "interpolation")}
    assert set(whole.sample(0).parent.iterdir()) == sheets
    assert whole.sample(5).read_bytes() == parts.sample(5).read_bytes()
    assert whole.load()["data"]["count"] == 48 and whole.load()["data"]["stored_size"] == 32
    # Its budget is spent: nothing more happens.
    before = whole.metrics.read_bytes()
    assert wgan.main(["--run=whole"]) == 0
    assert "has spent its budget: step 5" in capsys.readouterr().out and whole.metrics.read_bytes() == before


def test_what_cannot_be_trained_leaves_no_run(shards, in_tmp):
    with pytest.raises(ValueError, match=r"--batch_size must be at most the 48 pictures. Received: 49"):
        wgan.main([f"--data={shards}", *WGAN, "--run=a", "--batch_size=49"])
    with pytest.raises(ValueError, match=r"image_size must be from 1 to that of the shards in .*, 32. Received: 64"):
        wgan.main([f"--data={shards}", *WGAN, "--run=a", "--image_size=64"])
    with pytest.raises(FileNotFoundError, match=r"shards must be an existing folder. Received: 'nowhere'"):
        wgan.main(["--data=nowhere", *WGAN, "--run=a"])
    (in_tmp / "file").touch()
    with pytest.raises(OSError, match="run must be a folder that can be written"):
        wgan.main([f"--data={shards}", *WGAN, "--run=file/below"])
    (in_tmp / "other").mkdir()
    (in_tmp / "other" / "thesis.tex").touch()
    with pytest.raises(ValueError, match="run must be a new or empty folder, or a run folder"):
        wgan.main([f"--data={shards}", *WGAN, "--run=other"])
    assert not any(Path("a").iterdir()) and len(list(Path("other").iterdir())) == 1


def test_a_run_in_use_is_refused_and_left_alone(shards, in_tmp):
    config = recipe.parse_config(wgan.Config, "wgan", "Train.", [f"--data={shards}", *WGAN, "--run=a"])
    RunFolder("a").start("wgan", config, {}, recipe.RESUMABLE)
    before = RunFolder("a").details.read_bytes()
    with files.locked("a", "run"), pytest.raises(OSError, match=r"run must not be in use. Received: 'a'"):
        wgan.main(["--run=a", "--steps=7"])
    assert RunFolder("a").details.read_bytes() == before


def test_without_data_avatars_are_drawn_and_minutes_are_heeded(shards, in_tmp, monkeypatch):
    monkeypatch.setattr("tfanime.tfrecords.default.default_shards", {16: shards}.__getitem__)
    assert wgan.main([*WGAN, "--run=a", "--minutes=1e-9"]) == 0
    assert [entry["step"] for entry in RunFolder("a").read_metrics()] == [1]  # the budget ends after the first step


def test_ctrl_c_and_kill_lose_nothing(shards, in_tmp, capsys):
    interrupted, killed = in_tmp / "interrupted", in_tmp / "killed"
    arguments = [f"--data={shards}", *WGAN, "--epoch_steps=3", "--sample_steps=3", "--checkpoint_minutes=0.0005"]
    processes = [running([*arguments, f"--run={run}"]) for run in (interrupted, killed)]
    wait_for_step(processes[0], interrupted, 2)
    processes[0].send_signal(signal.SIGINT)
    wait_for_step(processes[1], killed, 5)
    processes[1].kill()
    text = processes[0].communicate(timeout=240)[0]
    processes[1].communicate()

    assert processes[0].returncode == 130 and "Traceback" not in text, text
    step = int(re.search(r"^step ([\d,]+) after", text, re.MULTILINE)[1].replace(",", ""))
    assert tf.train.latest_checkpoint(str(interrupted / "checkpoints")).endswith(f"ckpt-{step}")
    assert RunFolder(interrupted).read_metrics()[-1]["step"] == step and RunFolder(interrupted).sample(step).is_file()

    with open(killed / "metrics.jsonl", "a") as file:
        file.write('{"step": 99')  # as if cut short
    killed_at = int(tf.train.latest_checkpoint(str(killed / "checkpoints")).rpartition("-")[2])
    capsys.readouterr()
    assert wgan.main([f"--run={killed}", f"--steps={killed_at + 2}"]) == 0
    assert f"resumed at step {killed_at}" in capsys.readouterr().out
    lines = [json.loads(line) for line in (killed / "metrics.jsonl").read_text().splitlines()]
    steps, seconds = [line["step"] for line in lines], [line["seconds"] for line in lines]
    assert steps == sorted(set(steps)) and steps[-1] == killed_at + 2
    assert seconds == sorted(seconds) and seconds[0] > 0
