"""The embedded server: gRPC and REST around a `Predictor`, in one event loop in a thread of its own.

The loop reads, checks and answers; models are called by the threads of a `Scheduler`. A request that waits is a
coroutine, not a thread, so that the queue of the scheduler is the only place where requests wait.
"""

import asyncio
import errno
import logging
import socket
import threading
import time

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from tfanime.serving.server.gate import Gate
from tfanime.serving.server.metrics import Metrics
from tfanime.serving.server.prediction import Predictor
from tfanime.serving.server.rest import RestServer
from tfanime.serving.server.schedule import Scheduler, settle
from tfanime.serving.server.services import MODEL_SERVICE, PREDICTION_SERVICE, ModelService, PredictionService
from tfanime.serving.server.tls import credentials, ssl_context

MIB = 2**20
HEALTH_NAMES = ("", "ModelService", "PredictionService")  # TF Serving's, without a package
# Streams (of health and reflection) that clients hold open are cut this long after the last answer.
STREAM_SECONDS = 0.5
# New calls are refused for this long after the last answer, before the port closes.
REFUSAL_SECONDS = 0.1

_logger = logging.getLogger(__name__)


class Server:
    """Listens from its construction on, and answers from `start` to `stop`, which a context manager calls.

        with Server(Models([load("tfanime", 1, "exports/1")]), port=0) as server:
            AvatarClient(server.address).png([7])

    Args:
        models: The `Models` to serve.
        host: Name or address to listen on; 127.0.0.1 can be reached from this machine only.
        port: TCP port for gRPC, 0 for any free one.
        rest_port: TCP port for REST and metrics, 0 for any free one, None for none.
        max_images: The largest batch of a request.
        max_message_mib: The largest request in MiB. (Responses are limited by what the client receives.)
        model_threads: See `Scheduler`.
        max_waiting: See `Scheduler`.
        batching: See `Scheduler`; its largest batch limits requests too.
        tls: A `TlsSettings` for both ports, or None for plain text.
        metrics_path: Where the REST port shows metrics, or None.
        rest_seconds: How long a REST request may take. (gRPC requests have deadlines of their own.)
        apply: `Manager.apply`, if models may be changed by request.
        cors: Whether pages of any origin may read what REST answers.
        page: Files of a page that the REST port shows, see `tfanime.page.build.site`; None for none.
        channel_arguments: gRPC's own settings for the server, pairs of name and value, in place of this server's.

    Raises:
        OSError: A port is in use or may not be opened.
        ValueError: The keys cannot be read.

    `address` is the address of gRPC, `"host:port"`, and `rest_address` that of REST, or None.
    """

    def __init__(
        self,
        models,
        host="127.0.0.1",
        port=8500,
        rest_port=None,
        max_images=1024,
        max_message_mib=64,
        model_threads=2,
        max_waiting=1000,
        batching=None,
        tls=None,
        metrics_path=None,
        rest_seconds=30.0,
        apply=None,
        cors=False,
        page=None,
        channel_arguments=(),
    ):
        context = ssl_context(tls) if tls else None  # before a port is taken
        self._metrics = Metrics(models)
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_complain)
        self._scheduler = Scheduler(batching, model_threads, max_waiting, self._deliver, self._metrics.batch)
        if batching is not None:
            max_images = min(max_images, batching.max_batch_size)
        self._predictor = Predictor(models, self._scheduler, max_images, batching is not None)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="server")
        self._thread.start()
        try:
            self.address = self._wait(self._bind(host, port, max_message_mib * MIB, tls, apply, channel_arguments))
            self.rest_address = None
            self._rest = None
            if rest_port is not None:
                listener = _listener(host, rest_port)
                self.rest_address = _address(host, listener.getsockname()[1])
                self._rest = RestServer(
                    self._predictor,
                    self._gate,
                    self._metrics,
                    listener,
                    max_bytes=max_message_mib * MIB,
                    seconds=rest_seconds,
                    metrics_path=metrics_path,
                    ssl_context=context,
                    cors=cors,
                    page=page,
                )
        except BaseException:
            self._close()
            raise

    def start(self):
        """Starts to answer."""
        self._wait(self._start())

    def stop(self, grace_seconds=None):
        """Refuses new requests, finishes those in flight, and returns when they are answered.

        Args:
            grace_seconds: How long requests in flight may take; later they are cancelled. None cancels at once.
        """
        self._wait(self._stop(grace_seconds or 0))
        self._close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.stop(grace_seconds=10)

    def _wait(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _deliver(self, outcomes):
        """Settles the futures of a batch in the event loop, which is woken once for all of them."""
        if not self._loop.is_closed():  # if it is closed, the grace time is over and nobody waits
            self._loop.call_soon_threadsafe(settle, outcomes)

    def _close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._scheduler.close()

    async def _bind(self, host, port, max_bytes, tls, apply, channel_arguments):
        self._gate = Gate()
        options = {
            "grpc.so_reuseport": 0,  # otherwise a second server could silently take half of the calls
            "grpc.max_receive_message_length": max_bytes,
            "grpc.max_send_message_length": -1,
            # gRPC would cancel requests beyond its own queue; the scheduler's queue refuses them by a rule.
            "grpc.server.max_pending_requests": 2**17,
            "grpc.server.max_pending_requests_hard_limit": 2**18,
            "grpc.server_max_unrequested_time_in_server": 600,  # seconds
            # gRPC cuts connections that are pinged more often than every 5 minutes while nothing is sent. Clients
            # behind a load balancer that drops idle connections ping every 10 seconds or so.
            "grpc.http2.min_ping_interval_without_data_ms": 1000,
            "grpc.keepalive_permit_without_calls": 1,
        }
        self._server = grpc.aio.server(options=list((options | dict(channel_arguments)).items()))
        prediction = PredictionService(self._predictor, self._gate, self._metrics)
        model = ModelService(self._predictor, self._gate, apply)
        self._server.add_generic_rpc_handlers((prediction.handler(), model.handler()))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (PREDICTION_SERVICE, MODEL_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        for name in HEALTH_NAMES:
            await self._health.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)
        address = _address(host, port)
        try:
            if tls:
                bound = self._server.add_secure_port(address, credentials(tls))
            else:
                bound = self._server.add_insecure_port(address)
        except RuntimeError:
            bound = 0
        if not bound:
            raise _taken(address)
        return _address(host, bound)

    async def _start(self):
        for name in HEALTH_NAMES:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()
        if self._rest:
            await self._rest.start()

    async def _stop(self, grace_seconds):
        end = time.monotonic() + grace_seconds
        await self._health.enter_graceful_shutdown()
        inside = await self._gate.close(grace_seconds)
        if inside:
            _logger.warning("%d requests are cancelled, %g seconds after the shutdown began", inside, grace_seconds)
        # Calls that have arrived meanwhile are refused by the gate, as UNAVAILABLE; a server that stops cancels them.
        await asyncio.sleep(min(REFUSAL_SECONDS, max(0.0, end - time.monotonic())))
        left = max(0.0, end - time.monotonic())
        if self._rest:
            await self._rest.stop()
        await self._server.stop(min(left, STREAM_SECONDS))
        await self._loop.shutdown_default_executor()


def _listener(host, port):
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError):
        raise _taken(_address(host, port)) from None


def _taken(address):
    return OSError(
        errno.EADDRINUSE,
        f"port must be free, and host an address of this machine (port 0 takes any free port). Received: {address}",
    )


def _address(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _complain(loop, context):
    """Logs exceptions that no coroutine caught."""
    if isinstance(context.get("exception"), BlockingIOError):
        return  # from gRPC's poller, when there are several loops; it reads again
    loop.default_exception_handler(context)
