"""TF Serving's gRPC services: each method hands its request on, and turns what comes back into a status."""

import asyncio
import functools
import logging
import time

import grpc
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2,
    prediction_service_pb2,
    prediction_service_pb2_grpc,
)

from tfanime.serving.configuration import models_of
from tfanime.serving.prediction import METHODS, unimplemented
from tfanime.serving.status import StatusError, invalid_argument

PREDICTION_SERVICE = prediction_service_pb2.DESCRIPTOR.services_by_name["PredictionService"].full_name
MODEL_SERVICE = model_service_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name

_logger = logging.getLogger(__name__)


def status_of(error, method):
    """The `StatusError` for an exception; one that is no `StatusError` is a bug of ours, and logged."""
    if isinstance(error, StatusError):
        return error
    _logger.error("%s failed", method, exc_info=error)
    return StatusError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")


def _answering(method):
    """Counts a call, times it, and turns an exception into its status."""

    @functools.wraps(method)
    async def answer(self, request, context):
        begin = time.monotonic()
        code = grpc.StatusCode.CANCELLED  # unless we get to its end
        try:
            self._gate.enter()
            context.add_done_callback(self._gate.leave)  # when the response is sent, or nobody wants it any more
            response = await method(self, request, context)
            code = grpc.StatusCode.OK
            return response
        except Exception as error:
            status = status_of(error, method.__name__)
            code = status.code
            await context.abort(status.code, status.text)
        finally:
            self._count(method.__name__, request, code, time.monotonic() - begin)

    return answer


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """TF Serving's `PredictionService`; what a generator cannot answer is refused.

    Args:
        predictor: The `Predictor` that answers.
        gate: The `Gate` that calls go through.
        metrics: The `Metrics` that count them.
    """

    def __init__(self, predictor, gate, metrics):
        self._predictor = predictor
        self._gate = gate
        self._metrics = metrics

    @_answering
    async def Predict(self, request, context):
        """Answers a `PredictRequest`, see `Predictor.predict`."""
        left = context.time_remaining()
        return await self._predictor.predict(request, None if left is None else time.monotonic() + left)

    @_answering
    async def GetModelMetadata(self, request, context):
        """Answers a `GetModelMetadataRequest`, see `Predictor.metadata`."""
        return self._predictor.metadata(request)

    @_answering
    async def Classify(self, request, context):
        """Not for generators."""
        self._predictor.refuse_examples(request, "Classify")

    @_answering
    async def Regress(self, request, context):
        """Not for generators."""
        self._predictor.refuse_examples(request, "Regress")

    @_answering
    async def MultiInference(self, request, context):
        """Not for generators."""
        raise unimplemented("MultiInference")

    def _count(self, method, request, code, seconds):
        if method == "Predict" or method in METHODS:
            self._metrics.request(request.model_spec.name, method, "GRPC", code, seconds)


class ModelService:
    """TF Serving's `ModelService`: how far versions are, and which models there are.

    Args:
        predictor: The `Predictor` that knows the models.
        gate: The `Gate` that calls go through.
        apply: See `Manager.apply`; None if the models are fixed.
    """

    def __init__(self, predictor, gate, apply=None):
        self._predictor = predictor
        self._gate = gate
        self._apply = apply

    @_answering
    async def GetModelStatus(self, request, context):
        """Answers a `GetModelStatusRequest`, see `Predictor.status`."""
        return self._predictor.status(request)

    @_answering
    async def HandleReloadConfigRequest(self, request, context):
        """Serves the models of the request, and answers when the new ones are there."""
        if self._apply is None:
            raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, "the models of this server are fixed")
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
                "supported"
            )
        try:
            settings = models_of(request.config, "config")
        except ValueError as error:
            raise invalid_argument(error) from error
        try:
            # Shielded: when the caller goes away, half of a change must not stay.
            await asyncio.shield(asyncio.to_thread(self._apply, settings))
        except (ValueError, OSError) as error:
            raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, error) from error
        response = model_management_pb2.ReloadConfigResponse()
        response.status.error_code = 0
        return response

    def handlers(self):
        """What `grpc.aio.Server.add_generic_rpc_handlers` takes; the package has messages for it, but no servicer."""
        methods = {
            "GetModelStatus": (
                self.GetModelStatus,
                get_model_status_pb2.GetModelStatusRequest,
                get_model_status_pb2.GetModelStatusResponse,
            ),
            "HandleReloadConfigRequest": (
                self.HandleReloadConfigRequest,
                model_management_pb2.ReloadConfigRequest,
                model_management_pb2.ReloadConfigResponse,
            ),
        }
        return grpc.method_handlers_generic_handler(
            MODEL_SERVICE,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    method, request_deserializer=request.FromString, response_serializer=response.SerializeToString
                )
                for name, (method, request, response) in methods.items()
            },
        )

    def _count(self, method, request, code, seconds):
        """TF Serving counts predictions alone."""
