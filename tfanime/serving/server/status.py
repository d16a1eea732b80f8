"""The failure of a request: a gRPC code and a text."""

import grpc

MAX_TEXT = 1024  # TF Serving cuts its messages here, because gRPC carries them in a header

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class StatusError(Exception):
    """A request that was refused or failed.

    Args:
        code: A `grpc.StatusCode`.
        text: What was wrong, for the caller; cut after `MAX_TEXT` characters.
    """

    def __init__(self, code, text):
        self.code = code
        self.text = str(text)[:MAX_TEXT]
        super().__init__(f"{code.name}: {self.text}")


def invalid_argument(text):
    """A `StatusError` for an invalid request."""
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, text)


def from_tensorflow(error):
    """The `StatusError` for a `tf.errors.OpError`, whose codes are gRPC's."""
    return StatusError(_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN), error.message)
