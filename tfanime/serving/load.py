"""A load test of a server: many clients that ask without a pause.

The clients live in processes of their own, because one Python process cannot keep a server busy; in each, an event loop
drives all of its clients. Some of the answers are compared with the avatar of the same seed that was fetched before the
load, because under load no caller may get another's avatar.
"""

import asyncio
import io
import math
import multiprocessing
import os
import random
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from tfanime.command_line import load_tensorflow, parse, run
from tfanime.limits import Limit, between
from tfanime.serving.client import AsyncAvatarClient, Connection, RestAvatarClient, ServerError

KNOWN = 16  # seeds whose avatars are fetched before the load
CHECKED = 1 / 8  # share of the requests that ask for one of them; decoding all would cost more than asking
PAUSE = 0.02  # seconds that a client waits after an error, so that it does not flood a server that refuses


@dataclass
class Result:
    """The result of a load test.

    Args:
        seconds: Its duration.
        avatars: Number of avatars received.
        latencies: Seconds of each request that was answered.
        errors: By the name of a status, the number of requests that ended with it.
        checked: Number of avatars that were compared with the one of their seed.
        wrong: Number of these that differed.
    """

    seconds: float = 0.0
    avatars: int = 0
    latencies: list[float] = field(default_factory=list)
    errors: Counter = field(default_factory=Counter)
    checked: int = 0
    wrong: int = 0

    def __add__(self, other):
        """The result of two sets of clients that ran at the same time."""
        return Result(
            max(self.seconds, other.seconds),
            self.avatars + other.avatars,
            self.latencies + other.latencies,
            self.errors + other.errors,
            self.checked + other.checked,
            self.wrong + other.wrong,
        )

    @property
    def rate(self):
        """Avatars a second."""
        return self.avatars / self.seconds if self.seconds else 0.0

    def latency(self, percent):
        """The latency, in seconds, below which `percent` of the answers came; NaN without answers."""
        return float(np.percentile(self.latencies, percent)) if self.latencies else math.nan

    def __str__(self):
        ends = {"p50": 50, "p90": 90, "p99": 99, "max": 100}
        latencies = ", ".join(f"{name} {self.latency(percent) * 1000:.1f}" for name, percent in ends.items())
        errors = ", ".join(f"{code} {count:,}" for code, count in sorted(self.errors.items())) or "none"
        return (
            f"avatars/s   {self.rate:,.1f}\n"
            f"latency ms  {latencies}\n"
            f"answers     {len(self.latencies):,} ({self.checked:,} avatars checked by seed, {self.wrong:,} wrong)\n"
            f"errors      {errors}"
        )


@dataclass(frozen=True)
class Config(Connection):
    """Load

    Args:
        clients: Number of concurrent clients, each with its own connection and one request at a time.
        seconds: Duration.
        batch: Avatars in one request.
        tags: Tags to draw, such as "blonde hair, no hat", of a model with tags.
        processes: Number of processes for the clients; default: one for each processor.
    """

    clients: Annotated[int, between(1, 10_000)] = 32
    seconds: Annotated[float, Limit("above 0", lambda value: 0 < value < math.inf)] = 20.0
    batch: Annotated[int, between(1, 2**20)] = 1
    tags: str = ""
    processes: Annotated[int | None, between(1, 256)] = None

    @property
    def shares(self):
        """Number of clients in each process."""
        processes = min(self.clients, self.processes or os.cpu_count() or 1)
        return [len(range(index, self.clients, processes)) for index in range(processes)]


def measure(config, progress=True):
    """Puts load on a server.

    Args:
        config: The `Config`.
        progress: Whether to show a progress bar.

    Returns:
        A `Result`.

    Raises:
        ValueError, ConnectionError, TimeoutError, ServerError: The server does not answer even without load.
        ChildProcessError: A process of clients died.
    """
    with config.client() as client:
        row = client.wanted(config.tags) if config.tags.strip() else None
        known = [client.png([seed], row)[0] for seed in range(KNOWN)]  # one by one, so that no batch can mix them up
    context = multiprocessing.get_context("spawn")  # gRPC and TensorFlow do not survive a fork
    shares = config.shares
    ready, counts = context.Array("q", len(shares)), context.Array("q", len(shares))
    begin = context.Event()
    with ProcessPoolExecutor(len(shares), context, _share, (ready, counts, begin)) as pool:
        tasks = [pool.submit(_work, config, index, share, row, known) for index, share in enumerate(shares)]
        while sum(ready) < len(tasks) and not any(task.done() for task in tasks):
            time.sleep(0.02)
        begin.set()
        _watch(tasks, counts, config.seconds, progress)
        try:
            return sum((task.result() for task in tasks), Result())
        except BrokenProcessPool as error:
            raise ChildProcessError(
                "every process of clients must live to the end (fewer --processes need less memory). "
                "Received: one that died"
            ) from error


