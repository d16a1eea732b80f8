"""Trains StyleGAN2 with tags on a GPU, in plain PyTorch, for `tfanime.pretrained`; needs no TensorFlow.

    python benchmarks/pytorch_avatars.py faces.npz OUT --seconds 480
    python benchmarks/pytorch_avatars.py drawn OUT --seconds 120     avatars drawn by rule, with all 34 tags
    python benchmarks/pytorch_avatars.py faces.npz OUT --begin_with FIRST-players.npz

`benchmarks/pytorch_carry.py` packs the faces and carries the weights back. The game is that of
`python -m tfanime.recipes.stylegan2`: `nox -s torch` holds its losses and gradients to those of the recipe. Where it
differs: batches are drawn with replacement, both updates draw fakes of their own, path length is compared with a mean
that has moved already and on other pictures, and what a GPU computes in bfloat16 is not the same to the last bit.
"""

import argparse
import copy
import dataclasses
import io
import json
import math
import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from pytorch_augment import Probability, augment
from pytorch_stylegan2 import Discriminator, Generator
from torch.nn import functional


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a training is told, under the names of the recipe."""

    batch_size: int = 64
    learning_rate: float = 0.0025
    decay_begin: float = 0.75
    channel_base: int = 2048
    discriminator_channel_base: int = 2048
    channel_max: int = 256
    discriminator_channel_max: int = 256
    r1_gamma: float = 0.02
    r1_every: int = 16
    path_length_weight: float = 2.0
    path_length_every: int = 4
    mixing: float = 0.9
    embedding_noise: float = 0.5
    projection: bool = True
    tag_head: bool = True
    tag_loss_on: str = "reals"
    tag_weight: float = 0.1
    wrong_tags_weight: float = 0.25
    augment: bool = True
    ema_half_life: float = 20_000
    seed: int = 0


class Tags:
    """The groups of a vocabulary, their frequencies, and what a game does with tags.

    Args:
        groups: `[[names, exclusive], ...]`.
        tags: The data's tags, int8 `[faces, tags]` of +1, -1, 0.
        device: Where to compute.
    """

    def __init__(self, groups, tags, device):
        self.device, self.groups, self.priors = device, [], []
        first = 0
        for names, exclusive in groups:
            where = slice(first, first + len(names))
            values = tags[:, where]
            if exclusive:
                counts = values[(values > 0).sum(1) == 1].clip(0).sum(0).astype(np.float64)
                priors = counts / counts.sum()
            else:
                priors = (values > 0).sum(0) / np.maximum((values != 0).sum(0), 1)
            self.groups.append((where, bool(exclusive)))
            self.priors.append(torch.tensor(priors, dtype=torch.float32, device=device))
            first += len(names)
        self.count = first
        self.exclusive = [where for where, exclusive in self.groups if exclusive]

    def one_of(self, index, count):
        """Index `[batch]` -> +1 there and -1 elsewhere, `[batch, count]`."""
        return (torch.arange(count, device=self.device) == index[:, None]).float() * 2 - 1

    def draw(self, count):
        """Tags of fakes, float32 `[count, tags]` of +1 and -1."""
        columns = [torch.zeros(count, 0, device=self.device)]
        for (_, exclusive), priors in zip(self.groups, self.priors, strict=True):
            uniform = torch.rand(count, len(priors), device=self.device)
            if exclusive:  # the largest of the logarithms with Gumbel noise
                index = (priors.log() - torch.log(-torch.log(uniform.clamp(1e-7, 1 - 1e-7)))).argmax(1)
                columns.append(self.one_of(index, len(priors)))
            else:
                columns.append((uniform < priors).float() * 2 - 1)
        return torch.cat(columns, 1)

    def hidden(self, tags):
        """Tags with every exclusive group at 0 that is not known exactly."""
        result = tags.clone()
        for where in self.exclusive:
            result[:, where] *= (tags[:, where] > 0).sum(1, keepdim=True) == 1
        return result

    def wrong(self, tags):
        """Tags with one exclusive group changed, and which rows have that group (1 or 0)."""
        chosen = torch.randint(len(self.exclusive), (len(tags),), device=self.device)
        known = torch.zeros(len(tags), device=self.device)
        result = tags.clone()
        for number, where in enumerate(self.exclusive):
            size = where.stop - where.start
            index = tags[:, where].argmax(1) + torch.randint(1, size, (len(tags),), device=self.device)
            here = (chosen == number) & (tags[:, where] > 0).any(1)
            result[:, where] = torch.where(here[:, None], self.one_of(index % size, size), tags[:, where])
            known = known + here.float()
        return result, known

    def loss(self, tags, logits):
        """`tfanime.training.tag_losses.tag_loss` with softmax, the batch's mean."""
        total = 0.0
        for where, exclusive in self.groups:
            holds, values = tags[:, where] > 0, logits[:, where]
            if exclusive:
                each = values.logsumexp(1) - (values * holds).sum(1)
                total = total + (each * (holds.sum(1) == 1)).mean()
            else:
                each = functional.softplus(-tags[:, where] * values)
                total = total + (each * (tags[:, where] != 0)).sum(1).mean()
        return total


