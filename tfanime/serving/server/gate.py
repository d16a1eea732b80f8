"""Counts requests in flight, so that the server can refuse new ones and finish the others before it ends."""

import asyncio

import grpc

from tfanime.serving.server.status import StatusError


class Gate:
    """Counts requests in and out. For one event loop.

    with gate: ...  is for requests that are answered when the block ends.
    """

    def __init__(self):
        self._inside = 0
        self._closed = False
        self._empty = asyncio.Event()
        self._empty.set()

    def enter(self):
        """Lets a request in.

        Raises:
            StatusError: UNAVAILABLE, the gate is closed.
        """
        if self._closed:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")
        self._inside += 1
        self._empty.clear()

    def leave(self, *_):
        """Lets a request out."""
        self._inside -= 1
        if not self._inside:
            self._empty.set()

    async def close(self, seconds):
        """Refuses new requests, and waits at most `seconds` until none is in flight; returns how many still are."""
        self._closed = True
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            pass
        return self._inside

    def __enter__(self):
        self.enter()

    def __exit__(self, *exception):
        self.leave()
