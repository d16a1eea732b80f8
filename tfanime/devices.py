"""The devices that train: those of this machine, or of several machines that `TF_CONFIG` names.

    TF_CONFIG='{"cluster": {"worker": ["first:2222", "second:2222"]}, "task": {"type": "worker", "index": 0}}'

The same command on every machine, with that machine's own index, trains one game: docs/scale.md.
"""

import contextlib
import functools
import hashlib
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tfanime import command_line

if TYPE_CHECKING:  # TensorFlow takes seconds to load
    import numpy as np
    import tensorflow as tf


def parse_devices(devices: str | None) -> tuple[str, int] | None:
    """Parses `--devices`: `("cpu", 2)` for `"cpu:2"`, None for None.

    Raises:
        ValueError: It has another form.
    """
    if devices is None:
        return None
    match = re.fullmatch(r"(cpu|gpu):([1-9][0-9]*)", devices)
    if not match:
        raise ValueError(
            f"--devices must be cpu: or gpu: and how many, such as cpu:2 or gpu:1, or null. Received: {devices}"
        )
    return match[1], int(match[2])


def task_of_environment():
    """This process's place among the workers of `TF_CONFIG`.

    Returns:
        `(index, count)`: index 0 is the chief. `(0, 1)` without `TF_CONFIG`, or with one worker.

    Raises:
        ValueError: `TF_CONFIG` does not describe workers.
    """
    text = os.environ.get("TF_CONFIG", "").strip()
    if not text:
        return 0, 1
    try:
        details = json.loads(text)
        cluster, task = details.get("cluster", {}), details.get("task", {})
        others = set(cluster) - {"chief", "worker"}
        if others:
            raise ValueError(f"its cluster has {', '.join(sorted(others))}")
        tasks = [(role, index) for role in ("chief", "worker") for index in range(len(cluster.get(role, ())))]
        if len(tasks) < 2:
            return 0, 1
        return tasks.index((task.get("type"), int(task.get("index")))), len(tasks)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            'TF_CONFIG must be JSON such as {"cluster": {"worker": ["first:2222", "second:2222"]}, "task": {"type": '
            f'"worker", "index": 0}}}}, with the task of this machine in the cluster. Received: {text} ({error})'
        ) from error


