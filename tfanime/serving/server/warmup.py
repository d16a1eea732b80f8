"""Warm-up requests of an export, which are answered before a version is served.

The first call of a function takes many times as long as later ones, and a version that fails its own requests must not
replace one that works.
"""

from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from tfanime.serving.server.prediction import prepare
from tfanime.serving.server.status import StatusError

FILE = Path("assets.extra") / "tf_serving_warmup_requests"  # as tensorflow_serving/servables/tensorflow names it
MAX_RECORDS = 1000


def warm_up(servable, folder):
    """Answers the warm-up requests of a version, a TFRecord of `PredictionLog`s.

    Args:
        servable: The `Servable`.
        folder: The SavedModel's folder.

    Returns:
        The number of requests; 0 without such a file.

    Raises:
        ValueError: The file cannot be read, has more than 1000 records, or a request failed.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return 0
    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            if count == MAX_RECORDS:
                raise _wrong(servable, path, f"at most {MAX_RECORDS} records", "more")
            log = prediction_log_pb2.PredictionLog.FromString(record)
            if log.WhichOneof("log_type") != "predict_log":
                raise _wrong(servable, path, "predict_logs", f"{log.WhichOneof('log_type')} at record {count}")
            call = prepare(servable, log.predict_log.request)
            call.signature.run(call.inputs)
            count += 1
    except (StatusError, DecodeError, tf.errors.OpError) as error:
        raise _wrong(servable, path, "requests that succeed", f"at record {count}: {error}") from error
    return count


def _wrong(servable, path, rule, received):
    return ValueError(
        f"the warm-up requests of version {servable.version} of model {servable.name} must be {rule}. "
        f"Received: {path}, {received}"
    )
