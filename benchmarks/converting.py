"""Speed and memory of the converter.

    python benchmarks/converting.py

- The whole converter on one worker (listing, sidecars, filters, hashes, shards, account, report) against a bare loop
  that only decodes, detects, crops and encodes the same pictures; alternating, the median of the ratios is printed.
- One worker against two.
- Memory of the process that writes, by number of pictures, and of the index of hashes alone.

The pictures are drawn avatars, saved as JPEG into a temporary folder. Ratios hold within one run only: the machine is
shared and noisy.
"""

import io
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tfanime.command_line import parse, run
from tfanime.drawn.avatars import draw
from tfanime.tfrecords.convert import convert
from tfanime.tfrecords.duplicates import DuplicateIndex
from tfanime.tfrecords.settings import Settings

FILTERS_OFF = {"sharpness": 0.0, "chroma": 0.0}


@dataclass(frozen=True)
class Config:
    """Measures the converter.

    Args:
        pictures: How many pictures a round converts.
        side: Their side, in pixels.
        rounds: How many rounds.
        memory: Largest number of pictures of which memory is measured; 0 leaves that out.
    """

    pictures: int = 300
    side: int = 256
    rounds: int = 3
    memory: int = 40_000


def bare(folder, detector, size):
    """What nobody can do without: decode, detect, crop, encode."""
    if detector == "animeface":
        import animeface
    for path in sorted(folder.glob("*.jpg")):
        image = Image.open(path).convert("RGB")
        boxes = [(0, 0, *image.size)]
        if detector == "animeface":
            found = [face for face in animeface.detect(image) if face.likelihood >= 0.8]
            boxes = [(face.face.pos.x, face.face.pos.y, face.face.pos.width, face.face.pos.height) for face in found]
        for left, top, width, height in boxes:
            side = round(1.5 * max(width, height)) if detector == "animeface" else width
            left, top = max(0, left + width // 2 - side // 2), max(0, top + height // 2 - side // 2)
            crop = image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.LANCZOS)
            crop.save(io.BytesIO(), "png", compress_level=6)


def whole(folder, detector, size, workers):
    """The converter, into a folder of its own."""
    with tempfile.TemporaryDirectory() as out:
        flags = {"detector": detector, "size": size, "workers": workers, "tagger": "none", "name": "x"}
        convert(Settings(str(folder), out, **flags, **FILTERS_OFF), progress=False)


def seconds(function, *arguments):
    """How long a call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def speed(config, folder):
    """Prints pictures a second of loop and converter, and their ratios."""
    for detector, size in (("animeface", 128), ("none", 128)):
        whole(folder, detector, size, 1)  # what is imported at the first call
        bare(folder, detector, size)
        rows = []
        for _ in range(config.rounds):
            rows.append(
                (
                    seconds(bare, folder, detector, size),
                    seconds(whole, folder, detector, size, 1),
                    seconds(whole, folder, detector, size, 2),
                )
            )
        loop, one, two = (config.pictures / statistics.median(column) for column in zip(*rows, strict=True))
        share = statistics.median(row[0] / row[1] for row in rows)
        scaling = statistics.median(row[1] / row[2] for row in rows)
        print(flush=True)
        print(f"detector {detector}, {config.side} px to {size} px, pictures/s (median of {config.rounds} rounds)")
        print(f"  bare loop                {loop:8.1f}")
        print(f"  converter, one worker    {one:8.1f}   {share:.2f} of the bare loop")
        print(f"  converter, two workers   {two:8.1f}   {scaling:.2f} times one worker")


def memory(config, folder):
    """Prints the peak memory of a conversion by number of pictures."""
    random = np.random.default_rng(0)
    counts = [config.memory // 8, config.memory // 4, config.memory // 2, config.memory]
    made, peaks = 0, []
    for count in counts:
        for number in range(made, count):
            Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{number:07d}.png")
        made = count
        program = (
            "import sys\n"
            "from pathlib import Path\n"
            "from tfanime.tfrecords.convert import convert\n"
            "from tfanime.tfrecords.settings import Settings\n"
            "convert(Settings(sys.argv[1], sys.argv[2], detector='none', size=16, workers=1), progress=False)\n"
            # Not getrusage, whose peak a process inherits from the one that started it.
            "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
        )
        with tempfile.TemporaryDirectory() as out:
            result = subprocess.run(
                [sys.executable, "-c", program, str(folder), out], check=True, capture_output=True, text=True
            )
        peaks.append(int(result.stdout) * 1024)
        print(f"memory   {count:8,} pictures  peak {peaks[-1] / 1e6:8.1f} MB")
    slope = np.polyfit(counts, peaks, 1)[0]
    print(f"memory   {slope:.0f} bytes a picture more")


def index_bytes(count=200_000):
    """Bytes a face of the index of hashes, its id aside."""
    hashes = np.random.default_rng(0).integers(0, 2**63, count).tolist()
    tracemalloc.start()
    index = DuplicateIndex(4)
    for hash in hashes:
        index.add("", hash)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return used / count


def main(arguments=None):
    """Measures and prints."""
    config = parse(Config, program="python benchmarks/converting.py", description=__doc__, arguments=arguments)
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(config.pictures):
            avatar = Image.fromarray(np.asarray(draw(seed, size=config.side)))
            avatar.save(Path(folder) / f"{seed:05d}.jpg", quality=92)
        speed(config, Path(folder))
    if config.memory:
        with tempfile.TemporaryDirectory() as folder:
            memory(config, Path(folder))
        print(f"index    {index_bytes():.0f} bytes a face (200,000 faces), its id aside")


if __name__ == "__main__":
    run(main)
