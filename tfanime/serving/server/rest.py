"""TF Serving's REST (tensorflow_serving/model_servers/http_rest_api_{handler,util}.cc): JSON around the `Predictor`.

On aiohttp: it runs in the event loop that gRPC's server has already, without another one or worker processes, and has
what a server needs towards slow, huge and vanished clients.
"""

import asyncio
import functools
import json
import logging
import re
import time
import urllib.parse

import grpc
from aiohttp import http_exceptions, web
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2, predict_pb2

from tfanime.page.server import SiteServer, answer
from tfanime.serving.server import json_tensors
from tfanime.serving.server.prediction import METHODS, SIGNATURE_FIELD, in_thread_if_large
from tfanime.serving.server.services import status_of
from tfanime.serving.server.status import StatusError, invalid_argument

# RE2 there, and case does not matter; [^/:] may be anything that a URL carries, also "..": it never becomes a path.
_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_ACTION = re.compile(rf"/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<action>classify|regress|predict)", re.IGNORECASE)
_LOOK = re.compile(rf"/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?P<metadata>/metadata)?", re.IGNORECASE)

_http_logger = logging.getLogger(f"{__name__}.http")
# Requests that are not HTTP are answered with 400; a traceback for each could fill the disk.
_http_logger.addFilter(lambda record: not _is_callers_mistake(record))
# TF Serving's (AddCORSHeaders in http_rest_api_util.cc): pages of any origin, without credentials.
CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}
SENDING_SECONDS = 5.0  # for the answers that are being sent when the server ends

_HTTP = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}


