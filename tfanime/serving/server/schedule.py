"""Batching scheduler: a few threads run the model on batches of concurrent requests.

Each signature of each version has a queue of batches. A request joins the last batch if it fits, or begins a new one.
A thread takes a batch when it is full or has waited long enough, from the queues in turn. Rules and texts are those of
TensorFlow's shared_batch_scheduler.h and TF Serving's batching_session.cc, with two differences: requests that nobody
waits for are left out, and if a batch fails, each of its requests is computed alone, so that a wrong one fails alone.
"""

import asyncio
import collections
import contextlib
import logging
import threading
import time
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass

import grpc
import numpy as np

from tfanime.serving.server.configuration import BatchingSettings
from tfanime.serving.server.status import StatusError

EXPIRED = "Run() timeout exceeded while waiting in batching queue"

_logger = logging.getLogger(__name__)


@dataclass(eq=False)
class _Task:
    signature: object
    inputs: dict
    size: int
    deadline: float | None
    future: object  # a concurrent.futures.Future or asyncio.Future
    arrived: float


class _Batch:
    def __init__(self, task):
        self.tasks = [task]
        self.size = task.size
        self.opened = task.arrived

    def add(self, task):
        self.tasks.append(task)
        self.size += task.size


class Scheduler:
    """Calls signatures in the order of the requests.

    Args:
        batching: A `BatchingSettings`, or None for one call a request.
        threads: Without batching, the number of concurrent calls. TensorFlow spreads one call over all cores; a second
            thread fills the gaps that the first one's Python leaves.
        max_waiting: Without batching, the largest number of waiting requests of a signature; more are refused.
        deliver: Called with the outcomes of a batch, a list of `(future, result, error)`, to settle the futures;
            default: `settle`.
        on_batch: Called after each batch with `(requests in it, seconds its first one waited, seconds it took)`.
        clock: Called for the time in seconds, by which batches wait and deadlines pass.
    """

    def __init__(self, batching=None, threads=2, max_waiting=1000, deliver=None, on_batch=None, clock=time.monotonic):
        self._joins = batching is not None
        self._settings = batching or BatchingSettings(
            max_batch_size=1, max_enqueued_batches=max_waiting, num_batch_threads=threads
        )
        self._timeout = self._settings.batch_timeout_micros / 1e6
        self._deliver = deliver or settle
        self._on_batch = on_batch or (lambda *_: None)
        self._clock = clock
        self._queues = collections.OrderedDict()  # key -> deque of batches, never empty; the next queue is first
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, daemon=True, name=f"model-{number}")
            for number in range(self._settings.num_batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, signature, inputs, deadline=None, future=None):
        """Queues a call.

        Args:
            signature: A `Signature`.
            inputs: A dictionary from alias to array, which passed `signature.check`.
            deadline: The clock's time after which nobody waits for the result; None for no deadline.
            future: The future that gets the result, such as an `asyncio.Future`; by default a new
                `concurrent.futures.Future`.

        Returns:
            The future of `signature.run`'s result for the rows of `inputs`. If it is cancelled, its call is not
            computed. It fails with a `StatusError` if the signature fails, and with RESOURCE_EXHAUSTED if the deadline
            passes in the queue.

        Raises:
            StatusError: UNAVAILABLE, the queue is full or the scheduler closed.
        """
        joins = self._joins and signature.batched
        size = (
            next(iter(inputs.values())).shape[0] if joins else self._settings.max_batch_size
        )  # otherwise a batch of its own
        key = (signature, joins and tuple(inputs[alias].shape[1:] for alias in sorted(inputs)))
        task = _Task(signature, inputs, size, deadline, Future() if future is None else future, self._clock())
        with self._changed:
            if self._closed:
                raise StatusError(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")
            queue = self._queues.get(key)
            if queue and queue[-1].size + size <= self._settings.max_batch_size:
                queue[-1].add(task)
                wakes = queue[-1].size == self._settings.max_batch_size
            else:
                if queue and len(queue) >= self._settings.max_enqueued_batches:
                    raise StatusError(
                        grpc.StatusCode.UNAVAILABLE,
                        "The batch scheduling queue to which this task was submitted is full",
                    )
                if not queue:
                    queue = self._queues[key] = collections.deque()
                queue.append(_Batch(task))
                wakes = True
            if wakes:
                self._changed.notify()
        return task.future

    def close(self):
        """Refuses new requests, and computes those that are queued."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self):
        while (batch := self._next_batch()) is not None:
            self._process(batch)

    def _next_batch(self):
        """Waits for a batch that is ready; None at the end."""
        with self._changed:
            while True:
                now = self._clock()
                pause = None
                for key, queue in self._queues.items():
                    left = self._seconds_left(queue, now)
                    if left <= 0:
                        return self._take(key, queue)
                    pause = left if pause is None else min(pause, left)
                if self._closed and not self._queues:
                    return None
                self._changed.wait(pause)

    def _seconds_left(self, queue, now):
        if len(queue) > 1 or queue[0].size >= self._settings.max_batch_size or self._closed:
            return 0
        return queue[0].opened + self._timeout - now

    def _take(self, key, queue):
        batch = queue.popleft()
        if queue:
            self._queues.move_to_end(key)
        else:
            del self._queues[key]
        if self._queues:
            self._changed.notify()  # this thread is busy now; another must watch the rest
        return batch

    def _process(self, batch):
        begin = self._clock()
        wanted = [task for task in batch.tasks if not task.future.cancelled()]
        late = [task for task in wanted if task.deadline is not None and begin >= task.deadline]
        tasks = [task for task in wanted if task not in late] if late else wanted
        error = StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, EXPIRED)
        outcomes = [(task.future, None, error) for task in late]
        if tasks:
            outcomes += _outcomes(tasks, self._settings if self._joins and tasks[0].signature.batched else None)
        try:
            self._deliver(outcomes)
            if tasks:
                self._on_batch(len(tasks), begin - tasks[0].arrived, self._clock() - begin)
        except Exception:  # a thread that ends here would leave requests without an answer
            _logger.exception("a batch was not delivered")


def settle(outcomes):
    """Settles futures with the outcomes of their requests, unless they were cancelled meanwhile."""
    for future, result, error in outcomes:
        with contextlib.suppress(InvalidStateError, asyncio.InvalidStateError):
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)


def _outcomes(tasks, settings):
    """Computes tasks of one signature together, or a single one alone if `settings` is None."""
    signature = tasks[0].signature
    try:
        results = [signature.run(tasks[0].inputs)] if settings is None else _run_together(signature, tasks, settings)
    except Exception as error:
        if len(tasks) > 1 and isinstance(error, StatusError):
            return [outcome for task in tasks for outcome in _outcomes([task], settings)]
        return [(task.future, None, error) for task in tasks]
    return [(task.future, result, None) for task, result in zip(tasks, results, strict=True)]


def _run_together(signature, tasks, settings):
    total = sum(task.size for task in tasks)
    padded = settings.padded(total)
    inputs = {}
    for alias in tasks[0].inputs:
        arrays = [task.inputs[alias] for task in tasks]
        if padded > total:
            arrays.append(np.repeat(arrays[0][:1], padded - total, axis=0))
        inputs[alias] = np.concatenate(arrays) if len(arrays) > 1 else arrays[0]
    outputs = signature.run(inputs)
    for array in outputs.values():
        if array.shape[:1] != (padded,):
            raise StatusError(
                grpc.StatusCode.FAILED_PRECONDITION,
                "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
                "tensors",
            )
    ends = np.cumsum([task.size for task in tasks])
    return [
        {alias: array[end - task.size : end] for alias, array in outputs.items()}
        for task, end in zip(tasks, ends, strict=True)
    ]
