"""StyleGAN2 with tags, written plainly in PyTorch: the networks of `tfanime.models.stylegan2` and their weights.

    python benchmarks/pytorch_stylegan2.py    times a training step in PyTorch and here; pip install torch==2.13.0

Parameters have the names and, but for the order of a convolution's axes, the shapes of the Keras variables, so that
weights go both ways (`read_weights`, `write_weights`). The clamp of float16 is left out.

With `fold`, the low-pass filter before or after a convolution of stride 2 is a part of its kernel, 6x6 instead of 3x3:
four times the products, but one pass over the maps instead of two. On a GPU that is faster.
"""

import argparse
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

GAIN = math.sqrt(2.0)
EPSILON = 1e-8


def _filter():
    row = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(row, row)[None, None] / 64.0


def _folded(kernel, low_pass):
    """The full convolution of `[a, b, side, side]` kernels and the filter: `[a, b, side + 3, side + 3]`."""
    a, b, side, _ = kernel.shape
    return functional.conv2d(kernel.reshape(a * b, 1, side, side), low_pass, padding=3).reshape(a, b, side + 3, -1)


def _low_pass(x, low_pass, padding, stride=1):
    return functional.conv2d(
        x, low_pass.to(x.dtype).expand(x.shape[1], -1, -1, -1), None, stride, padding, groups=x.shape[1]
    )


def double(x, low_pass):
    """Maps of twice the size."""
    kernel = (4.0 * low_pass).to(x.dtype).expand(x.shape[1], -1, -1, -1)
    return functional.conv_transpose2d(x, kernel, stride=2, padding=1, groups=x.shape[1])


class Convolution(nn.Module):
    """What all convolutions share: `convolve`, plain, up or down, with the filter folded into the kernel or not."""

    def __init__(self, inputs, outputs, side, resampling, fold):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(outputs, inputs, side, side))
        self.register_buffer("low_pass", _filter(), persistent=False)
        self.side, self.resampling, self.fold = side, resampling, fold

    def convolve(self, x, kernel):
        if self.resampling is None:
            return functional.conv2d(x, kernel.to(x.dtype), padding=self.side // 2)
        if self.resampling == "up":
            kernel = kernel.transpose(0, 1)
            if self.fold:
                kernel = (4.0 * _folded(kernel, self.low_pass)).to(x.dtype)
                return functional.conv_transpose2d(x, kernel, stride=2, padding=2)
            x = functional.conv_transpose2d(x, kernel.to(x.dtype), stride=2)
            return 4.0 * _low_pass(x, self.low_pass, 1)
        padding = 2 if self.side == 3 else 1
        if self.fold:
            return functional.conv2d(x, _folded(kernel, self.low_pass).to(x.dtype), stride=2, padding=padding)
        x = _low_pass(x, self.low_pass, padding, 1 if self.side == 3 else 2)
        return functional.conv2d(x, kernel.to(x.dtype), stride=2 if self.side == 3 else 1)


class Dense(nn.Module):
    """`EqualizedDense`."""

    def __init__(self, inputs, units, activate=False, bias=0.0, learning_rate=1.0):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(inputs, units) / learning_rate)
        self.bias = nn.Parameter(torch.full((units,), float(bias)))
        self.activate, self.learning_rate = activate, learning_rate

    def forward(self, x):
        scale = self.learning_rate / math.sqrt(self.kernel.shape[0])
        x = torch.addmm(self.bias * self.learning_rate, x, self.kernel * scale)
        return GAIN * functional.leaky_relu(x, 0.2) if self.activate else x


class Conv2D(Convolution):
    """`EqualizedConv2D`."""

    def __init__(self, inputs, outputs, side, resampling=None, activate=True, gain=1.0, fold=True):
        super().__init__(inputs, outputs, side, resampling, fold)
        self.bias = nn.Parameter(torch.zeros(outputs)) if activate else None
        self.gain = gain

    def forward(self, x):
        gain = self.gain * (1.0 if self.bias is None else GAIN)
        x = self.convolve(x, self.kernel * (gain / math.sqrt(self.side**2 * self.kernel.shape[1])))
        if self.bias is None:
            return x
        return functional.leaky_relu(x + (self.bias * gain).to(x.dtype)[:, None, None], 0.2)


def _per_map(factors, dtype):
    return factors.to(dtype)[:, :, None, None]


