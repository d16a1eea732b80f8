"""How good enlargers are, on real faces made small and on the avatars of a generator: a table in Markdown, and a sheet.

    python benchmarks/upscaling.py --data tfrecords/faces --cascade lbpcascade_animeface.xml --out /tmp/upscaling \
        clean=runs/clean "own artefacts=runs/shown"

Real faces are held-out ones, made `--size` px large and then small by means of 2 x 2 pixels. They have a right answer:
PSNR, SSIM, and the distance in features (unit-normalised answers of HED's VGG16, conv1_2 to conv4_3, the mean squared
difference; the weights of LPIPS are not in it). Avatars have none. Enlarged to 128 px and resized to 96, the size of
the real faces, their middle 64 x 64 px are compared with the real faces' middle by the kernel distance and the Frechet
distance, in features that resize nothing then.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from tfanime import data
from tfanime.generator import open_generator, open_network
from tfanime.generator.enlarging import bicubic
from tfanime.images import grid, write_png
from tfanime.metrics.faces import animeface_finder, cascade_finder
from tfanime.metrics.features import extract
from tfanime.metrics.features import open_network as open_features
from tfanime.metrics.frechet import gaussian_of
from tfanime.metrics.kernel import kernel_distance
from tfanime.metrics.pairs import psnr, ssim
from tfanime.models.vgg import hed_vgg16
from tfanime.tagger.files import open_tagger
from tfanime.training.degradation import shrunk

LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
MIDDLE = slice(16, 80)  # of 96 px
BATCH = 64


def lanczos(image, scale):
    sides = image.shape[1] * scale, image.shape[0] * scale
    return np.asarray(Image.fromarray(image).resize(sides, Image.Resampling.LANCZOS))


def unsharp(image, scale):
    """Bicubic, then .8 times the difference to a Gaussian blur of sigma 1 more."""
    large = bicubic(image, scale).astype(np.float32)
    return np.clip(large + 0.8 * (large - cv2.GaussianBlur(large, (0, 0), 1)), 0, 255).round().astype(np.uint8)


def rows_of(models):
    """Functions uint8 `[batch, height, width, 3]` -> twice as large, by name."""
    rows = {
        name: lambda images, one=one: np.stack([one(image, 2) for image in images])
        for name, one in (("bicubic", bicubic), ("Lanczos", lanczos), ("bicubic + unsharp", unsharp))
    }
    for text in models:
        name, _, path = text.rpartition("=")
        rows[name or path] = open_network(path, kinds=("upscale",)).images
    return rows


def in_batches(function, images):
    return np.concatenate([function(images[i : i + BATCH]) for i in range(0, len(images), BATCH)])


def perceptual(network, images, targets):
    """The distance of this module's text, a mean over pictures."""

    def units(pixels):
        return [each / (tf.norm(each, axis=-1, keepdims=True) + 1e-8) for each in network(pixels, LAYERS, True)]

    total = 0.0
    for i in range(0, len(images), BATCH):
        pairs = zip(units(images[i : i + BATCH]), units(targets[i : i + BATCH]), strict=True)
        found = [tf.reduce_mean(tf.reduce_sum((first - second) ** 2, -1), (1, 2)) for first, second in pairs]
        total += float(tf.reduce_sum(tf.add_n(found)))
    return total / len(images)


