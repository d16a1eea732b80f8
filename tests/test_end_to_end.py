"""One walk through all stages as a user takes it, command by command: pictures to avatars from a server."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tfanime.drawn.avatars import draw_folder

pytestmark = pytest.mark.slow

SIZE = 16
SEEDS = "0-8"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("walk")


def run(folder, *arguments):
    result = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True, timeout=300, env=os.environ
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def sheet(path):
    return np.asarray(Image.open(path)).astype(int)


AS_THEY_ARE = ("--detector", "none", "--duplicates", "-1")


@pytest.fixture(scope="module")
def walk(folder):
    """The whole way once; the tests look at what it left."""
    draw_folder(folder / "pictures", 80, size=32, workers=1, progress=False)
    printed = {"convert": run(folder, "tfanime.tfrecords", "pictures", "shards", "--size", "32", *AS_THEY_ARE)}
    train = ("tfanime.recipes.wgan", "--run", "run")
    first = (*train, "--data", "shards", "--image_size", str(SIZE), "--channels", "8", "--batch_size", "8")
    printed["train"] = run(folder, *first, "--critic_steps", "2", "--epoch_steps", "2", "--steps", "4")
    printed["resume"] = run(folder, *train, "--steps", "6")
    run(folder, "tfanime.generate", "run", "--seeds", SEEDS, "--out", "from_run.png")
    run(folder, "tfanime.export", "run", "exports")
    run(folder, "tfanime.generate", "exports", "--seeds", SEEDS, "--out", "from_export.png", "--batch", "2")
    command = [sys.executable, "-m", "tfanime.serving", "--model", "avatars=exports", "--port", "0"]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        printed["server"] = server.stdout.readline()
        address = printed["server"].split()[-1]
        client = ("tfanime.serving.client", "--server", address, "--model", "avatars", "--seeds", SEEDS)
        run(folder, *client, "--out", "from_server.png", "--batch", "4")
        run(folder, *client, "--out", "single")
    finally:
        server.send_signal(signal.SIGTERM)
        printed["status"] = server.wait(60)
    return printed


def test_conversion_makes_a_record_of_every_picture(walk, folder):
    manifest = json.loads((folder / "shards" / "manifest.json").read_text())
    assert manifest["count"] == manifest["pictures"]["kept"] == 80
    assert sum(shard["count"] for shard in manifest["shards"]) == 80
    tags = (folder / "pictures" / "tags.csv").read_text()
    assert manifest["tag_counts"]["smile"] == tags.count("smile") > 0


def test_training_resumes_where_it_stopped(walk, folder):
    assert "new -> run" in walk["train"]
    assert "resumed at step 4 -> run" in walk["resume"]
    steps = [json.loads(line)["step"] for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    assert steps == [2, 4, 6]
    assert (folder / "run" / "samples" / "step-00000006.png").is_file()


def test_run_export_and_server_draw_the_same_avatars(walk, folder):
    drawn = sheet(folder / "from_run.png")
    assert drawn.shape == (3 * (SIZE + 2) + 2, 3 * (SIZE + 2) + 2, 3)
    assert drawn.std() > 1  # not one colour
    assert np.abs(drawn - sheet(folder / "from_export.png")).max() <= 1
    assert np.abs(drawn - sheet(folder / "from_server.png")).max() <= 1
    single = sheet(folder / "single" / "seed-00000004.png")
    middle = drawn[SIZE + 4 : 2 * SIZE + 4, SIZE + 4 : 2 * SIZE + 4]
    assert np.abs(single - middle).max() <= 1


def test_server_prints_its_address_and_ends_with_status_0(walk):
    assert walk["server"].startswith("serving avatars version 1 on 127.0.0.1:")
    assert walk["status"] == 0
