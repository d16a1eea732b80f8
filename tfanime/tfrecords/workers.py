"""A pool of processes that keeps the order of its tasks and needs constant memory.

Each process imports the script that started the conversion, so a script that calls `convert` with several workers
must be a file that guards its code:

    if __name__ == "__main__":
        convert(Settings("pictures", "tfrecords/mine", workers=4))
"""

import collections
import concurrent.futures
import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from concurrent.futures.process import BrokenProcessPool

import cv2

from tfanime.tfrecords.pictures import Drop, Outcome

CHUNK = 4
AHEAD = 4
KILLED = "killed the process that read it"
MOST_KILLS = 3  # in a row, after which the pictures are not the cause
UNGUARDED = (
    "worker processes end while they start: a script that converts with several workers must be a file and guard its "
    'code with `if __name__ == "__main__":`, because each worker imports it. If it does, perhaps for want of memory; '
    "--workers 1 needs no processes"
)

_convert = None


def outcomes(convert, tasks, workers):
    """Converts pictures, `workers` at a time.

    Decoders and detectors are written in C, and a picture may make one of them crash. If a process was killed, the
    pictures that the processes were working on are tried again, one at a time. A picture that then kills its process
    twice is left out as `unreadable`.

    Args:
        convert: A `PictureConverter`.
        tasks: Iterable of its arguments `(id, words)`; read only a little ahead.
        workers: Number of processes; with 1 this process does the work itself, and such a picture kills it.

    Yields:
        The `Outcome`s in the tasks' order.

    Raises:
        OSError: Processes end while they start, for example in a script without a guard; or they are killed with every
            picture, for example by the system when memory is short.
    """
    if workers == 1:
        yield from itertools.starmap(convert, tasks)
        return
    tasks, waiting = iter(tasks), collections.deque()
    started = _context().RawValue("b", 0)  # without a lock, which a killed process might hold
    pool = _pool(convert, workers, started)
    try:
        while True:
            try:
                while len(waiting) < workers * AHEAD and (chunk := list(itertools.islice(tasks, CHUNK))):
                    waiting.append((chunk, None))  # before it is submitted, which a broken pool refuses
                    waiting[-1] = (chunk, pool.submit(_convert_chunk, chunk))
                if not waiting:
                    return
                results = waiting[0][1].result()
            # The last two are raised where the process that starts the others could not start.
            except (BrokenProcessPool, ConnectionError, EOFError) as error:
                pool.shutdown()
                if not started.value:
                    raise OSError(UNGUARDED) from error
                yield from _carefully(convert, waiting, workers, started)
                waiting.clear()
                pool = _pool(convert, workers, started)
            else:
                waiting.popleft()
                yield from results
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _context():
    # Not fork, which TensorFlow's threads in this process do not survive.
    return multiprocessing.get_context(
        "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    )


def _pool(convert, workers, started):
    return concurrent.futures.ProcessPoolExecutor(workers, _context(), initializer=_start, initargs=(convert, started))


def _carefully(convert, waiting, workers, started):
    """Yields the outcomes of the tasks of a broken pool, given as pairs of a chunk and its future, or None."""
    pool, kills = _pool(convert, 1, started), 0
    try:
        for chunk, future in waiting:
            if future is not None and future.done() and future.exception() is None:
                yield from future.result()
                continue
            for task in chunk:
                for _ in range(2):
                    try:
                        (outcome,) = pool.submit(_convert_chunk, [task]).result()
                        kills = 0
                        break
                    except BrokenProcessPool:
                        pool.shutdown()
                        pool = _pool(convert, 1, started)
                else:
                    kills += 1
                    if kills == MOST_KILLS:
                        raise OSError(
                            "worker processes are killed one after another, perhaps because memory is short: finished "
                            f"shards are kept; go on with the same command and --workers below {workers}"
                        )
                    outcome = Outcome(task[0], (), (Drop(task[0], "unreadable", KILLED),))
                yield outcome
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start(convert, started):
    global _convert
    _convert = convert
    started.value = 1
    cv2.setNumThreads(1)  # the workers are the threads
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    """Ends a worker whose parent was killed, which holds both ends of its own queue and would live on."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _convert_chunk(chunk):
    return [_convert(*task) for task in chunk]
