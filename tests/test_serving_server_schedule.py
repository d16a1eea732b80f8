"""Who is computed with whom, when, and who is refused: with signatures that note what they are given."""

import threading
import time

import grpc
import numpy as np
import pytest

from tfanime.serving.server.configuration import BatchingSettings
from tfanime.serving.server.schedule import Scheduler
from tfanime.serving.server.status import StatusError, invalid_argument


class Signature:
    """Returns its input twice as large; waits while `open` is not set, and fails for a row of -1."""

    batched = True

    def __init__(self):
        self.calls = []
        self.open = threading.Event()
        self.open.set()

    def run(self, inputs):
        self.calls.append(inputs["x"])
        self.open.wait(60)
        if (inputs["x"] == -1).any():
            raise invalid_argument("a row is -1")
        return {"y": inputs["x"] * 2}

    def wait_for_calls(self, count):
        end = time.monotonic() + 60
        while len(self.calls) < count:
            assert time.monotonic() < end
            time.sleep(0.001)


class Clock:
    """A clock that stands until it is told to go on."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def rows(*values):
    return {"x": np.array(values)}


def scheduler(clock=time.monotonic, **settings):
    return Scheduler(BatchingSettings(**{"num_batch_threads": 1, **settings}), clock=clock)


@pytest.fixture
def blocked():
    """A signature whose first call has begun and does not end yet, and its scheduler of one thread."""
    made = []

    def block(**settings):
        signature = Signature()
        signature.open.clear()
        queue = scheduler(**settings)
        made.append((signature, queue))
        queue.submit(signature, rows(0))
        signature.wait_for_calls(1)
        return signature, queue

    yield block
    for signature, queue in made:
        signature.open.set()
        queue.close()


def test_waiting_requests_are_computed_together_and_split(blocked):
    signature, queue = blocked(max_batch_size=8)
    futures = [queue.submit(signature, rows(*values)) for values in [(1,), (2, 3, 4), (5, 6)]]
    signature.open.set()
    assert [future.result(60)["y"].tolist() for future in futures] == [[2], [4, 6, 8], [10, 12]]
    assert signature.calls[1].tolist() == [1, 2, 3, 4, 5, 6]


def test_request_that_does_not_fit_begins_the_next_batch(blocked):
    signature, queue = blocked(max_batch_size=4)
    futures = [queue.submit(signature, rows(*values)) for values in [(1, 2, 3), (4, 5), (6, 7), (8,)]]
    signature.open.set()
    assert [future.result(60)["y"].tolist() for future in futures] == [[2, 4, 6], [8, 10], [12, 14], [16]]
    assert [call.tolist() for call in signature.calls[1:]] == [[1, 2, 3], [4, 5, 6, 7], [8]]


def test_batches_are_padded_to_an_allowed_size(blocked):
    signature, queue = blocked(max_batch_size=8, allowed_batch_sizes=(4, 8))
    assert signature.calls[0].tolist() == [0, 0, 0, 0]
    futures = [queue.submit(signature, rows(*values)) for values in [(1, 2), (3, 4, 5)]]
    signature.open.set()
    assert [future.result(60)["y"].tolist() for future in futures] == [[2, 4], [6, 8, 10]]
    assert signature.calls[1].tolist() == [1, 2, 3, 4, 5, 1, 1, 1]


def test_incomplete_batch_waits_for_more_requests():
    clock = Clock()
    signature, queue = Signature(), scheduler(clock, max_batch_size=3, batch_timeout_micros=50_000)
    for future in [queue.submit(signature, rows(value)) for value in (1, 2, 3)]:
        future.result(60)  # a full one does not
    alone = queue.submit(signature, rows(4))
    clock.now += 0.049
    time.sleep(0.1)  # the thread looks at the clock twice
    assert not alone.done()
    clock.now += 0.002
    alone.result(60)
    assert [call.tolist() for call in signature.calls] == [[1, 2, 3], [4]]
    queue.close()


def test_signatures_have_separate_queues(blocked):
    signature, queue = blocked(max_batch_size=8)
    other = Signature()
    first, second = queue.submit(signature, rows(1)), queue.submit(other, rows(2))
    third = queue.submit(signature, rows(3))
    signature.open.set()
    assert [future.result(60)["y"].tolist() for future in (first, second, third)] == [[2], [4], [6]]
    assert [call.tolist() for call in signature.calls[1:]] == [[1, 3]]
    assert [call.tolist() for call in other.calls] == [[2]]


def test_queues_take_turns(blocked):
    signature, queue = blocked(max_batch_size=1, max_enqueued_batches=100)
    other = Signature()
    order = []
    for name, which in [("a", signature)] * 5 + [("b", other)] * 5:
        queue.submit(which, rows(1)).add_done_callback(lambda _, name=name: order.append(name))
    signature.open.set()
    queue.close()
    assert sorted(order) == ["a"] * 5 + ["b"] * 5
    assert order[:4] in (["a", "b", "a", "b"], ["b", "a", "b", "a"])


def test_rows_of_different_shapes_are_computed_separately(blocked):
    signature, queue = blocked(max_batch_size=8)
    short = queue.submit(signature, {"x": np.ones((1, 2))})
    long = queue.submit(signature, {"x": np.ones((1, 3))})
    signature.open.set()
    assert (short.result(60)["y"].shape, long.result(60)["y"].shape) == ((1, 2), (1, 3))


def test_full_queue_refuses_new_requests_only(blocked):
    signature, queue = blocked(max_batch_size=2, max_enqueued_batches=3)
    answered, refused = [], 0
    for value in range(1, 101):
        try:
            answered.append((value, queue.submit(signature, rows(value))))
        except StatusError as error:
            refused += 1
            assert error.code is grpc.StatusCode.UNAVAILABLE
            assert error.text == "The batch scheduling queue to which this task was submitted is full"
    assert (len(answered), refused) == (6, 94)  # three batches of two
    signature.open.set()
    for value, future in answered:
        assert future.result(60)["y"].tolist() == [2 * value]
    assert queue.submit(signature, rows(7)).result(60)["y"].tolist() == [14]


def test_wrong_request_does_not_fail_others(blocked):
    signature, queue = blocked(max_batch_size=8)
    futures = [queue.submit(signature, rows(value)) for value in (1, -1, 2)]
    signature.open.set()
    assert futures[0].result(60)["y"].tolist() == [2]
    assert futures[2].result(60)["y"].tolist() == [4]
    with pytest.raises(StatusError, match="a row is -1"):
        futures[1].result(60)


def test_abandoned_requests_are_not_computed(blocked):
    clock = Clock()
    signature, queue = blocked(clock=clock, max_batch_size=8)
    late = queue.submit(signature, rows(1), deadline=clock.now + 0.5)
    cancelled = queue.submit(signature, rows(2))
    wanted = queue.submit(signature, rows(3), deadline=clock.now + 1.5)
    clock.now += 1
    assert cancelled.cancel()
    signature.open.set()
    assert wanted.result(60)["y"].tolist() == [6]
    with pytest.raises(StatusError, match="timeout exceeded while waiting in batching queue") as caught:
        late.result(60)
    assert caught.value.text == "Run() timeout exceeded while waiting in batching queue"
    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert [call.tolist() for call in signature.calls] == [[0], [3]]


def test_outputs_without_a_row_for_each_request_are_an_error():
    class Total(Signature):
        def run(self, inputs):
            return {"y": inputs["x"].sum()}

    queue = scheduler(max_batch_size=8)
    with pytest.raises(StatusError, match="0th dimension does not equal the sum") as caught:
        queue.submit(Total(), rows(1, 2)).result(60)
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
    queue.close()


def test_signature_without_a_batch_dimension_is_called_for_each_request(blocked):
    class Scalar(Signature):
        batched = False

    signature, queue = blocked(max_batch_size=8)
    scalar = Scalar()
    futures = [queue.submit(scalar, {"x": np.array(value)}) for value in (1, 2)]
    signature.open.set()
    assert [future.result(60)["y"].tolist() for future in futures] == [2, 4]
    assert [call.tolist() for call in scalar.calls] == [1, 2]


def test_bug_reaches_all_callers_and_the_thread_survives(blocked):
    class Broken(Signature):
        def run(self, inputs):
            raise KeyError("a bug")

    signature, queue = blocked(max_batch_size=8)
    broken = Broken()
    futures = [queue.submit(broken, rows(value)) for value in (1, 2)]
    signature.open.set()
    for future in futures:
        with pytest.raises(KeyError):
            future.result(60)
    assert queue.submit(signature, rows(3)).result(60)["y"].tolist() == [6]


def test_close_computes_queued_requests_and_refuses_new_ones():
    signature, queue = Signature(), scheduler(max_batch_size=2, batch_timeout_micros=60_000_000)
    futures = [queue.submit(signature, rows(value)) for value in (1, 2, 3)]
    queue.close()
    assert [future.result(0)["y"].tolist() for future in futures] == [[2], [4], [6]]
    with pytest.raises(StatusError, match="shutting down") as caught:
        queue.submit(signature, rows(4))
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


def test_scheduler_without_batching_makes_one_call_for_each_request():
    signature = Signature()
    signature.open.clear()
    queue = Scheduler(threads=1, max_waiting=3)
    first = queue.submit(signature, rows(1, 2))
    signature.wait_for_calls(1)
    waiting = [queue.submit(signature, rows(value, value)) for value in (3, 4, 5)]
    with pytest.raises(StatusError, match="queue to which this task was submitted is full"):
        queue.submit(signature, rows(6))
    signature.open.set()
    assert [future.result(60)["y"].tolist() for future in [first, *waiting]] == [[2, 4], [6, 6], [8, 8], [10, 10]]
    assert len(signature.calls) == 4
    queue.close()


def test_concurrent_calls_are_limited_to_the_threads():
    lock, running_now, most = threading.Lock(), [], []
    two = threading.Barrier(2, timeout=60)  # calls wait for each other, so that two of them do run at once

    class Slow(Signature):
        def run(self, inputs):
            with lock:
                running_now.append(inputs)
                most.append(len(running_now))
            two.wait()
            with lock:
                running_now.pop()
            return {"y": inputs["x"]}

    queue = Scheduler(threads=2)
    for future in [queue.submit(Slow(), rows(index)) for index in range(20)]:
        future.result(60)
    queue.close()
    assert max(most) == 2


def test_threads_get_their_own_rows():
    signature = Signature()
    queue = scheduler(max_batch_size=16, num_batch_threads=3, max_enqueued_batches=1000, batch_timeout_micros=500)
    wrong = []

    def ask(first):
        generator = np.random.default_rng(first)
        for _ in range(100):
            values = generator.integers(0, 1000, generator.integers(1, 6))
            if (queue.submit(signature, {"x": values}).result(60)["y"] != 2 * values).any():
                wrong.append(values)

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.close()
    assert not wrong
    assert max(len(call) for call in signature.calls) > 5  # some were computed together


def test_on_batch_reports_batches():
    clock, seen = Clock(), []

    class Slow(Signature):
        def run(self, inputs):
            self.calls.append(inputs["x"])
            self.open.wait(60)
            clock.now += 3
            return {"y": inputs["x"]}

    queue = Scheduler(threads=1, on_batch=lambda *values: seen.append(values), clock=clock)
    signature = Slow()
    signature.open.clear()
    first = queue.submit(signature, rows(1, 2))
    signature.wait_for_calls(1)
    second = queue.submit(signature, rows(3))
    signature.open.set()
    first.result(60), second.result(60)
    queue.close()
    assert seen == [(1, 0.0, 3.0), (1, 3.0, 3.0)]
