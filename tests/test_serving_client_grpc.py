import asyncio
import io
import re
import threading
import time
from concurrent import futures

import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from tiny_generator import HEIGHT, WIDTH

from tfanime.serving.client import TLS, AsyncAvatarClient, AvatarClient


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

    def start(service, credentials=None):
        server = grpc.server(futures.ThreadPoolExecutor(1))
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
        address = "127.0.0.1:0"
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
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


def test_generate_splits_long_lists_and_keeps_the_order(client):
    seeds = [5, 3, *range(40, 80), 3]
    images = client.generate(seeds)
    assert images.dtype == np.uint8 and images.shape == (43, HEIGHT, WIDTH, 3)
    for index in (0, 1, 15, 16, 42):
        alone = client.generate([seeds[index]])[0]
        assert np.abs(images[index].astype(int) - alone).max() <= 1
    assert [len(part) for part, _ in client.generate_in_batches(seeds)] == [16, 16, 11]
    assert np.ptp(images[0].astype(int) - images[1]) > 50


def test_png_contains_the_same_avatars(client):
    pngs = client.png(range(20))
    assert len(pngs) == 20 and all(isinstance(png, bytes) for png in pngs)
    images = np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in pngs])
    assert np.abs(images.astype(int) - client.generate(range(20))).max() <= 1


def test_answers_in_typed_fields_are_read(scripted):
    service = Scripted(in_typed_fields)
    with AvatarClient(scripted(service), model="other") as client:
        np.testing.assert_array_equal(client.generate([7, 9])[:, 0, 0, 0], [7, 9])
    (request,) = service.requests
    assert (request.model_spec.name, request.model_spec.signature_name) == ("other", "images")
    assert list(request.output_filter) == ["images"]


def test_unavailable_is_retried_with_longer_pauses(scripted, monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    service = Scripted(*[grpc.StatusCode.UNAVAILABLE] * 3, in_typed_fields)
    with AvatarClient(scripted(service)) as client:
        assert client.generate([7])[0, 0, 0, 0] == 7
    assert len(service.requests) == 4
    for pause, longest in zip(pauses, (0.1, 0.2, 0.4), strict=True):
        assert longest / 2 <= pause <= longest


def test_unavailable_is_retried_a_limited_number_of_times(scripted, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
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
def test_other_errors_are_not_retried(scripted, code, exception):
    service = Scripted(code, in_typed_fields)
    with AvatarClient(scripted(service)) as client, pytest.raises(exception, match=code.name) as raised:
        client.generate([7])
    assert len(service.requests) == 1 and raised.value.code == code.name


def test_requests_have_a_deadline(scripted):
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
        (one_too_few, r"one images a row. Received: \(1, 2, 2, 3\) for 2 rows"),
        (as_floats, "uint8.*Received: float32"),
        (lambda request: predict_pb2.PredictResponse(), "must send a tensor images"),
    ],
)
def test_unexpected_answers_are_refused(scripted, answer, message):
    with AvatarClient(scripted(Scripted(answer))) as client, pytest.raises(RuntimeError, match=message):
        client.generate([1, 2])


@pytest.mark.parametrize("seeds", [[], [1.5], ["1"], [2**63], 7, None])
def test_bad_seeds_are_refused(client, seeds):
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


def test_unknown_model_is_an_error_of_the_server(server):
    with (
        AvatarClient(server.address, model="foo") as client,
        pytest.raises(ValueError, match=r"model 'foo': Servable not found for request: Latest\(foo\) \(NOT_FOUND\)"),
    ):
        client.generate([7])


def asked(address, question, **options):
    """What an `AsyncAvatarClient` answers; `question` is a function of it that gives an awaitable."""

    async def ask():
        async with AsyncAvatarClient(address, **options) as client:
            return await question(client)

    return asyncio.run(ask())


@pytest.mark.parametrize("tags", ["", "Green, no hat", "wanted"])
def test_generate_takes_tags(tagged_server, tagged_avatars, tags):
    seeds = [5, 3, 2**40, 8, 0]
    text = "green, no hat" if tags == "wanted" else tags
    expected = tagged_avatars.images(seeds, text)
    with AvatarClient(tagged_server.address, batch=2) as client:
        tags = client.wanted(text) if tags == "wanted" else tags
        images, pngs = client.generate(seeds, tags), client.png(seeds, tags)
    assert np.abs(images.astype(int) - expected).max() <= 1
    assert np.abs(np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in pngs]).astype(int) - images).max() <= 1
    in_a_loop = asked(tagged_server.address, lambda client: client.generate(seeds, tags), batch=3)
    assert np.abs(in_a_loop.astype(int) - expected).max() <= 1
    in_a_loop = asked(tagged_server.address, lambda client: client.png(seeds, tags), batch=5)
    assert [len(png) > 50 for png in in_a_loop] == [True] * 5 and np.array_equal(
        np.asarray(Image.open(io.BytesIO(in_a_loop[3]))), np.asarray(Image.open(io.BytesIO(pngs[3])))
    )


def test_vocabulary_comes_from_the_server(tagged_server, tagged):
    with AvatarClient(tagged_server.address) as client:
        vocabulary, card = client.vocabulary(), client.model_card()
        np.testing.assert_array_equal(client.wanted("red, no smile"), [1, -1, -1, 0, -1])
        with pytest.raises(
            ValueError, match=r"tags must be in vocabulary 'tiny'. Received: 'gren'. Did you mean green"
        ):
            client.generate([1], "gren")
    assert vocabulary.groups == tagged.vocabulary.groups and card["image_size"] == [4, 4]
    assert asked(tagged_server.address, lambda client: client.vocabulary()) == vocabulary
    assert asked(tagged_server.address, lambda client: client.model_card()) == card
    np.testing.assert_array_equal(asked(tagged_server.address, lambda client: client.wanted("hat")), [0, 0, 0, 1, 0])


