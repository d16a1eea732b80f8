"""A server process under load: nothing is lost, nobody gets another's avatar, and nothing that is sent ends it.

`TFANIME_FUZZ=5000` sends so many damaged requests of each kind instead of a few hundred.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from serving_calls import (
    NAME,
    connected,
    direct,
    exported,
    http_call,
    images_of,
    predict_request,
    running,
    status,
    tensor,
)
from tiny_generator import SIZE

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("TFANIME_FUZZ", "250"))
PREDICT = "/tensorflow.serving.PredictionService/Predict"
# What a caller may be told who sends nonsense; the model does not fail, and the server has no bugs.
ALLOWED = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The process, its address, its REST address, its base path and its log."""
    folder = tmp_path_factory.mktemp("reliability")
    base_path = folder / "exports"
    base_path.mkdir()
    shutil.copytree(exported(1), base_path / "1")
    (folder / "batching.config").write_text(
        "max_batch_size { value: 32 }\nmax_enqueued_batches { value: 4 }\nnum_batch_threads { value: 2 }\n"
        "allowed_batch_sizes: [4, 16, 32]\n"
    )
    flags = ["--model", f"{NAME}={base_path}", "--rest_api_port", "0", "--file_system_poll_wait_seconds", "0.1"]
    flags += ["--enable_batching", "--batching_parameters_file", folder / "batching.config", "--log_format", "json"]
    with (folder / "log").open("w") as log, running(*flags, stderr=log) as (process, address):
        rest = process.stdout.readline().split("//")[-1].strip()
        yield process, address, rest, base_path, folder / "log"


@pytest.fixture
def stub(server):
    with connected(server[1]) as stub:
        yield stub
    assert server[0].poll() is None  # whatever the test sent


def events(server):
    """The events of the log, which are JSON, among what TensorFlow prints."""
    lines = server[4].read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


class Load:
    """Clients in threads that ask for avatars by seed until they are stopped, and check each."""

    def __init__(self, address, versions, clients=4):
        self.answered, self.wrong, self.errors = 0, [], []
        self.versions_seen = set()
        self._expected = {version: direct(range(50), seed=version) for version in versions}
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(address, first)) for first in range(clients)]
        for thread in self._threads:
            thread.start()

    def _ask(self, address, first):
        generator = random.Random(first)
        with connected(address) as stub:
            while not self._ended.is_set():
                seeds = [generator.randrange(50) for _ in range(generator.randrange(1, 4))]
                try:
                    response = stub.Predict(predict_request(seed=tensor(seeds)), timeout=60)
                except grpc.RpcError as error:
                    self.errors.append((error.code().name, error.details()))
                    return
                version = response.model_spec.version.value
                images = tf.make_ndarray(response.outputs["images"])
                if np.abs(images.astype(int) - self._expected[version][seeds]).max() > 1:
                    self.wrong.append((version, seeds))
                self.versions_seen.add(version)
                self.answered += 1

    def wait(self, condition):
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end and not self.errors
            time.sleep(0.01)

    def more(self, count):
        """Waits for so many more answers."""
        target = self.answered + count
        self.wait(lambda: self.answered >= target)

    def stop(self):
        self._ended.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads)
        print(f"{self.answered} requests answered, {len(self.errors)} errors, {len(self.wrong)} with wrong avatars")
        assert (self.errors, self.wrong) == ([], [])


def add_version(base_path, version, seed):
    shutil.copytree(exported(seed), base_path / f".{version}.part")
    (base_path / f".{version}.part").rename(base_path / str(version))


def test_version_changes_under_load_lose_no_request(server, stub):
    _, address, rest, base_path, _ = server
    load = Load(address, versions=(1, 2))
    try:
        load.more(20)
        add_version(base_path, 3, 1)
        (base_path / "3" / "saved_model.pb").write_bytes(b"garbage")
        look = f"/v1/models/{NAME}"

        def stages():
            states = http_call(rest, "GET", look)[1]["model_version_status"]
            return {int(state["version"]): (state["state"], state["status"]["error_code"]) for state in states}

        load.wait(lambda: stages().get(3) == ("END", "INVALID_ARGUMENT"))
        load.more(20)
        assert load.versions_seen == {1}  # a broken version replaces nothing
        shutil.rmtree(base_path / "3")
        add_version(base_path, 2, 2)
        load.wait(lambda: 2 in load.versions_seen)
        load.more(20)
        shutil.rmtree(base_path / "1")
        load.more(20)
        assert stages()[1] == ("END", "OK") and stages()[2] == ("AVAILABLE", "OK")
    finally:
        load.stop()
    assert load.versions_seen == {1, 2}


