"""How good enlargers are, on real faces made small and on the avatars of a generator: a table in Markdown, and sheets.

    python benchmarks/upscaling.py --data tfrecords/faces --cascade lbpcascade_animeface.xml --out /tmp/upscaling \
        clean=runs/clean-0,runs/clean-1 "own artefacts=runs/shown-0,runs/shown-1"

A row of several networks, trainings of other seeds, has their mean and in brackets the lowest and the highest value.
Avatars come in `--blocks` of other seeds, each of which is measured by itself. Rows that `--out` has are not measured
again, so that rows can be added.

Real faces are held-out ones, made `--size` px large and then small by means of 2 x 2 pixels. They have a right answer:
PSNR, SSIM, and two distances in features. That of hed_vgg16 compares unit-normalised answers at each place of HED's
VGG16, conv1_2 to conv4_3 (the mean squared difference; the weights of LPIPS are not in it); that of tagger1 compares
the unit-normalised features of whole pictures. Avatars have none. Enlarged, and resized to at most 96 px, the size of
the real faces, at most their middle 64 x 64 px are compared with the real faces' middle, in features that resize
nothing then.
"""

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from tfanime import data
from tfanime.files import write_text
from tfanime.generator import open_generator, open_network
from tfanime.generator.enlarging import bicubic
from tfanime.images import grid, write_png
from tfanime.metrics.faces import animeface_finder, cascade_finder
from tfanime.metrics.features import extract
from tfanime.metrics.features import open_network as open_features
from tfanime.metrics.frechet import gaussian_of
from tfanime.metrics.kernel import kernel_distance
from tfanime.metrics.neighbours import precision_recall
from tfanime.metrics.pairs import psnr, ssim
from tfanime.models.vgg import hed_vgg16
from tfanime.tagger.files import open_tagger
from tfanime.training.degradation import shrunk

LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
LARGEST, MIDDLE = 96, 64
SLOW = 160  # avatars of a block that what takes the longest looks at, the detectors and hed_vgg16
BATCH = 64
SHOWN = 8
COLUMNS = {  # how each is written
    "PSNR": "{:.2f}",
    "SSIM": "{:.4f}",
    "hed_vgg16 distance": "{:.3f}",
    "tagger1 distance": "{:.4f}",
    "KID x1000, hed_vgg16": "{:.0f}",
    "Frechet, tagger1": "{:.3f}",
    "recall, tagger1": "{:.1%}",
    "faces, lbpcascade": "{:.1%}",
    "faces, animeface": "{:.1%}",
    "change when small": "{:.2f}",
    "tags unchanged": "{:.1%}",
    "ms of a core": "{:.1f}",
}


def lanczos(image, scale):
    sides = image.shape[1] * scale, image.shape[0] * scale
    return np.asarray(Image.fromarray(image).resize(sides, Image.Resampling.LANCZOS))


def unsharp(image, scale):
    """Bicubic, then .8 times the difference to a Gaussian blur of sigma 1 more."""
    large = bicubic(image, scale).astype(np.float32)
    return np.clip(large + 0.8 * (large - cv2.GaussianBlur(large, (0, 0), 1)), 0, 255).round().astype(np.uint8)


def one_by_one(function):
    """A function of one picture as one of a batch."""
    return lambda images: np.stack([function(image) for image in images])


def rows_of(arguments):
    """By name what enlarges: functions without arguments that open an enlarger, uint8 `[batch, height, width, 3]` ->
    twice as large."""
    filters = (("bicubic", bicubic), ("Lanczos", lanczos), ("bicubic + unsharp", unsharp))
    rows = {name: [lambda one=one: one_by_one(lambda image: one(image, 2))] for name, one in filters}
    if arguments.peers:
        from upscaling_peers import PEERS

        rows |= {name: [lambda peer=peer: one_by_one(peer())] for name, peer in PEERS.items()}
    for text in arguments.networks:
        name, _, paths = text.rpartition("=")
        opened = [lambda path=path: open_network(path, kinds=("upscale",)).images for path in paths.split(",")]
        rows[name or paths] = opened
    return rows


def in_batches(function, images):
    return np.concatenate([function(images[i : i + BATCH]) for i in range(0, len(images), BATCH)])


