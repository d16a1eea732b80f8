"""Warm-up requests, which a server runs before it serves a version, so that no caller waits for the first call of a
signature (TF Serving's SavedModel warm-up, a TFRecord of `PredictionLog`)."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

FILE = "assets.extra/tf_serving_warmup_requests"
SIDE = 64  # of pictures of any size
BATCHES = (1, 8)  # one avatar as a caller asks for it, some as a batching server joins them


def write_warmup(folder, endpoints):
    """Writes one request a signature and size of batch.

    The requests name no model: an export does not know under which name it will be served, and TF Serving does not ask.

    Args:
        folder: The SavedModel.
        endpoints: A dictionary from name to `tfanime.export.signatures.Endpoint`.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    path = Path(folder) / FILE
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, endpoint in endpoints.items():
            for batch in BATCHES:
                log = prediction_log_pb2.PredictionLog()
                request = log.predict_log.request
                request.model_spec.signature_name = name
                for spec in endpoint.inputs:
                    request.inputs[spec.name].CopyFrom(tf.make_tensor_proto(_values(spec, batch)))
                writer.write(log.SerializeToString())


def _values(spec, batch):
    """Seeds 0, 1, ...; latents in the middle, tags left to the seed, no step on the way: zeros; pictures are black."""
    if spec.dtype == "string":
        return np.array([_black_png()] * batch, object)
    if spec.dtype == "int64":
        return np.arange(batch, dtype=np.int64)
    return np.zeros([batch, *(SIDE if size is None else size for size in spec.shape[1:])], spec.dtype.as_numpy_dtype)


def _black_png():
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE)).save(file, "png")
    return file.getvalue()