class Workers:
    """The processes that train one game together, often only this one.

    Args:
        strategy: The `tf.distribute.Strategy` to build and train the game with.
        index: This process's number; 0 is the chief, and only the chief writes the run folder.
        count: Number of processes.
    """

    def __init__(self, strategy: "tf.distribute.Strategy", index: int = 0, count: int = 1) -> None:
        self.strategy = strategy
        self.index = index
        self.count = count

    @property
    def chief(self) -> bool:
        """Whether this process is the chief, which writes the run folder."""
        return self.index == 0

    @property
    def replicas(self) -> int:
        """Devices that share a batch, those of all workers together."""
        return self.strategy.num_replicas_in_sync

    @property
    def devices(self) -> str:
        """The devices that share a batch, as text: `"1 CPU"`, `"2 GPUs"`."""
        import tensorflow as tf

        kind = tf.DeviceSpec.from_string(self.strategy.extended.worker_devices[0]).device_type
        return f"{self.replicas} {kind}{'s' if self.replicas > 1 else ''}"

    def gather(self, *numbers: float) -> "np.ndarray":
        """Gathers numbers of all workers. It waits until all reach this point of the program.

        Args:
            *numbers: Floats.

        Returns:
            float64 array `[count, len(numbers)]`, the same for all workers.
        """
        import numpy as np

        rows = np.zeros((self.count, len(numbers)))
        rows[self.index] = numbers
        return rows if self.count == 1 else self._sum(rows).numpy()

    @functools.cached_property
    def _sum(self):
        import tensorflow as tf

        # In a graph, because `strategy.gather` otherwise traces again at each call and takes ten times as long.
        return tf.function(lambda rows: self.strategy.reduce("SUM", rows, axis=None), reduce_retracing=True)

    def require_same(self, settings: dict[str, Any]) -> None:
        """Makes sure that all workers have the same settings, and waits for them.

        Args:
            settings: A dictionary of the values that must be equal, by name.

        Raises:
            ValueError: Another worker has another value; all of them raise.
        """
        hashes = (hashlib.sha256(repr(value).encode()).digest()[:6] for value in settings.values())  # exact in a float
        rows = self.gather(*(int.from_bytes(each) for each in hashes))
        for (name, value), numbers in zip(settings.items(), rows.T, strict=True):
            if len(set(numbers)) > 1:
                raise ValueError(
                    f"{name} must be the same on all {self.count} workers of TF_CONFIG. "
                    f"Received: {value!r} on worker {self.index}, something else on another"
                )

    def dataset(self, parts: "Callable[[int, range], tf.data.Dataset]") -> "tf.data.Dataset":
        """A stream of batches for `fit`; every worker reads its own part of each batch.

        Args:
            parts: `(count, own)` -> infinite `tf.data.Dataset`: each batch is cut into `count` equal parts, and those
                with the numbers `own` follow each other.
        """

        def of_worker(context):
            each = self.replicas // context.num_input_pipelines
            first = context.input_pipeline_id * each
            return parts(self.replicas, range(first, first + each))

        return self.strategy.distribute_datasets_from_function(of_worker)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Turns a failure caused by another worker into an error of one line.

        Raises:
            ConnectionError: Another worker has ended, or cannot be reached.
        """
        import tensorflow as tf

        gone = (
            tf.errors.AbortedError,
            tf.errors.CancelledError,
            tf.errors.DeadlineExceededError,
            tf.errors.FailedPreconditionError,
            tf.errors.InternalError,
            tf.errors.UnavailableError,
            tf.errors.UnknownError,
        )
        try:
            yield
        except gone as error:
            if self.count == 1:
                raise
            cause = re.search(r"aborted by: ([^\n]+)", error.message)
            raise ConnectionError(
                f"all {self.count} workers of TF_CONFIG must stay until the end. Received: one has gone or cannot be "
                f"reached ({cause[1] if cause else type(error).__name__}). Run the same command on every worker again: "
                "the run goes on at its last checkpoint"
            ) from error


def join(devices: str | None = None, alone: bool = False) -> Workers:
    """The devices that `--devices` names, ready to train; with `TF_CONFIG`, together with the other workers' devices.

    Call it before anything else of TensorFlow, because devices can only be set up then. The same devices give the same
    strategy at every call, because the collective operations of two strategies over the same devices would block each
    other.

    Args:
        devices: `"cpu:N"`, the processor as N virtual devices; `"gpu:N"`, the first N GPUs; None, all GPUs, or the
            processor as one device if there are none. With `TF_CONFIG` this holds for each worker.
        alone: Whether to use one device of this machine if `devices` is None, whatever `TF_CONFIG` says.

    Returns:
        A `Workers`.

    Raises:
        ValueError: The machine has no such devices, or `TF_CONFIG` cannot be understood.
        OSError: This worker cannot listen at its address in `TF_CONFIG`.
    """
    tf = command_line.load_tensorflow()
    index, count = (0, 1) if alone else task_of_environment()
    kind, number = parse_devices(devices) or (None, None)
    gpus = tf.config.list_physical_devices("GPU")
    if kind is None:
        kind, number = ("gpu", 1 if alone else len(gpus)) if gpus else ("cpu", 1)
    if kind == "gpu" and number > len(gpus):
        raise ValueError(f"--devices must be GPUs that this machine has, {len(gpus)}. Received: {devices}")
    if count > 1:
        return _multi_worker(tf, kind, number, index, count)
    if kind == "cpu":
        _arrange_processor(tf, number)
    return Workers(_mirrored(tuple(f"{kind.upper()}:{each}" for each in range(number))))


@functools.cache
def _mirrored(names):
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(names)


def _arrange_processor(tf, number):
    with contextlib.suppress(RuntimeError):  # it may be too late to hide them, which does no harm
        tf.config.set_visible_devices([], "GPU")
    processor = tf.config.list_physical_devices("CPU")[0]
    if number <= len(tf.config.get_logical_device_configuration(processor) or [processor]):
        return
    try:
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * number)
    except RuntimeError as error:
        raise ValueError(
            f"--devices must be at most cpu:{len(tf.config.list_logical_devices('CPU'))} in this process, in which "
            f"TensorFlow has begun to compute already. Received: cpu:{number}"
        ) from error


@functools.cache
def _multi_worker(tf, kind, number, index, count):
    if kind == "cpu" and number > 1:
        # TensorFlow's rule; processors of several machines need no more for tests.
        raise ValueError(f"--devices must be cpu:1 or GPUs with TF_CONFIG. Received: cpu:{number}")
    print(f"worker {index} of {count}: waiting for the others of TF_CONFIG", file=sys.stderr, flush=True)
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own handler would not run while TensorFlow waits
    try:
        tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:number] if kind == "gpu" else [], "GPU")
        return Workers(tf.distribute.MultiWorkerMirroredStrategy(), index, count)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"TF_CONFIG must be there before TensorFlow begins to compute in this process: {error}. "
            f"Received: {os.environ['TF_CONFIG']}"
        ) from error
    except tf.errors.OpError as error:
        raise OSError(
            f"TF_CONFIG must give worker {index} an address that it can listen at, and others that answer: "
            f"{error.message}. Received: {os.environ['TF_CONFIG']}"
        ) from error
    finally:
        signal.signal(signal.SIGINT, before)
