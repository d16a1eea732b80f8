"""A client for avatars, by gRPC from this server or from TensorFlow Serving itself.

    with AvatarClient("127.0.0.1:8500") as client:
        images = client.generate(range(16))  # uint8 [16, height, width, 3]

It runs no TensorFlow, but loads it: the protos of `tensorflow-serving-api` refer to `tensorflow.core.framework`, which
lies in the TensorFlow wheel and imports all of it, some seconds' worth. Importing this module does not; the first
`AvatarClient` does.
"""

import operator
import random
import time
from dataclasses import dataclass

import grpc
import numpy as np

from tfanime.command_line import load_tensorflow, parse, run
from tfanime.seeds import parse_seeds, require_writable_out, write_in_batches

MIB = 2**20
FIRST_PAUSE = 0.1  # seconds before the first retry; each further pause is twice as long
LONGEST_PAUSE = 5.0


class ServerError(RuntimeError, OSError):
    """The server failed, or sent something else than was asked for. An `OSError`, as a lost connection is one."""


# What a status means for a caller in Python; the others are `ServerError`s.
_EXCEPTIONS = {
    grpc.StatusCode.INVALID_ARGUMENT: ValueError,
    grpc.StatusCode.NOT_FOUND: ValueError,
    grpc.StatusCode.FAILED_PRECONDITION: ValueError,
    grpc.StatusCode.UNIMPLEMENTED: ValueError,
    grpc.StatusCode.UNAVAILABLE: ConnectionError,
    grpc.StatusCode.DEADLINE_EXCEEDED: TimeoutError,
}


class AvatarClient:
    """Fetches avatars by seed; keeps one channel, may be used by many threads, and is a context manager.

    Args:
        server: Where the server is, `"host:port"`.
        model: Name of the model there.
        timeout: Seconds for one request with all its retries.
        retries: How often a request is sent again after UNAVAILABLE (no server there yet, or one that restarts), with
            pauses that double. Nothing else is retried: it would fail again, or do the work twice.
        batch: Most seeds in one request; longer lists are split.
        max_message_mib: Largest response in MiB (gRPC's own limit of 4 is 340 pictures of 64 x 64).

    Raises:
        ValueError: `server` is not `host:port`, or a number is below its least value.
    """

    def __init__(self, server, model="tfanime", timeout=30.0, retries=5, batch=64, max_message_mib=64):
        host, _, port = str(server).rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"server must be host:port, such as 127.0.0.1:8500. Received: {server!r}")
        for name, value, least in (
            ("retries", retries, 0),
            ("batch", batch, 1),
            ("max_message_mib", max_message_mib, 1),
        ):
            if value < least:
                raise ValueError(f"{name} must be at least {least}. Received: {value}")
        if not timeout > 0:
            raise ValueError(f"timeout must be above 0 seconds. Received: {timeout}")
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        self.server, self.model, self.timeout, self.retries, self.batch = server, model, timeout, retries, batch
        self._channel = grpc.insecure_channel(
            server,
            options=[
                ("grpc.max_receive_message_length", max_message_mib * MIB),
                ("grpc.max_send_message_length", -1),
                ("grpc.initial_reconnect_backoff_ms", 100),  # else retries meet a channel that still waits
                ("grpc.min_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", int(LONGEST_PAUSE * 1000)),
            ],
        )
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def generate(self, seeds):
        """Fetches avatars as arrays.

        Args:
            seeds: Whole numbers, at least one; each names an avatar.

        Returns:
            uint8 array `[len(seeds), height, width, 3]`.

        Raises:
            ValueError: The server refused the request (no such model, signature ...), or `seeds` are none.
            ConnectionError: No server answered, `retries` times.
            TimeoutError: A request took more than `timeout` seconds.
            ServerError: The server failed, or sent something else than was asked for.
        """
        return np.concatenate([images for _, images in self.generate_in_batches(seeds)])

    def generate_in_batches(self, seeds):
        """Like `generate`, one request after the other, for lists that are long.

        Yields:
            `(seeds, images)`: at most `batch` seeds and their avatars, uint8 `[len(seeds), height, width, 3]`.
        """
        for part in self._parts(seeds):
            images = self._predict("images", "images", part)
            if images.dtype != np.uint8 or images.ndim != 4:
                raise ServerError(
                    f"server {self.server} must send images as uint8 [batch, height, width, 3]. "
                    f"Received: {images.dtype} {images.shape}"
                )
            yield part, images

    def png(self, seeds):
        """Fetches avatars as encoded pictures.

        Args:
            seeds: Whole numbers, at least one; each names an avatar.

        Returns:
            A list of `bytes`, a PNG file each.

        Raises:
            As `generate` does.
        """
        return [data for part in self._parts(seeds) for data in self._predict("generate", "image_bytes", part)]

    def close(self):
        """Closes the channel."""
        self._channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _parts(self, seeds):
        try:
            seeds = [operator.index(seed) for seed in seeds]
            np.array(seeds, np.int64)
        except (TypeError, OverflowError) as error:
            raise ValueError(f"seeds must be a list of whole numbers that fit int64. Received: {error}") from error
        if not seeds:
            raise ValueError("seeds must hold at least one seed. Received: none")
        return [seeds[start : start + self.batch] for start in range(0, len(seeds), self.batch)]

    def _predict(self, signature, output, seeds):
        """The array `output` of a signature that takes `seed`."""
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest(output_filter=[output])
        request.model_spec.name = self.model
        request.model_spec.signature_name = signature
        request.inputs["seed"].CopyFrom(tf.make_tensor_proto(seeds, tf.int64, shape=[len(seeds)]))
        response = self._send(self._stub.Predict, request)
        # TF Serving answers in float_val, int_val or string_val, the embedded server in tensor_content: both are read.
        try:
            array = tf.make_ndarray(response.outputs[output])
        except (ValueError, TypeError) as error:
            raise ServerError(f"server {self.server} must send a tensor {output}. Received: {error}") from error
        if array.shape[:1] != (len(seeds),):
            raise ServerError(
                f"server {self.server} must send one {output} a seed. Received: {array.shape} for {len(seeds)} seeds"
            )
        return array

    def _send(self, method, request):
        deadline = time.monotonic() + self.timeout
        pause = FIRST_PAUSE
        for retries_left in range(self.retries, -1, -1):
            try:
                return method(request, timeout=max(0.001, deadline - time.monotonic()))
            except grpc.RpcError as error:
                # Half of the pause is drawn: clients that lost the same server must not return all at once.
                wait = pause * random.uniform(0.5, 1.0)
                late = time.monotonic() + wait >= deadline
                if error.code() is not grpc.StatusCode.UNAVAILABLE or not retries_left or late:
                    kind = _EXCEPTIONS.get(error.code(), ServerError)
                    raise kind(
                        f"server {self.server}, model {self.model!r}: {error.details()} ({error.code().name})"
                    ) from error
            time.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)


