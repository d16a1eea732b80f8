"""A training that is killed at any moment and started again by the same command ends as an undisturbed one.

The environment variable TFANIME_KILLS says how often (`nox -s fuzz`: ten times).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from recipe_runs import environment, metrics, points, same, sheets, tensors

pytestmark = pytest.mark.kill

KILLS = int(os.environ.get("TFANIME_KILLS", "3"))
STEPS = 60
# A checkpoint at every step, and a best one at every epoch, as the rate falls: most of the time goes into writing them.
# Sheets are drawn every 8 steps: 7 are no whole epochs.
FLAGS = (
    "--image_size=16 --channels=1 --latent_size=4 --batch_size=4 --precision=float32 --deterministic --seed=3 "
    "--discriminator_norm=spectral --r1_gamma=1 --r1_every=3 --decay=linear --horizontal_flip "
    f"--steps={STEPS} --epoch_steps=2 --sample_steps=7 --checkpoint_minutes=1e-9 --best_by=generator_learning_rate"
).split()

# Every training is a process of its own: a copy of this one, which has loaded everything and started nothing.
TRAININGS = """
import glob, os, random, signal, sys, time
import keras, tensorflow
from tfanime import callbacks, data
from tfanime.models import dcgan as networks
from tfanime.recipes import dcgan
from tfanime.training import GAN

kills, steps, flags = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
choice = random.Random(1)

def start(run):
    if process := os.fork():
        return process
    status = dcgan.main([*flags, f"--run={run}"])
    sys.stdout.flush()
    os._exit(status)

def newest():
    names = glob.glob("killed/checkpoints/ckpt-*.index")
    return max((int(name.rpartition("-")[2].removesuffix(".index")) for name in names), default=0)

def ended(process):
    return os.waitpid(process, os.WNOHANG)[0] != 0

def wait(process, is_there):
    while not is_there():
        time.sleep(0.0005)
        if ended(process):
            raise SystemExit("a training ended before it was killed")

assert os.waitpid(start("undisturbed"), 0)[1] == 0
for number in range(kills):
    process = start("killed")
    moment = ("writing", "any", "best", "start")[number % 4]
    target = (number + 1) * steps // (kills + 1)
    if moment == "start":
        time.sleep(choice.uniform(0, 3))
    else:
        wait(process, lambda: newest() >= target)
        wait(process, {
            "writing": lambda: glob.glob("killed/checkpoints/*_temp"),
            "best": lambda: glob.glob("killed/best/*_temp"),
            "any": lambda: True,
        }[moment])
        time.sleep(choice.uniform(0, {"any": 0.2}.get(moment, 0.002)))
    if ended(process):
        raise SystemExit("a training ended before it was killed")
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    known = open("killed/checkpoints/checkpoint").read() if os.path.exists("killed/checkpoints/checkpoint") else ""
    half = [name for name in glob.glob("killed/*/ckpt-*_temp")] + [
        name for name in glob.glob("killed/checkpoints/*.index")
        if '"' + os.path.basename(name).removesuffix(".index") + '"' not in known
    ]
    print(f"kill {number + 1} ({moment}) at step {newest()}, in the middle of: {half}", flush=True)
assert os.waitpid(start("killed"), 0)[1] == 0
"""


def test_killed_training_ends_as_an_undisturbed_one(shards, in_tmp):
    command = [sys.executable, "-c", TRAININGS, str(KILLS), str(STEPS), f"--data={shards}", *FLAGS]
    result = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr
    print(result.stdout)
    killed = [line for line in result.stdout.splitlines() if line.startswith("kill ")]
    assert len(killed) == KILLS and any(
        "ckpt-" in line for line in killed
    )  # one of them while a checkpoint was written
    assert result.stdout.count("resumed at step") >= KILLS // 2

    for folder in ("checkpoints", "best"):
        whole, parts = Path("undisturbed") / folder, Path("killed") / folder
        assert same(tensors("undisturbed", folder), tensors("killed", folder))
        assert {path.name for path in whole.iterdir()} == {path.name for path in parts.iterdir()}
    assert metrics("killed") == metrics("undisturbed")
    assert [line["step"] for line in metrics("killed")] == list(range(2, STEPS + 1, 2))
    assert sheets("killed") == sheets("undisturbed") and len(sheets("killed")) >= STEPS // 8
    assert points("killed") == points("undisturbed")
    assert len(points("killed")["loss/generator"]) == STEPS // 2 and len(points("killed")["samples"]) == STEPS // 8 + 1
