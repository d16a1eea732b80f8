"""How fast the recipes train, start, and grow.

    python benchmarks/training.py                                       all parts of all recipes: about an hour
    python benchmarks/training.py --parts fit --recipes dcgan,wgan_gp   some
    python benchmarks/training.py --parts torch                         needs PyTorch: pip install torch

The parts, each of which prints a Markdown table row by row:

    fit         `fit` with all that a run has, against the bare compiled step
    torch       the bare step against the same networks and updates in PyTorch
    startup     seconds from the command to the end of the first step, and where they go
    memory      growth of the resident memory of long trainings of small networks
    cost        the bare step by size of the pictures and of the batch
    precision   the bare step by precision, with and without XLA
    layers      the bare step with Keras' own layers, and with the library's

What is compared takes turns in one process, in many short rounds, because machines are shared and noisy. The median of
the rounds' ratios counts, the quartiles in brackets tell how certain it is; images/s are real pictures a second, a
median as well, for orientation. PyTorch's threads wait by turning round and round, and lose most of their speed where
other processes take their cores: below each table stands how much those took.
"""

import contextlib
import itertools
import multiprocessing
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from games import GAMES, Game, fit_against_bare, waiting_share
from rounds import LEAST_ROUNDS, compare, neighbours
from startup import PARTS as STARTUP_PARTS
from startup import measure

from tfanime import command_line
from tfanime.tags import JIN34

FIRST_MEMORY_STEP = 500
PRECISIONS = ("float32", "mixed_bfloat16")


@dataclass(frozen=True)
class Config:
    """Measure training.

    Args:
        parts: What to measure, separated by commas: fit, torch, startup, memory, cost, precision,
            layers.
        recipes: Which recipes, separated by commas: dcgan, dcgan_r1_64 (the published file), sngan (networks of dcgan),
            wgan, wgan_gp, dragan (width and depth of dragan_64), stylegan2_64. Default: all for fit, startup and
            memory; all but the published files for torch; dcgan and wgan_gp for cost; dcgan for precision; dcgan,
            wgan_gp, dragan for layers.
        data: Folder of shards. Default: drawn avatars, made on first use.
        image_size: Height and width of the pictures.
        batch_size: Pictures a critic step.
        seconds: How long a comparison takes; it takes longer where rounds are too few by then.
        rounds: Least number of rounds.
        starts: How often each recipe is started; a first time is not counted.
        memory_steps: Steps at whose end the memory is read a second time, the first being 500.
        image_sizes: Of the part cost.
        batch_sizes: Of the part cost.
    """

    parts: str = "fit,torch,startup,memory,cost,precision,layers"
    recipes: str | None = None
    data: str | None = None
    image_size: int = 64
    batch_size: int = 64
    seconds: float = 60
    rounds: int = LEAST_ROUNDS
    starts: int = 3
    memory_steps: int = 5_000
    image_sizes: tuple[int, ...] = (32, 64, 128)
    batch_sizes: tuple[int, ...] = (16, 64, 256)

    def __post_init__(self):
        _names("parts", self.parts, TABLES)
        if self.recipes is not None:
            _names("recipes", self.recipes, GAMES)
        for name in ("rounds", "starts"):
            least = 2 if name == "rounds" else 1
            if getattr(self, name) < least:
                raise ValueError(f"--{name} must be at least {least}. Received: {getattr(self, name)}")
        if self.memory_steps <= FIRST_MEMORY_STEP:
            raise ValueError(f"--memory_steps must be above {FIRST_MEMORY_STEP}. Received: {self.memory_steps}")

    def chosen(self, *default):
        """The recipes to measure."""
        return _names("recipes", self.recipes, GAMES) if self.recipes else default

    def shards(self, image_size):
        """The folder of shards to train on."""
        from tfanime.tfrecords.default import default_shards

        return self.data or default_shards(image_size)

    def sizes(self):
        """The flags about sizes."""
        return {"image_size": self.image_size, "batch_size": self.batch_size}


def _names(flag, text, known):
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in known:
            raise ValueError(f"--{flag} must be some of {', '.join(known)}. Received: {name!r}")
    return names


def table(title, *columns):
    """Begins a Markdown table; returns a function that adds a row."""
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    return lambda *cells: print(f"| {' | '.join(map(str, cells))} |", flush=True)


