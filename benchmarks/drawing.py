"""How fast avatars are drawn: in this process, and by one and two workers together.

python benchmarks/drawing.py
"""

import multiprocessing
import statistics
import time
from dataclasses import dataclass

from tfanime import command_line
from tfanime.drawn.avatars import draw, prepare_worker


@dataclass(frozen=True)
class Config:
    """Measure drawing.

    Args:
        size: Height and width of the avatars.
        count: Avatars a round.
        rounds: Rounds; the median counts.
    """

    size: int = 64
    count: int = 600
    rounds: int = 5


def draw_range(size, seeds):
    """Draws and forgets."""
    for seed in seeds:
        draw(seed, size=size)


def main(arguments=None):
    """Measures and prints a Markdown table."""
    config = command_line.parse(
        Config, program="python benchmarks/drawing.py", description="Measure drawing.", arguments=arguments
    )
    print("| processes | pictures/s | relative to one |\n|---|---|---|")
    reference = None
    for workers in (1, 2):
        with multiprocessing.get_context("spawn").Pool(workers, prepare_worker) as pool:
            jobs = [(config.size, range(first, first + 20)) for first in range(0, config.count, 20)]
            pool.starmap(draw_range, jobs[:workers], chunksize=1)  # imports
            times = []
            for _ in range(config.rounds):
                begin = time.perf_counter()
                pool.starmap(draw_range, jobs, chunksize=1)
                times.append(time.perf_counter() - begin)
        pace = config.count / statistics.median(times)
        reference = reference or pace
        print(f"| {workers} | {pace:.0f} | {pace / reference:.2f} |", flush=True)


if __name__ == "__main__":
    command_line.run(main)