class Judges:
    """What looks at enlarged avatars.

    Args:
        faces: Real faces, uint8 `[count, 96, 96, 3]`.
        avatars: Those to be enlarged, uint8 `[count, 64, 64, 3]`.
        cascade: The cascade's file.
    """

    def __init__(self, faces, avatars, cascade):
        self.avatars = avatars
        self.networks = {name: open_features(name) for name in ("hed_vgg16", "tagger")}
        self.real = {name: self._features(name, faces) for name in self.networks}
        self.finders = [cascade_finder(cascade)]
        try:
            self.finders.append(animeface_finder())
        except ImportError as error:
            print(f"without animeface: {error}")
        self.tagger = open_tagger()
        self.tags = self.tagger.predict(avatars)[1] > 0

    def _features(self, name, images):
        batches = (images[i : i + BATCH][:, MIDDLE, MIDDLE] for i in range(0, len(images), BATCH))
        return np.concatenate(list(extract(self.networks[name], batches, len(images), name)))

    def numbers(self, large):
        """By name the numbers of enlarged avatars, uint8 `[count, 128, 128, 3]`."""
        sized = np.stack([cv2.resize(image, (96, 96), interpolation=cv2.INTER_AREA) for image in large])
        found = {}
        for name, network in self.networks.items():
            features = self._features(name, sized)
            value, deviation = kernel_distance(self.real[name].astype(float), features.astype(float))
            found[f"KID x1000 {name}"] = f"{1000 * value:.2f} ± {1000 * deviation:.2f}"
            if len(features) > network.dimensions:
                distance = gaussian_of(self.real[name]).distance(gaussian_of(features))
                found[f"Frechet {name}"] = f"{distance:.3f}"
        for finder in self.finders:
            found[f"faces {finder.name}"] = f"{100 * finder(large).mean():.1f} %"
        small = np.stack([shrunk(image, 2) for image in large])
        difference = np.abs(small.astype(float) - self.avatars).mean()
        found["change when small"] = f"{difference:.2f}"
        same = (self.tagger.predict(small)[1] > 0) == self.tags
        found["tags unchanged"] = f"{100 * same.mean():.1f} %"
        return found


def table(rows):
    """Rows of numbers by name as Markdown."""
    names = list(next(iter(rows.values())))
    lines = [f"| | {' | '.join(names)} |", "|" + "---|" * (len(names) + 1)]
    lines += [f"| {row} | {' | '.join(numbers[name] for name in names)} |" for row, numbers in rows.items()]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NAME=NETWORK", help="enlargers of scale 2")
    parser.add_argument("--data", required=True, help="shards of 96 px with held-out faces")
    parser.add_argument("--generator", default="avatars64", help="what draws avatars of 64 px")
    parser.add_argument("--cascade", required=True, help="XML file of the cascade")
    parser.add_argument("--size", type=int, default=80, help="side of the real large faces in px")
    parser.add_argument("--faces", type=int, default=512, help="how many of them")
    parser.add_argument("--avatars", type=int, default=1024)
    parser.add_argument("--real", type=int, default=4096, help="faces that avatars are compared with")
    parser.add_argument("--out", required=True, help="folder for table.md and the sheets")
    arguments = parser.parse_args()
    held_out = data.load(arguments.data, arguments.size, split="holdout")
    truth = held_out.images(range(min(arguments.faces, held_out.count)))
    small = np.stack([shrunk(image, 2) for image in truth])
    real = data.load(arguments.data, 96)
    avatars = open_generator(arguments.generator).images(range(arguments.avatars))
    judges = Judges(real.images(range(min(arguments.real, real.count))), avatars, arguments.cascade)
    network, rows, sheets = hed_vgg16(), {}, {"faces": [], "avatars": []}
    for name, enlarge in tqdm(rows_of(arguments.networks).items(), unit=" rows"):
        made = in_batches(enlarge, small)
        begin = time.process_time()
        large = in_batches(enlarge, avatars)
        seconds = time.process_time() - begin
        rows[name] = {
            "PSNR": f"{psnr(made, truth).mean():.2f}",
            "SSIM": f"{ssim(made, truth).mean():.4f}",
            "features": f"{perceptual(network, made, truth):.4f}",
            **judges.numbers(large),
            "ms of a core": f"{1000 * seconds / len(avatars):.1f}",
        }
        sheets["faces"].append(made[:8])
        sheets["avatars"].append(large[:8])
    text = table(rows)
    print(text)
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "table.md").write_text(text + "\n", encoding="utf-8")
    for name, images in sheets.items():
        if name == "faces":
            images.append(truth[:8])
        write_png(out / f"{name}.png", grid(np.concatenate(images), 8))


if __name__ == "__main__":
    main()
