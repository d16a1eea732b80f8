"""The gRPC clients, blocking and for event loops."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any, Self

import grpc
import numpy as np

from tfanime.serving.client.requests import LONGEST_PAUSE, Attempts, Avatars, Blocking
from tfanime.serving.client.tls import TLS
from tfanime.tags import TagVocabulary

MIB = 2**20


class AvatarClient(Blocking):
    """Fetches avatars by seed; keeps one connection, may be used by many threads, and is a context manager.

        with AvatarClient("127.0.0.1:8500") as client:
            images = client.generate(range(16), tags="blonde hair, no hat")  # uint8 [16, height, width, 3]

    Args:
        server: Address of the server, `"host:port"`.
        model: Name of the model.
        timeout: Seconds for one request with all its retries.
        retries: Number of retries after UNAVAILABLE (no server yet, or one that restarts), with pauses that double.
            Other errors are not retried: they would occur again, or the work would be done twice.
        batch: Largest number of seeds in one request; longer lists are split.
        max_message_mib: Largest response in MiB (gRPC's own limit of 4 is 340 pictures of 64 x 64).
        tls: A `TLS` for a server with TLS; None for one without.

    Raises:
        ValueError: `server` is not `host:port`, or a number is below its least value.
    """

    def __init__(
        self,
        server: str,
        model: str = "tfanime",
        timeout: float = 30.0,
        retries: int = 5,
        batch: int = 64,
        max_message_mib: int = 64,
        tls: TLS | None = None,
    ) -> None:
        super().__init__(server, model, timeout, retries, batch)
        self._channel, self._stub = _connected(grpc, server, max_message_mib, tls)

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def _answer(self, call):
        request = _request(self.model, call)
        attempts = Attempts(self.timeout, self.retries)
        while True:
            try:
                response = self._stub.Predict(request, timeout=attempts.seconds_left())
                return _array(self, call, response)
            except grpc.RpcError as error:
                pause = attempts.pause_after(error.code().name)
                if pause is None:
                    raise self._failure(error.code().name, error.details()) from error
            time.sleep(pause)


class AsyncAvatarClient(Avatars):
    """`AvatarClient` for event loops: the same arguments, and the same methods to be awaited.

        async with AsyncAvatarClient("127.0.0.1:8500") as client:
            first, second = await asyncio.gather(client.generate([7], "blonde hair"), client.generate([8], "hat"))

    Create it inside a running event loop; it belongs to that loop.
    """

    def __init__(
        self,
        server: str,
        model: str = "tfanime",
        timeout: float = 30.0,
        retries: int = 5,
        batch: int = 64,
        max_message_mib: int = 64,
        tls: TLS | None = None,
    ) -> None:
        super().__init__(server, model, timeout, retries, batch)
        self._channel, self._stub = _connected(grpc.aio, server, max_message_mib, tls)

    async def generate(self, seeds: Iterable[int], tags: str | np.ndarray = "") -> np.ndarray:
        """See `Blocking.generate`."""
        return np.concatenate([images async for _, images in self.generate_in_batches(seeds, tags)])

    async def generate_in_batches(
        self, seeds: Iterable[int], tags: str | np.ndarray = ""
    ) -> AsyncIterator[tuple[list[int], np.ndarray]]:
        """See `Blocking.generate_in_batches`; to be read by `async for`."""
        parts, row = self._parts(seeds), await self._run(self._plan_row(tags))
        for part in parts:
            yield part, await self._run(self._plan_images(part, row))

    async def png(self, seeds: Iterable[int], tags: str | np.ndarray = "") -> list[bytes]:
        """See `Blocking.png`."""
        parts, row = self._parts(seeds), await self._run(self._plan_row(tags))
        return [data for part in parts for data in await self._run(self._plan_pngs(part, row))]

    async def interpolate(
        self, seed_a: int | Iterable[int], seed_b: int | Iterable[int], t: float | Iterable[float]
    ) -> np.ndarray:
        """See `Blocking.interpolate`."""
        return np.concatenate([await self._run(self._plan_way(*part)) for part in self._way(seed_a, seed_b, t)])

    async def upscale(self, pictures: np.ndarray) -> np.ndarray:
        """See `Blocking.upscale`."""
        parts = self._pictures(pictures)
        return np.concatenate([await self._run(self._plan_pictures("upscale", part)) for part in parts])

    async def stylise(self, pictures: np.ndarray) -> np.ndarray:
        """See `Blocking.stylise`."""
        parts = self._pictures(pictures)
        return np.concatenate([await self._run(self._plan_pictures("stylise", part)) for part in parts])

    async def model_card(self) -> dict[str, Any]:
        """See `Blocking.model_card`."""
        return await self._run(self._plan_card())

    async def vocabulary(self) -> TagVocabulary | None:
        """See `Blocking.vocabulary`."""
        return await self._run(self._plan_vocabulary())

    async def wanted(self, tags: str, allow_untrained: bool = False) -> np.ndarray:
        """See `Blocking.wanted`."""
        return await self._run(self._plan_wanted(tags, allow_untrained))

    async def close(self) -> None:
        """Closes the connection."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def _run(self, plan):
        answer = None
        while True:
            try:
                call = plan.send(answer)
            except StopIteration as end:
                return end.value
            answer = await self._answer(call)

    async def _answer(self, call):
        request = _request(self.model, call)
        attempts = Attempts(self.timeout, self.retries)
        while True:
            try:
                response = await self._stub.Predict(request, timeout=attempts.seconds_left())
                return _array(self, call, response)
            except grpc.RpcError as error:
                pause = attempts.pause_after(error.code().name)
                if pause is None:
                    raise self._failure(error.code().name, error.details()) from error
            await asyncio.sleep(pause)


def _connected(api, server, max_message_mib, tls):
    """A channel of `api` (`grpc` or `grpc.aio`) and the stub on it."""
    if max_message_mib < 1:
        raise ValueError(f"max_message_mib must be at least 1. Received: {max_message_mib}")
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    options = [
        ("grpc.max_receive_message_length", max_message_mib * MIB),
        ("grpc.max_send_message_length", -1),
        ("grpc.initial_reconnect_backoff_ms", 100),  # otherwise a retry would find a channel that still waits
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", int(LONGEST_PAUSE * 1000)),
        ("grpc.use_local_subchannel_pool", 1),  # each client has its own connection, in one process too
    ]
    if tls:
        channel = api.secure_channel(server, tls.channel_credentials(), options=options)
    else:
        channel = api.insecure_channel(server, options=options)
    return channel, prediction_service_pb2_grpc.PredictionServiceStub(channel)


def _request(model, call):
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest(output_filter=[call.output])
    request.model_spec.name = model
    request.model_spec.signature_name = call.signature
    for alias, array in call.inputs.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(array))
    return request


def _array(client, call, response):
    import tensorflow as tf

    # TF Serving answers in float_val, int_val or string_val, the embedded server in tensor_content: both are read.
    try:
        return tf.make_ndarray(response.outputs[call.output])
    except (ValueError, TypeError) as error:
        raise client._must(f"send a tensor {call.output}", error) from error