def discriminator_loss(settings, tags, network, reals, real_tags, fakes, fake_tags, wrong):
    """The discriminator's loss without R1.

    Args:
        settings: The `Settings`.
        tags: The `Tags`.
        network: The `Discriminator`.
        reals: Augmented pictures.
        real_tags: Their tags, hidden.
        fakes: Augmented, detached.
        fake_tags: Theirs.
        wrong: What `Tags.wrong` gave for `real_tags`.

    Returns:
        The loss and the logits of reals and fakes.
    """
    features, tag_logits = network.features(torch.cat([reals, fakes]))
    real_features, fake_features = features.chunk(2)
    real_logits = network.logits(real_features, real_tags)
    shown = fake_tags * (real_tags != 0)
    fake_logits = network.logits(fake_features, shown)
    loss = functional.softplus(-real_logits).mean() + functional.softplus(fake_logits).mean()
    if settings.tag_head:
        real_tag_logits, fake_tag_logits = tag_logits.chunk(2)
        loss = loss + settings.tag_weight * tags.loss(real_tags, real_tag_logits)
        if settings.tag_loss_on == "both":
            loss = loss + settings.tag_weight * tags.loss(fake_tags, fake_tag_logits)
    if settings.wrong_tags_weight:
        wrong_tags, known = wrong
        wrong_logits = network.logits(real_features, wrong_tags)
        loss = loss + settings.wrong_tags_weight * (known * functional.softplus(wrong_logits)).mean()
    return loss, real_logits, fake_logits


def generator_loss(settings, tags, network, fakes, fake_tags, real_tags):
    """The generator's loss without path length, of augmented fakes."""
    features, tag_logits = network.features(fakes)
    logits = network.logits(features, fake_tags * (real_tags != 0))
    loss = functional.softplus(-logits).mean()
    if settings.tag_head:
        loss = loss + settings.tag_weight * tags.loss(fake_tags, tag_logits)
    return loss


def r1(network, reals, real_tags, change):
    """E[|grad D(x)|^2] / 2 through the augmentation `change`."""
    reals = reals.detach().requires_grad_()
    logits = network.logits(network.features(change(reals))[0], real_tags)
    (slopes,) = torch.autograd.grad(logits.sum(), reals, create_graph=True)
    return 0.5 * slopes.square().sum((1, 2, 3)).mean()


def path_length(images, styles, mean, noise):
    """(E[(|J^T y| - a)^2], the next a): styles `[batch, styles, w_size]` gave the images, `noise` is N(0, 1)."""
    (slopes,) = torch.autograd.grad((images * noise).sum() / images.shape[2], styles, create_graph=True)
    lengths = slopes.square().sum(2).mean(1).sqrt()
    mean = mean.lerp(lengths.mean().detach(), 0.01)
    return (lengths - mean).square().mean(), mean


