import io
import re
from concurrent import futures

import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from tiny_generator import HEIGHT, WIDTH, save

from tfanime.command_line import run
from tfanime.serving import client as client_module
from tfanime.serving.client import AvatarClient, main
from tfanime.serving.models import Models, load
from tfanime.serving.server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports") / "1"
    save(folder)
    with Server(Models([load("tfanime", 1, folder)]), port=0, max_images=32) as server:
        yield server


@pytest.fixture
def client(server):
    with AvatarClient(server.address, batch=16) as client:
        yield client


class Scripted(prediction_service_pb2_grpc.PredictionServiceServicer):
    """A server that gives its answers in order: a status code, or a function of the request."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def Predict(self, request, context):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, grpc.StatusCode):
            context.abort(answer, "as written")
        return answer(request)


@pytest.fixture
def scripted():
    """Starts a server for a `Scripted`; gives its address."""
    servers = []

    def start(service):
        server = grpc.server(futures.ThreadPoolExecutor(1))
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(None)


def in_typed_fields(request):
    """Images as TF Serving sends them by default: uint8 in `int_val`; the seeds are their grey levels."""
    seeds = tf.make_ndarray(request.inputs["seed"])
    response = predict_pb2.PredictResponse()
    images = response.outputs["images"]
    images.dtype = tf.uint8.as_datatype_enum
    for size in (len(seeds), 2, 2, 3):
        images.tensor_shape.dim.add(size=size)
    images.int_val.extend(int(seed) for seed in seeds for _ in range(12))
    return response


def one_too_few(request):
    response = in_typed_fields(request)
    images = response.outputs["images"]
    images.tensor_shape.dim[0].size -= 1
    del images.int_val[-12:]
    return response


def as_floats(request):
    response = predict_pb2.PredictResponse()
    seeds = tf.make_ndarray(request.inputs["seed"])
    response.outputs["images"].CopyFrom(tf.make_tensor_proto(np.zeros((len(seeds), 2, 2, 3), np.float32)))
    return response


def test_a_long_list_is_split_and_joined_in_order(client):
    seeds = [5, 3, *range(40, 80), 3]
    images = client.generate(seeds)
    assert images.dtype == np.uint8 and images.shape == (43, HEIGHT, WIDTH, 3)
    for index in (0, 1, 15, 16, 42):
        alone = client.generate([seeds[index]])[0]
        assert np.abs(images[index].astype(int) - alone).max() <= 1
    assert [len(part) for part, _ in client.generate_in_batches(seeds)] == [16, 16, 11]
    assert np.ptp(images[0].astype(int) - images[1]) > 50


def test_png_holds_the_same_avatars(client):
    pngs = client.png(range(20))
    assert len(pngs) == 20 and all(isinstance(png, bytes) for png in pngs)
    images = np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in pngs])
    assert np.abs(images.astype(int) - client.generate(range(20))).max() <= 1


def test_typed_fields_are_read(scripted):
    service = Scripted(in_typed_fields)
    with AvatarClient(scripted(service), model="other") as client:
        np.testing.assert_array_equal(client.generate([7, 9])[:, 0, 0, 0], [7, 9])
    (request,) = service.requests
    assert (request.model_spec.name, request.model_spec.signature_name) == ("other", "images")
    assert list(request.output_filter) == ["images"]


def test_unavailable_is_tried_again_with_longer_pauses(scripted, monkeypatch):
    pauses = []
    monkeypatch.setattr(client_module.time, "sleep", pauses.append)
    service = Scripted(*[grpc.StatusCode.UNAVAILABLE] * 3, in_typed_fields)
    with AvatarClient(scripted(service)) as client:
        assert client.generate([7])[0, 0, 0, 0] == 7
    assert len(service.requests) == 4
    for pause, longest in zip(pauses, (0.1, 0.2, 0.4), strict=True):
        assert longest / 2 <= pause <= longest


def test_unavailable_is_not_tried_for_ever(scripted, monkeypatch):
    monkeypatch.setattr(client_module.time, "sleep", lambda seconds: None)
    service = Scripted(*[grpc.StatusCode.UNAVAILABLE] * 3)
    with (
        AvatarClient(scripted(service), retries=2) as client,
        pytest.raises(ConnectionError, match=r"as written \(UNAVAILABLE\)"),
    ):
        client.generate([7])
    assert len(service.requests) == 3


@pytest.mark.parametrize(
    ("code", "exception"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, ValueError),
        (grpc.StatusCode.NOT_FOUND, ValueError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, RuntimeError),
        (grpc.StatusCode.INTERNAL, RuntimeError),
    ],
)
def test_nothing_else_is_tried_again(scripted, code, exception):
    service = Scripted(code, in_typed_fields)
    with AvatarClient(scripted(service)) as client, pytest.raises(exception, match=code.name):
        client.generate([7])
    assert len(service.requests) == 1


def test_each_request_has_a_deadline(scripted):
    release = futures.Future()
    service = Scripted(lambda request: release.result())
    with AvatarClient(scripted(service), timeout=0.2) as client, pytest.raises(TimeoutError, match="DEADLINE"):
        client.generate([7])
    release.set_result(predict_pb2.PredictResponse())


def test_retries_end_with_the_deadline():
    with (
        AvatarClient("127.0.0.1:1", timeout=0.5, retries=1000) as client,
        pytest.raises((ConnectionError, TimeoutError)),
    ):
        client.generate([7])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (one_too_few, r"one images a seed. Received: \(1, 2, 2, 3\) for 2 seeds"),
        (as_floats, "uint8.*Received: float32"),
        (lambda request: predict_pb2.PredictResponse(), "must send a tensor images"),
    ],
)
def test_answers_to_something_else_are_refused(scripted, answer, message):
    with AvatarClient(scripted(Scripted(answer))) as client, pytest.raises(RuntimeError, match=message):
        client.generate([1, 2])


@pytest.mark.parametrize("seeds", [[], [1.5], ["1"], [2**63], 7, None])
def test_seeds_that_are_none(client, seeds):
    with pytest.raises(ValueError, match=r"^seeds must"):
        client.generate(seeds)


@pytest.mark.parametrize("server", ["", "localhost", ":8500", "a:b", "a:70000", "a:-1"])
def test_server_must_be_host_and_port(server):
    with pytest.raises(ValueError, match=f"server must be host:port.*{re.escape(repr(server))}"):
        AvatarClient(server)


@pytest.mark.parametrize("argument", [{"timeout": 0}, {"retries": -1}, {"batch": 0}, {"max_message_mib": 0}])
def test_numbers_have_least_values(argument):
    with pytest.raises(ValueError, match=f"{next(iter(argument))} must be"):
        AvatarClient("127.0.0.1:8500", **argument)


def test_the_server_names_an_unknown_model(server):
    with (
        AvatarClient(server.address, model="foo") as client,
        pytest.raises(ValueError, match=r"model 'foo': Servable not found for request: Latest\(foo\) \(NOT_FOUND\)"),
    ):
        client.generate([7])


def test_command_line_writes_a_sheet(server, client, tmp_path, capsys):
    out = tmp_path / "avatars.png"
    main(["--server", server.address, "--seeds", "0-4", "--out", str(out), "--batch", "3"])
    assert capsys.readouterr().out == f"wrote 5 avatars to {out}\n"
    sheet = np.asarray(Image.open(out))
    assert sheet.shape == (2 * (HEIGHT + 2) + 2, 3 * (WIDTH + 2) + 2, 3)
    fourth = sheet[HEIGHT + 4 : HEIGHT + 4 + HEIGHT, 2 : 2 + WIDTH]
    assert np.abs(fourth.astype(int) - client.generate([3])[0]).max() <= 1


def test_command_line_fills_a_folder(server, client, tmp_path):
    out = tmp_path / "avatars"
    main(["--server", server.address, "--seeds", "12,7,9", "--out", str(out), "--batch", "2"])
    assert sorted(path.name for path in out.iterdir()) == [f"seed-000000{seed}.png" for seed in ("07", "09", "12")]
    avatar = np.asarray(Image.open(out / "seed-00000009.png"))
    assert np.abs(avatar.astype(int) - client.generate([9])[0]).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--seeds", "9-3", "--out", "{out}"], 2, "run upwards"),
        (["--seeds", "1", "--out", "{out}", "--model", "foo"], 1, "Latest(foo)"),
        (["--seeds", "1", "--out", "{out}", "--batch", "0"], 1, "batch must be at least 1"),
        (["--seeds", "0-99", "--out", "{out}", "--batch", "100"], 1, "Task size 100 is larger than"),
        (["--seeds", "1", "--out", "{out}", "--server", "127.0.0.1:1", "--retries", "1"], 1, "UNAVAILABLE"),
        (["--seeds", "1", "--out", "{file}"], 1, "out must be a folder"),
        (["--seeds", "0-10000", "--out", "{out}.png"], 1, "out must be a folder for more than 10,000"),
    ],
)
def test_command_line_says_what_is_wrong_in_one_line(server, tmp_path, capfd, arguments, code, message):
    (tmp_path / "file").touch()
    arguments = [argument.format(out=tmp_path / "out", file=tmp_path / "file") for argument in arguments]
    with pytest.raises(SystemExit) as caught:
        run(lambda: main(["--server", server.address, *arguments]))
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert caught.value.code == code
    assert len(lines) == 1 and message in lines[0]
    assert not list(tmp_path.glob("**/*.png"))