class StyledConv2D(Convolution):
    """`StyledConv2D`."""

    def __init__(self, inputs, outputs, w_size, resampling=None, fold=True):
        super().__init__(inputs, outputs, 3, resampling, fold)
        self.affine = Dense(w_size, inputs, bias=1.0)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))

    def forward(self, x, w, noise):
        s = self.affine(w)
        d = torch.rsqrt(s**2 @ (self.kernel**2).sum((2, 3)).T + EPSILON)
        x = self.convolve(x * _per_map(s, x.dtype), self.kernel) * _per_map(GAIN * d, x.dtype)
        x = x + (GAIN * self.noise_strength * noise).to(x.dtype) + (GAIN * self.bias).to(x.dtype)[:, None, None]
        return functional.leaky_relu(x, 0.2)


class ToRGB(nn.Module):
    """`ToRGB`."""

    def __init__(self, inputs, w_size):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(3, inputs, 1, 1))
        self.affine = Dense(w_size, inputs, bias=1.0)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x, w):
        s = self.affine(w) / math.sqrt(x.shape[1])
        x = functional.conv2d(x * _per_map(s, x.dtype), self.kernel.to(x.dtype))
        return x.float() + self.bias[:, None, None]


def _normal(x):
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + EPSILON)


def _sizes(image_size):
    return [2**level for level in range(2, image_size.bit_length())]