class Training:
    """Both players, their data and their updates.

    Args:
        images: uint8 `[faces, 3, size, size]`.
        tags: int8 `[faces, tags]`.
        groups: As for `Tags`.
        settings: The `Settings`.
        device: Where to compute.
        fold: See `pytorch_stylegan2`.
        dtype: See `pytorch_stylegan2.Generator`; default: bfloat16 on a GPU, float32 elsewhere.
    """

    def __init__(self, images, tags, groups, settings, device, fold=True, dtype=None):
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, device
        self.tags = Tags(groups, tags, device)
        self.images = torch.from_numpy(images).to(device)
        self.real_tags = self.tags.hidden(torch.from_numpy(tags).to(device).float())
        dtype = dtype or (torch.bfloat16 if device == "cuda" else torch.float32)
        size, count = images.shape[2], self.tags.count
        self.generator = Generator(
            size,
            channel_base=settings.channel_base,
            channel_max=settings.channel_max,
            tag_count=count,
            embedding_noise=settings.embedding_noise,
            dtype=dtype,
            fold=fold,
        ).to(device)
        self.discriminator = Discriminator(
            size,
            settings.discriminator_channel_base,
            settings.discriminator_channel_max,
            count if settings.projection or settings.tag_head else 0,
            settings.projection,
            settings.tag_head,
            dtype=dtype,
            fold=fold,
        ).to(device)
        self.ema = copy.deepcopy(self.generator).requires_grad_(False)
        self.rate = torch.tensor(settings.learning_rate, device=device)
        fast = {"fused": True, "capturable": True} if device == "cuda" else {}
        self.optimizers = {
            name: torch.optim.Adam(
                getattr(self, name).parameters(),
                lr=self.rate if fast else settings.learning_rate,
                **fast,
                betas=(0.0, 0.99),
                eps=1e-8,
            )
            for name in ("generator", "discriminator")
        }
        self.path_mean = torch.zeros((), device=device)
        self.probability = Probability(device)
        self.logs = {name: torch.zeros((), device=device) for name in ("d", "g", "r1", "path", "real", "fake")}
        self.step = 0
        self.begun = False

    def begin_with(self, states):
        """Starts from weights, states by player as of `read_players`; optimizers and augmentation start anew."""
        for name, state in {"ema": states["generator"], **states}.items():
            getattr(self, name).load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
        self.begun = True  # the average needs no ramp

    def change(self, images):
        return augment(images, self.probability.p) if self.settings.augment else images

    def draw_reals(self):
        """Pictures, half of them mirrored, and their tags."""
        rows = torch.randint(len(self.images), (self.settings.batch_size,), device=self.device)
        reals = self.images[rows].float() / 127.5 - 1
        mirrored = torch.rand(len(rows), device=self.device) < 0.5
        return torch.where(mirrored[:, None, None, None], reals.flip(3), reals), self.real_tags[rows]

    def draw_fakes(self, count):
        """(Pictures, tags, styles) with style mixing."""
        g = self.generator
        tags = self.tags.draw(count)
        ws = []
        for _ in range(2):
            z = torch.randn(count, g.z_size, device=self.device)
            noise = torch.randn(count, g.mapping.average.shape[0], device=self.device)
            ws.append(g.mapping(z, tags, noise if self.settings.embedding_noise else None))
        g.mapping.average.lerp_(ws[0].detach().mean(0), 0.005)
        cut = torch.randint(1, g.styles, (), device=self.device)
        mixed = torch.rand((), device=self.device) < self.settings.mixing
        cut = torch.where(mixed, cut, torch.full_like(cut, g.styles))
        first = torch.arange(g.styles, device=self.device) < cut
        styles = torch.where(first[None, :, None], ws[0][:, None], ws[1][:, None])
        noise = torch.randn(count, g.noise_size, device=self.device)
        return g.synthesis(styles, noise), tags, styles

    def _update(self, name, loss):
        network = getattr(self, name)
        parameters = list(network.parameters())
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(torch.nan_to_num(gradient, nan=0.0))
        self.optimizers[name].step()

    def update_discriminator(self, lazy):
        """One update, with R1 where `lazy`."""
        s = self.settings
        reals, real_tags = self.draw_reals()
        with torch.no_grad():
            fakes, fake_tags, _ = self.draw_fakes(s.batch_size)
        wrong = self.tags.wrong(real_tags) if s.wrong_tags_weight else None
        loss, real_logits, fake_logits = discriminator_loss(
            s, self.tags, self.discriminator, self.change(reals), real_tags, self.change(fakes), fake_tags, wrong
        )
        self.logs["d"].copy_(loss.detach())
        self.logs["real"].copy_(real_logits.detach().mean())
        self.logs["fake"].copy_(fake_logits.detach().mean())
        self.probability.see(real_logits.detach())
        if lazy:
            penalty = r1(self.discriminator, reals, real_tags, self.change)
            self.logs["r1"].copy_(penalty.detach())
            loss = loss + s.r1_gamma * s.r1_every * penalty
        self._update("discriminator", loss)

    def update_generator(self, lazy):
        """One update, with path length where `lazy`."""
        s = self.settings
        fakes, fake_tags, _ = self.draw_fakes(s.batch_size)
        rows = torch.randint(len(self.images), (s.batch_size,), device=self.device)
        loss = generator_loss(s, self.tags, self.discriminator, self.change(fakes), fake_tags, self.real_tags[rows])
        self.logs["g"].copy_(loss.detach())
        if lazy:
            images, _, styles = self.draw_fakes(s.batch_size // 2)
            penalty, mean = path_length(images, styles, self.path_mean, torch.randn_like(images))
            self.path_mean.copy_(mean)
            self.logs["path"].copy_(penalty.detach())
            loss = loss + s.path_length_weight * s.path_length_every * penalty
        self._update("generator", loss)

    def capture(self):
        """The four updates as CUDA graphs, which run without a launch from Python for each kernel."""
        variants = [
            (update, lazy) for update in (self.update_generator, self.update_discriminator) for lazy in (True, False)
        ]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                for update, lazy in variants:
                    update(lazy)
        torch.cuda.current_stream().wait_stream(stream)
        self.graphs = {}
        for update, lazy in variants:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                update(lazy)
            self.graphs[update.__name__, lazy] = graph
        self.update_generator = lambda lazy: self.graphs["update_generator", lazy].replay()
        self.update_discriminator = lambda lazy: self.graphs["update_discriminator", lazy].replay()

    def train_step(self):
        """One update of each player."""
        s = self.settings
        self.update_generator(bool(s.path_length_weight) and self.step % s.path_length_every == 0)
        self.update_discriminator(bool(s.r1_gamma) and self.step % s.r1_every == 0)
        self.step += 1
        if self.step % 4 == 0:
            self.logs["sign"] = self.probability.move(4 * s.batch_size)
        ramp = math.inf if self.begun else 0.05 * self.step * s.batch_size
        decay = 0.5 ** (s.batch_size / min(s.ema_half_life, ramp))
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.generator.parameters()), 1 - decay)

    @torch.no_grad()
    def measure_average(self):
        """Sets w_avg of the averaged generator: the mean over 10,000 latents and tags of its own mapping."""
        z = torch.randn(10_000, self.ema.z_size, device=self.device)
        self.ema.mapping.average.copy_(self.ema.mapping(z, self.tags.draw(len(z))).mean(0))

    @torch.no_grad()
    def sheet(self, path, count=64):
        """A picture of averaged avatars, 8 a row."""
        from PIL import Image

        generator = torch.Generator(self.device).manual_seed(1)
        z = torch.randn(count, self.ema.z_size, device=self.device, generator=generator)
        noise = torch.randn(count, self.ema.noise_size, device=self.device, generator=generator)
        images = self.ema(z, self.tags.draw(count), noise).clamp(-1, 1)
        images = ((images + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        size = images.shape[1]
        rows = images.reshape(-1, 8, size, size, 3).swapaxes(1, 2).reshape(-1, 8 * size, 3)
        Image.fromarray(rows).save(path)


def read_faces(path):
    """Packed faces: uint8 `[faces, 3, size, size]`, int8 tags, groups."""
    from PIL import Image

    packed = np.load(path)
    data, ends = packed["data"].tobytes(), packed["ends"]
    starts = np.concatenate([[0], ends[:-1]])

    def read(bounds):
        return np.asarray(Image.open(io.BytesIO(data[bounds[0] : bounds[1]])).convert("RGB")).transpose(2, 0, 1)

    with ThreadPoolExecutor(16) as pool:
        images = np.stack(list(pool.map(read, zip(starts, ends, strict=True))))
    return images, packed["tags"], json.loads(str(packed["groups"]))


def _drawn(seed):
    from tfanime.drawn.avatars import draw, drawn_tags

    tags = drawn_tags(seed)
    return draw(seed, tags).transpose(2, 0, 1), tags


def draw_faces(count):
    """The same of avatars drawn by rule."""
    from tfanime.tags import JIN34

    with multiprocessing.Pool() as pool:
        drawn = pool.map(_drawn, range(count), chunksize=64)
    images, tags = map(np.stack, zip(*drawn, strict=True))
    return images, tags, [[group.tags, group.exclusive] for group in JIN34.groups]


def read_players(*paths):
    """The states in files that `save` wrote, by player: float32 arrays by name."""
    players = {}
    for path in paths:
        with np.load(path) as file:
            for key in file:
                player, name = key.split("/")
                players.setdefault(player, {})[name] = file[key].astype(np.float32)
    return players


def made(data, settings, device, fold=True, begin_with=None):
    """A `Training`, from given weights where there is a file of them."""
    training = Training(*data, settings, device, fold)
    if begin_with:
        training.begin_with(read_players(begin_with))
    return training


def fastest(data, settings, device, begin_with=None):
    """The `Training` whose steps are faster on this GPU, with filters in kernels of their own or not."""
    found = []
    for fold in (True, False):
        training = made(data, settings, device, fold, begin_with)
        training.capture()
        for _ in range(16):
            training.train_step()
        torch.cuda.synchronize()
        start = time.time()
        for _ in range(48):
            training.train_step()
        torch.cuda.synchronize()
        found.append(((time.time() - start) / 48, fold, training))
        print(f"fold {fold}: {1000 * found[-1][0]:.1f} ms a step", flush=True)
    return min(found, key=lambda each: each[0])[2]


def save(path, **networks):
    """Weights as float16, `NETWORK/NAME`."""
    arrays = {}
    for name, network in networks.items():
        for key, value in network.state_dict().items():
            arrays[f"{name}/{key}"] = value.detach().float().cpu().numpy().astype(np.float16)
    np.savez(path, **arrays)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="packed faces, or the word drawn")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=480, help="of training (default 480)")
    parser.add_argument("--count", type=int, default=30_000, help="avatars to draw (default 30,000)")
    parser.add_argument("--snapshots", type=int, default=0, help="averaged generators kept on the way (default 0)")
    parser.add_argument("--begin_with", help="players to start from, OUT-players.npz of an earlier training")
    for field in dataclasses.fields(Settings):
        kind = (lambda text: text == "true") if field.type is bool else field.type
        parser.add_argument(f"--{field.name}", type=kind, default=field.default)
    arguments = parser.parse_args()
    settings = Settings(**{field.name: getattr(arguments, field.name) for field in dataclasses.fields(Settings)})
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    out = arguments.out
    out.parent.mkdir(parents=True, exist_ok=True)
    start = time.time()
    data = draw_faces(arguments.count) if arguments.data == "drawn" else read_faces(arguments.data)
    print(f"{len(data[0])} pictures after {time.time() - start:.1f} s", flush=True)
    make = fastest if device == "cuda" else made
    training = make(data, settings, device, begin_with=arguments.begin_with)
    print(f"ready after {time.time() - start:.1f} s", flush=True)
    start, taken, told = time.time(), 0, 0.0
    with open(f"{out}.jsonl", "w") as log:
        while True:
            training.train_step()
            if training.step % 20:
                continue
            logs = {name: round(float(value), 4) for name, value in training.logs.items()}  # waits for the GPU
            elapsed = time.time() - start
            share = elapsed / arguments.seconds
            rate = settings.learning_rate * min(1.0, (1 - share) / (1 - settings.decay_begin))
            training.rate.fill_(max(rate, 1e-6))
            if elapsed > told:
                told += 5
                logs |= {
                    "step": training.step,
                    "images": training.step * settings.batch_size,
                    "p": float(training.probability.p),
                    "seconds": elapsed,
                }
                print(json.dumps(logs), file=log, flush=True)
                if not math.isfinite(logs["g"]):
                    raise SystemExit("not finite")
            if taken < arguments.snapshots and share >= (taken + 1) / (arguments.snapshots + 1):
                taken += 1
                save(f"{out}-{training.step * settings.batch_size}.npz", ema=training.ema)
            if share >= 1:
                break
    print(f"{training.step} steps, {training.step * settings.batch_size / elapsed:.0f} images/s", json.dumps(logs))
    training.measure_average()
    save(f"{out}.npz", ema=training.ema)
    players = ("generator", "discriminator", "ema")
    save(f"{out}-players.npz", **{name: getattr(training, name) for name in players})
    training.sheet(f"{out}.png")


if __name__ == "__main__":
    main()
