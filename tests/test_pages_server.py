import http.client
import json
import queue
import threading

import pytest

from tfanime.pages.server import LONGEST_BODY, PageServer


class Counter(PageServer):
    """Counts up by what it is sent."""

    def __init__(self):
        self.count, self.answers = 0, queue.SimpleQueue()
        super().__init__({"/style.css": "pages/style.css"})

    def get(self, path):
        return {"/": (b"page", "text/plain"), "/count": self.count}.get(path)

    def post(self, path, values):
        if path != "/add":
            return None
        if values["add"] > 9:
            raise OSError(28, "No space left on device")
        self.count += values["add"]
        return {"count": self.count}

    def sent(self, answer):
        self.answers.put(answer)


@pytest.fixture
def server():
    with Counter() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def request(server, method, path, body=None, **headers):
    """Status, headers and body of an answer."""
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Host": f"127.0.0.1:{port}", "Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_server_answers_pages_files_and_values(server):
    status, headers, body = request(server, "GET", "/")
    assert (status, headers["Content-Type"], body) == (200, "text/plain", b"page")
    assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'self'; frame-ancestors 'none'"
    status, headers, body = request(server, "GET", "/style.css")
    assert (status, headers["Content-Type"]) == (200, "text/css; charset=utf-8") and b"--accent" in body
    assert request(server, "GET", "/count")[2] == b"0"  # what is false is an answer too
    status, headers, body = request(server, "POST", "/add", b'{"add": 2}')
    assert (status, headers["Content-Type"], json.loads(body)) == (200, "application/json", {"count": 2})
    said = [server.answers.get(timeout=30) for _ in range(4)]
    assert {"count": 2} in said and (b"page", "text/plain") in said


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("GET", "/nothing", None, 404, "no such page"),
        ("GET", "/../pages/style.css", None, 404, "no such page"),
        ("POST", "/nothing", b"{}", 404, "no such page"),
        ("POST", "/add", b"", 400, "add"),
        ("POST", "/add", b"{", 400, "property name"),
        ("POST", "/add", b"[]", 400, "list indices"),
        ("POST", "/add", b" " * (LONGEST_BODY + 1), 400, "a body must have at most 1000 bytes. Received: 1001"),
        ("POST", "/add", b'{"add": 10}', 500, "No space left"),
    ],
)
def test_server_refuses_bad_requests_without_changes(server, method, path, body, status, text):
    answer = request(server, method, path, body)
    assert answer[0] == status and text in json.loads(answer[2])["error"]
    assert server.count == 0 and server.answers.empty()


def test_server_refuses_other_sites(server):
    port = server.server_address[1]
    assert request(server, "GET", "/", Host=f"elsewhere.example:{port}")[0] == 403
    assert request(server, "GET", "/", Host="127.0.0.1:1")[0] == 403
    assert request(server, "GET", "/", Host=f"localhost:{port}")[0] == 200
    assert request(server, "POST", "/add", b'{"add": 1}', Content_Type="text/plain")[0] == 415
    assert request(server, "POST", "/add", b'{"add": 1}', Host=f"elsewhere.example:{port}")[0] == 403
    assert server.count == 0
    assert server.server_address[0] == "127.0.0.1" and server.address == f"http://127.0.0.1:{port}/"
