"""The recipe `cartoongan` written plainly in PyTorch: its small networks, its losses, and one update of each player.

    python benchmarks/pytorch_stylising.py          the speed of a step against tfanime's; needs `pip install torch`

`nox -s torch` holds losses and gradients to those of `tfanime.training.stylising.Stylising`. As one writes it who knows
PyTorch: maps lie channels last, the features of the generator's pictures are computed once for all losses, the
discriminator's weights get no gradients in the generator's update, and one kernel does all of Adam.
"""

import argparse

import numpy as np
import torch
from torch import nn
from torch.nn import functional

LUMA = (0.299, 0.587, 0.114)
YUV = ((0.299, 0.587, 0.114), (-0.14714119, -0.28886916, 0.43601035), (0.61497538, -0.51496512, -0.10001026))
END = 10**9  # a step at which weights that rise have risen
EYES = (slice(0, 4), slice(4, 8))


class Residual(nn.Module):
    """branch(x), plus x where both have as many channels."""

    def __init__(self, added, *branch):
        super().__init__()
        self.added, self.branch = added, nn.Sequential(*branch)

    def forward(self, x):
        return x + self.branch(x) if self.added else self.branch(x)


def small_generator(channels=32, blocks=4):
    """AnimeGANv2's generator, without its tanh."""

    def norm(width):
        return nn.GroupNorm(1, width, 1e-5)

    def normed(before, width, side=3, strides=1):
        pads = {(3, 2): [nn.ReflectionPad2d((0, 1, 0, 1))], (1, 1): []}.get((side, strides))
        pads = [nn.ReflectionPad2d(side // 2)] if pads is None else pads
        return [*pads, nn.Conv2d(before, width, side, strides, bias=False), norm(width), nn.LeakyReLU(0.2)]

    def inverted_residual(before, width):
        wide = 2 * before
        depthwise = [nn.ReflectionPad2d(1), nn.Conv2d(wide, wide, 3, groups=wide), norm(wide), nn.LeakyReLU(0.2)]
        last = [nn.Conv2d(wide, width, 1, bias=False), norm(width)]
        return Residual(before == width, *normed(before, wide, 1), *depthwise, *last)

    layers, now = normed(3, channels, 7), channels
    for width in (2 * channels, 4 * channels):
        layers += [*normed(now, width, strides=2), *normed(width, width)]
        now = width
    layers += normed(now, now)
    for _ in range(blocks):
        layers.append(inverted_residual(now, 8 * channels))
        now = 8 * channels
    layers += normed(now, 4 * channels)
    now = 4 * channels
    for width in (4 * channels, 2 * channels):
        layers += [nn.Upsample(scale_factor=2, mode="bilinear"), *normed(now, width), *normed(width, width)]
        now = width
    return nn.Sequential(*layers, *normed(now, channels, 7), nn.Conv2d(channels, 3, 1, bias=False))


def discriminator(channels=32):
    """CartoonGAN's patch discriminator."""

    def normed(before, width):
        return [nn.Conv2d(before, width, 3, padding=1), nn.GroupNorm(width, width, 1e-5), nn.LeakyReLU(0.2)]

    layers, now = [nn.Conv2d(3, channels, 3, padding=1), nn.LeakyReLU(0.2)], channels
    for factor in (2, 4):  # zeros at the lower right alone, as TensorFlow has them
        width = factor * channels
        layers += [nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(now, width, 3, 2), nn.LeakyReLU(0.2)]
        layers += normed(width, 2 * width)
        now = 2 * width
    return nn.Sequential(*layers, *normed(now, 8 * channels), nn.Conv2d(8 * channels, 1, 3, padding=1))


class Landmarks(nn.Module):
    """The landmark network of tfanime, in inference mode.

    Args:
        network: The `keras.Model`.
    """

    def __init__(self, network):
        super().__init__()
        layers = {layer.name: layer for layer in network.layers if layer.weights}
        self.convolutions = [
            (layer, layers[name.replace("_conv", "_norm")]) for name, layer in layers.items() if name.endswith("_conv")
        ]
        self.kernels, self.strides = nn.ParameterList(), []
        for layer, norm in self.convolutions:  # batch norm is a factor and an offset here
            scale = norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
            offset = norm.beta.numpy() - norm.moving_mean.numpy() * scale
            for values in ((layer.kernel.numpy() * scale).transpose(3, 2, 0, 1), offset):
                self.kernels.append(nn.Parameter(torch.tensor(values), requires_grad=False))
            self.strides.append(layer.strides[0])
        self.dense = [
            [torch.tensor(layers[name].kernel.numpy()), torch.tensor(layers[name].bias.numpy())]
            for name in ("hidden", "coordinates")
        ]

    def forward(self, images):
        x = images
        for number, strides in enumerate(self.strides):
            kernel, offset = self.kernels[2 * number : 2 * number + 2]
            x = functional.pad(x, (0, 1, 0, 1) if strides == 2 else (1, 1, 1, 1))
            x = functional.leaky_relu(functional.conv2d(x, kernel, offset, strides), 0.1)
        x = x.permute(0, 2, 3, 1).flatten(1)  # places before channels
        (kernel, bias), (last, last_bias) = self.dense
        return (torch.relu(x @ kernel + bias) @ last + last_bias).unflatten(1, (-1, 2))


@torch.no_grad()
def load_weights(module, network):
    """Gives one of this file's networks the weights of its model in Keras.

    Raises:
        ValueError: They are not the same network.
    """
    modules = [each for each in module.modules() if isinstance(each, (nn.Conv2d, nn.GroupNorm))]
    layers = [layer for layer in network.layers if layer.weights]
    if len(modules) != len(layers):
        raise ValueError(f"network must have {len(modules)} layers with weights. Received: {len(layers)}")
    for target, layer in zip(modules, layers, strict=True):
        weights = [weight.numpy() for weight in layer.weights]
        if isinstance(target, nn.Conv2d):
            depthwise = target.groups > 1
            weights[0] = weights[0].transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        for values, parameter in zip(weights, target.parameters(), strict=True):
            if values.shape != parameter.shape:
                raise ValueError(f"network must have weights of shape {parameter.shape}. Received: {values.shape}")
            parameter.copy_(torch.from_numpy(values.copy()))


def grey(images):
    """Pictures `[batch, 3, height, width]` without colours."""
    luma = images.new_tensor(LUMA)[:, None, None]
    return (images * luma).sum(1, keepdim=True).expand(-1, 3, -1, -1)


def gram(features):
    """Over the number of values of a picture's features."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / features[0].numel()


class Game:
    """The networks and their updates, as `compile`d in Keras.

    Args:
        game: A `tfanime.training.stylising.Stylising` of `small_generator` and `discriminator`, with the loss
            `least_squares` and without a weighing; its terms and their weights are taken over,
            those that rise as they end.
        bfloat16: Whether layers compute in bfloat16 (autocast), instead of float32.
        optimizer: `(parameters, learning rate)` -> a PyTorch optimizer.
    """

    def __init__(self, game, bfloat16=False, optimizer=None):
        self.bfloat16 = bfloat16
        channels = game.generator.layers[2].filters, game.discriminator.layers[1].filters
        self.generator, self.discriminator = small_generator(channels[0]), discriminator(channels[1])
        load_weights(self.generator, game.generator)
        load_weights(self.discriminator, game.discriminator)
        for network in (self.generator, self.discriminator):
            network.to(memory_format=torch.channels_last)
        self.weights = {term.name: float(term.weight) for term in game.terms if term.player == "generator"}
        self.weights["adversarial"] = float(game.adversarial_weight)
        self.negatives = {
            term.function.pictures: float(term.weight(END) if callable(term.weight) else term.weight)
            for term in game.terms
            if term.player == "discriminator"
        }
        functions = {term.name: term.function for term in game.terms}
        self.content, self.landmarks = functions["Content"], functions["Landmarks"]
        self.points = Landmarks(self.landmarks.network.model)
        self.blocks = [
            [
                [
                    torch.tensor(kernel.numpy().transpose(3, 2, 0, 1)).contiguous(memory_format=torch.channels_last),
                    torch.tensor(bias.numpy()),
                ]
                for kernel, bias in block
            ]
            for block in self.content.network.blocks
        ]
        make = optimizer or (lambda parameters, rate: torch.optim.Adam(parameters, rate, (0.5, 0.999), fused=True))
        self.optimizers = [
            make(network.parameters(), float(each.learning_rate))
            for network, each in (
                (self.generator, game.generator_optimizer),
                (self.discriminator, game.discriminator_optimizer),
            )
        ]

    def features(self, images):
        """Of the content's layer, before its ReLU."""
        mean = images.new_tensor(self.content.network.mean)[:, None, None]
        x = (images.float() + 1).mul(127.5).flip(1) - mean
        with self._autocast():
            for i, block in enumerate(self.blocks, 1):
                if i > 1:
                    x = functional.max_pool2d(x, 2)
                for j, (kernel, bias) in enumerate(block, 1):
                    x = functional.conv2d(x, kernel, bias, padding=1)
                    if f"conv{i}_{j}" == self.content.layer:
                        return x.float()
                    x = functional.relu(x)
        raise ValueError(f"the network must have the layer {self.content.layer}")

    def generator_losses(self, photos, drawings, fakes):
        """By name, without weights."""
        with torch.no_grad():
            wanted, style = self.features(photos), gram(self.features(grey(drawings)))
            points = self.points(photos)
            centres = [points[:, eye].mean(1, keepdim=True) for eye in EYES]
            for eye, centre in zip(EYES, centres, strict=True):
                points[:, eye] = centre + self.landmarks.eye_scale * (points[:, eye] - centre)
            unit = (centres[0] - centres[1]).norm(dim=-1).clamp(min=0.05)
        found = self.features(fakes)
        squares = (self.points(fakes) - points).square().sum(-1) / unit.square()
        matrix = fakes.new_tensor(YUV)
        apart = torch.einsum("dc,nchw->ndhw", matrix, (photos - fakes) / 2).abs()
        huber = torch.where(apart <= 1, 0.5 * apart.square(), apart - 0.5)
        slack = self.landmarks.slack
        return {
            "adversarial": 0.5 * (self._judge(fakes) - 1).square().mean(),
            "Content": (wanted - found).abs().mean(),
            "Style": (style - gram(found)).abs().mean(),
            "Landmarks": ((squares + slack**2).sqrt() - slack).mean(),
            "colour": apart[:, 0].mean() + huber[:, 1].mean() + huber[:, 2].mean(),
            "total_variation": 0.5 * fakes.diff(dim=2).square().mean() + 0.5 * fakes.diff(dim=3).square().mean(),
        }

    def step(self, photos, drawings, smooth):
        """One update of each player.

        Args:
            photos, drawings, smooth: `[batch, 3, height, width]` in [-1, 1].

        Returns:
            The discriminator's loss, with its terms, and the generator's losses with their weights, by name.
        """
        with self._autocast():
            fakes = self.generator(photos)
        fakes = torch.tanh(fakes.float())
        pictures = {"smooth": smooth, "grey": grey(drawings), "grey_smooth": grey(smooth)}
        loss = 0.5 * (self._judge(drawings) - 1).square().mean() + 0.5 * self._judge(fakes.detach()).square().mean()
        for name, weight in self.negatives.items():
            loss = loss + weight * 0.5 * self._judge(pictures[name]).square().mean()
        self.optimizers[1].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[1].step()
        self.discriminator.requires_grad_(False)
        values = self.generator_losses(photos, drawings, fakes)
        values = {name: self.weights[name] * value for name, value in values.items()}
        self.optimizers[0].zero_grad(set_to_none=True)
        sum(values.values()).backward()
        self.optimizers[0].step()
        self.discriminator.requires_grad_(True)
        return {name: float(value.detach()) for name, value in (values | {"discriminator": loss}).items()}

    def _judge(self, images):
        with self._autocast():
            return self.discriminator(images).float()

    def _autocast(self):
        return torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16)


def channels_first(images):
    """`[batch, height, width, 3]` of NumPy as PyTorch takes them, the channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="cartoongan_64", help="name of a published TOML file of the recipe")
    parser.add_argument("--seconds", type=float, default=60, help="how long each comparison takes")
    arguments = parser.parse_args(arguments)

    import tensorflow as tf
    from rounds import compare

    from tfanime.precision import precision_policy
    from tfanime.recipes import cartoongan

    torch.set_flush_denormal(True)  # as TensorFlow does
    for precision in ("float32", "mixed_bfloat16"):
        flags = [f"--config={arguments.config}", "--photos=none", "--content_steps=0", "--weights=fixed"]
        flags += ["--adversarial=300", "--content=1", "--style=1", "--landmarks=1", "--colour=1", "--total_variation=1"]
        config = cartoongan.recipe.parse([*flags, "--ramp_steps=1", f"--precision={precision}"])
        with precision_policy(precision):
            game = cartoongan.build(config)
        twin = Game(game, precision == "mixed_bfloat16")
        shape = (3, config.batch_size, config.image_size, config.image_size, 3)
        pictures = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
        batch = tuple(map(tf.constant, pictures))
        step = tf.function(lambda game=game, batch=batch: game.train_step(batch))
        others = [channels_first(each) for each in pictures]
        functions = {
            "PyTorch": lambda twin=twin, others=others: twin.step(*others),
            "tfanime": lambda step=step: float(step()["generator_loss"]),
        }
        rounds = compare(functions, arguments.seconds)
        for name in functions:
            pace = config.batch_size / rounds.seconds(name)
            speedup = rounds.speedup(name, "PyTorch")
            print(
                f"{precision}, {name}: {pace:.1f} photos/s, {speedup} times PyTorch, {len(rounds)} rounds", flush=True
            )


if __name__ == "__main__":
    main()
