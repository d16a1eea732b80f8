"""How fast `fit` trains: against the bare compiled step in the same process, and against PyTorch.

    python benchmarks/training.py                    all rows
    python benchmarks/training.py --torch false      without PyTorch (pip install torch, the CPU build)

Every figure is a ratio of rounds that alternate in one process, because machines are shared and noisy: the median of
the rounds' ratios counts, images/s are for orientation.
"""

import itertools
import statistics
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tfanime import command_line
from tfanime.command_line import published_path


@dataclass(frozen=True)
class Config:
    """Measure training.

    Args:
        image_size: Height and width of the pictures.
        batch_size: Pictures a step.
        rounds: Alternating rounds.
        steps: Training steps a round.
        memory_steps: Steps of the small model whose memory is watched, 0 to leave that out.
        torch: Compare with PyTorch.
    """

    image_size: int = 64
    batch_size: int = 64
    rounds: int = 5
    steps: int = 16  # a multiple of 8: a lazy penalty then runs as often in every round
    memory_steps: int = 5_000
    torch: bool = True


def timed(function, steps):
    """Seconds that `steps` calls of `function` take."""
    begin = time.perf_counter()
    for _ in range(steps):
        function()
    return time.perf_counter() - begin


def compare(functions, rounds, steps, pictures):
    """Lets named functions take turns.

    Args:
        functions: Name to function, each one step; the first is the reference.
        rounds: How many turns each has; one more is not counted.
        steps: Calls a turn.
        pictures: Pictures a call.

    Returns:
        Name to (images/s, ratio of the reference's time to this one's), medians.
    """
    times = {name: [] for name in functions}
    for _ in range(rounds + 1):
        for name, function in functions.items():
            times[name].append(timed(function, steps))
    times = {name: values[1:] for name, values in times.items()}
    reference = next(iter(times.values()))
    return {
        name: (
            steps * pictures / statistics.median(values),
            statistics.median(old / new for old, new in zip(reference, values, strict=True)),
        )
        for name, values in times.items()
    }


def make_gan(config, precision, **changes):
    """A compiled DCGAN under a MirroredStrategy, and its strategy."""
    import tensorflow as tf

    from tfanime.recipes import dcgan
    from tfanime.recipes.precision import precision_policy

    strategy = tf.distribute.MirroredStrategy()
    with strategy.scope(), precision_policy(precision):
        return dcgan.build(dcgan.Config(image_size=config.image_size, precision=precision, **changes)), strategy


def bare_step(gan, strategy, config, jit_compile=False):
    """The compiled train step on one batch that is there already: what nothing can be faster than."""
    import tensorflow as tf

    images = tf.random.uniform((config.batch_size, config.image_size, config.image_size, 3), -1, 1)

    @tf.function(jit_compile=jit_compile)
    def step():
        return strategy.run(gan.train_step, args=(images,))

    return lambda: float(tf.nest.flatten(step())[0])  # the value: a step counts when it is done


