"""The recipes' networks, written plainly in PyTorch, and how they get the weights of those in Keras."""

import itertools
import math

import torch
from torch import nn
from torch.nn.utils import parametrize


class SpectralNorm(nn.Module):
    """A parametrization: the weight divided by an estimate of its largest singular value (Miyato et al. 2018).

    PyTorch's own iterates at every pass, the generator's update included, and moves u before v; this one moves v, then
    u, as the paper does, once an update of the discriminator (`iterate`). Its values are float32 under autocast too.
    """

    def __init__(self, weight):
        super().__init__()
        matrix = weight.detach().flatten(1)
        self.register_buffer("u", nn.functional.normalize(torch.randn(len(matrix)), dim=0))
        self.register_buffer("v", nn.functional.normalize(self.u @ matrix, dim=0))

    def forward(self, weight):
        with torch.autocast("cpu", enabled=False):
            return weight / torch.dot(self.u, weight.flatten(1) @ self.v)

    @torch.no_grad()
    def iterate(self, weight):
        """One power iteration."""
        matrix = weight.flatten(1)
        self.v.copy_(nn.functional.normalize(self.u @ matrix, dim=0))
        self.u.copy_(nn.functional.normalize(matrix @ self.v, dim=0))


def power_iterations(network):
    """One power iteration of every layer under `SpectralNorm`."""
    for layer in network.modules():
        if parametrize.is_parametrized(layer):
            layer.parametrizations.weight[0].iterate(layer.parametrizations.weight.original)


def spectral(layer):
    """The layer, with its weight under `SpectralNorm`."""
    # unsafe: without a trial run at random u and v
    parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight), unsafe=True)
    return layer


class Generator(nn.Module):
    """Latents, and tags if there are any -> pictures.

    Args:
        size: Latents and tags together.
        seed: `(channels, height, width)` that a linear layer makes of them.
        layers: What follows, down to the tanh.
        bias: Whether the linear layer has one.
    """

    def __init__(self, size, seed, layers, bias):
        super().__init__()
        channels, height, width = seed
        self.dense = nn.Linear(size, channels * height * width, bias=bias)
        self.seed = nn.Unflatten(1, seed)
        self.layers = layers

    def forward(self, latents, tags=None):
        inputs = latents if tags is None else torch.cat([latents, tags], 1)
        return torch.tanh(self.layers(self.seed(self.dense(inputs))).float())


class Discriminator(nn.Module):
    """Pictures -> (logits [batch], tag logits [batch, tags] or None).

    Args:
        layers: Down to one number for each feature and place.
        heads: One or two modules that make a logit, and logits of tags, of them.
    """

    def __init__(self, layers, *heads):
        super().__init__()
        self.layers = layers
        self.heads = nn.ModuleList(heads)

    def forward(self, images):
        features = self.layers(images)
        logits, *tag_logits = [head(features).flatten(1) for head in self.heads]
        return logits[:, 0], tag_logits[0] if tag_logits else None


def _widths(image_size, channels):
    return [channels * min(2**level, 8) for level in range(image_size.bit_length() - 3)]


def dcgan_generator(image_size=64, latent_size=100, channels=64):
    """DCGAN's, with 4x4 kernels."""
    widths = _widths(image_size, channels)
    layers = [nn.BatchNorm2d(widths[-1]), nn.ReLU(True)]
    for wide, narrow in itertools.pairwise(reversed(widths)):
        layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU(True)]
    layers.append(nn.ConvTranspose2d(widths[0], 3, 4, 2, 1))
    return Generator(latent_size, (widths[-1], 4, 4), nn.Sequential(*layers), bias=False)


def dcgan_discriminator(image_size=64, channels=64, norm="batch"):
    """DCGAN's, with 4x4 kernels.

    Args:
        image_size: Height and width of the pictures.
        channels: Channels of the first layer.
        norm: batch, spectral or none.
    """
    wrap = spectral if norm == "spectral" else lambda layer: layer
    widths = _widths(image_size, channels)
    layers = [wrap(nn.Conv2d(3, widths[0], 4, 2, 1)), nn.LeakyReLU(0.2, True)]
    for narrow, wide in itertools.pairwise(widths):
        layers.append(wrap(nn.Conv2d(narrow, wide, 4, 2, 1, bias=norm != "batch")))
        layers += [*([nn.BatchNorm2d(wide)] if norm == "batch" else []), nn.LeakyReLU(0.2, True)]
    return Discriminator(nn.Sequential(*layers), wrap(nn.Conv2d(widths[-1], 1, 4)))


class Residual(nn.Module):
    """x + branch(x), and an activation of the sum."""

    def __init__(self, *branch, activation=None):
        super().__init__()
        self.branch = nn.Sequential(*branch)
        self.activation = activation or nn.Identity()

    def forward(self, x):
        return self.activation(x + self.branch(x))