def test_model_without_a_card_is_explained(client):
    with pytest.raises(ValueError, match=r'Serving signature key "model_card" not found. \(FAILED_PRECONDITION\)'):
        client.generate([1], "green")


def test_interpolate_goes_from_avatar_to_avatar(tagged_server):
    with AvatarClient(tagged_server.address, batch=4) as client:
        way = client.interpolate(3, 7, np.linspace(0, 1, 6))
        first, last = client.generate([3, 7])
    assert way.shape == (6, 4, 4, 3) and way.dtype == np.uint8
    assert np.abs(way[0].astype(int) - first).max() <= 1 and np.abs(way[5].astype(int) - last).max() <= 1
    assert np.abs(way[2].astype(int) - first).max() > 1 and np.abs(way[2].astype(int) - last).max() > 1
    in_a_loop = asked(tagged_server.address, lambda client: client.interpolate([3, 3], [7, 7], [0.4, 0.8]))
    assert np.abs(in_a_loop.astype(int) - way[[2, 4]]).max() <= 1


def test_async_client_makes_concurrent_calls(tagged_server):
    async def each(client):
        return await asyncio.gather(*(client.generate([seed]) for seed in range(40)))

    together = asked(tagged_server.address, lambda client: client.generate(range(40)))
    images = np.concatenate(asked(tagged_server.address, each))
    assert np.abs(images.astype(int) - together).max() <= 1


def test_async_client_retries_without_blocking(scripted):
    service = Scripted(*[grpc.StatusCode.UNAVAILABLE] * 2, in_typed_fields)
    turns = []

    async def beside(client):
        task = asyncio.ensure_future(client.generate([7]))
        while not task.done():
            turns.append(time.monotonic())
            await asyncio.sleep(0.01)
        return task.result()

    assert asked(scripted(service), beside)[0, 0, 0, 0] == 7
    assert len(service.requests) == 3
    assert len(turns) >= 3 and turns[-1] - turns[0] > 0.1  # 0.05 to 0.1 and 0.1 to 0.2 seconds of pauses


def test_async_client_raises_the_same_errors(scripted, tagged_server):
    service = Scripted(grpc.StatusCode.INTERNAL, in_typed_fields)
    with pytest.raises(RuntimeError, match=r"as written \(INTERNAL\)") as raised:
        asked(scripted(service), lambda client: client.generate([7]))
    assert raised.value.code == "INTERNAL" and len(service.requests) == 1
    with pytest.raises(ConnectionError, match="UNAVAILABLE"):
        asked("127.0.0.1:1", lambda client: client.generate([7]), retries=0)
    with pytest.raises(ValueError, match=r"Latest\(foo\)"):
        asked(tagged_server.address, lambda client: client.png([7]), model="foo")


def test_client_has_a_connection_of_its_own(scripted):
    peers = set()

    class Listening(Scripted):
        def Predict(self, request, context):
            peers.add(context.peer())
            return in_typed_fields(request)

    address = scripted(Listening())
    with AvatarClient(address) as first, AvatarClient(address) as second:
        for _ in range(3):
            first.generate([1])
        threads = [threading.Thread(target=first.generate, args=([seed],)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(peers) == 1
        second.generate([1])
    assert len(peers) == 2


@pytest.fixture(scope="module")
def secure(pem):
    """Credentials of a server, which wants to see the client's certificate or not."""

    def credentials(mutual):
        key, certificate = (pem[name].read_bytes() for name in ("server_key", "server_certificate"))
        roots = pem["ca"].read_bytes() if mutual else None
        return grpc.ssl_server_credentials([(key, certificate)], roots, require_client_auth=mutual)

    return credentials


def test_tls_encrypts_the_connection(scripted, secure, pem):
    address = scripted(Scripted(*[in_typed_fields] * 2), secure(mutual=False))
    with AvatarClient(address, tls=TLS(pem["ca"])) as client:
        assert client.generate([7])[0, 0, 0, 0] == 7
    assert asked(address, lambda client: client.generate([9]), tls=TLS(pem["ca"]))[0, 0, 0, 0] == 9


@pytest.mark.parametrize("tls", ["stranger", "public", None])
def test_tls_refuses_an_unknown_server(scripted, secure, pem, tls):
    service = Scripted(in_typed_fields)
    address = scripted(service, secure(mutual=False))
    tls = {"stranger": lambda: TLS(pem["stranger_ca"]), "public": TLS, None: lambda: None}[tls]()
    with AvatarClient(address, tls=tls, retries=0, timeout=5) as client, pytest.raises(ConnectionError):
        client.generate([7])
    assert not service.requests


def test_tls_sends_the_clients_certificate(scripted, secure, pem):
    service = Scripted(*[in_typed_fields] * 2)
    address = scripted(service, secure(mutual=True))
    tls = TLS(pem["ca"], pem["client_certificate"], pem["client_key"])
    with AvatarClient(address, tls=tls) as client:
        assert client.generate([7])[0, 0, 0, 0] == 7
    for refused in (TLS(pem["ca"]), TLS(pem["ca"], pem["stranger_certificate"], pem["stranger_key"])):
        with AvatarClient(address, tls=refused, retries=0, timeout=5) as client, pytest.raises(ConnectionError):
            client.generate([7])
    assert len(service.requests) == 1