def variants(config):
    """Bare steps by precision and compiler, with the recipe's default last."""
    functions = {}
    for precision in ("float32", "mixed_bfloat16"):
        for jit_compile in (False, True):
            gan, strategy = make_gan(config, precision)
            name = f"{precision}{', XLA' if jit_compile else ''}"
            functions[name] = bare_step(gan, strategy, config, jit_compile)
    return compare(functions, 3, config.steps // 2, config.batch_size)


def fit_against_step(config, faces, precision, **changes):
    """`fit` with the recipes' callbacks and data, and the bare step after each of its epochs.

    Returns:
        (images/s of fit, ratio bare time : fit time, share of a step spent waiting for data).
    """
    import keras

    from tfanime import callbacks
    from tfanime.runs import RunFolder

    gan, strategy = make_gan(config, precision, **changes)
    bare = bare_step(gan, strategy, config)
    fit_times, bare_times = [], []

    class Rounds(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.begin = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            fit_times.append(time.perf_counter() - self.begin)
            bare_times.append(timed(bare, config.steps))
            self.begin = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(folder)
        budget = callbacks.Budget(10**9)
        dataset = faces.batches(config.batch_size).map(lambda images, tags: images)
        gan.fit(
            dataset,
            epochs=config.rounds + 1,
            steps_per_epoch=config.steps,
            shuffle=False,
            verbose=0,
            callbacks=[
                callbacks.StopOnNonFinite(),
                budget,
                callbacks.RunLog(run, config.batch_size, budget.seconds),
                callbacks.Samples(run, 500),
                callbacks.Checkpoints(run.checkpoints, 2),
                callbacks.Progress(budget, config.batch_size),
                Rounds(),
            ],
        )
    ratios = [bare_time / fit_time for bare_time, fit_time in zip(bare_times[1:], fit_times[1:], strict=True)]
    images_per_second = config.steps * config.batch_size / statistics.median(fit_times[1:])
    return images_per_second, statistics.median(ratios), waiting_share(gan, strategy, dataset, config)


def waiting_share(gan, strategy, dataset, config):
    """Share of a step's time that the loop waits for the next batch."""
    import tensorflow as tf

    step = tf.function(lambda images: strategy.run(gan.train_step, args=(images,)))
    waited = total = 0.0
    iterator = iter(dataset)
    for number in range(2 * config.steps):
        begin = time.perf_counter()
        images = next(iterator)
        ready = time.perf_counter()
        float(tf.nest.flatten(step(images))[0])
        if number >= 5:
            waited += ready - begin
            total += time.perf_counter() - begin
    return waited / total


def memory_growth(steps):
    """Growth of the resident memory (MB) from step 500 to `steps` of a small model trained by `fit`."""
    import keras

    from tfanime import data
    from tfanime.tfrecords.default import default_shards

    config = Config(image_size=16, batch_size=16)
    gan, _ = make_gan(config, "float32", channels=8)
    sizes = {}

    class Memory(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.step in (500, steps):
                sizes[self.model.step] = resident_megabytes()

    dataset = data.load(default_shards(64), 16).batches(16).map(lambda images, tags: images)
    gan.fit(dataset, epochs=1, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[Memory()])
    return sizes[steps] - sizes[500]


def resident_megabytes():
    """Resident memory of this process in MB (Linux)."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def torch_step(config, dtype):
    """The same networks and updates as the recipe `dcgan`, written plainly in PyTorch.

    Args:
        config: Sizes.
        dtype: `"float32"`, or `"bfloat16"` for autocast.

    Returns:
        A function that makes one step.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    size, width = config.image_size, 64
    blocks = size.bit_length() - 3
    channels = [width * min(2**level, 8) for level in range(blocks)]
    layers = [nn.ConvTranspose2d(100, channels[-1], 4, bias=False), nn.BatchNorm2d(channels[-1]), nn.ReLU(True)]
    for wide, narrow in zip(channels[:0:-1], channels[-2::-1], strict=True):
        layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU(True)]
    generator = nn.Sequential(*layers, nn.ConvTranspose2d(channels[0], 3, 4, 2, 1), nn.Tanh())
    layers = [nn.Conv2d(3, channels[0], 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for narrow, wide in itertools.pairwise(channels):
        layers += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.LeakyReLU(0.2, True)]
    discriminator = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 4))
    optimizers = [
        torch.optim.Adam(network.parameters(), 2e-4, betas=(0.5, 0.999)) for network in (generator, discriminator)
    ]
    real = torch.rand(config.batch_size, 3, size, size) * 2 - 1
    average = [parameter.detach().clone() for parameter in generator.parameters()]

    def logits(images):
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
            return discriminator(images).flatten().float()

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
            fake = generator(torch.randn(config.batch_size, 100, 1, 1)).float()
        optimizers[1].zero_grad()
        (functional.softplus(-logits(real)).mean() + functional.softplus(logits(fake.detach())).mean()).backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        loss = functional.softplus(-logits(fake)).mean()
        loss.backward()
        optimizers[0].step()
        with torch.no_grad():
            torch._foreach_lerp_(average, list(generator.parameters()), 0.005)
        return float(loss)

    return step


def against_torch(config):
    """Bare steps of the recipe `dcgan` and of the same in PyTorch, the latter's float32 being the reference."""
    functions = {f"PyTorch {dtype}": torch_step(config, dtype) for dtype in ("float32", "bfloat16")}
    for precision in ("float32", "mixed_bfloat16"):
        functions[f"tfanime {precision}"] = bare_step(*make_gan(config, precision), config)
    return compare(functions, config.rounds, config.steps // 2, config.batch_size)


def print_rows(title, rows, reference):
    """Prints a Markdown table of `compare`'s result."""
    print(f"\n{title}\n\n| | images/s | relative to {reference} |\n|---|---|---|")
    for name, (images_per_second, ratio) in rows.items():
        print(f"| {name} | {images_per_second:.0f} | {ratio:.2f} |", flush=True)


def main(arguments=None):
    """Measures and prints Markdown tables."""
    config = command_line.parse(
        Config, program="python benchmarks/training.py", description="Measure training.", arguments=arguments
    )
    tf = command_line.load_tensorflow()
    from tfanime import data
    from tfanime.recipes.precision import resolve_precision
    from tfanime.tfrecords.default import default_shards

    print(f"TensorFlow {tf.__version__}, {config.image_size} px, batch {config.batch_size}")
    precision = resolve_precision("auto")
    faces = data.load(default_shards(config.image_size))
    print("\n`fit` against the bare step\n\n| | images/s | of the bare step | waiting for data |\n|---|---|---|---|")
    modern = tomllib.loads(
        Path(published_path("dcgan_r1_64", ("tfanime.recipes", "published"), "--config")).read_text()
    )
    modern.pop("image_size")
    for name, changes in (("dcgan", {}), ("dcgan --config dcgan_r1_64", modern)):
        speed, ratio, waiting = fit_against_step(config, faces, precision, **changes)
        print(f"| {name}, {precision} | {speed:.0f} | {ratio:.3f} | {waiting:.2%} |", flush=True)
    if config.memory_steps:
        print(
            f"\nmemory growth to step {config.memory_steps:,}: {memory_growth(config.memory_steps):.1f} MB", flush=True
        )
    print_rows("Bare step of `dcgan`", variants(config), "float32")
    if config.torch:
        try:
            import torch
        except ImportError:
            raise ImportError(
                "--torch needs PyTorch: pip install torch (the CPU build), or --torch false. Received: true"
            ) from None
        rows = against_torch(config)
        print_rows(f"`dcgan` in PyTorch {torch.__version__}", rows, "PyTorch float32")


if __name__ == "__main__":
    command_line.run(main)