def units(values):
    return values / (np.linalg.norm(values, axis=-1, keepdims=True) + 1e-8)


def resized(images, side):
    if images.shape[1] == side:
        return images
    return np.stack([cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in images])


class Pairs:
    """Real faces and how near enlarged ones come.

    Args:
        truth: uint8 `[count, size, size, 3]`.
        tagger: The `TaggerNetwork`.
    """

    def __init__(self, truth, tagger):
        self.truth, self.tagger = truth, tagger
        self.small = np.stack([shrunk(image, 2) for image in truth])
        self.network = hed_vgg16()
        self.features = units(tagger.predict(truth)[0])
        self.answers = [self._answers(truth[i : i + BATCH]) for i in range(0, len(truth), BATCH)]

    def numbers(self, enlarge):
        """By name the numbers of an enlarger, and what it made."""
        made = in_batches(enlarge, self.small)
        features = units(self.tagger.predict(made)[0])
        return {
            "PSNR": float(psnr(made, self.truth).mean()),
            "SSIM": float(ssim(made, self.truth).mean()),
            "hed_vgg16 distance": self._distance(made),
            "tagger1 distance": float(np.mean(np.sum((features - self.features) ** 2, -1))),
        }, made

    def _answers(self, images):
        return [units(each.numpy()) for each in self.network(images, LAYERS, True)]

    def _distance(self, made):
        total = 0.0
        for i, wanted in enumerate(self.answers):
            for first, second in zip(self._answers(made[i * BATCH : (i + 1) * BATCH]), wanted, strict=True):
                total += float(((first - second) ** 2).sum(-1).mean((1, 2)).sum())
        return total / len(made)


