"""A client for TF Serving's REST, without TensorFlow: for processes that must be small or start fast."""

import base64
import binascii
import json
import time
import urllib.parse

import numpy as np
import urllib3

from tfanime.images import png_of
from tfanime.serving.client.requests import Attempts, Blocking, Call
from tfanime.serving.client.tls import TLS

_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CONNECTIONS = 64  # number of connections that are kept; further threads open one for each request


class RestAvatarClient(Blocking):
    """Fetches avatars by seed, as `AvatarClient` does; keeps its connections, may be used by many threads.

        with RestAvatarClient("127.0.0.1:8501") as client:
            images = client.generate(range(16), tags="blonde hair, no hat")  # uint8 [16, height, width, 3]

    Pictures are sent as PNG, since pixels as JSON are ten times as long.

    Args:
        server: Address of the server's REST port, `"host:port"`.
        model: As for `AvatarClient`, like all following arguments. A broken connection counts as UNAVAILABLE.

    Raises:
        ValueError: `server` is not `host:port`, or a number is below its least value.
    """

    def __init__(
        self,
        server: str,
        model: str = "tfanime",
        timeout: float = 30.0,
        retries: int = 5,
        batch: int = 64,
        tls: TLS | None = None,
    ) -> None:
        super().__init__(server, model, timeout, retries, batch)
        context = {"ssl_context": tls.ssl_context()} if tls else {}
        self._pool = urllib3.PoolManager(maxsize=_CONNECTIONS, retries=False, **context)
        name = urllib.parse.quote(model, safe="")
        self._url = f"{'https' if tls else 'http'}://{server}/v1/models/{name}:predict"

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def _plan_images(self, part, row):
        return self._decoded((yield from self._plan_pngs(part, row)))

    def _plan_pictures(self, kind, part):
        files = np.array([*map(png_of, part), None], object)[:-1]  # without None NumPy looks for the files' length
        array = yield from self._plan(Call(f"{kind}_png", {"picture_bytes": files}, "image_bytes"))
        return self._decoded(self._checked_pngs(array))

    def _answer(self, call):
        inputs = {alias: [_plain(row) for row in array] for alias, array in call.inputs.items()}
        body = json.dumps({"signature_name": call.signature, "inputs": inputs})
        attempts = Attempts(self.timeout, self.retries)
        while True:
            code, answer = self._send(body, attempts.seconds_left())
            if code is None:
                return self._array(call, answer)
            pause = attempts.pause_after(code)
            if pause is None:
                raise self._failure(code, answer)
            time.sleep(pause)

    def _send(self, body, timeout):
        """`(None, body of the answer)`, or `(code, text)` of what went wrong."""
        try:
            response = self._pool.request(
                "POST", self._url, body=body, headers={"Content-Type": "application/json"}, timeout=timeout
            )
        except urllib3.exceptions.NewConnectionError as error:  # connection refused, which urllib3 treats as a timeout
            return "UNAVAILABLE", str(error)
        except urllib3.exceptions.TimeoutError as error:
            return "DEADLINE_EXCEEDED", str(error)
        except urllib3.exceptions.HTTPError as error:
            return "UNAVAILABLE", str(error)
        if response.status == 200:
            return None, response.data
        try:
            text = json.loads(response.data)["error"]
        except (ValueError, KeyError, TypeError):  # from a proxy between the server and this client
            text = response.data[:200].decode("utf-8", "replace")
        return _CODES.get(response.status, "INTERNAL"), f"{text} (HTTP {response.status})"

    def _array(self, call, data):
        try:
            rows = json.loads(data)["outputs"]
            if call.output.endswith("_bytes"):
                rows = [base64.b64decode(row["b64"], validate=True) for row in rows]
                return np.array([*rows, None], object)[:-1]  # without None NumPy looks for the length of the strings
            return np.array(rows)
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            received = f"{data[:100]!r} ({type(error).__name__}: {error})"
            raise self._must(f"send {call.output} as TF Serving's REST does", received) from error


def _plain(row):
    """A row of an input in JSON's types."""
    return {"b64": base64.b64encode(row).decode()} if isinstance(row, bytes) else row.tolist()
