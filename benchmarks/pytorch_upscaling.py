"""SRGAN's networks and updates, written plainly in PyTorch, and how long they take.

    python benchmarks/pytorch_upscaling.py                                   needs PyTorch: pip install torch
    python benchmarks/pytorch_upscaling.py --config srgan_96 --seconds 60

The recipe's compiled steps, the one by the squared error alone and the one with an adversary, take turns with those of
the transcription on random pictures in one process, in float32 and in bfloat16. The median of the ratios counts.
"""

import argparse
import tomllib

import pytorch_games
import torch
from rounds import compare, neighbours
from torch import nn
from torch.nn import functional

from tfanime.command_line import published_path
from tfanime.training.content import Content

PRECISIONS = ("float32", "mixed_bfloat16")


def _conv(inputs, outputs, side=3):
    return nn.Conv2d(inputs, outputs, side, padding=side // 2)


class Generator(nn.Module):
    """`tfanime.models.srgan.generator`."""

    def __init__(self, scale=4, channels=64, blocks=16):
        super().__init__()
        self.first = nn.Sequential(_conv(3, channels, 9), nn.PReLU(channels))
        self.blocks = nn.ModuleList()
        for _ in range(blocks):
            first = _conv(channels, channels), nn.BatchNorm2d(channels), nn.PReLU(channels)
            self.blocks.append(nn.Sequential(*first, _conv(channels, channels), nn.BatchNorm2d(channels)))
        self.behind = nn.Sequential(_conv(channels, channels), nn.BatchNorm2d(channels))
        last = []
        for _ in range(scale // 2):
            last += [_conv(channels, 4 * channels), nn.PixelShuffle(2), nn.PReLU(channels)]
        self.last = nn.Sequential(*last, _conv(channels, 3, 9))

    def forward(self, small):
        x = trunk = self.first(0.5 * small + 0.5)
        for block in self.blocks:
            x = x + block(x)
        return torch.tanh(self.last(trunk + self.behind(x)).float())


class SmallGenerator(nn.Module):
    """`tfanime.models.srgan.small_generator`."""

    def __init__(self, scale=2, channels=32, blocks=6):
        super().__init__()
        self.first = _conv(3, channels)
        self.blocks = nn.ModuleList(
            nn.Sequential(_conv(channels, channels), nn.PReLU(channels), _conv(channels, channels))
            for _ in range(blocks)
        )
        self.behind = _conv(channels, channels)
        self.doublings = nn.ModuleList(
            nn.Sequential(_conv(channels, channels), nn.PReLU(channels)) for _ in range(scale // 2)
        )
        self.last = _conv(channels, 3)

    def forward(self, small):
        x = trunk = self.first(small)
        for block in self.blocks:
            x = x + block(x)
        x, plain = trunk + self.behind(x), small
        for doubling in self.doublings:
            x, plain = doubling(_doubled(x)), _doubled(plain)
        with torch.autocast("cpu", enabled=False):
            return plain + self.last(x.float())


def _doubled(x):
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Discriminator(nn.Module):
    """`tfanime.models.srgan.discriminator`; its dense layers are convolutions of the whole map."""

    def __init__(self, image_size=96, channels=64, dense=1024):
        super().__init__()
        layers, narrow = [_conv(3, channels), nn.LeakyReLU(0.2, True)], channels
        for factor, stride in ((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)):
            wide = factor * channels
            # With stride 2 zeros at the lower right alone, as TensorFlow has them.
            edge = [nn.ZeroPad2d((0, 1, 0, 1))] if stride == 2 else []
            conv = nn.Conv2d(narrow, wide, 3, stride, padding=0 if stride == 2 else 1)
            layers += [*edge, conv, nn.BatchNorm2d(wide), nn.LeakyReLU(0.2, True)]
            narrow = wide
        layers += [nn.Conv2d(narrow, dense, image_size // 16), nn.LeakyReLU(0.2, True), nn.Conv2d(dense, 1, 1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images):
        return self.layers(images).flatten().float()


class Sight(nn.Module):
    """What `tfanime.training.content.Content` answers: a layer of a VGG network, after the ReLU, divided by its scale.

    Args:
        content: The `Content`.
        memory_format: How maps lie in memory.
    """

    def __init__(self, content, memory_format):
        super().__init__()
        network, self.scale = content.network, content.scale
        self.register_buffer("mean", torch.tensor(network.mean)[:, None, None])
        layers, names = [], iter(network.layers)
        for i, block in enumerate(network.blocks):
            layers += [nn.MaxPool2d(2, ceil_mode=True)] if i else []
            for (kernel, bias), name in zip(block, names, strict=False):
                conv = _conv(*kernel.shape[2:])
                conv.weight.data.copy_(torch.from_numpy(kernel.numpy().transpose(3, 2, 0, 1)))
                conv.bias.data.copy_(torch.from_numpy(bias.numpy()))
                layers += [conv, nn.ReLU(True)]
                if name == content.layer:
                    self.layers = nn.Sequential(*layers).requires_grad_(False).to(memory_format=memory_format)
                    return

    def forward(self, images):
        return self.layers(((images + 1.0) * 127.5).flip(1) - self.mean).float() / self.scale


class Upscaling(pytorch_games.Players):
    """`tfanime.training.upscaling.Upscaling` with the rules of the recipe srgan.

    Args:
        config: A config of the recipe, with a constant learning rate or a decay.
        content: The recipe's `Content`, None without one.
        bfloat16, channels_last: See `Players`.
    """

    def __init__(self, config, content=None, bfloat16=False, channels_last=True):
        make = {"srresnet": Generator, "small": SmallGenerator}[config.network]
        generator = make(config.scale, config.channels, config.blocks)
        side = config.crop or config.image_size
        discriminator = Discriminator(side, config.discriminator_channels, config.discriminator_dense)
        super().__init__(config, generator, discriminator, bfloat16=bfloat16, channels_last=channels_last)
        self.sight = Sight(content, self.memory_format) if content else None

    def pixel_step(self, small, large):
        """A step by the squared error alone; returns the loss's value by the name of `Upscaling.pixel_step`."""
        with self._autocast():
            loss = functional.mse_loss(self.generator(small), large)
        self._move_generator(loss, len(small))
        return {"generator_loss": loss.item()}

    def step(self, small, large, drawn=None):
        """A step of both players.

        Args:
            small: Small pictures, `[batch, 3, height, width]` in [-1, 1].
            large: The true ones.
            drawn: Small ones without truth, or None.

        Returns:
            The losses' values by the names of `Upscaling.train_step`.
        """
        config = self.config
        with self._autocast():
            fakes = self.generator(small if drawn is None else torch.cat([small, drawn]))
            real, fake = self.discriminator(large), self.discriminator(fakes.detach())
            values = {"discriminator_loss": pytorch_games.non_saturating(real, fake)}
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        values["discriminator_loss"].backward()
        self.discriminator_optimizer.step()
        self.discriminator_decay.step()
        self.discriminator.requires_grad_(False)
        with self._autocast():
            loss = config.adversarial_weight * functional.softplus(-self.discriminator(fakes)).mean()
            known = fakes[: len(small)]
            if self.sight:
                with torch.no_grad():
                    wanted = self.sight(large)
                values["generator_content"] = config.content_weight * functional.mse_loss(self.sight(known), wanted)
                loss = loss + values["generator_content"]
            if config.pixel_weight:
                loss = loss + config.pixel_weight * functional.mse_loss(known, large)
            if drawn is not None:
                again = functional.avg_pool2d(fakes[len(small) :], config.scale)
                values["inconsistency"] = (drawn - again).abs().mean()
                loss = loss + config.consistency_weight * values["inconsistency"]
        self._move_generator(loss, len(small))
        self.discriminator.requires_grad_(True)
        return {name: value.item() for name, value in (values | {"generator_loss": loss}).items()}

    def _move_generator(self, loss, count):
        self.generator_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.generator_optimizer.step()
        self.generator_decay.step()
        self.steps += 1
        self._average_generator(count)


def game_of(config):
    """The recipe's game of a config, in its precision."""
    from tfanime.precision import precision_policy
    from tfanime.recipes.srgan import build

    with precision_policy(config.precision):
        return build(config)


def content_of(game):
    """The `Content` among a game's terms; None without one."""
    return next((term.function for term in game.terms if isinstance(term.function, Content)), None)


def bare_steps(config):
    """Functions that make one step on pictures that are there already, by name: both phases, here and there."""
    import tensorflow as tf

    game = game_of(config)
    twin = Upscaling(config, content_of(game), config.precision == "mixed_bfloat16")
    twin.start_from(game)
    torch.set_flush_denormal(True)  # denormal numbers are slow, and TensorFlow, too, counts them as zeros
    large = config.crop or config.image_size
    sides = [large // config.scale, large]
    pictures = [tf.random.uniform((config.batch_size, side, side, 3), -1, 1) for side in sides]
    twins = [
        torch.from_numpy(each.numpy().transpose(0, 3, 1, 2).copy()).contiguous(memory_format=twin.memory_format)
        for each in pictures
    ]
    functions = {}
    for phase, ours, theirs in (
        ("squared error", game.pixel_step, twin.pixel_step),
        ("adversary", game.train_step, twin.step),
    ):
        step = tf.function(lambda data, ours=ours: ours(data), jit_compile=False)
        functions[f"PyTorch, {phase}, {config.precision}"] = lambda theirs=theirs: theirs(*twins)
        functions[f"tfanime, {phase}, {config.precision}"] = lambda step=step: float(
            step(tuple(pictures))["generator_loss"]
        )
    return functions


def main():
    """Measures and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="srgan_64", help="a published file of the recipe")
    parser.add_argument("--seconds", type=float, default=30, help="how long each comparison takes")
    arguments = parser.parse_args()
    from tfanime.recipes.srgan import Config

    path = published_path(arguments.config, ("tfanime.recipes", "published"), "--config")
    with open(path, "rb") as file:
        settings = tomllib.load(file)
    print(f"{arguments.config}, PyTorch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print("| step | pictures/s of PyTorch | of tfanime | times as fast | rounds |\n|---|---|---|---|---|")
    with neighbours():
        for precision in PRECISIONS:
            functions = bare_steps(Config(**settings, precision=precision))
            names = list(functions)
            for reference, name in zip(names[::2], names[1::2], strict=True):
                rounds = compare({each: functions[each] for each in (reference, name)}, arguments.seconds)
                paces = [f"{settings['batch_size'] / rounds.seconds(each):.0f}" for each in (reference, name)]
                cells = [name.removeprefix("tfanime, "), *paces, rounds.speedup(name, reference), len(rounds)]
                print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
