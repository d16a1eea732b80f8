import itertools
import os
import time

import pytest

from tfanime.tfrecords.workers import AHEAD, CHUNK, outcomes


def who(id, words):
    time.sleep(0.02 if id % 7 == 0 else 0)
    return id, os.getpid(), words


def die(id, words):
    os._exit(9)


def has_tensorflow(id, words):
    import sys

    return "tensorflow" in sys.modules


@pytest.mark.parametrize("workers", [1, 2])
def test_order_is_kept_and_work_is_shared(workers):
    results = list(outcomes(who, ((id, str(id)) for id in range(60)), workers))
    assert [(id, words) for id, _, words in results] == [(id, str(id)) for id in range(60)]
    processes = {process for _, process, _ in results}
    assert len(processes) == workers and (os.getpid() in processes) is (workers == 1)


def test_tasks_are_read_only_a_little_ahead():
    read = itertools.count()
    stream = outcomes(who, ((next(read), "") for _ in range(10_000)), 2)
    next(stream)
    assert next(read) <= 2 * (AHEAD + 1) * CHUNK
    stream.close()


def test_workers_do_without_tensorflow():
    assert list(outcomes(has_tensorflow, [(0, "")], 2)) == [False]


def test_a_killed_worker_is_one_clear_error():
    with pytest.raises(OSError, match=r"worker process was killed.*--workers below 2"):
        list(outcomes(die, [(0, "")], 2))
