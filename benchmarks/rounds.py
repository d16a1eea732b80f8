"""Timing on machines that others use too: what is compared takes turns, and the median of the turns' ratios counts."""

import contextlib
import itertools
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

LEAST_ROUNDS = 5
ROUND_SECONDS = 1.5  # of the reference: short, so that both halves of a pair meet the same neighbours


def timed(function, calls=1):
    """Seconds that `calls` calls of `function` take."""
    begin = time.perf_counter()
    for _ in range(calls):
        function()
    return time.perf_counter() - begin


@dataclass(frozen=True)
class Ratio:
    """The median of paired ratios, and the quartiles around it."""

    median: float
    low: float
    high: float

    def __format__(self, specification):
        median, low, high = (format(value, specification or ".2f") for value in (self.median, self.low, self.high))
        return f"{median} ({low}-{high})"

    def __str__(self):
        return format(self)

    @classmethod
    def of(cls, values):
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


class Rounds:
    """Seconds of things that took turns.

    Args:
        times: Name to the seconds of each round, all lists of one length.
        calls: Calls a round.
    """

    def __init__(self, times, calls):
        self.times = times
        self.calls = calls

    def __len__(self):
        return len(next(iter(self.times.values())))

    def seconds(self, name):
        """Median seconds of a call."""
        return statistics.median(self.times[name]) / self.calls

    def speedup(self, name, reference):
        """How many times as fast as `reference` `name` is, a `Ratio`."""
        pairs = zip(self.times[reference], self.times[name], strict=True)
        return Ratio.of([theirs / ours for theirs, ours in pairs])


def compare(functions, seconds, least=LEAST_ROUNDS, multiple=1):
    """Lets named functions take turns, in one order and the reverse.

    Args:
        functions: Name to function, the first being the reference.
        seconds: How long to go on, warming up not counted.
        least: Rounds that are made even if they take longer.
        multiple: The calls a round are a multiple of it: functions that do something else at every n-th call.

    Returns:
        `Rounds`.
    """
    for function in functions.values():  # the first call compiles
        function()
    calls = calls_a_round(timed(next(iter(functions.values())), multiple) / multiple, multiple)
    times = {name: [] for name in functions}
    begin = time.perf_counter()
    for number in itertools.count():
        if number >= least and time.perf_counter() - begin >= seconds:
            return Rounds(times, calls)
        for name in list(functions) if number % 2 == 0 else reversed(functions):
            times[name].append(timed(functions[name], calls))


def calls_a_round(seconds, multiple=1):
    """Calls that take about `ROUND_SECONDS` if one takes `seconds`, a multiple of `multiple`."""
    return multiple * max(1, round(ROUND_SECONDS / seconds / multiple))


@contextlib.contextmanager
def neighbours():
    """Says at the end how many cores other processes took meanwhile (Linux)."""
    begin, busy, own = time.perf_counter(), _busy_seconds(), sum(os.times()[:4])
    yield
    seconds = time.perf_counter() - begin
    others = max(0.0, _busy_seconds() - busy - (sum(os.times()[:4]) - own)) / seconds
    print(f"\nOther processes took {others:.2f} of {os.cpu_count()} cores meanwhile.", flush=True)


def _busy_seconds():
    """Seconds of all cores' work since the machine's start, its host's share of them included."""
    user, nice, system, _, _, interrupts, soft, stolen = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")