class Judges:
    """What looks at enlarged avatars.

    Args:
        faces: Real faces, uint8 `[count, side, side, 3]`.
        avatars: Those to be enlarged, uint8 `[count, size, size, 3]`.
        blocks: Into how many they are split.
        cascade: The cascade's file.
        tagger: The `TaggerNetwork`.
    """

    def __init__(self, faces, avatars, blocks, cascade, tagger):
        self.avatars = np.split(avatars, blocks)
        self.side = faces.shape[1]
        self.networks = {name: open_features(name) for name in ("hed_vgg16", "tagger")}
        self.real = {name: self._features(name, faces) for name in self.networks}
        self.finders = [cascade_finder(cascade)]
        try:
            self.finders.append(animeface_finder())
        except ImportError as error:
            print(f"without animeface: {error}")
        self.tagger = tagger
        self.tags = [tagger.predict(images)[1] > 0 for images in self.avatars]

    def _features(self, name, images):
        edge = max(0, (self.side - MIDDLE) // 2)
        middle = images[:, edge : self.side - edge, edge : self.side - edge]
        batches = (middle[i : i + BATCH] for i in range(0, len(middle), BATCH))
        return np.concatenate(list(extract(self.networks[name], batches)))

    def numbers(self, enlarge):
        """By name the numbers of an enlarger, a dictionary for each block, and what it made of the first."""
        found, shown = [], None
        for avatars, tags in zip(self.avatars, self.tags, strict=True):
            begin = time.process_time()
            large = in_batches(enlarge, avatars)
            seconds = time.process_time() - begin
            shown = large if shown is None else shown
            found.append(self._block(avatars, tags, large) | {"ms of a core": 1000 * seconds / len(avatars)})
        return found, shown

    def _block(self, avatars, tags, large):
        sized = resized(large, self.side)
        hed, tagger = self._features("hed_vgg16", sized[:SLOW]), self._features("tagger", sized)
        real = self.real["tagger"]
        small = np.stack([shrunk(image, 2) for image in large])
        return {
            "KID x1000, hed_vgg16": 1000 * kernel_distance(self.real["hed_vgg16"].astype(float), hed.astype(float))[0],
            "Frechet, tagger1": float(gaussian_of(real).distance(gaussian_of(tagger))),
            "recall, tagger1": precision_recall(real[: len(tagger)], tagger)[1],
            **{f"faces, {finder.name}": float(finder(large[:SLOW]).mean()) for finder in self.finders},
            "change when small": float(np.abs(small.astype(float) - avatars).mean()),
            "tags unchanged": float(((self.tagger.predict(small)[1] > 0) == tags).mean()),
        }


def table(rows):
    """Rows of texts by name as Markdown."""
    names = list(next(iter(rows.values())))
    lines = [f"| | {' | '.join(names)} |", "|" + "---|" * (len(names) + 1)]
    lines += [f"| {row} | {' | '.join(numbers[name] for name in names)} |" for row, numbers in rows.items()]
    return "\n".join(lines)


def cell(values, form):
    """Mean, lowest and highest of some numbers."""
    mean, low, high = (form.format(each).rstrip("%") for each in (np.mean(values), min(values), max(values)))
    return (mean if low == high else f"{mean} ({low} to {high})") + (" %" if "%" in form else "")


class Folder:
    """What has been measured: numbers by row in `rows.json`, pictures of each row beside it."""

    def __init__(self, path):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.path / "rows.json"
        self.rows = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    def add(self, row, numbers, **pictures):
        """Writes a row: for each column a list of values; and strips of pictures by name."""
        for name, images in pictures.items():
            write_png(self._strip(name, row), grid(images[:SHOWN], SHOWN))
        self.rows[row] = numbers
        write_text(self.path / "rows.json", json.dumps(self.rows, indent=1))

    def finish(self, rows, truth):
        """Prints the table of these rows, and writes it and the sheets of all rows, one below another."""
        texts = {
            row: {name: cell(self.rows[row][name], form) for name, form in COLUMNS.items() if name in self.rows[row]}
            for row in rows
        }
        text = table(texts)
        print(text)
        write_text(self.path / "table.md", text + "\n")
        for name in ("faces", "avatars"):
            strips = [np.asarray(Image.open(self._strip(name, row)).convert("RGB")) for row in rows]
            write_png(
                self.path / f"{name}.png",
                np.concatenate([*strips, *([grid(truth[:SHOWN], SHOWN)] if name == "faces" else [])]),
            )

    def _strip(self, name, row):
        return self.path / f"{name}-{''.join(letter if letter.isalnum() else '_' for letter in row)}.png"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NAME=NETWORK,NETWORK", help="enlargers of scale 2")
    parser.add_argument("--data", required=True, help="shards with held-out faces")
    parser.add_argument("--generator", default="avatars64", help="what draws avatars")
    parser.add_argument("--cascade", required=True, help="XML file of the cascade")
    parser.add_argument("--size", type=int, default=80, help="side of the real large faces in px")
    parser.add_argument("--faces", type=int, default=64, help="how many of them")
    parser.add_argument("--avatars", type=int, default=320, help="of a block; above 256")
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--real", type=int, default=2048, help="faces that avatars are compared with")
    parser.add_argument("--peers", action="store_true", help="networks of others too, see upscaling_peers.py")
    parser.add_argument("--out", required=True, help="folder for table.md and the sheets")
    arguments = parser.parse_args()
    held_out = data.load(arguments.data, arguments.size, split="holdout")
    truth = held_out.images(range(min(arguments.faces, held_out.count)))
    avatars = open_generator(arguments.generator).images(range(arguments.blocks * arguments.avatars))
    side = min(LARGEST, 2 * avatars.shape[1])
    real = data.load(arguments.data, side)
    folder, rows = Folder(arguments.out), rows_of(arguments)
    missing = [row for row in rows if row not in folder.rows]
    if missing:
        tagger = open_tagger()
        pairs = Pairs(truth, tagger)
        faces = real.images(range(min(arguments.real, real.count)))
        judges = Judges(faces, avatars, arguments.blocks, arguments.cascade, tagger)
    for row in tqdm(missing, unit=" rows"):
        found, strips = [], None
        for opened in rows[row]:
            enlarge = opened()
            near, made = pairs.numbers(enlarge)
            blocks, large = judges.numbers(enlarge)
            found += [near, *blocks]
            strips = strips or {"faces": made, "avatars": large}
        names = dict.fromkeys(name for each in found for name in each)
        folder.add(row, {name: [each[name] for each in found if name in each] for name in names}, **strips)
    folder.finish(rows, truth)


if __name__ == "__main__":
    main()