def named(name):
    """A recipe, and how it is not what it is by default."""
    changes = ", ".join(f"{flag} {value}" for flag, value in GAMES[name].changes.items())
    return f"{name} ({changes})" if changes else name


def fit_table(config):
    """`fit` against the bare step."""
    from tfanime import data
    from tfanime.precision import resolve_precision

    precision = resolve_precision("auto")
    faces = data.load(config.shards(config.image_size), config.image_size)
    row = table(
        f"`fit`, {precision}",
        "recipe",
        "images/s",
        "of the bare step",
        "with epoch's end, sheet and checkpoint",
        "their seconds",
        "waiting for data",
        "rounds",
    )
    for name in config.chosen(*GAMES):
        game = Game(name, precision, faces.vocabulary, **config.sizes())
        fit = fit_against_bare(game, faces, config.seconds, config.rounds)
        waiting = waiting_share(game, faces, config.seconds / 6)
        row(
            named(name),
            f"{game.config.pictures_per_step / fit.step:.0f}",
            f"{fit.share:.3f}",
            f"{fit.overall:.3f}",
            ", ".join(f"{seconds:.2f}" for seconds in fit.rare.values()),
            f"{waiting:.2%}",
            fit.rounds,
        )


def torch_table(config):
    """The bare step against PyTorch."""
    try:
        import torch
        from pytorch_games import Game as TorchGame
    except ImportError:
        raise ImportError(
            "--parts with torch need PyTorch: pip install torch (the CPU build). Received: none is installed"
        ) from None
    from tfanime import data

    vocabulary = data.load(config.shards(config.image_size), config.image_size).vocabulary
    row = table(
        f"The bare step against PyTorch {torch.__version__}, {torch.get_num_threads()} threads",
        "recipe",
        "",
        "images/s",
        "relative to PyTorch float32",
        "relative to PyTorch, same precision",
        "rounds",
    )
    for name in config.chosen(*(name for name in GAMES if GAMES[name].published is None)):
        functions = {}
        for precision in PRECISIONS:
            game = Game(name, precision, vocabulary, **config.sizes())
            torch_game = TorchGame(GAMES[name].recipe, game.config, game.vocabulary, precision == "mixed_bfloat16")
            torch_game.start_from(game.gan)
            functions[f"PyTorch {precision}"] = torch_game.bare_step(config.batch_size)
            functions[f"tfanime {precision}"] = game.bare_step()
        rounds = compare(functions, config.seconds, config.rounds)
        for function in sorted(functions):
            row(
                named(name),
                function,
                f"{game.config.pictures_per_step / rounds.seconds(function):.0f}",
                rounds.speedup(function, "PyTorch float32"),
                rounds.speedup(function, f"PyTorch {function.split()[1]}"),
                len(rounds),
            )


def startup_table(config):
    """From the command to the first step."""
    shards = config.shards(config.image_size)
    row = table("Seconds to the end of the first step, in a new process", "recipe", "all", *STARTUP_PARTS)
    for name in config.chosen(*GAMES):
        settings = GAMES[name].settings(**config.sizes(), data=shards)
        flags = [f"--{flag}={str(value).lower() if value is True else value}" for flag, value in settings.items()]
        starts = []
        for _ in range(config.starts + 1):
            with tempfile.TemporaryDirectory() as folder:
                starts.append(measure(GAMES[name].recipe, [*flags, f"--run={folder}/run"]))
        parts = [statistics.median(start[part] for start in starts[1:]) for part in STARTUP_PARTS]
        whole = statistics.median(sum(start.values()) for start in starts[1:])
        row(named(name), f"{whole:.1f}", *(f"{seconds:.1f}" for seconds in parts))


def memory_table(config):
    """Growth of memory."""
    row = table(
        f"Resident memory from step {FIRST_MEMORY_STEP:,} to {config.memory_steps:,}, small networks, all callbacks",
        "recipe",
        "growth in MB",
        "resident in MB",
    )
    for name in config.chosen(*GAMES):
        # A process each, or one would grow into what the one before it had given back.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            first, last = pool.apply(memory_of, (name, config))
        row(name, f"{last - first:.1f}", f"{last:.0f}")


