"""The embedded server: TF Serving's gRPC service around a `Predictor`."""

import errno
import functools
import logging
from concurrent.futures import ThreadPoolExecutor

import grpc
from tensorflow_serving.apis import prediction_service_pb2_grpc

from tfanime.serving.prediction import Predictor
from tfanime.serving.schedule import Scheduler
from tfanime.serving.status import StatusError

MIB = 2**20
# Requests that are decoded, wait for a model or are encoded at once; the others wait in gRPC. Threads that wait cost
# little, and the models have threads of their own.
HANDLERS = 32

_logger = logging.getLogger(__name__)


def _answering(method):
    """Turns a `StatusError` into the status of the call; any other exception is a bug of ours, and logged."""

    @functools.wraps(method)
    def answer(self, request, context):
        try:
            return method(self, request, context)
        except StatusError as error:
            status = error
        except Exception as error:
            _logger.exception("%s failed", method.__name__)
            status = StatusError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
        context.abort(status.code, status.text)

    return answer


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """TF Serving's `PredictionService`; what a generator cannot answer is UNIMPLEMENTED.

    Args:
        predictor: The `Predictor` that answers.
    """

    def __init__(self, predictor):
        self._predictor = predictor

    @_answering
    def Predict(self, request, context):
        """Answers a `PredictRequest`, see `Predictor.predict`."""
        return self._predictor.predict(request, is_wanted=context.is_active)

    @_answering
    def GetModelMetadata(self, request, context):
        """Answers a `GetModelMetadataRequest`, see `Predictor.metadata`."""
        return self._predictor.metadata(request)

    @_answering
    def Classify(self, request, context):
        """Not for generators."""
        raise _unimplemented("Classify")

    @_answering
    def Regress(self, request, context):
        """Not for generators."""
        raise _unimplemented("Regress")

    @_answering
    def MultiInference(self, request, context):
        """Not for generators."""
        raise _unimplemented("MultiInference")


def _unimplemented(method):
    return StatusError(grpc.StatusCode.UNIMPLEMENTED, f"{method} is not implemented by this server: use Predict")


class Server:
    """Listens from the moment it is made, answers from `start` to `stop`; a context manager does both.

        with Server(Models([load("tfanime", *latest_version("exports"))]), port=0) as server:
            AvatarClient(server.address).png([7])

    Args:
        models: The `Models` to serve.
        host: Name or address to listen on; 127.0.0.1 can be reached from this machine only.
        port: TCP port, 0 for any free one.
        max_images: The largest batch of a request.
        max_message_mib: The largest request in MiB. (Responses are limited by what the client receives.)
        model_threads: See `Scheduler`.

    Raises:
        OSError: The port is in use or may not be opened.
    """

    def __init__(self, models, host="127.0.0.1", port=8500, max_images=1024, max_message_mib=64, model_threads=2):
        self._scheduler = Scheduler(model_threads)
        self._server = grpc.server(
            ThreadPoolExecutor(HANDLERS, thread_name_prefix="request"),
            options=[
                ("grpc.so_reuseport", 0),  # else a second server takes half of the calls, and neither says so
                ("grpc.max_receive_message_length", max_message_mib * MIB),
                ("grpc.max_send_message_length", -1),
            ],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(Predictor(models, self._scheduler, max_images)), self._server
        )
        try:
            bound = self._server.add_insecure_port(_address(host, port))
        except RuntimeError:
            bound = 0
        if not bound:
            self._scheduler.close()
            raise OSError(
                errno.EADDRINUSE,
                "port must be free, and host an address of this machine (port 0 takes any free port). "
                f"Received: {_address(host, port)}",
            )
        self.address = _address(host, bound)

    def start(self):
        """Starts to answer."""
        self._server.start()

    def stop(self, grace_seconds=None):
        """Takes no more requests, finishes those in flight, and returns when they are answered.

        Args:
            grace_seconds: How long requests in flight may take; later they are cancelled. None cancels at once.
        """
        self._server.stop(grace_seconds).wait()
        self._scheduler.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.stop(grace_seconds=10)


def _address(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
