"""The page on which a person rates pictures, served on this machine only."""

import io
import re
import threading

from PIL import Image

from tfanime.pages.server import PageServer

FILES = {
    "/": "evaluate/rate.html",
    "/rate.js": "evaluate/rate.js",
    "/rate.css": "evaluate/rate.css",
    "/style.css": "pages/style.css",
}


class RatingServer(PageServer):
    """Serves the page of a `Rating` on 127.0.0.1.

    GET / is the page, GET /state the next picture's place, GET /picture/N the picture at place N as PNG; POST /answer
    (`{"place": N, "answer": "good"}`), POST /undo and POST /finish change the state and return the new one. Only the
    results, which are sent when the rating is finished, reveal where pictures come from.

    Args:
        rating: The `tfanime.evaluate.rating.Rating`.
        port: Port to listen on; 0 for any free one.

    Attributes:
        finished: A `threading.Event`, set when a state with the results has been sent.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, rating, port=0):
        self.rating = rating
        self.finished = threading.Event()
        super().__init__(FILES, port)

    def state(self):
        """The state of the page: `{"done", "total", "place", "results"}`; no results before the end."""
        rating = self.rating
        place = None if rating.finished else rating.next
        results = rating.results() if rating.finished else None
        return {"done": len(rating.answers), "total": rating.count, "place": place, "results": results}

    def get(self, path):
        """The state, or a picture; see `PageServer.get`."""
        if path == "/state":
            with self.lock:
                return self.state()
        if (match := re.fullmatch(r"/picture/([0-9]{1,9})", path)) and int(match[1]) < self.rating.count:
            buffer = io.BytesIO()
            Image.fromarray(self.rating.image(int(match[1]))).save(buffer, "png")
            return buffer.getvalue(), "image/png"
        return None

    def post(self, path, values):
        """Records an answer, takes one back, or ends the rating; see `PageServer.post`."""
        if path == "/answer":
            self.rating.answer(values["place"], values["answer"])
        elif path == "/undo":
            self.rating.undo()
        elif path == "/finish":
            self.rating.finish()
        else:
            return None
        return self.state()

    def sent(self, answer):
        """Sets `finished` when the results have been sent."""
        if isinstance(answer, dict) and answer["results"] is not None:
            self.finished.set()