def memory_of(name, config):
    """Resident memory (MB) at two steps of a small game that does all that a run does."""
    import keras

    command_line.load_tensorflow()
    from tfanime import data

    sizes = {}

    class Memory(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.step in (FIRST_MEMORY_STEP, config.memory_steps):
                sizes[self.model.step] = resident_megabytes()
                self.model.stop_training = len(sizes) == 2

    small = GAMES[name].small
    faces = data.load(config.shards(64), small["image_size"])
    often = {"epoch_steps": 50, "sample_steps": 100, "checkpoint_minutes": 0.05}
    game = Game(name, "float32", faces.vocabulary, **small, **often, batch_size=8)
    game.fit(faces, Memory())
    return tuple(sizes.values())


def resident_megabytes():
    """Resident memory of this process in MB (Linux)."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def cost_table(config):
    """The bare step by sizes."""
    from tfanime.precision import resolve_precision

    precision = resolve_precision("auto")
    row = table(
        f"Images/s of the bare step, {precision}", "recipe", "px", *(f"batch {size}" for size in config.batch_sizes)
    )
    for name, image_size in itertools.product(config.chosen("dcgan", "wgan_gp"), config.image_sizes):
        paces = []
        for batch_size in config.batch_sizes:
            game = Game(name, precision, image_size=image_size, batch_size=batch_size)
            rounds = compare({"bare": game.bare_step()}, config.seconds / 10, least=2, multiple=game.multiple)
            paces.append(f"{game.config.pictures_per_step / rounds.seconds('bare'):.0f}")
        row(named(name), image_size, *paces)


def precision_table(config):
    """The bare step by precision and compiler."""
    row = table("The bare step by precision and compiler", "recipe", "", "images/s", "relative to float32", "rounds")
    for name in config.chosen("dcgan"):
        functions = {}
        for precision, jit_compile in itertools.product(PRECISIONS, (False, True)):
            game = Game(name, precision, **config.sizes())
            functions[f"{precision}{', XLA' if jit_compile else ''}"] = game.bare_step(jit_compile)
        rounds = compare(functions, config.seconds, config.rounds, game.multiple)
        for function in functions:
            pace = game.config.pictures_per_step / rounds.seconds(function)
            row(named(name), function, f"{pace:.0f}", rounds.speedup(function, "float32"), len(rounds))


def layers_table(config):
    """The bare step by layers."""
    import keras

    from tfanime.models import dcgan

    plain = {name: getattr(keras.layers, name) for name in ("Conv2D", "Conv2DTranspose", "BatchNormalization")}
    norm = plain.pop("BatchNormalization")
    # The library's layers are looked up in one module by all networks of the recipes measured here.
    variants = {"Keras' layers": plain | {"BatchNormalization": norm}, "fused batch norm": plain, "both": {}}
    row = table(
        "The bare step by layers", "recipe", "", "images/s", "relative to Keras' layers, same precision", "rounds"
    )
    for name, precision in itertools.product(config.chosen("dcgan", "wgan_gp", "dragan"), PRECISIONS):
        functions = {}
        for variant, replaced in variants.items():
            with contextlib.ExitStack() as stack:
                for layer, kind in replaced.items():
                    stack.enter_context(mock.patch.object(dcgan, layer, kind))
                functions[variant] = (game := Game(name, precision, JIN34, **config.sizes())).bare_step()
                functions[variant]()  # compiled while they are replaced
        rounds = compare(functions, config.seconds, config.rounds, game.multiple)
        for function in functions:
            pace = game.config.pictures_per_step / rounds.seconds(function)
            label = f"{precision}, {function}"
            row(named(name), label, f"{pace:.0f}", rounds.speedup(function, "Keras' layers"), len(rounds))


TABLES = {
    "fit": fit_table,
    "torch": torch_table,
    "startup": startup_table,
    "memory": memory_table,
    "cost": cost_table,
    "precision": precision_table,
    "layers": layers_table,
}


def main(arguments=None):
    """Measures and prints Markdown tables."""
    config = command_line.parse(
        Config, program="python benchmarks/training.py", description="Measure training.", arguments=arguments
    )
    tensorflow = command_line.load_tensorflow()
    tensorflow.get_logger().setLevel("ERROR")  # many games are compiled in one process, on purpose
    print(f"TensorFlow {tensorflow.__version__}, {config.image_size} px, batch {config.batch_size}", flush=True)
    for part in _names("parts", config.parts, TABLES):
        with neighbours():
            TABLES[part](config)


if __name__ == "__main__":
    command_line.run(main)