def _watch(tasks, counts, seconds, progress):
    """Waits for the end and shows the number of avatars so far."""
    from tqdm import tqdm

    with tqdm(desc=f"{seconds:g} s", unit=" avatars", disable=None if progress else True) as bar:
        while not all(task.done() for task in tasks):
            time.sleep(0.05)
            bar.update(sum(counts) - bar.n)


_shared = ()  # objects that the processes of clients share


def _share(*shared):
    global _shared
    _shared = shared


def _work(config, index, count, row, known):
    """Runs `count` clients in this process; returns their `Result`."""
    if not config.rest:
        load_tensorflow()
    return asyncio.run(_drive(config, index, count, row, known))


async def _drive(config, index, count, row, known):
    ready, counts, begin = _shared
    result = Result()
    options = {"timeout": config.timeout, "retries": 0, "batch": config.batch, "tls": config.credentials()}
    async with AsyncExitStack() as stack:
        fetches = []
        threads = stack.enter_context(ThreadPoolExecutor(count)) if config.rest else None
        for _ in range(count):
            if config.rest:
                client = stack.enter_context(RestAvatarClient(config.address, config.model, **options))
                fetches.append(_in_thread(threads, client.png))
            else:
                client = AsyncAvatarClient(config.address, config.model, **options)
                fetches.append((await stack.enter_async_context(client)).png)
        ready[index] = 1
        while not begin.wait(1.0):
            if not multiprocessing.parent_process().is_alive():  # it was killed and cannot start the load
                return result
        start = time.monotonic()

        def counted(avatars):
            counts[index] += avatars

        await asyncio.gather(
            *(_ask(fetch, config.batch, row, known, start + config.seconds, result, counted) for fetch in fetches)
        )
        result.seconds = time.monotonic() - start
    return result


def _in_thread(threads, method):
    def call(*arguments):
        return asyncio.get_running_loop().run_in_executor(threads, method, *arguments)

    return call


async def _ask(fetch, batch, row, known, end, result, counted):
    """One client: asks until `end` and counts in `result`."""
    draw = random.Random()
    while time.monotonic() < end:
        seeds = [draw.randrange(len(known), 2**63) for _ in range(batch)]
        checked = draw.random() < CHECKED
        if checked:
            place, seed = draw.randrange(batch), draw.randrange(len(known))
            seeds[place] = seed
        begin = time.perf_counter()
        try:
            pngs = await fetch(seeds, row)
        except (ValueError, OSError, RuntimeError) as error:
            result.errors[getattr(error, "code", type(error).__name__)] += 1
            await asyncio.sleep(PAUSE)
            continue
        result.latencies.append(time.perf_counter() - begin)
        result.avatars += batch
        counted(batch)
        if checked:
            result.checked += 1
            result.wrong += not _alike(pngs[place], known[seed])


def _alike(first, second):
    """Whether two PNGs show the same picture, within the one grey level by which batch sizes differ."""
    from PIL import Image

    if first == second:
        return True
    try:
        first, second = (np.asarray(Image.open(io.BytesIO(png))).astype(int) for png in (first, second))
    except (OSError, ValueError):
        return False
    return first.shape == second.shape and np.abs(first - second).max() <= 1


EPILOG = """\
examples:
  python -m tfanime.serving.load --clients 32 --seconds 20
  python -m tfanime.serving.load --rest --clients 8 --batch 16
  python -m tfanime.serving.load --server gpu7:8500 --model faces --tags "blonde hair, no hat"

Percentiles are of answered requests. The model must not change during the test: the avatars that are checked
by seed come from the version that was served at the start.
"""


def main(arguments=None):
    """Measures and prints; ends with status 1 if no request was answered, or an avatar was wrong."""
    config = parse(
        Config,
        program="python -m tfanime.serving.load",
        description="Measure a server under load: avatars a second, latencies, errors.",
        epilog=EPILOG,
        arguments=arguments,
    )
    if not config.rest:
        load_tensorflow()
    result = measure(config)
    print(
        f"{config.clients} client{'s' if config.clients > 1 else ''} in {len(config.shares)} process"
        f"{'es' if len(config.shares) > 1 else ''}, {config.batch} avatar{'s' if config.batch > 1 else ''} a request, "
        f"{'REST' if config.rest else 'gRPC'} to {config.address}, {result.seconds:.1f} s\n{result}"
    )
    if not result.latencies:
        raise ServerError(f"server {config.address} must answer under load. Received: {dict(result.errors)}")
    if result.wrong:
        raise ServerError(f"server {config.address} must send each avatar to its seed. Received: {result.wrong} others")


if __name__ == "__main__":
    run(main)
