"""Whose turn it is: a model is called by a few threads, however many requests there are.

`submit` is all that the rest of the server knows, and it is given whole requests of one signature. A scheduler that
joins requests of a signature into batches takes this one's place without a change elsewhere.
"""

from concurrent.futures import ThreadPoolExecutor

import grpc

from tfanime.serving.status import StatusError


class Scheduler:
    """Calls signatures in the order of the requests.

    Args:
        threads: How many calls run at once. TensorFlow spreads one call over all cores; a second thread fills the
            gaps that the first one's Python leaves.
    """

    def __init__(self, threads=2):
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="model")

    def submit(self, signature, inputs, is_wanted=lambda: True):
        """Queues a call.

        Args:
            signature: A `Signature`.
            inputs: A dictionary from alias to array, which passed `signature.check`.
            is_wanted: Whether anybody still waits for the result; asked when the call's turn comes.

        Returns:
            A `concurrent.futures.Future` of what `signature.run` returns; it fails with a `StatusError`
            (RESOURCE_EXHAUSTED) if nobody wanted the result any more.
        """
        return self._executor.submit(_call, signature, inputs, is_wanted)

    def close(self):
        """Waits for the calls that are queued, and takes no more."""
        self._executor.shutdown(wait=True)


def _call(signature, inputs, is_wanted):
    if not is_wanted():
        raise StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, "Run() timeout exceeded while waiting in batching queue")
    return signature.run(inputs)
