import json
import re
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
import tiny_generator
from PIL import Image
from recipe_runs import environment

from tfanime.evaluate import rate
from tfanime.tfrecords.convert import convert
from tfanime.tfrecords.settings import Settings


def folder_of(path, count, size=16):
    """PNGs whose first pixel is their number."""
    path.mkdir(parents=True)
    for number in range(count):
        image = np.full((size, size, 3), 90, np.uint8)
        image[0, 0] = number
        Image.fromarray(image).save(path / f"{number:03d}.png")
    return path


def numbers(pictures):
    return pictures.images[:, 0, 0, 0].tolist()


def test_open_pictures_chooses_by_the_seed(in_tmp):
    folder_of(in_tmp / "fakes", 30)
    first = rate.open_pictures("fakes", 10, seed=1)
    assert first.name == "fakes" and first.images.shape == (10, 16, 16, 3)
    assert len(set(numbers(first))) == 10 and numbers(first) == numbers(rate.open_pictures("fakes", 10, seed=1))
    assert numbers(first) != numbers(rate.open_pictures("fakes", 10, seed=2))
    with pytest.raises(ValueError, match=r"--count must be at most the pictures in 'fakes', 30. Received: 31"):
        rate.open_pictures("fakes", 31)
    Image.new("RGB", (8, 16)).save("fakes/999.png")
    with pytest.raises(ValueError, match=r"one size. Received: fakes/999.png of \(16, 8\), others of \(16, 16\)"):
        rate.open_pictures("fakes", 31)


def test_open_pictures_draws_the_seeds_of_a_generator(run_folder, in_tmp):
    from tfanime.generator import open_generator

    drawn = rate.open_pictures(run_folder, 3, seed=5)
    assert np.array_equal(drawn.images, open_generator(run_folder).images([5, 6, 7]))
    tiny_generator.save(in_tmp / "exported")
    assert rate.open_pictures("exported", 2, checkpoint="best").images.shape == (2, 8, 6, 3)
    with pytest.raises(FileNotFoundError, match=r"checkpoint must be one of .* Received: 'best'"):
        rate.open_pictures(run_folder, 2, checkpoint="best")
    with pytest.raises(FileNotFoundError, match="model must be a run folder"):
        rate.open_pictures("nothing", 2)


def test_open_real_prefers_held_out_faces(shards, in_tmp):
    convert(Settings("drawn", "with", count=24, size=32, holdout=0.4, workers=1), progress=False)
    from tfanime import data

    held_out = data.load("with", 16, split="holdout")
    real = rate.open_real("with", 16, held_out.count, seed=3)
    assert real.name == "real faces" and np.array_equal(real.images, held_out.images(np.arange(held_out.count)))
    with pytest.raises(ValueError, match=rf"--count must be at most the real faces in 'with', {held_out.count}"):
        rate.open_real("with", 16, held_out.count + 1)
    assert rate.open_real(shards, 32, 48).images.shape == (48, 32, 32, 3)


def test_rating_resumes_with_the_same_pictures(in_tmp):
    folder_of(in_tmp / "fakes", 30)
    config, path = rate.Config(["fakes"], count=5), in_tmp / "pictures.npz"
    assert rate.saved_sources(config, path) is None
    seen = rate.open_sources(config)
    rate.save_sources(config, seen, path)
    for picture in (in_tmp / "fakes").iterdir():
        Image.new("RGB", (16, 16)).save(picture)
    (again,) = rate.saved_sources(config, path)
    assert again.name == "fakes" and np.array_equal(again.images, seen[0].images)
    assert not rate.open_sources(config)[0].images.any()
    assert rate.saved_sources(rate.Config(["fakes"], count=5, seed=1), path) is None
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"pictures.npz must be a file that tfanime wrote. Received: "):
        rate.saved_sources(config, path)


def ask(address, path, **values):
    request = urllib.request.Request(
        f"{address}{path}", json.dumps(values).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def start(*flags):
    command = [sys.executable, "-m", "tfanime.evaluate.rate", *flags]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    match = re.fullmatch(r"(\d+) pictures, (\d+) rated: (http://127\.0\.0\.1:\d+/)\n", line)
    assert match, line + process.communicate()[1]
    return process, int(match[1]), int(match[2]), match[3]


def test_rate_command_resumes_and_reports(in_tmp):
    flags = [str(folder_of(in_tmp / name, 3)) for name in ("one", "two")] + ["--count=3", "--out=rated"]
    process, count, rated, address = start(*flags)
    assert (count, rated) == (6, 0)
    for place in range(2):
        assert ask(address, "answer", place=place, answer="good")["done"] == place + 1
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "error: 4 pictures are left" in errors and "share" not in printed
    assert not (in_tmp / "rated" / "results.json").exists()

    process, count, rated, address = start(*flags)
    assert (count, rated) == (6, 2)
    for place in range(2, 6):
        state = ask(address, "answer", place=place, answer="poor")
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    results = json.loads((in_tmp / "rated" / "results.json").read_text())
    assert results == state["results"] and sum(row["good"] for row in results) == 2
    assert [row["name"] for row in results] == flags[:2] and "95 % interval" in printed


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--count=0"], "--count must be at least 1. Received: 0"),
        (["--port=65536"], "--port must be from 0 to 65535. Received: 65536"),
        (["--seed=-1"], "--seed must be from 0 to 2**32 - 1. Received: -1"),
    ],
)
def test_rate_refuses_bad_flags_in_one_line(flags, message, capsys):
    with pytest.raises(SystemExit) as end:
        rate.main(["a", *flags])
    assert end.value.code == 2 and message in capsys.readouterr().err