class Scale(nn.Module):
    """A fixed factor."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


def srresnet_generator(image_size=128, latent_size=128, channels=64, blocks=16, tag_count=0):
    """Jin et al.'s."""

    def conv(channels_out, kernel_size=3):
        return nn.Conv2d(channels, channels_out, kernel_size, padding="same")

    def block():
        norms = [nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)]
        return Residual(conv(channels), norms[0], nn.ReLU(True), conv(channels), norms[1])

    trunk = Residual(*[block() for _ in range(blocks)], conv(channels), nn.BatchNorm2d(channels), nn.ReLU(True))
    layers = [nn.BatchNorm2d(channels), nn.ReLU(True), trunk]
    for _ in range((image_size // 16).bit_length() - 1):
        layers += [conv(4 * channels), nn.PixelShuffle(2), nn.BatchNorm2d(channels), nn.ReLU(True)]
    layers += [Scale(0.1), conv(3, 9)]
    return Generator(latent_size + tag_count, (channels, 16, 16), nn.Sequential(*layers), bias=True)


def srresnet_discriminator(image_size=128, channels=32, blocks=2, tag_count=0):
    """Jin et al.'s."""

    def conv(width):
        return nn.Conv2d(width, width, 3, padding=1)

    def block(width):
        return Residual(conv(width), nn.LeakyReLU(0.2, True), conv(width), activation=nn.LeakyReLU(0.2, True))

    stages = image_size.bit_length() - 2
    layers, narrow = [], 3
    for stage in range(stages):
        width = channels * min(2**stage, 32)
        if stage < 3:
            layers.append(nn.Conv2d(narrow, width, 4, 2, 1))
        else:  # zeros at the lower right alone, as TensorFlow has them; 8x8 and less, hence no cost
            layers += [nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(narrow, width, 3, 2)]
        layers.append(nn.LeakyReLU(0.2, True))
        layers += [block(width) for _ in range(blocks if stage < stages - 1 else 0)]
        narrow = width
    heads = [nn.Conv2d(narrow, count, 2) for count in (1, tag_count) if count]  # of all of the 2x2 places
    return Discriminator(nn.Sequential(*layers), *heads)


@torch.no_grad()
def load_weights(module, network):
    """Gives a module the weights of its model in Keras.

    Args:
        module: One of this file's networks.
        network: The `keras.Model` whose transcription it is.

    Raises:
        ValueError: They are not the same network.
    """
    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.PReLU)
    modules = [each for each in module.modules() if isinstance(each, (*kinds, nn.PixelShuffle))]
    followers = dict(itertools.pairwise(modules))
    modules = [each for each in modules if isinstance(each, kinds)]
    layers = [layer for layer in network.layers if layer.weights]
    counts = [
        sum(math.prod(weight.shape) for weight in weights)
        for weights in (module.parameters(), network.trainable_weights)
    ]
    if len(modules) != len(layers) or counts[0] != counts[1]:
        raise ValueError(
            f"network must have {len(modules)} layers of {counts[0]:,} weights, as its transcription. "
            f"Received: {len(layers)} of {counts[1]:,}"
        )
    for target, layer in zip(modules, layers, strict=True):
        if isinstance(target, nn.BatchNorm2d):
            names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
            for ours, theirs in names.items():
                _copy(getattr(target, ours), getattr(layer, theirs).numpy())
            target.momentum, target.eps = 1 - layer.momentum, layer.epsilon
            continue
        if isinstance(target, nn.PReLU):
            _copy(target.weight, layer.alpha.numpy().ravel())
            continue
        weight = target.weight
        if parametrize.is_parametrized(target):
            _copy(target.parametrizations.weight[0].u, layer.u.numpy())
            weight, layer = target.parametrizations.weight.original, layer.layer
        kernel, bias = layer.kernel.numpy(), None if layer.bias is None else layer.bias.numpy()
        if isinstance(target, nn.Linear):  # units are places x channels there, channels x places here
            places = module.seed.unflattened_size[1:]
            kernel, bias = (_channels_first(values, places) for values in (kernel.T, bias))
        else:  # a dense layer of a whole map, too, is a convolution here
            shape = (*target.kernel_size, *weight.shape[1::-1])
            kernel = kernel.reshape(shape).transpose(3, 2, 0, 1)
            if isinstance(followers.get(target), nn.PixelShuffle):
                kernel, bias = (_channels_first(values, (2, 2)) for values in (kernel, bias))
        _copy(weight, kernel)
        if bias is not None:
            _copy(target.bias, bias)


def _channels_first(values, places):
    """[places x channels, ...] as [channels x places, ...]."""
    if values is None:
        return None
    split = values.reshape(math.prod(places), -1, *values.shape[1:])
    return split.swapaxes(0, 1).reshape(values.shape)


def _copy(target, values):
    if target.shape != values.shape:
        raise ValueError(
            f"network must have the weights of its transcription, {target.shape}. Received: {values.shape}"
        )
    target.copy_(torch.from_numpy(values.copy()))
