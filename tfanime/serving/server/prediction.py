"""Answers TF Serving's requests, independent of the transport.

The order of the checks is the real server's, because a request may be wrong in several ways
(tensorflow_serving/servables/tensorflow/{predict_impl,predict_util,get_model_metadata_impl,classifier}.cc).
"""

import asyncio
from typing import NamedTuple

import grpc
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

from tfanime.serving.server.models import DEFAULT_SIGNATURE
from tfanime.serving.server.status import StatusError, invalid_argument
from tfanime.serving.server.tensors import decode, dtype_and_shape, encode

SIGNATURE_FIELD = "signature_def"
METHODS = {"Classify": "classification", "Regress": "regression"}  # what their signatures are called in messages
# Bytes from which on a message is decoded or encoded in a thread, so that the others need not wait for it.
LARGE = 2**18


class Call(NamedTuple):
    """A request that passed all checks.

    Args:
        signature: The `Signature` to call.
        inputs: Its inputs, a dictionary from alias to array.
        outputs: The aliases to answer with.
    """

    signature: object
    inputs: dict
    outputs: tuple


def prepare(servable, request, max_batch=None, batching=False):
    """Checks and decodes a request.

    Args:
        servable: The `Servable` that the request names.
        request: A `PredictRequest`.
        max_batch: The largest batch allowed; None for any.
        batching: See `Signature.check`.

    Returns:
        A `Call`.

    Raises:
        StatusError: The request is wrong.
    """
    signature = servable.signature(request.model_spec.signature_name)
    signature.check_aliases(request.inputs)
    given = {alias: dtype_and_shape(proto, alias) for alias, proto in sorted(request.inputs.items())}
    aliases = signature.chosen_outputs(request.output_filter)
    signature.check(given, max_batch, batching)
    inputs = {alias: decode(proto, alias) for alias, proto in request.inputs.items()}
    return Call(signature, inputs, aliases)


class Predictor:
    """Answers requests from the models.

    Args:
        models: The `Models`.
        scheduler: The `Scheduler` that calls them.
        max_images: The largest batch of a request.
        batching: Whether the scheduler joins requests.
    """

    def __init__(self, models, scheduler, max_images=1024, batching=False):
        self.models = models
        self.max_images = max_images
        self._scheduler = scheduler
        self._batching = batching

    async def predict(self, request, deadline=None):
        """Answers a `PredictRequest`.

        Args:
            request: The request.
            deadline: See `Scheduler.submit`.

        Returns:
            A `PredictResponse`: the model's name, version and signature, and the outputs as `tensor_content`.

        Raises:
            StatusError: The request is wrong, or the model failed.
        """
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        with self.models.borrow(request.model_spec) as servable:
            size = request.ByteSize()
            call = await in_thread_if_large(size, prepare, servable, request, self.max_images, self._batching)
            future = asyncio.get_running_loop().create_future()
            outputs = await self._scheduler.submit(call.signature, call.inputs, deadline, future)
            size = sum(outputs[alias].nbytes for alias in call.outputs)
            return await in_thread_if_large(size, _response, servable, call, outputs)

    def metadata(self, request):
        """Answers a `GetModelMetadataRequest` with all signatures of the model.

        Raises:
            StatusError: The request is wrong.
        """
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != SIGNATURE_FIELD:
                raise invalid_argument(f"Metadata field {field} is not supported")
        with self.models.borrow(request.model_spec) as servable:
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, definition in servable.definitions.items():
                signatures.signature_def[name].CopyFrom(definition)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
        response.metadata[SIGNATURE_FIELD].Pack(signatures)
        return response

    def status(self, request):
        """Answers a `GetModelStatusRequest` with the state of the versions that it names.

        Raises:
            StatusError: The request is wrong.
        """
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, state in self.models.states(request.model_spec):
            status = response.model_version_status.add(version=version, state=state.stage)
            status.status.error_code = state.code.value[0]
            status.status.error_message = state.text
        return response

    def refuse_examples(self, request, method):
        """Says why a signature does not take a `ClassificationRequest` or `RegressionRequest`.

        Args:
            request: The request.
            method: `"Classify"` or `"Regress"`.

        Raises:
            StatusError: Always; INVALID_ARGUMENT for a signature of another method, as all of a generator are.
        """
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        with self.models.borrow(request.model_spec) as servable:
            name = request.model_spec.signature_name or DEFAULT_SIGNATURE
            if name not in servable.definitions:
                raise invalid_argument(f"No signature was found with the name: {name}")
            definition = servable.definitions[name]
        wanted = f"tensorflow/serving/{method.lower()}"
        if definition.method_name == wanted:
            raise unimplemented(method)
        if len(definition.inputs) != 1:
            raise invalid_argument("Expected one input Tensor.")
        raise invalid_argument(
            f"Expected {METHODS[method]} signature method_name to be {wanted}. Was: {definition.method_name}"
        )


def unimplemented(method):
    """The `StatusError` for a method that this server does not have."""
    return StatusError(grpc.StatusCode.UNIMPLEMENTED, f"{method} is not implemented by this server: use Predict")


async def in_thread_if_large(size, function, *arguments):
    """What `function(*arguments)` returns; it runs in a thread if it has more than `LARGE` bytes to do."""
    return await asyncio.to_thread(function, *arguments) if size > LARGE else function(*arguments)


def _response(servable, call, outputs):
    response = predict_pb2.PredictResponse()
    response.model_spec.name = servable.name
    response.model_spec.version.value = servable.version
    response.model_spec.signature_name = call.signature.name
    for alias in call.outputs:
        response.outputs[alias].CopyFrom(encode(outputs[alias]))
    return response
