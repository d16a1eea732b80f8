"""The page on which a person rates pictures, served on this machine alone."""

import io
import json
import re
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources

from PIL import Image

FILES = {
    "/": ("rate.html", "text/html; charset=utf-8"),
    "/rate.js": ("rate.js", "text/javascript; charset=utf-8"),
    "/rate.css": ("rate.css", "text/css; charset=utf-8"),
}
LONGEST_BODY = 1000  # bytes


class RatingServer(ThreadingHTTPServer):
    """Serves the page of a `Rating` on 127.0.0.1.

    GET / is the page, GET /state what comes next, GET /picture/N the picture at place N as PNG; POST /answer
    (`{"place": N, "answer": "good"}`), POST /undo and POST /finish change the state and return the new one. Nothing but
    the results, which are given when the rating is finished, tells where a picture comes from.

    Args:
        rating: The `tfanime.evaluate.rating.Rating`.
        port: Port to listen at; 0 for any that is free.

    Attributes:
        finished: A `threading.Event`, set when a state with the results has been sent.

    Raises:
        OSError: The port is taken.
    """

    daemon_threads = True

    def __init__(self, rating, port=0):
        self.rating = rating
        self.lock = threading.Lock()
        self.finished = threading.Event()
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def address(self):
        """The page's address."""
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def state(self):
        """What the page shows: `{"done", "total", "place", "results"}`; no results before the end."""
        rating = self.rating
        place = None if rating.finished else rating.next
        results = rating.results() if rating.finished else None
        return {"done": len(rating.answers), "total": rating.count, "place": place, "results": results}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if not self._is_local():
            return
        if self.path in FILES:
            name, kind = FILES[self.path]
            self._send((resources.files(__package__) / name).read_bytes(), kind)
        elif self.path == "/state":
            self._send_state()
        elif (match := re.fullmatch(r"/picture/([0-9]{1,9})", self.path)) and int(match[1]) < self.server.rating.count:
            buffer = io.BytesIO()
            Image.fromarray(self.server.rating.image(int(match[1]))).save(buffer, "png")
            self._send(buffer.getvalue(), "image/png")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "no such page")

    def do_POST(self):
        if not self._is_local():
            return
        # Other sites' pages can send forms here, but no JSON: a browser would ask this server first.
        if self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json")
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            if not 0 <= length <= LONGEST_BODY:
                raise ValueError(f"a body must have at most {LONGEST_BODY} bytes. Received: {length}")
            values = json.loads(self.rfile.read(length) or b"{}")
            with self.server.lock:
                self._change(values)
        except (ValueError, KeyError, TypeError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except LookupError:
            self._refuse(HTTPStatus.NOT_FOUND, "no such page")
        except OSError as error:  # the disk is full: nothing was noted
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        else:
            self._send_state()

    def _change(self, values):
        rating = self.server.rating
        if self.path == "/answer":
            rating.answer(values["place"], values["answer"])
        elif self.path == "/undo":
            rating.undo()
        elif self.path == "/finish":
            rating.finish()
        else:
            raise LookupError(self.path)

    def _is_local(self):
        """Refuses requests under another name: a page of another site whose name leads to this machine."""
        name, _, port = self.headers.get("Host", "").rpartition(":")
        if name in ("127.0.0.1", "localhost") and port == str(self.server.server_address[1]):
            return True
        self._refuse(HTTPStatus.FORBIDDEN, "this page is for this machine alone")
        return False

    def _send_state(self):
        with self.server.lock:
            state = self.server.state()
        self._send(json.dumps(state).encode(), "application/json")
        if state["results"] is not None:
            self.server.finished.set()

    def _refuse(self, status, text):
        self._send(json.dumps({"error": text}).encode(), "application/json", status)

    def _send(self, body, kind, status=HTTPStatus.OK):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Nothing: the terminal shows where the page is."""
