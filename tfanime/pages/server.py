"""A small HTTP server for a page in a browser on this machine."""

import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import PurePath

KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
LONGEST_BODY = 1000  # bytes


class PageServer(ThreadingHTTPServer):
    """Serves a page on 127.0.0.1 only.

    A subclass answers with `get(path)` and `post(path, values)`, where `values` is the parsed JSON of the request. They
    return `(bytes, media type)`, a value to be sent as JSON, or None if the path is unknown.

    Requests with another host name are refused, and so is every POST that is not JSON, so that pages of other sites
    cannot send requests. A `ValueError`, `KeyError` or `TypeError` is answered as a bad request, an `OSError` as an
    error of the server, both with their message.

    Args:
        files: Paths of files in the package, such as `pages/style.css`, by the request's path.
        port: Port to listen on; 0 for any free one.

    Attributes:
        lock: Held while `post` runs.

    Raises:
        OSError: The port is taken.
    """

    daemon_threads = True
    policy = "default-src 'self'; frame-ancestors 'none'"
    """The content security policy of its answers."""

    def __init__(self, files, port=0):
        self.files = files
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def address(self):
        """The page's address."""
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def sent(self, answer):
        """Called after an answer of `get` or `post` has been sent."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self._is_local():
            self._answer(self._get)

    def do_POST(self):
        if not self._is_local():
            return
        # Other sites' pages can send forms but no JSON: a browser would ask this server first.
        if self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json")
        else:
            self._answer(self._post)

    def _get(self):
        if (name := self.server.files.get(self.path)) is None:
            return self.server.get(self.path)
        kind = KINDS[PurePath(name).suffix]
        return (resources.files("tfanime") / name).read_bytes(), f"{kind}; charset=utf-8"

    def _post(self):
        length = int(self.headers.get("Content-Length", ""))
        if not 0 <= length <= LONGEST_BODY:
            raise ValueError(f"a body must have at most {LONGEST_BODY} bytes. Received: {length}")
        values = json.loads(self.rfile.read(length) or b"{}")
        with self.server.lock:
            return self.server.post(self.path, values)

    def _is_local(self):
        """Refuses requests with another host name, from a site whose name resolves to this machine."""
        name, _, port = self.headers.get("Host", "").rpartition(":")
        if name in ("127.0.0.1", "localhost") and port == str(self.server.server_address[1]):
            return True
        self._refuse(HTTPStatus.FORBIDDEN, "this page is for this machine only")
        return False

    def _answer(self, ask):
        try:
            answer = ask()
        except (ValueError, KeyError, TypeError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:  # such as a full disk; nothing was changed
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        else:
            if answer is None:
                self._refuse(HTTPStatus.NOT_FOUND, "no such page")
            else:
                self._send(*(answer if isinstance(answer, tuple) else _as_json(answer)))
                self.server.sent(answer)

    def _refuse(self, status, text):
        self._send(*_as_json({"error": text}), status)

    def _send(self, body, kind, status=HTTPStatus.OK):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", self.server.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Logs nothing: the terminal shows the page's address."""


def _as_json(values):
    return json.dumps(values).encode(), "application/json"
