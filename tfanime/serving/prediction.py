"""TF Serving's requests to its responses, whatever carries them.

The order of the checks is the real server's, because a request may be wrong in several ways
(tensorflow_serving/servables/tensorflow/{predict_impl,predict_util,get_model_metadata_impl}.cc).
"""

from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from tfanime.serving.status import invalid_argument
from tfanime.serving.tensors import decode, dtype_and_shape, encode

SIGNATURE_FIELD = "signature_def"


class Predictor:
    """Answers requests from the models.

    Args:
        models: The `Models`.
        scheduler: The `Scheduler` that calls them.
        max_images: The largest batch of a request.
    """

    def __init__(self, models, scheduler, max_images=1024):
        self._models = models
        self._scheduler = scheduler
        self._max_images = max_images

    def predict(self, request, is_wanted=lambda: True):
        """Answers a `PredictRequest`.

        Args:
            request: The request.
            is_wanted: See `Scheduler.submit`.

        Returns:
            A `PredictResponse`: the model's name, version and signature, and the outputs as `tensor_content`.

        Raises:
            StatusError: The request is wrong, or the model failed.
        """
        servable = self._find(request)
        signature = servable.signature(request.model_spec.signature_name)
        signature.check_aliases(request.inputs)
        given = {alias: dtype_and_shape(proto, alias) for alias, proto in sorted(request.inputs.items())}
        aliases = signature.chosen_outputs(request.output_filter)
        signature.check(given, self._max_images)
        inputs = {alias: decode(proto, alias) for alias, proto in request.inputs.items()}
        outputs = self._scheduler.submit(signature, inputs, is_wanted).result()

        response = predict_pb2.PredictResponse()
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        response.model_spec.signature_name = signature.name
        for alias in aliases:
            response.outputs[alias].CopyFrom(encode(outputs[alias]))
        return response

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
        servable = self._find(request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in servable.definitions.items():
            signatures.signature_def[name].CopyFrom(definition)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        response.metadata[SIGNATURE_FIELD].Pack(signatures)
        return response

    def _find(self, request):
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        return self._models.find(request.model_spec)