def _widths(image_size, channel_base, channel_max):
    return {size: min(channel_base // size, channel_max) for size in _sizes(image_size)}


class Mapping(nn.Module):
    """`mapping`, or `tag_mapping` where `z_size` is 0; `average` is that of `StyleAverage`."""

    def __init__(self, z_size, w_size, count, tag_count, embedding_noise=0.0):
        super().__init__()
        self.embedding = Dense(tag_count, w_size) if tag_count else None
        inputs = z_size + (w_size if tag_count else 0)
        for index in range(count):
            setattr(self, f"dense_{index}", Dense(inputs if index == 0 else w_size, w_size, True, 0.0, 0.01))
        self.count, self.embedding_noise = count, embedding_noise
        if z_size:
            self.register_buffer("average", torch.zeros(w_size))

    def forward(self, latents, tags, noise=None):
        parts = [] if latents is None else [_normal(latents)]
        if self.embedding is not None:
            embedding = self.embedding(tags)
            parts.append(_normal(embedding if noise is None else embedding + self.embedding_noise * noise))
        x = torch.cat(parts, 1)
        for index in range(self.count):
            x = getattr(self, f"dense_{index}")(x)
        return x


class Generator(nn.Module):
    """`generator`.

    Args:
        dtype: What the sizes above 4 px compute in.
        fold: See the module.
        **others: As in Keras.
    """

    def __init__(
        self,
        image_size=64,
        z_size=256,
        w_size=256,
        channel_base=2048,
        channel_max=256,
        mapping_layers=2,
        tag_count=0,
        embedding_noise=0.0,
        dtype=torch.float32,
        fold=True,
    ):
        super().__init__()
        self.sizes, self.dtype, self.z_size = _sizes(image_size), dtype, z_size
        self.sides = [4] + [size for size in self.sizes[1:] for _ in range(2)]
        self.styles = 2 * len(self.sizes)
        self.mapping = Mapping(z_size, w_size, mapping_layers, tag_count, embedding_noise)
        widths = _widths(image_size, channel_base, channel_max)
        self.learned_maps = nn.Parameter(torch.randn(1, widths[4], 4, 4))
        self.layers = nn.ModuleDict()
        before = widths[4]
        for size, width in widths.items():
            if size > 4:
                self.layers[f"conv_{size}_up"] = StyledConv2D(before, width, w_size, "up", fold)
            self.layers[f"conv_{size}"] = StyledConv2D(width, width, w_size, None, fold)
            self.layers[f"to_rgb_{size}"] = ToRGB(width, w_size)
            before = width
        self.register_buffer("low_pass", _filter(), persistent=False)

    @property
    def noise_size(self):
        """Numbers of noise a picture."""
        return sum(side * side for side in self.sides)

    def synthesis(self, styles, noise):
        """Styles `[batch, styles, w_size]` and noise `[batch, noise_size]` -> pictures `[batch, 3, size, size]`."""
        maps = noise.split([side * side for side in self.sides], 1)
        maps = iter([each.reshape(-1, 1, side, side) for each, side in zip(maps, self.sides, strict=True)])
        x, images, index = self.learned_maps.expand(len(styles), -1, -1, -1), None, 0
        for size in self.sizes:
            x = x.to(torch.float32 if size == 4 else self.dtype, memory_format=torch.channels_last)
            for name in (f"conv_{size}_up", f"conv_{size}"):
                if name in self.layers:
                    x = self.layers[name](x, styles[:, index], next(maps))
                    index += 1
            picture = self.layers[f"to_rgb_{size}"](x, styles[:, index])
            images = picture if images is None else double(images, self.low_pass) + picture
        return images

    def forward(self, latents, tags, noise, embedding_noise=None):
        w = self.mapping(latents, tags, embedding_noise)
        return self.synthesis(w[:, None].expand(-1, self.styles, -1), noise)


class Discriminator(nn.Module):
    """`discriminator`, in two steps: what a picture shows (`features`), and what is said of it (`logits`)."""

    def __init__(
        self,
        image_size=64,
        channel_base=2048,
        channel_max=256,
        tag_count=0,
        projection=False,
        tag_head=False,
        mapping_layers=2,
        group_size=4,
        dtype=torch.float32,
        fold=True,
    ):
        super().__init__()
        self.sizes, self.dtype, self.group_size = _sizes(image_size), dtype, group_size
        widths = _widths(image_size, channel_base, channel_max)
        self.layers = nn.ModuleDict({"from_rgb": Conv2D(3, widths[image_size], 1)})
        half = math.sqrt(0.5)
        for size in reversed(self.sizes[1:]):
            narrow, wide = widths[size], widths[size // 2]
            self.layers[f"skip_{size}"] = Conv2D(narrow, wide, 1, "down", False, half, fold)
            self.layers[f"conv_{size}"] = Conv2D(narrow, narrow, 3)
            self.layers[f"conv_{size}_down"] = Conv2D(narrow, wide, 3, "down", True, half, fold)
        self.layers["conv_4"] = Conv2D(widths[4] + 1, widths[4], 3)
        self.layers["dense"] = Dense(widths[4] * 16, widths[4], True)
        self.projection = projection
        if projection:
            self.layers["logit_features"] = Dense(widths[4], widths[4])
            self.layers["tag_mapping"] = Mapping(0, widths[4], mapping_layers, tag_count)
        else:
            self.layers["logit"] = Dense(widths[4], 1)
        self.tag_head = tag_head
        if tag_head:
            self.layers["tag_logit"] = Dense(widths[4] * 16, tag_count)

    def features(self, images):
        """Pictures -> what `logits` needs, and tag logits (None without a head)."""
        layers = self.layers
        x = layers["from_rgb"](images.to(self.dtype, memory_format=torch.channels_last))
        for size in reversed(self.sizes[1:]):
            inner = layers[f"conv_{size}_down"](layers[f"conv_{size}"](x))
            x = layers[f"skip_{size}"](x) + inner
        x = x.float()
        _, channels, height, width = x.shape
        groups = x.reshape(-1, self.group_size, channels, height, width)
        deviation = torch.sqrt(groups.var(1, correction=0) + EPSILON).mean((1, 2, 3))
        deviation = deviation.repeat_interleave(self.group_size)[:, None, None, None].expand(-1, 1, height, width)
        tag_logits = layers["tag_logit"](x.permute(0, 2, 3, 1).flatten(1)) if self.tag_head else None
        x = layers["conv_4"](torch.cat([x, deviation], 1))
        x = layers["dense"](x.permute(0, 2, 3, 1).flatten(1))
        return (layers["logit_features"](x) if self.projection else layers["logit"](x)[:, 0]), tag_logits

    def logits(self, features, tags):
        """The logits `[batch]` of pictures with these tags."""
        if not self.projection:
            return features
        seen = self.layers["tag_mapping"](None, tags)
        return (features * seen).sum(1) / math.sqrt(features.shape[1])

    def forward(self, images, tags=None):
        features, tag_logits = self.features(images)
        return self.logits(features, tags), tag_logits


def _named(network):
    """The Keras variables by name, without those of the models around their layers."""
    found = {}
    for variable in network.weights:
        *layers, name = variable.path.split("/")
        found[".".join([*layers, name]).replace("learned_maps.maps", "learned_maps")] = variable
    if len(found) != len(network.weights):
        raise ValueError(f"network must have one variable a name. Received: {network.name}")
    return found


def _keras_name(name):
    name = name.removeprefix("layers.").removeprefix("tag_mapping.").removeprefix("mapping.")
    return "style_average.average" if name == "average" else name


def _to_keras(array):
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


def _maps(array):  # the learned maps are no kernel
    return array.transpose(0, 2, 3, 1)


def write_weights(network, state):
    """Puts a state of a network here into its Keras twin.

    Args:
        network: The Keras model of `tfanime.models.stylegan2`.
        state: NumPy arrays by name, as of `state_dict()`.

    Raises:
        ValueError: Names or shapes differ.
    """
    variables = _named(network)
    names = {_keras_name(name): name for name in state}
    if set(names) != set(variables):
        raise ValueError(f"state must have the network's variables. Only on one side: {set(names) ^ set(variables)}")
    for name, variable in variables.items():
        array = state[names[name]]
        variable.assign(_maps(array) if name == "learned_maps" else _to_keras(array))


def read_weights(module, network):
    """Puts the weights of a Keras network into its twin here."""
    variables, state = _named(network), module.state_dict()
    for name, tensor in state.items():
        array = torch.tensor(variables[_keras_name(name)].numpy())
        if tensor.ndim == 4:
            array = array.permute(0, 3, 1, 2) if name == "learned_maps" else array.permute(3, 2, 0, 1)
        tensor.copy_(array)


KINDS = {"bare": "a step without lazy terms", "mean": "the mean of 16 steps with all"}


def steps(flags, precision, vocabulary, lazy):
    """A training step of the recipe, and of its twin, as functions by name.

    Args:
        flags: Of the recipe.
        precision: "float32" or "mixed_bfloat16", for both.
        vocabulary: Whose tags both are told; None for none.
        lazy: Whether R1 and path lengths are part of the steps at which they are due, or of none.

    Returns:
        `(functions, pictures a step)`.
    """
    import tensorflow as tf
    from pytorch_avatars import Settings, Training

    from tfanime.precision import precision_policy
    from tfanime.recipes import stylegan2

    tags = "frequencies" if vocabulary else "none"
    off = [] if lazy else ["--r1_gamma=0", "--path_length_weight=0"]
    config = stylegan2.recipe.parse(["--data=none", f"--tags={tags}", f"--precision={precision}", *flags, *off])
    with precision_policy(precision):
        game = stylegan2.build(config, vocabulary)
    same = {name: getattr(config, name, None) for name in Settings.__dataclass_fields__}
    same = {name: value for name, value in same.items() if value is not None}
    same |= {"r1_gamma": config.gamma, "augment": config.augment != "none"}
    same |= {f"discriminator_{name}": getattr(config, name) for name in ("channel_base", "channel_max")}
    if not vocabulary:
        same |= {"projection": False, "tag_head": False, "wrong_tags_weight": 0.0}
    size, count, random = config.image_size, config.batch_size, np.random.default_rng(0)
    images = random.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    groups = [(group.tags, group.exclusive) for group in (vocabulary.groups if vocabulary else ())]
    chosen = [np.eye(len(names))[random.integers(0, len(names), count)] * 2 - 1 for names, _ in groups]
    tags = np.concatenate([np.zeros((count, 0)), *chosen], 1).astype(np.int8)
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    twin = Training(images.transpose(0, 3, 1, 2).copy(), tags, groups, Settings(**same), "cpu", fold=False, dtype=dtype)
    for name in ("generator", "discriminator"):  # an error where the twin has other layers or sizes
        read_weights(getattr(twin, name), getattr(game, name))
    pictures = tf.constant(images / np.float32(127.5) - 1)
    batch = (pictures, tf.constant(tags, tf.float32)) if vocabulary else pictures
    step = tf.function(lambda: game.train_step(batch))
    return {"PyTorch": twin.train_step, "tfanime": lambda: float(step()["generator_loss"])}, count


def main(arguments=None):
    """Times a step of StyleGAN2 in PyTorch and in tfanime, by turns, and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--config", default="stylegan2_64", help="name of a published TOML file of the recipe")
    parser.add_argument("--channel_base", type=int, help="other channels than the file's")
    parser.add_argument("--tags", action="store_true", help="with the tags of konachan26")
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=KINDS, help="; ".join(map(": ".join, KINDS.items()))
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long each comparison takes")
    arguments = parser.parse_args(arguments)

    from rounds import compare, neighbours

    from tfanime.tags import KONACHAN26

    torch.set_flush_denormal(True)  # as TensorFlow does
    flags = [f"--config={arguments.config}"]
    flags += [f"--channel_base={arguments.channel_base}"] if arguments.channel_base else []
    print(f"{' '.join(flags)}, PyTorch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print(
        "| precision | step | pictures/s of PyTorch | of tfanime | times as fast | rounds |\n|---|---|---|---|---|---|"
    )
    with neighbours():
        for precision in ("float32", "mixed_bfloat16"):
            for kind in arguments.kinds:
                functions, count = steps(flags, precision, KONACHAN26 if arguments.tags else None, kind == "mean")
                rounds = compare(functions, arguments.seconds, multiple=16 if kind == "mean" else 1)
                paces = [f"{count / rounds.seconds(name):.1f}" for name in functions]
                cells = [precision, kind, *paces, rounds.speedup("tfanime", "PyTorch")]
                print(f"| {' | '.join(map(str, [*cells, len(rounds)]))} |", flush=True)


if __name__ == "__main__":
    main()
