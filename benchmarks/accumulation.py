"""Memory of a training step by the number of parts that `--accumulate` makes of a batch.

    python benchmarks/accumulation.py
    python benchmarks/accumulation.py --jit_compile

Each figure is of a process of its own: the highest resident memory while it made two steps, less what it had before
and less the same for a batch of two pictures a part, which is the program itself. Linux only.
"""

import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from training import resident_megabytes

from tfanime import command_line


@dataclass(frozen=True)
class Config:
    """Measure the memory of parts.

    Args:
        image_size: Height and width of the pictures.
        channels: Channels of the layers next to the pictures.
        batch_size: Pictures a step.
        parts: Numbers of parts.
        jit_compile: Whether XLA compiles the step.
        single: Prints one figure alone: for the processes that this one starts.
    """

    image_size: int = 64
    channels: int = 32
    batch_size: int = 512
    parts: tuple[int, ...] = (1, 2, 4, 8)
    jit_compile: bool = False
    single: bool = False


def peak(config):
    """MB that two steps of the recipe dcgan take beyond what was there before them."""
    tf = command_line.load_tensorflow()
    from tfanime.recipes import dcgan

    shape = {name: getattr(config, name) for name in ("image_size", "channels", "batch_size", "jit_compile")}
    gan = dcgan.build(dcgan.Config(**shape, accumulate=config.parts[0], precision="float32"))
    images = tf.random.uniform((config.batch_size, config.image_size, config.image_size, 3), -1, 1)
    before, sizes, done = resident_megabytes(), [], threading.Event()

    def watch():
        while not done.is_set():
            sizes.append(resident_megabytes())
            time.sleep(0.003)

    thread = threading.Thread(target=watch)
    thread.start()
    gan.fit(tf.data.Dataset.from_tensors(images).repeat(), steps_per_epoch=2, shuffle=False, verbose=0)
    done.set()
    thread.join()
    return max(sizes) - before


def measured(config, parts, batch_size):
    """`peak` of a process of its own."""
    flags = [f"--image_size={config.image_size}", f"--channels={config.channels}", f"--batch_size={batch_size}"]
    flags += [f"--parts=[{parts}]", f"--jit_compile={str(config.jit_compile).lower()}", "--single"]
    result = subprocess.run([sys.executable, __file__, *flags], capture_output=True, text=True, check=True)
    return float(result.stdout.split()[-1])


def main(arguments=None):
    """Measures and prints a Markdown table."""
    config = command_line.parse(
        Config, program="python benchmarks/accumulation.py", description="Measure parts.", arguments=arguments
    )
    if config.single:
        print(peak(config))
        return
    print("| parts | MB for the pictures | MB for the program |\n|---|---|---|")
    for parts in config.parts:
        program = measured(config, parts, 2 * parts)
        print(f"| {parts} | {measured(config, parts, config.batch_size) - program:.0f} | {program:.0f} |", flush=True)


if __name__ == "__main__":
    command_line.run(main)
