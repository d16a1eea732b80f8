import base64
import io
import json
import threading

import numpy as np
import pytest
from PIL import Image
from rest_server import RestServer

from tfanime.serving.client import TLS, RestAvatarClient, ServerError

SEEDS = [5, 3, 2**62 + 1, 8, 0]


@pytest.fixture(scope="module")
def server(tagged_export):
    with RestServer(tagged_export) as server:
        yield server


@pytest.fixture
def client(server):
    with RestAvatarClient(server.address, batch=2) as client:
        yield client


def difference(first, second):
    return np.abs(np.asarray(first).astype(int) - second).max()


def png(grey=7, size=2):
    file = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), grey, np.uint8)).save(file, "png")
    return {"b64": base64.b64encode(file.getvalue()).decode()}


@pytest.mark.parametrize("tags", ["", "green, no hat", "wanted"])
def test_generate_takes_tags(client, tagged_avatars, tags):
    text = "green, no hat" if tags == "wanted" else tags
    expected = tagged_avatars.images(SEEDS, text)
    tags = client.wanted(text) if tags == "wanted" else tags
    images, pngs = client.generate(SEEDS, tags), client.png(SEEDS, tags)
    assert images.dtype == np.uint8 and difference(images, expected) <= 1
    assert difference(np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in pngs]), expected) <= 1


def test_requests_have_the_form_of_tf_serving(server, client):
    del server.requests[:]
    client.png([3, 2**63 - 1])
    ((path, body),) = server.requests
    assert path == "/v1/models/tfanime:predict"
    assert json.loads(body) == {"signature_name": "generate", "inputs": {"seed": [3, 2**63 - 1]}}


def test_interpolate_goes_from_avatar_to_avatar(client):
    way = client.interpolate(3, 7, [0, 0.4, 1])
    first, last = client.generate([3, 7])
    assert difference(way[0], first) <= 1 and difference(way[2], last) <= 1
    assert difference(way[1], first) > 1 and difference(way[1], last) > 1


def test_vocabulary_comes_from_the_server(client, tagged):
    assert client.vocabulary().groups == tagged.vocabulary.groups
    assert client.model_card()["image_size"] == [4, 4]
    with pytest.raises(ValueError, match="Did you mean green"):
        client.generate([1], "gren")


def test_connections_are_kept(server):
    with RestAvatarClient(server.address) as client:
        before = server.connections
        for seed in range(5):
            client.generate([seed])
        assert server.connections == before + 1
        threads = [threading.Thread(target=client.generate, args=([seed],)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        most = server.connections
        for seed in range(5):
            client.generate([seed])
        assert server.connections == most <= before + 8


def test_unavailable_is_retried(monkeypatch):
    pauses = []
    monkeypatch.setattr("time.sleep", pauses.append)
    # A server that says so, and one that goes away in the middle of a request.
    script = [(503, {"error": "restarting"}), (0, b""), (200, {"outputs": [png(7)]})]
    with RestServer(script=script) as server, RestAvatarClient(server.address) as client:
        assert client.generate([1])[0, 0, 0, 0] == 7
        assert len(server.requests) == 3 and len(pauses) == 2
        assert 0.05 <= pauses[0] <= 0.1 <= pauses[1] <= 0.2


def test_unavailable_is_retried_a_limited_number_of_times(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with (
        RestServer(script=[(503, {"error": "restarting"})] * 3) as server,
        RestAvatarClient(server.address, retries=2) as client,
        pytest.raises(ConnectionError, match=r"restarting \(HTTP 503\) \(UNAVAILABLE\)") as raised,
    ):
        client.generate([1])
    assert raised.value.code == "UNAVAILABLE"
    with RestAvatarClient("127.0.0.1:1", retries=1) as client, pytest.raises(ConnectionError, match="UNAVAILABLE"):
        client.generate([1])


@pytest.mark.parametrize(
    ("status", "exception", "code"),
    [
        (400, ValueError, "INVALID_ARGUMENT"),
        (404, ValueError, "NOT_FOUND"),
        (429, ServerError, "RESOURCE_EXHAUSTED"),
        (501, ValueError, "UNIMPLEMENTED"),
        (504, TimeoutError, "DEADLINE_EXCEEDED"),
        (500, ServerError, "INTERNAL"),
        (302, ServerError, "INTERNAL"),
    ],
)
@pytest.mark.parametrize("body", [{"error": "as written"}, b"<html>as written"])
def test_other_errors_are_not_retried(status, exception, code, body):
    with (
        RestServer(script=[(status, body)]) as server,
        RestAvatarClient(server.address) as client,
        pytest.raises(exception, match=f"as written.*{code}") as raised,
    ):
        client.generate([1])
    assert raised.value.code == code and len(server.requests) == 1


def test_requests_have_a_deadline():
    release = threading.Event()

    class Slow(RestServer):
        def finish_request(self, request, client_address):
            release.wait(60)

    with Slow() as server, RestAvatarClient(server.address, timeout=0.2) as client:
        with pytest.raises(TimeoutError, match="DEADLINE"):
            client.generate([7])
        release.set()


@pytest.mark.parametrize(
    "body",
    [
        b"no JSON",
        {"predictions": [png()]},
        {"outputs": [png()]},
        {"outputs": [png(), {"b64": "a"}]},
        {"outputs": [png(), "text"]},
        {"outputs": [png(size=2), png(size=3)]},
        {"outputs": [png(), {"b64": "aGVsbG8="}]},
        {"outputs": 7},
    ],
)
def test_unexpected_answers_are_refused(body):
    with (
        RestServer(script=[(200, body)]) as server,
        RestAvatarClient(server.address) as client,
        pytest.raises(ServerError, match=f"server {server.address} must send"),
    ):
        client.generate([1, 2])


def test_unknown_model_is_an_error_of_the_server(server):
    with (
        RestAvatarClient(server.address, model="foo") as client,
        pytest.raises(ValueError, match=r"model 'foo': Servable not found for request: Latest\(foo\)"),
    ):
        client.generate([7])
    with RestAvatarClient(server.address, model="../x?y") as client, pytest.raises(ValueError, match="NOT_FOUND"):
        client.generate([7])
    assert server.requests[-1][0] == "/v1/models/..%2Fx%3Fy:predict"


def test_tls_sends_the_clients_certificate(pem):
    with RestServer(script=[(200, {"outputs": [png()]})], certificates=(pem["server"], pem["ca"])) as server:
        known = TLS(pem["ca"], pem["client_certificate"], pem["client_key"])
        with RestAvatarClient(server.address, tls=known) as client:
            assert client.generate([7]).shape == (1, 2, 2, 3)
        strangers = (
            TLS(pem["ca"]),
            TLS(pem["ca"], pem["stranger_certificate"], pem["stranger_key"]),
            TLS(pem["stranger_ca"], pem["client_certificate"], pem["client_key"]),
            None,
        )
        for tls in strangers:
            with RestAvatarClient(server.address, tls=tls, retries=0) as client, pytest.raises(ConnectionError):
                client.generate([7])
    assert len(server.requests) == 1
