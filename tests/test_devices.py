import json
import re
import signal
import socket
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from recipe_runs import running, tensors, wait_for_step

from tfanime import callbacks, devices
from tfanime.recipes import dcgan, wgan_gp
from tfanime.runs import RunFolder

# Plain SGD, because Adam hides wrong scales.
TINY = ["--latent_size=4", "--batch_size=8", "--precision=float32", "--optimizer=sgd", "--steps=3", "--epoch_steps=3"]
TINY += ["--beta_1=0", "--learning_rate=0.05", "--ema_half_life=20"]
GAMES = {
    "dcgan": (
        dcgan,
        "--image_size=16 --channels=2 --discriminator_norm=none --minibatch_stddev --r1_gamma=2 --r1_every=2 "
        "--latent_distribution=uniform --horizontal_flip",
    ),
    "wgan_gp": (wgan_gp, "--image_size=16 --channels=2 --critic_steps=2 --tags=frequencies --gradient_clip=1"),
}


def assert_same_but_for_rounding(one, other):
    assert set(one) == set(other) and len(one) > 30
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("game", ["dcgan", "wgan_gp"])
def test_two_devices_train_as_one(game, shards, in_tmp, capsys, monkeypatch):
    recipe, flags = GAMES[game]
    for count in (1, 2):
        arguments = [*flags.split(), *TINY, f"--data={shards}", f"--run=on{count}", f"--devices=cpu:{count}"]
        assert recipe.main(arguments) == 0
        assert f", {count} CPU{'s' if count > 1 else ''}, new -> on{count}" in capsys.readouterr().out
    one, two = tensors("on1"), tensors("on2")
    assert_same_but_for_rounding(one, two)
    if game == "dcgan":  # which may go on elsewhere

        class Spy(callbacks.Checkpoints):
            def on_train_end(self, logs=None):
                assert self.clock() == float(self.objects["seconds"]) > 0  # which workers agree on

        monkeypatch.setattr(callbacks, "Checkpoints", Spy)
        assert recipe.main(["--run=on2", "--devices=cpu:1", "--steps=4"]) == 0
        assert ", 1 CPU, resumed at step 3" in capsys.readouterr().out


def test_batch_that_devices_cannot_share_is_refused(shards, in_tmp):
    flags = GAMES["wgan_gp"][1].split()
    with pytest.raises(ValueError, match=r"--batch_size must be a multiple of the 2 devices. Received: 7"):
        wgan_gp.main([*flags, *TINY, f"--data={shards}", "--run=a", "--devices=cpu:2", "--batch_size=7"])
    assert not Path("a").exists()


@pytest.mark.parametrize("text", ["cpu", "gpu", "cpu:0", "tpu:1", "2", "cpu:2 "])
def test_parse_devices_refuses_other_forms(text):
    with pytest.raises(ValueError, match=rf"--devices must be cpu: or gpu: and how many, .* Received: {text}"):
        dcgan.Config(devices=text)


def test_join_refuses_devices_that_the_machine_lacks(two_devices):
    tf.constant(1.0)  # TensorFlow has begun
    with pytest.raises(ValueError, match=r"--devices must be at most cpu:2 in this process, .* Received: cpu:3"):
        devices.join("cpu:3")
    count = len(tf.config.list_physical_devices("GPU"))
    with pytest.raises(
        ValueError, match=rf"--devices must be GPUs that this machine has, {count}. Received: gpu:{count + 1}"
    ):
        devices.join(f"gpu:{count + 1}")


@pytest.mark.parametrize(
    ("flag", "gpus", "names"),
    [
        (None, 0, ("CPU:0",)),
        (None, 3, ("GPU:0", "GPU:1", "GPU:2")),
        ("gpu:2", 3, ("GPU:0", "GPU:1")),
        ("cpu:2", 3, ("CPU:0", "CPU:1")),
    ],
)
def test_join_takes_the_named_devices(monkeypatch, two_devices, flag, gpus, names):
    processors = tf.config.list_physical_devices("CPU")
    found = {"GPU": [object()] * gpus, "CPU": processors}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: found.get(kind, processors))
    monkeypatch.setattr(devices, "_mirrored", lambda names: SimpleNamespace(names=names, num_replicas_in_sync=7))
    workers = devices.join(flag)
    assert workers.strategy.names == names
    assert (workers.index, workers.count, workers.chief, workers.replicas) == (0, 1, True, 7)


def test_join_returns_the_same_strategy_for_the_same_devices(two_devices):
    assert devices.join("cpu:2").strategy is two_devices
    assert devices.join("cpu:1").strategy is devices.join("cpu:1").strategy is not two_devices


def task(cluster, role, index):
    return json.dumps({"cluster": cluster, "task": {"type": role, "index": index}})


TWO = {"worker": ["a:1", "b:1"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 1)),
        ("{}", (0, 1)),
        (task({"worker": ["a:1"]}, "worker", 0), (0, 1)),
        (task(TWO, "worker", 0), (0, 2)),
        (task(TWO, "worker", 1), (1, 2)),
        (task(TWO | {"chief": ["c:1"]}, "chief", 0), (0, 3)),
        (task(TWO | {"chief": ["c:1"]}, "worker", 0), (1, 3)),
    ],
)
def test_task_of_environment_reads_tf_config(monkeypatch, text, expected):
    monkeypatch.setenv("TF_CONFIG", text)
    assert devices.task_of_environment() == expected


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        task(TWO, "worker", 2),
        task(TWO, "chief", 0),
        task(TWO | {"ps": ["c:1"]}, "worker", 0),
        json.dumps({"cluster": TWO}),
    ],
)
def test_task_of_environment_refuses_an_unknown_place(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=rf"TF_CONFIG must be JSON such as .* Received: {re.escape(text)}"):
        devices.join()