class RestServer:
    """Answers HTTP on a socket.

    Args:
        predictor: The `Predictor` that answers.
        gate: The `Gate` that requests go through.
        metrics: The `Metrics` that count them.
        listener: The socket, listening.
        max_bytes: The largest body of a request.
        seconds: How long a request may take, from its first byte to its answer.
        metrics_path: Where metrics are shown, or None.
        ssl_context: An `ssl.SSLContext` for HTTPS, or None for HTTP.
        cors: Whether pages of any origin may read the answers.
        page: Files of a page by their path, or None.
    """

    def __init__(
        self,
        predictor,
        gate,
        metrics,
        listener,
        *,
        max_bytes,
        seconds,
        metrics_path,
        ssl_context,
        cors=False,
        page=None,
    ):
        self._predictor = predictor
        self._gate = gate
        self._metrics = metrics
        self._listener = listener
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._metrics_path = metrics_path
        self._ssl_context = ssl_context
        self._cors = cors
        self._page = page or {}
        self._runner = None

    async def start(self):
        """Starts to answer."""
        application = web.Application(client_max_size=self._max_bytes)
        application.router.add_route("*", "/{path:.*}", self._answer)
        # A request whose client went away is not computed.
        self._runner = web.AppRunner(
            application,
            access_log=None,
            logger=_http_logger,
            handler_cancellation=True,
            shutdown_timeout=SENDING_SECONDS,
        )
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener, ssl_context=self._ssl_context).start()

    async def stop(self):
        """Finishes the answers that are being sent, and closes the socket."""
        if self._runner is None:
            self._listener.close()
        else:
            await self._runner.cleanup()

    async def _answer(self, request):
        path = request.raw_path.partition("?")[0]
        if self._cors and request.method == "OPTIONS" and re.match("/v1/", path, re.IGNORECASE):
            return web.Response(headers=CORS_HEADERS)  # to a browser that asks before it sends the request itself
        response = await self._respond(request, path)
        if self._cors:
            response.headers.update(CORS_HEADERS)
        return response

    async def _respond(self, request, path):
        try:
            if path == self._metrics_path and request.method == "GET":
                return web.Response(body=self._metrics.text(), headers={"Content-Type": self._metrics.content_type})
            if request.method == "GET" and (found := answer(self._page, path)):
                return _file(*found)
            with self._gate:
                async with asyncio.timeout(self._seconds):
                    return await self._route(request, path)
        except web.HTTPRequestEntityTooLarge:
            return _error(413, f"a request must have at most {self._max_bytes} bytes")
        except web.HTTPException as error:  # aiohttp's own, such as for a body that is not gzip
            return _error(error.status, error.reason)
        except TimeoutError:
            return _error(504, f"not answered in {self._seconds:g} seconds")
        except Exception as error:
            status = status_of(error, "REST")
            return _error(_HTTP.get(status.code, 500), status.text)

    async def _route(self, request, path):
        if not re.match("/v1/", path, re.IGNORECASE):
            return _error(404, f"Not found: {path}")
        if request.method == "POST" and (match := _ACTION.fullmatch(path)):
            return await self._act(request, _model_spec(match), match["action"].lower())
        if request.method == "GET" and (match := _LOOK.fullmatch(path)):
            if not match["name"]:
                raise invalid_argument("Missing model name in request.")
            return self._metadata(_model_spec(match)) if match["metadata"] else self._status(_model_spec(match))
        raise invalid_argument(f"Malformed request: {request.method} {path}")

    async def _act(self, request, model_spec, action):
        begin = time.monotonic()
        code = grpc.StatusCode.CANCELLED
        method = action.capitalize()
        try:
            if method in METHODS:
                await _read(request)
                self._predictor.refuse_examples(predict_pb2.PredictRequest(model_spec=model_spec), method)
            response = await self._predict(await _read(request), model_spec, begin + self._seconds)
            code = grpc.StatusCode.OK
            return response
        except StatusError as error:
            code = error.code
            raise
        finally:
            self._metrics.request(model_spec.name, method, "REST", code, time.monotonic() - begin)

    async def _predict(self, body, model_spec, deadline):
        document = await in_thread_if_large(len(body), json_tensors.parse, body)
        with self._predictor.models.borrow(model_spec) as servable:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = servable.name
            request.model_spec.version.value = servable.version  # the one whose signature is read here, to the end
            try:
                request.model_spec.signature_name = document.get("signature_name", "")
            except UnicodeEncodeError as error:  # half of a pair, "\ud800"
                raise invalid_argument("'signature_name' key must be a string value.") from error
            signature = servable.signature(request.model_spec.signature_name)
            form = await in_thread_if_large(len(body), json_tensors.fill, request, document, signature)
            response = await self._predictor.predict(request, deadline)
        return _json(await in_thread_if_large(response.ByteSize(), json_tensors.answer, response, form))

    def _status(self, model_spec):
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=model_spec)
        return _json(json.dumps(_document(self._predictor.status(request)), indent=1).encode())

    def _metadata(self, model_spec):
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=model_spec, metadata_field=[SIGNATURE_FIELD]
        )
        response = self._predictor.metadata(request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata[SIGNATURE_FIELD].Unpack(signatures)
        document = {
            "model_spec": _document(response.model_spec),
            "metadata": {SIGNATURE_FIELD: _document(signatures)},
        }
        return _json(json.dumps(document, indent=1).encode())


def _is_callers_mistake(record):
    return bool(record.exc_info) and isinstance(record.exc_info[1], http_exceptions.HttpProcessingError)


async def _read(request):
    try:
        return await request.read()
    except (web.RequestPayloadError, ConnectionError) as error:
        raise invalid_argument(f"the body cannot be read: {error}") from error


def _model_spec(match):
    model_spec = model_pb2.ModelSpec(name=_unquoted(match["name"], "model name"))
    if match["version"]:
        digits = match["version"].lstrip("0") or "0"
        if len(digits) > 19 or int(digits) >= 2**63:
            raise invalid_argument(f"Failed to convert version: {match['version']} to numeric.")
        model_spec.version.value = int(digits)
    if match["label"]:
        model_spec.version_label = _unquoted(match["label"], "model version label")
    return model_spec


def _unquoted(text, what):
    try:
        text = urllib.parse.unquote(text, errors="strict")
        text.encode()
    except UnicodeError as error:
        raise invalid_argument(f"Failed to decode {what}:{text!a}") from error
    return text


def _file(body, kind):
    headers = {
        "Content-Type": kind,
        "Content-Security-Policy": SiteServer.policy,
        "Cache-Control": "no-cache",  # the page asks each time which files there are; its service worker keeps those
        "X-Content-Type-Options": "nosniff",
    }
    return web.Response(body=body, headers=headers)


def _json(body, status=200):
    return web.Response(body=body, status=status, content_type="application/json")


def _error(status, text):
    return _json(json.dumps({"error": text}).encode(), status)


_document = functools.partial(
    json_format.MessageToDict, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
)
