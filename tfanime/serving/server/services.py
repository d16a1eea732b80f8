"""TF Serving's gRPC services: each method passes its request on, and turns exceptions into a status.

Requests are parsed here, because gRPC would report bytes that are not a message as an error of the server.
"""

import asyncio
import functools
import logging
import time

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2,
    predict_pb2,
    prediction_service_pb2,
    regression_pb2,
)

from tfanime.serving.server.configuration import models_of
from tfanime.serving.server.prediction import METHODS, unimplemented
from tfanime.serving.server.status import StatusError, invalid_argument

PREDICTION_SERVICE = prediction_service_pb2.DESCRIPTOR.services_by_name["PredictionService"].full_name
MODEL_SERVICE = model_service_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name

_logger = logging.getLogger(__name__)


def status_of(error, method):
    """The `StatusError` for an exception; any other exception than a `StatusError` is a bug, and is logged."""
    if isinstance(error, StatusError):
        return error
    _logger.error("%s failed", method, exc_info=error)
    return StatusError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")


def _answering(request_class):
    """Makes a method of a service of a function from a `request_class` to a response.

    The method parses the request, counts and times it, and turns an exception into its status.
    """

    def decorate(function):
        method = function.__name__

        @functools.wraps(function)
        async def answer(self, content, context):
            begin = time.monotonic()
            request, code = None, grpc.StatusCode.CANCELLED  # until the request is answered
            try:
                self._gate.enter()
                context.add_done_callback(self._gate.leave)  # when the response is sent or the caller has gone
                request = _parsed(request_class, content)
                response = await function(self, request, context)
                code = grpc.StatusCode.OK
                return response
            except Exception as error:
                status = status_of(error, method)
                code = status.code
                await context.abort(status.code, status.text)
            finally:
                if method == "Predict" or method in METHODS:  # TF Serving counts these alone
                    name = request.model_spec.name if request else ""
                    self._metrics.request(name, method, "GRPC", code, time.monotonic() - begin)

        return answer

    return decorate


class PredictionService:
    """TF Serving's `PredictionService`; requests that a generator cannot answer are refused.

    Args:
        predictor: The `Predictor` that answers.
        gate: The `Gate` that calls go through.
        metrics: The `Metrics` that count them.
    """

    def __init__(self, predictor, gate, metrics):
        self._predictor = predictor
        self._gate = gate
        self._metrics = metrics

    @_answering(predict_pb2.PredictRequest)
    async def Predict(self, request, context):
        """Answers a `PredictRequest`, see `Predictor.predict`."""
        left = context.time_remaining()
        return await self._predictor.predict(request, None if left is None else time.monotonic() + left)

    @_answering(get_model_metadata_pb2.GetModelMetadataRequest)
    async def GetModelMetadata(self, request, context):
        """Answers a `GetModelMetadataRequest`, see `Predictor.metadata`."""
        return self._predictor.metadata(request)

    @_answering(classification_pb2.ClassificationRequest)
    async def Classify(self, request, context):
        """Not for generators."""
        self._predictor.refuse_examples(request, "Classify")

    @_answering(regression_pb2.RegressionRequest)
    async def Regress(self, request, context):
        """Not for generators."""
        self._predictor.refuse_examples(request, "Regress")

    @_answering(inference_pb2.MultiInferenceRequest)
    async def MultiInference(self, request, context):
        """Not for generators."""
        raise unimplemented("MultiInference")

    def handler(self):
        """The handler for `grpc.aio.Server.add_generic_rpc_handlers`."""
        methods = (self.Predict, self.GetModelMetadata, self.Classify, self.Regress, self.MultiInference)
        return _handler(PREDICTION_SERVICE, methods)


class ModelService:
    """TF Serving's `ModelService`: the states of versions, and changes of the models.

    Args:
        predictor: The `Predictor` that knows the models.
        gate: The `Gate` that calls go through.
        apply: See `Manager.apply`; None if the models are fixed.
    """

    def __init__(self, predictor, gate, apply=None):
        self._predictor = predictor
        self._gate = gate
        self._apply = apply

    @_answering(get_model_status_pb2.GetModelStatusRequest)
    async def GetModelStatus(self, request, context):
        """Answers a `GetModelStatusRequest`, see `Predictor.status`."""
        return self._predictor.status(request)

    @_answering(model_management_pb2.ReloadConfigRequest)
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
            # In a thread that goes on if the caller leaves, because a change must be completed.
            await asyncio.to_thread(self._apply, settings)
        except (ValueError, OSError) as error:
            raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, error) from error
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()  # OK
        return response

    def handler(self):
        """The handler for `grpc.aio.Server.add_generic_rpc_handlers`."""
        return _handler(MODEL_SERVICE, (self.GetModelStatus, self.HandleReloadConfigRequest))


def _handler(service, methods):
    return grpc.method_handlers_generic_handler(
        service,
        {
            method.__name__: grpc.unary_unary_rpc_method_handler(
                method, response_serializer=lambda response: response.SerializeToString()
            )
            for method in methods
        },
    )


def _parsed(request_class, content):
    try:
        return request_class.FromString(content)
    except DecodeError as error:
        raise invalid_argument(f"the request must be a {request_class.DESCRIPTOR.full_name}") from error