def test_join_alone_takes_one_device(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", task(TWO, "worker", 1))
    workers = devices.join(alone=True)
    assert (workers.count, workers.replicas, workers.chief) == (1, 1, True)


def test_join_reports_why_workers_cannot_join(monkeypatch):
    tf.constant(1.0)  # TensorFlow has begun
    monkeypatch.setenv("TF_CONFIG", task(TWO, "worker", 1))
    with pytest.raises(ValueError, match=r"--devices must be cpu:1 or GPUs with TF_CONFIG. Received: cpu:2"):
        devices.join("cpu:2")
    with pytest.raises(ValueError, match=r"TF_CONFIG must be there before TensorFlow begins to compute"):
        devices.join()

    def occupied():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL  # Ctrl-C ends the waiting
        raise tf.errors.UnknownError(None, None, "Could not start gRPC server")

    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", occupied)
    with pytest.raises(OSError, match=r"TF_CONFIG must give worker 1 an address .* Could not start gRPC server"):
        devices.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_require_same_refuses_workers_with_other_settings(monkeypatch):
    rows = []
    monkeypatch.setattr(devices.Workers, "gather", lambda self, *numbers: rows.append(numbers) or np.array(rows[-2:]))
    first, second = (devices.Workers(None, index, 2) for index in range(2))
    first.require_same({"--steps": 5, "--minutes": None})
    second.require_same({"--steps": 5, "--minutes": None})
    with pytest.raises(
        ValueError, match=r"--minutes must be the same on all 2 workers .* Received: 1.0 on worker 1, something else"
    ):
        second.require_same({"--steps": 5, "--minutes": 1.0})


def test_watched_reports_a_lost_worker_in_one_line():
    lost = tf.errors.UnavailableError(None, None, "Graph error:\nCollective ops is aborted by: Socket closed\nMore")
    message = r"all 2 workers .* \(Socket closed\). Run the same command on every"
    with pytest.raises(ConnectionError, match=message), devices.Workers(None, 1, 2).watched():
        raise lost
    with pytest.raises(tf.errors.UnavailableError), devices.Workers(None).watched():
        raise lost
    with pytest.raises(tf.errors.ResourceExhaustedError), devices.Workers(None, 1, 2).watched():
        raise tf.errors.ResourceExhaustedError(None, None, "no memory")


def test_gather_of_one_worker_returns_its_numbers():
    np.testing.assert_array_equal(devices.Workers(None).gather(1.5, 2), [[1.5, 2.0]])


def start_both(arguments, folder):
    """Two workers on this machine, which find each other at ports that are free now."""
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in (first, second)]
    folder.mkdir()
    processes = []
    for index in range(2):
        variables = {"TF_CONFIG": task({"worker": addresses}, "worker", index), "TMPDIR": str(folder)}
        processes.append(running(arguments, "dcgan", **variables))
    return processes


@pytest.mark.kill
def test_two_workers_train_as_one_and_resume_after_a_kill(shards, in_tmp, capsys):
    run = in_tmp / "both"
    common = ["--image_size=16", "--channels=2", *TINY, "--gradient_clip=0.5", "--epoch_steps=1", f"--data={shards}"]
    common.append("--tags=frequencies")
    arguments = [*common, f"--run={run}", "--steps=100000", "--checkpoint_minutes=0.0005", "--devices=cpu:1"]
    chief, other = start_both(arguments, in_tmp / "first")
    wait_for_step(chief, run, 2)
    other.kill()
    other.communicate()
    text = chief.communicate(timeout=120)[0]  # does not wait for ever
    assert chief.returncode == 1 and "Traceback" not in text, text
    assert ", 2 CPUs of 2 workers, new" in text
    assert re.search(r"\nerror: all 2 workers of TF_CONFIG must stay until the end. Received: one has gone .*\n$", text)
    killed_at = int(tf.train.latest_checkpoint(str(run / "checkpoints")).rpartition("-")[2])

    chief, other = start_both(arguments, in_tmp / "second")
    wait_for_step(chief, run, killed_at + 2)
    other.send_signal(signal.SIGTERM)
    text, quiet = (process.communicate(timeout=120)[0] for process in (chief, other))
    assert (chief.returncode, other.returncode) == (143, 143), text + quiet
    assert f"2 workers, resumed at step {killed_at} -> {run}" in text
    assert "resumed" not in quiet and "training:" not in quiet
    left = {path.name for path in (in_tmp / "second").iterdir()} - {"__pycache__"}  # of TensorFlow's generated code
    assert not left  # what the other worker wrote
    step = int(re.search(r"^step ([\d,]+) after", text, re.MULTILINE)[1].replace(",", ""))
    assert step >= killed_at + 2 and RunFolder(run).sample(step).is_file()
    assert RunFolder(run).read_metrics()[-1]["step"] == step

    assert dcgan.main([*common, "--run=alone", f"--steps={step}", "--devices=cpu:1"]) == 0
    assert_same_but_for_rounding(tensors("alone"), tensors(run))
    logs = [{entry["step"]: entry for entry in RunFolder(each).read_metrics()} for each in ("alone", run)]
    for name in ("discriminator_loss", "real_logits", "generator_gradient_norm"):
        assert logs[1][step][name] == pytest.approx(logs[0][step][name], rel=1e-3), name
