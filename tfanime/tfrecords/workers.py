"""A pool of processes which keeps the order of its tasks and a flat memory."""

import collections
import concurrent.futures
import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading

import cv2

CHUNK = 4
AHEAD = 4

_convert = None


def outcomes(convert, tasks, workers):
    """Converts pictures, `workers` at a time.

    Args:
        convert: A `PictureConverter`.
        tasks: Iterable of its arguments `(id, words)`; read only a little ahead.
        workers: Number of processes; with 1 this process does the work itself.

    Yields:
        The `Outcome`s in the tasks' order.

    Raises:
        OSError: A process was killed, by the system for want of memory or by somebody.
    """
    if workers == 1:
        yield from itertools.starmap(convert, tasks)
        return
    # Not fork: the process that writes has TensorFlow's threads, which do not survive it.
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    pool = concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context(method), initializer=_start, initargs=(convert,)
    )
    tasks = iter(tasks)
    waiting = collections.deque()
    try:
        while True:
            while len(waiting) < workers * AHEAD and (chunk := list(itertools.islice(tasks, CHUNK))):
                waiting.append(pool.submit(_convert_chunk, chunk))
            if not waiting:
                return
            yield from waiting.popleft().result()
    except concurrent.futures.process.BrokenProcessPool as error:
        raise OSError(
            "a worker process was killed, perhaps for want of memory: finished shards are kept; go on with the same "
            f"command and --workers below {workers}"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start(convert):
    global _convert
    _convert = convert
    cv2.setNumThreads(1)  # the workers are the threads
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    """Without this a worker outlives a parent that was killed: it holds both ends of its own queue."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _convert_chunk(chunk):
    return [_convert(*task) for task in chunk]
