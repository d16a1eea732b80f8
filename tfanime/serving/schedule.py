"""Whose turn it is: a model is called by a few threads, however many requests there are, for many requests at once.

Each signature of each version has a queue of batches. A request joins the last batch if it fits, or begins a new one;
a thread takes a batch when it is full or has waited long enough, the queues in turn. Rules and texts are those of
TensorFlow's shared_batch_scheduler.h and TF Serving's batching_session.cc, with two differences: requests nobody waits
for any more take no part, and of a batch that fails each request is computed alone, so that a wrong one costs no other.
"""

import collections
import logging
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field

import grpc
import numpy as np

from tfanime.serving.configuration import BatchingSettings
from tfanime.serving.status import StatusError

_logger = logging.getLogger(__name__)


@dataclass
class _Task:
    signature: object
    inputs: dict
    size: int
    deadline: float | None
    future: Future = field(default_factory=Future)
    arrived: float = field(default_factory=time.monotonic)


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
        threads: Without batching, how many calls run at once. TensorFlow spreads one call over all cores; a second
            thread fills the gaps that the first one's Python leaves.
        max_waiting: Without batching, how many requests of a signature may wait; beyond it they are refused.
        on_batch: Called after each batch with `(requests in it, seconds its first one waited, seconds it took)`.
    """

    def __init__(self, batching=None, threads=2, max_waiting=1000, on_batch=None):
        self._joins = batching is not None
        self._settings = batching or BatchingSettings(
            max_batch_size=1, max_enqueued_batches=max_waiting, num_batch_threads=threads
        )
        self._timeout = self._settings.batch_timeout_micros / 1e6
        self._on_batch = on_batch or (lambda *_: None)
        self._queues = collections.OrderedDict()  # key -> deque of batches, never an empty one; whose turn is first
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, daemon=True, name=f"model-{number}")
            for number in range(self._settings.num_batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, signature, inputs, deadline=None):
        """Queues a call.

        Args:
            signature: A `Signature`.
            inputs: A dictionary from alias to array, which passed `signature.check`.
            deadline: The `time.monotonic()` from which on nobody waits for the result; None for none.

        Returns:
            A `concurrent.futures.Future` of what `signature.run` returns, with the rows of `inputs`. It can be
            cancelled until its turn comes. It fails with a `StatusError` if the signature does, and with
            RESOURCE_EXHAUSTED if the deadline passed before its turn came.

        Raises:
            StatusError: UNAVAILABLE, the queue is full or the scheduler closed.
        """
        joins = self._joins and signature.batched
        size = next(iter(inputs.values())).shape[0] if joins else self._settings.max_batch_size  # else a batch alone
        key = (signature, joins and tuple(inputs[alias].shape[1:] for alias in sorted(inputs)))
        task = _Task(signature, inputs, size, deadline)
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
        """Computes what is queued, and takes no more."""
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
                now = time.monotonic()
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
            self._changed.notify()  # this thread is busy now; another must watch over the rest
        return batch

    def _process(self, batch):
        begin = time.monotonic()
        tasks = [task for task in batch.tasks if _is_wanted(task, begin)]
        if not tasks:
            return
        _answer(tasks, self._settings if self._joins and tasks[0].signature.batched else None)
        try:
            self._on_batch(len(tasks), begin - tasks[0].arrived, time.monotonic() - begin)
        except Exception:  # a thread that ends here would leave requests without an answer
            _logger.exception("on_batch failed")


def _is_wanted(task, now):
    if not task.future.set_running_or_notify_cancel():
        return False
    if task.deadline is not None and now >= task.deadline:
        text = "Run() timeout exceeded while waiting in batching queue"
        task.future.set_exception(StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, text))
        return False
    return True


def _answer(tasks, settings):
    """Computes tasks of one signature together, or alone if `settings` is None."""
    signature = tasks[0].signature
    try:
        results = [signature.run(tasks[0].inputs)] if settings is None else _run_together(signature, tasks, settings)
    except Exception as error:
        if len(tasks) > 1 and isinstance(error, StatusError):
            for task in tasks:
                _answer([task], settings)
            return
        for task in tasks:
            task.future.set_exception(error)
        return
    for task, result in zip(tasks, results, strict=True):
        task.future.set_result(result)


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
