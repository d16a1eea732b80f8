import http.client
import io
import json
import threading

import numpy as np
import pytest
from PIL import Image

from tfanime.evaluate.rating import Pictures, Rating
from tfanime.evaluate.rating_server import RatingServer


@pytest.fixture
def server(tmp_path):
    random = np.random.default_rng(0)
    sources = [Pictures(name, random.integers(0, 256, (2, 6, 6, 3), np.uint8)) for name in ("runs/first", "real")]
    with RatingServer(Rating(tmp_path / "answers.jsonl", sources)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def request(server, method, path, values=None, **headers):
    """Status, headers and body of an answer."""
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = None if values is None else values if isinstance(values, bytes) else json.dumps(values).encode()
    headers = {"Host": f"127.0.0.1:{port}", "Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def post(server, path, **values):
    status, _, body = request(server, "POST", path, values)
    return status, json.loads(body)


def test_rating_server_serves_from_the_first_picture_to_the_results(server):
    assert json.loads(request(server, "GET", "/state")[2]) == {"done": 0, "total": 4, "place": 0, "results": None}
    answers = ["good", "poor", "good", "good"]
    for place, answer in enumerate(answers):
        assert not server.finished.is_set()
        status, state = post(server, "/answer", place=place, answer=answer)
        assert status == 200 and state["done"] == place + 1
    assert state["place"] is None and server.finished.wait(10)
    assert [row["name"] for row in state["results"]] == ["runs/first", "real"]
    assert sum(row["good"] for row in state["results"]) == 3 and sum(row["rated"] for row in state["results"]) == 4
    lines = server.rating.path.read_text().splitlines()
    assert [json.loads(line)["answer"] for line in lines[1:]] == answers


def test_rating_server_hides_the_origin_of_pictures(server):
    said = b""
    for path in ("/", "/rate.js", "/rate.css", "/style.css", "/state", *(f"/picture/{place}" for place in range(4))):
        status, headers, body = request(server, "GET", path)
        assert status == 200 and headers["Cache-Control"] == "no-store"
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
        said += body + str(headers).encode()
    for method, path, values in (("/answer", 0, "good"), ("/undo", None, None)):
        said += json.dumps(post(server, method, place=path, answer=values)).encode()
    assert b"runs/first" not in said and b"real" not in said.replace(b"prefers-color-scheme", b"")
    assert not server.finished.is_set()


def test_rating_server_sends_complete_pictures(server):
    for place in range(4):
        image = np.asarray(Image.open(io.BytesIO(request(server, "GET", f"/picture/{place}")[2])))
        assert np.array_equal(image, server.rating.image(place))


def test_rating_server_takes_back_and_ends_early(server):
    post(server, "/answer", place=0, answer="good")
    assert post(server, "/undo")[1]["done"] == 0
    assert post(server, "/undo") == (200, {"done": 0, "total": 4, "place": 0, "results": None})
    post(server, "/answer", place=0, answer="poor")
    assert post(server, "/answer", place=0, answer="poor")[1]["done"] == 1  # a key pressed twice
    state = post(server, "/finish")[1]
    assert sorted((row["rated"], row["good"]) for row in state["results"]) == [(0, 0), (1, 0)]
    assert server.finished.wait(10) and post(server, "/answer", place=1, answer="good")[1]["done"] == 1


@pytest.mark.parametrize(
    ("method", "path", "values", "status"),
    [
        ("GET", "/picture/4", None, 404),
        ("GET", "/picture/-1", None, 404),
        ("GET", "/answer", None, 404),
        ("POST", "/picture/0", {}, 404),
        ("POST", "/answer", {"place": 0, "answer": "fair"}, 400),
        ("POST", "/answer", {"place": 0}, 400),
        ("POST", "/answer", [], 400),
    ],
)
def test_rating_server_refuses_bad_requests(server, method, path, values, status):
    assert request(server, method, path, values)[0] == status
    assert server.rating.answers == [] and len(server.rating.path.read_text().splitlines()) == 1


def test_rating_server_does_not_count_an_answer_that_cannot_be_written(server, monkeypatch):
    def fail(line):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(server.rating, "_write", fail)
    status, answer = post(server, "/answer", place=0, answer="good")
    assert status == 500 and "No space left" in answer["error"] and server.rating.answers == []