EPILOG = """\
examples:
  python -m tfanime.serving.client --seeds 0-15 --out avatars.png          (one sheet)
  python -m tfanime.serving.client --seeds 3,5,8-10 --out avatars          (avatars/seed-00000003.png ...)
  python -m tfanime.serving.client --server gpu7:8500 --model faces --seeds 7 --out seven.png
"""


@dataclass(frozen=True)
class Config:
    """Client

    Args:
        seeds: Which avatars: seeds and ranges separated by commas, such as 0-15 or 3,5,8-10.
        out: Where they go: a name that ends in .png becomes one sheet, any other a folder of single PNGs.
        server: Where the server is, as host:port.
        model: Name of the model there.
        batch: Most seeds in one request.
        timeout: Seconds for one request with its retries.
        retries: How often a request is sent again while no server answers.
    """

    seeds: str
    out: str
    server: str = "127.0.0.1:8500"
    model: str = "tfanime"
    batch: int = 64
    timeout: float = 30.0
    retries: int = 5

    def __post_init__(self):
        parse_seeds(self.seeds)


def main(arguments=None):
    """Fetches avatars and writes them."""
    config = parse(
        Config,
        program="python -m tfanime.serving.client",
        description="Fetch avatars from a server over gRPC: python -m tfanime.serving, or TensorFlow Serving.",
        epilog=EPILOG,
        arguments=arguments,
    )
    seeds = parse_seeds(config.seeds)
    require_writable_out(config.out, len(seeds))
    load_tensorflow()
    options = {"timeout": config.timeout, "retries": config.retries, "batch": config.batch}
    with AvatarClient(config.server, config.model, **options) as client:
        write_in_batches(client.generate_in_batches(seeds), seeds, config.out)
    print(f"wrote {len(seeds):,} avatar{'s' if len(seeds) > 1 else ''} to {config.out}")


if __name__ == "__main__":
    run(main)