CLIENT = """
import sys, grpc
channel = grpc.insecure_channel(sys.argv[1])
content = sys.stdin.buffer.read()
calls = [channel.unary_unary("/tensorflow.serving.PredictionService/Predict").future(content) for _ in range(20)]
print("sent", flush=True)
[call.result() for call in calls]
"""


def test_killed_client_does_not_affect_others(server, stub):
    load = Load(server[1], versions=(1, 2))
    try:
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT, server[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        client.stdin.write(predict_request(signature="slow", loops=tensor([3000])).SerializeToString())
        client.stdin.close()
        assert client.stdout.readline() == b"sent\n"
        client.kill()
        client.wait()
        client.stdout.close()
        load.more(40)
    finally:
        load.stop()


def random_tensor(generator):
    proto = tensor([1, 2])
    for change in generator.sample(range(6), generator.randrange(4)):
        if change == 0:
            proto.dtype = generator.choice([*range(1, 26), 101, 999])
        elif change == 1:
            del proto.tensor_shape.dim[:]
            for _ in range(generator.randrange(5)):
                proto.tensor_shape.dim.add(size=generator.choice([-1, 0, 1, 2, 3, 100, 2**31, 2**62, -(2**62)]))
        elif change == 2:
            proto.tensor_content = generator.randbytes(generator.choice([0, 1, 8, 16, 1000]))
        elif change == 3:
            proto.int64_val.extend([generator.randrange(-(2**63), 2**63) for _ in range(generator.randrange(4))])
        elif change == 4:
            proto.float_val.extend([float("nan"), float("inf"), 1.0][: generator.randrange(4)])
            proto.string_val.append(generator.randbytes(3))
        else:
            proto.tensor_shape.unknown_rank = True
    return proto


def random_request(generator):
    texts = [NAME, "", "x", "../..", "a\0b", "/etc/passwd", "ä" * 2000, "serving_default", "images", "seed"]
    request = predict_request(
        signature=generator.choice(["images", "generate", "synthesize", "two_inputs", "", *texts]),
        name=generator.choice([NAME] * 8 + texts),
        output_filter=generator.choices(["images", "x", ""], k=generator.choice([0, 0, 0, 1, 2])),
        **{alias: random_tensor(generator) for alias in generator.sample(["seed", "t", "latents", ""], 1)},
    )
    choice = generator.randrange(8)
    if choice == 0:
        request.model_spec.version.value = generator.choice([1, 2, 0, -1, 2**63 - 1])
    elif choice == 1:
        request.model_spec.version_label = generator.choice(texts)
    elif choice == 2:
        request.ClearField("model_spec")
    return request


def damaged(content, generator):
    content = bytearray(content)
    for _ in range(generator.randrange(1, 6)):
        place = generator.randrange(len(content) + 1)
        content[place : place + generator.randrange(3)] = generator.randbytes(generator.randrange(4))
    return bytes(content)


def test_server_survives_random_protobuf(server, stub):
    generator = random.Random(0)
    seen = {}
    with grpc.insecure_channel(server[1]) as channel:
        send = channel.unary_unary(PREDICT)  # bytes to bytes
        for index in range(COUNT):
            content = random_request(generator).SerializeToString()
            if index % 2:
                content = damaged(content, generator)
            try:
                send(content, timeout=60)
                code = "OK"
            except grpc.RpcError as error:
                code = error.code().name
                assert code in ALLOWED, (error.details(), content)
            seen[code] = seen.get(code, 0) + 1
    print(seen)
    assert seen.keys() >= {"INVALID_ARGUMENT", "NOT_FOUND"}
    assert images_of(stub, [1]).shape[0] == 1


@pytest.mark.parametrize(
    "latents", [[[np.nan] * SIZE], [[np.inf] * SIZE, [-np.inf] * SIZE], [[3e38] * SIZE], [[0.0] * SIZE] * 32]
)
def test_server_survives_random_latents(stub, latents):
    request = predict_request(signature="synthesize", latents=tensor(latents, tf.float32))
    images = tf.make_ndarray(stub.Predict(request, timeout=60).outputs["images"])
    assert images.shape[0] == len(latents)


def random_json(generator, depth=0):
    kind = generator.randrange(9 if depth < 4 else 6)
    if kind == 6:
        return [random_json(generator, depth + 1) for _ in range(generator.randrange(4))]
    if kind > 6:
        keys = ["seed", "instances", "inputs", "signature_name", "b64", "latents", "t"]
        return {key: random_json(generator, depth + 1) for key in generator.sample(keys, generator.randrange(4))}
    return generator.choice([1, -1, 0, 1.5, 2**63, -(2**70), 1e400, None, True, "", "images", "\ud800", "AAAA"])


def test_server_survives_random_json(server, stub):
    _, _, rest, _, _ = server
    generator = random.Random(1)
    places = ["", "", "", "/versions/2", "/versions/99999999999999999999", "/labels/..", "/versions/-1", "/labels/%00"]
    seen = {}
    for index in range(COUNT):
        body = {
            "signature_name": generator.choice(["images", "two_inputs", "synthesize", "", "x"]),
            generator.choice(["instances", "inputs", "x"]): generator.choice(
                [[1], {"seed": [1, 2]}, [{"seed_a": 1, "t": 0.5}], *[random_json(generator) for _ in range(5)]]
            ),
        }
        content = json.dumps(body if generator.randrange(8) else random_json(generator)).encode()
        if index % 3 == 0:
            content = damaged(content, generator)
        name = generator.choice([NAME] * 6 + ["..", "%2e%2e%2f", "a/b", "%ff", "~", "x" * 3000])
        code, answer = http_call(rest, "POST", f"/v1/models/{name}{generator.choice(places)}:predict", content)
        assert code in (200, 400, 404, 501), (answer, content)
        seen[code] = seen.get(code, 0) + 1
    print(seen)
    assert seen.keys() >= {200, 400, 404}


def test_server_refuses_bytes_that_are_not_http(server, stub):
    import socket

    host, port = server[2].split(":")
    for content in (b"\0" * 100, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 100_000):
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(100)
        assert answer == b"" or answer.split()[1].startswith(b"4"), answer


def test_server_answers_or_refuses_thousands_of_requests(server, stub):
    many = 10_000 if "TFANIME_FUZZ" in os.environ else 3_000  # the queue has room for 128
    images_of(stub, [1])
    calls = [stub.Predict.future(predict_request(seed=tensor([seed % 50])), timeout=300) for seed in range(many)]
    expected = direct(range(50), seed=2)
    counts = {}
    for seed, call in enumerate(calls):
        if call.exception() is None:
            image = tf.make_ndarray(call.result().outputs["images"])[0]
            assert np.abs(image.astype(int) - expected[seed % 50]).max() <= 1
        code = call.code()
        counts[code] = counts.get(code, 0) + 1
        assert code is grpc.StatusCode.OK or call.details().endswith("to which this task was submitted is full")
    print({code.name: count for code, count in counts.items()})
    assert counts.keys() <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    assert counts[grpc.StatusCode.OK] >= 100 and sum(counts.values()) == many
    assert images_of(stub, [1]).shape[0] == 1


def test_server_log_has_no_bug(server, stub):
    said = events(server)
    assert [event["version"] for event in said if event["message"].startswith("loaded version")] == [1, 2]
    broken = [event for event in said if "version 3 of model tfanime must be a SavedModel" in event["message"]]
    assert broken and broken[0]["level"] == "ERROR"
    assert not [event for event in said if "traceback" in event]
    assert "Traceback" not in server[4].read_text()


def test_server_ends_with_status_0(server):
    process, address, rest, _, _ = server
    with connected(address) as stub:
        call = stub.Predict.future(predict_request(signature="slow", loops=tensor([3000])), timeout=60)
        images_of(stub, [1])  # which came after it: it has arrived
        process.send_signal(signal.SIGTERM)
        assert tf.make_ndarray(call.result().outputs["loops"]) == [3000]
        assert process.wait(30) == 0
        assert status(stub.Predict, predict_request(seed=tensor([1])))[0] == "UNAVAILABLE"
    with pytest.raises(ConnectionRefusedError):
        http_call(rest, "GET", f"/v1/models/{NAME}")
