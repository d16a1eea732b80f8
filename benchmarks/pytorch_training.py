"""A recipe trained on real pictures by tfanime and by its plain PyTorch transcription: from the same initial weights,
on the same batches in the same order, each with random numbers of its own, and judged alike as they go.

    python benchmarks/pytorch_training.py --data tfrecords/faces                       needs PyTorch: pip install torch
    python benchmarks/pytorch_training.py --data tfrecords/faces --recipe dragan --published dragan_32 --steps 2000

A recipe that draws worse than its transcription has a bug; one that draws as badly has a bad setting, or a method that
needs longer. Where nothing is wrong, the two differ by what their random numbers differ by, which another --seed shows.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from games import GAMES, Entry, Game
from tqdm import tqdm

from tfanime import command_line

RECIPES = tuple(name for name in GAMES if GAMES[name].published is None)


@dataclass(frozen=True)
class Config:
    """Train twice.

    Args:
        data: Folder of shards; with tags for dragan.
        recipe: dcgan, sngan (of DCGAN's networks), wgan, wgan_gp or dragan.
        published: Name of a published TOML file of that recipe, whose networks PyTorch has too. Default: dragan_32 for
            dragan, none for the others.
        image_size: Height and width of the pictures. Default: that of the file, or of the recipe.
        batch_size: Pictures a critic step. Default: likewise.
        steps: Training steps of each.
        every: Steps from one judgement to the next.
        samples: Pictures of a judgement.
        cascade: nagadomi's lbpcascade_animeface.xml, to look for faces, too.
        precision: float32 or mixed_bfloat16 (autocast in PyTorch). Default: what the recipe takes on this machine.
        seed: Of the initial weights, the batches and all random numbers.
        out: Folder for a sheet of each.
    """

    data: str
    recipe: str = "dragan"
    published: str | None = None
    image_size: int | None = None
    batch_size: int | None = None
    steps: int = 2_000
    every: int = 500
    samples: int = 2048
    cascade: str | None = None
    precision: str = "auto"
    seed: int = 0
    out: str = "pytorch_training"

    def __post_init__(self):
        if self.recipe not in RECIPES:
            raise ValueError(f"--recipe must be one of {', '.join(RECIPES)}. Received: {self.recipe!r}")
        for name, least in (("steps", 1), ("every", 1), ("samples", 6)):
            if getattr(self, name) < least:
                raise ValueError(f"--{name} must be at least {least}. Received: {getattr(self, name)}")


class Here:
    """tfanime's side.

    Args:
        game: A `games.Game`.
    """

    name = "tfanime"

    def __init__(self, game):
        import tensorflow as tf

        from tfanime.images import to_uint8

        self.train = tf.function(lambda batch: game.strategy.run(game.gan.train_step, args=(batch,)))
        self.draw = tf.function(lambda inputs: to_uint8(game.gan(inputs)), reduce_retracing=True)

    def step(self, batch):
        """One training step, on pictures or on pictures and tags, the first axis being the batch."""
        self.train(batch)

    def images(self, inputs):
        """Pictures, uint8, of the averaged generator."""
        return self.draw(inputs).numpy()


class There:
    """PyTorch's side, from the weights that a game of tfanime has now.

    Args:
        game: A `games.Game`.
        recipe: Name of its recipe.
        seed: Of its random numbers.
    """

    name = "PyTorch"

    def __init__(self, game, recipe, seed):
        import pytorch_games
        import torch

        self.torch = torch
        torch.manual_seed(seed)
        torch.set_flush_denormal(True)
        bfloat16 = game.config.precision == "mixed_bfloat16"
        self.game = pytorch_games.Game(recipe, game.config, game.vocabulary, bfloat16)
        self.game.start_from(game.gan)

    def step(self, batch):
        """Likewise."""
        images, tags = batch if self.game.vocabulary else (batch, None)
        images = self.torch.from_numpy(images.numpy().transpose(1, 0, 4, 2, 3).copy())
        real = [each.contiguous(memory_format=self.game.memory_format) for each in images]
        self.game.step(real, None if tags is None else list(self.torch.from_numpy(tags.numpy()).transpose(0, 1)))

    def images(self, inputs):
        """Likewise."""
        from tfanime.images import to_uint8

        inputs = inputs if self.game.vocabulary else (inputs, None)
        with self.game.averaged() as generator:
            pictures = generator(*(each if each is None else self.torch.from_numpy(each.numpy()) for each in inputs))
        return to_uint8(pictures.float().numpy().transpose(0, 2, 3, 1)).numpy()


def main(arguments=None):
    """Trains both and prints a Markdown table row by row."""
    config = command_line.parse(
        Config,
        program="python benchmarks/pytorch_training.py",
        description=Path(__file__).read_text(encoding="utf-8").split('"""')[1],
        arguments=arguments,
    )
    command_line.load_tensorflow()
    import keras

    from tfanime import data
    from tfanime.evaluate.judge import Judge
    from tfanime.evaluate.sources import Source
    from tfanime.evaluate.table import columns
    from tfanime.images import grid, write_png
    from tfanime.metrics.faces import cascade_finder
    from tfanime.metrics.features import open_network
    from tfanime.metrics.reference import reference
    from tfanime.precision import resolve_precision
    from tfanime.recipes.faces import vocabulary_of

    published = config.published or ("dragan_32" if config.recipe == "dragan" else None)
    entry = Entry(config.recipe, published, {} if published else GAMES[config.recipe].changes)
    changes = {name: getattr(config, name) for name in ("image_size", "batch_size") if getattr(config, name)}
    changes |= {"seed": config.seed, "steps": config.steps}
    settings = entry.config(**changes)
    faces = data.load(config.data, settings.image_size)
    keras.utils.set_random_seed(config.seed)
    game = Game(entry, resolve_precision(config.precision), vocabulary_of(settings, faces), **changes)
    sides = [There(game, config.recipe, config.seed), Here(game)]  # the first copies the weights before they change
    network = open_network("tagger")
    finder = cascade_finder(config.cascade) if config.cascade else None
    judge = Judge(network, reference(network, faces), config.samples, finder)
    shown = columns(judge.protocol)
    print(
        f"\n{published or config.recipe}, {faces.image_size} px, {game.config.precision}, "
        f"{config.samples:,} pictures each\n\n| | steps | images/s | {' | '.join(each.heading for each in shown)} |\n"
        f"|{'---|' * (len(shown) + 3)}"
    )
    for side in sides:
        seconds = 0.0
        stream = iter(game.own_batches(faces))
        for step in tqdm(range(1, config.steps + 1), desc=side.name, unit="step"):
            batch, begin = next(stream), time.perf_counter()
            side.step(batch)
            seconds += time.perf_counter() - begin
            if step % config.every == 0 or step == config.steps:
                pictures = np.concatenate(
                    [
                        side.images(game.gan.inputs_from_seeds(np.arange(first, min(first + 64, config.samples))))
                        for first in range(0, config.samples, 64)
                    ]
                )
                source = Source(side.name, len(pictures), lambda numbers, of=pictures: of[numbers], faces.image_size)
                values = judge.row(source).values
                pace = step * game.config.pictures_per_step / seconds
                cells = [side.name, f"{step:,}", f"{pace:.0f}", *(column.text(values) for column in shown)]
                print(f"| {' | '.join(cells)} |", flush=True)
        Path(config.out).mkdir(parents=True, exist_ok=True)
        write_png(Path(config.out) / f"{side.name}.png", grid(pictures[:64]))


if __name__ == "__main__":
    command_line.run(main)
