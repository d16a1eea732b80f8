"""A test of judges: how each number in each feature network answers to what generators do wrong.

    python benchmarks/judges.py --data tfrecords/faces
    python benchmarks/judges.py --data tfrecords/faces --distort 0 --models runs/a@1000,runs/a@4000:raw,runs/a@4000

Some real faces are judged against as many others: as they are, and distorted. The table gives each Frechet distance,
precision and recall as a multiple of what undistorted faces get, and KID in deviations of its subsets for undistorted
faces, since its value for these is about 0. Distortions are `weak`, which a glance overlooks, `strong`, which nobody
overlooks, and `none`, which do not make a face worse. A judge of pictures is fit when it puts every strong one
behind every lesser one. Models have tables of their own, with the same multiples. They are named from the worst to the
best, as steps or the eye have them, and the last table says how many of their pairs each number puts in that order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from metrics import half_of_the_classes, table

from tfanime import command_line

NUMBERS = ("Frechet", "KID", "precision", "recall")
SIGNS = np.array([1, 1, -1, -1])  # that make them grow as pictures get worse


@dataclass(frozen=True)
class Config:
    """Test judges.

    Args:
        data: Folder of shards.
        features: Feature networks, separated by commas, see `python -m tfanime.evaluate --help`.
        image_size: Height and width of the pictures.
        samples: Real faces on either side, and pictures of each model.
        distort: Whether to judge distorted faces; 0 or 1.
        models: Generators from the worst to the best, as you expect them, separated by commas: folders of runs or
            exports; RUN@STEP is one checkpoint of a run, and :raw behind a run means weights that are not averaged.
    """

    data: str
    features: str = "tagger,hed_vgg16"
    image_size: int = 64
    samples: int = 1000
    distort: int = 1
    models: str = ""

    def __post_init__(self):
        if self.samples < 8:
            raise ValueError(f"--samples must be at least 8. Received: {self.samples}")


def each(function):
    """A distortion of pictures from one of a picture, float32 `[height, width, 3]`."""
    return lambda images: np.stack([function(image) for image in images])


def blur(sigma):
    """Gaussian blur; sigma in pixels."""
    return each(lambda image: cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def checkerboard(contrast):
    """Transposed convolutions of stride 2 whose kernel is no multiple of it: each second row and column is stronger
    (Odena et al. 2016, "Deconvolution and Checkerboard Artifacts")."""

    def distort(images):
        gain = 1 + contrast * (np.arange(images.shape[1]) % 2 * 2 - 1)
        return 127.5 + (images - 127.5) * (gain[:, None] * gain)[..., None]

    return distort


def hatching(amplitude):
    """Stripes in one direction, 4 px apart."""

    def distort(images):
        rows, columns = np.mgrid[: images.shape[1], : images.shape[2]]
        return images + amplitude * np.sin((rows + columns) * np.pi / 2)[..., None]

    return distort


def bleeding(sigma):
    """Colour runs over lines: blurred chroma, sharp luma."""

    def distort(image):
        luma = image @ np.float32([0.299, 0.587, 0.114])
        chroma = image - luma[..., None]
        return luma[..., None] + cv2.GaussianBlur(chroma, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)

    return each(distort)


def smeared_eyes(length):
    """The band of the eyes, from .42 to .72 of the height, drawn out sideways by `length` pixels; nothing else."""

    def distort(image):
        where = np.linspace(0, 1, len(image))
        mask = np.float32(np.clip(np.minimum(where - 0.42, 0.72 - where) / 0.05, 0, 1))[:, None, None]
        return image + mask * (cv2.blur(image, (length, 1), borderType=cv2.BORDER_REPLICATE) - image)

    return each(distort)


def foreign_texture(share):
    """Detail (what a blur of 2 px takes away) of the next face instead of one's own."""

    def distort(images):
        detail = images - blur(2)(images)
        return images + share * (np.roll(detail, 1, axis=0) - detail)

    return distort


def average(count):
    """Means of `count` faces."""
    return lambda images: np.mean([np.roll(images, shift, axis=0) for shift in range(count)], axis=0)


def jpeg(quality):
    """JPEG and back."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return each(lambda image: cv2.imdecode(cv2.imencode(".jpg", np.uint8(image), flags)[1], cv2.IMREAD_COLOR))


def shift(pixels):
    """To the right, with the edge repeated."""
    return lambda images: np.concatenate([images[:, :, :1]] * pixels + [images[:, :, :-pixels]], axis=2)


@dataclass(frozen=True)
class Distortion:
    """What generators do wrong.

    Args:
        name: What it is called.
        grade: `none`, `weak` or `strong`.
        function: float32 `[count, height, width, 3]` of 0 to 255 -> the same, not rounded or clipped yet.
    """

    name: str
    grade: str
    function: Callable

    def __call__(self, images):
        """uint8 pictures, distorted."""
        return np.clip(np.round(self.function(np.float32(images))), 0, 255).astype(np.uint8)


DISTORTIONS = (
    Distortion("shifted by 1 px", "none", shift(1)),
    Distortion("mirrored", "none", lambda images: images[:, :, ::-1]),
    Distortion("JPEG of quality 75", "weak", jpeg(75)),
    Distortion("JPEG of quality 15", "strong", jpeg(15)),
    Distortion("blurred, sigma 0.5 px", "weak", blur(0.5)),
    Distortion("blurred, sigma 1 px", "strong", blur(1)),
    Distortion("blurred, sigma 2 px", "strong", blur(2)),
    Distortion("checkerboard, contrast 2 %", "weak", checkerboard(0.02)),
    Distortion("checkerboard, contrast 15 %", "strong", checkerboard(0.15)),
    Distortion("hatched, amplitude 2", "weak", hatching(2)),
    Distortion("hatched, amplitude 12", "strong", hatching(12)),
    Distortion("colour bleeds, sigma 1 px", "weak", bleeding(1)),
    Distortion("colour bleeds, sigma 8 px", "strong", bleeding(8)),
    Distortion("eyes smeared, 3 px", "weak", smeared_eyes(3)),
    Distortion("eyes smeared, 11 px", "strong", smeared_eyes(11)),
    Distortion("next face's texture, 20 %", "weak", foreign_texture(0.2)),
    Distortion("next face's texture, 100 %", "strong", foreign_texture(1)),
    Distortion("averages of 2", "strong", average(2)),
    Distortion("averages of 4", "strong", average(4)),
    Distortion("averages of 16", "strong", average(16)),
)


class Judge:
    """The four numbers in the features of one network.

    Args:
        network: A `FeatureNetwork`.
        real: uint8 pictures `[count, height, width, 3]` that others are judged against.
        others: As many other real ones, by whose numbers those of distorted ones are divided.
    """

    def __init__(self, network, real, others):
        self.network = network
        self.real = self._features(real)
        self.gaussian = self._gaussian(self.real)
        self.undistorted = self._values(others)

    def _features(self, images):
        from tfanime.metrics.features import BATCH, extract

        batches = (images[begin : begin + BATCH] for begin in range(0, len(images), BATCH))
        return np.concatenate(list(extract(self.network, batches, len(images), self.network.name)))

    def _gaussian(self, features):
        from tfanime.metrics.frechet import Moments

        moments = Moments(self.network.dimensions)
        moments.update(features)
        return moments.gaussian

    def _values(self, images):
        from tfanime.metrics.kernel import kernel_distance
        from tfanime.metrics.neighbours import precision_recall

        features = self._features(images)
        kernel, deviation = kernel_distance(self.real, features)
        precision, recall = precision_recall(self.real, features)
        return self.gaussian.distance(self._gaussian(features)), kernel, precision, recall, deviation

    def responses(self, images):
        """What pictures get, in the order of NUMBERS, as multiples of what undistorted real ones get; of KID in
        deviations of its subsets above these."""
        frechet, kernel, precision, recall, _ = self._values(images)
        real = self.undistorted
        return frechet / real[0], (kernel - real[1]) / real[4], precision / real[2], recall / real[3]


def graded(distortions):
    """The pairs of a strong distortion and a lesser one; a list of pairs of numbers."""
    return [
        (worse, better)
        for worse, strong in enumerate(distortions)
        if strong.grade == "strong"
        for better, lesser in enumerate(distortions)
        if lesser.grade != "strong"
    ]


def in_order(responses, pairs):
    """How many pairs have the worse one behind the better one?

    Args:
        responses: Numbers that grow as pictures get worse.
        pairs: `(number of the worse one, number of the better one)`.

    Returns:
        `(right, wrong)`: a count, and a list of the other pairs.
    """
    wrong = [(worse, better) for worse, better in pairs if not responses[worse] > responses[better]]
    return len(pairs) - len(wrong), wrong


def count_pairs(title, judges, found, pairs, names):
    """The table of how many pairs each judge has in order.

    Args:
        title: What stands above it.
        judges: The `Judge`s.
        found: For each row of pictures, for each judge, what `responses` returned.
        pairs: See `in_order`.
        names: Of the rows.
    """
    row = table(title, "", *NUMBERS, "pairs that the Frechet distance has the wrong way")
    for place, judge in enumerate(judges):
        columns = (SIGNS * np.array([values[place] for values in found])).T
        counts = [in_order(column, pairs) for column in columns]
        wrong = "; ".join(f"{names[worse]} before {names[better]}" for worse, better in counts[0][1])
        row(judge.network.name, *(f"{right} of {len(pairs)}" for right, _ in counts), wrong or "none")


def begin_table(title, judges, *columns):
    """Begins a table with all numbers of all judges, whose first row is that of undistorted faces."""
    headings = [f"{judge.network.name} {number}" for judge in judges for number in NUMBERS]
    row = table(title, "", *columns, *headings)
    values = (f"{value:.3g}" for judge in judges for value in judge.undistorted[:4])
    row("undistorted", *("" for _ in columns), *values)
    return row


def cells(found):
    """The cells of what all judges say of some pictures."""
    return [f"{value:.3g}" for values in found for value in values]


def distorted(config, faces, networks):
    """The table of distorted faces, and for each judge how many pairs it puts in order."""
    order = np.random.Generator(np.random.Philox(key=0)).permutation(faces.count)
    rest = order[len(order) // 3 :]
    some = half_of_the_classes(faces, rest)
    samples = min(config.samples, len(order) // 3, len(some) if len(some) >= 8 else len(rest))
    others = faces.images(rest[:samples])
    judges = [Judge(network, faces.images(order[:samples]), others) for network in networks]
    title = f"{samples:,} real faces against {samples:,} others, {config.image_size} px"
    row = begin_table(title, judges, "grade")
    found = []
    for distortion in DISTORTIONS:
        found.append([judge.responses(distortion(others)) for judge in judges])
        row(distortion.name, distortion.grade, *cells(found[-1]))
    if len(some) >= 8:
        half = [judge.responses(faces.images(some[:samples])) for judge in judges]
        row("half of the hair colours", "few", *cells(half))
    names = [distortion.name for distortion in DISTORTIONS]
    count_pairs("Strong behind lesser distortions", judges, found, graded(DISTORTIONS), names)


def pictures_of(model, count):
    """The first pictures of a model, uint8 `[count, height, width, 3]`."""
    from tfanime.generator import load_game, open_generator
    from tfanime.images import to_uint8
    from tfanime.runs import RunFolder

    folder, raw, _ = model.partition(":raw")
    path, _, step = folder.partition("@")
    if not raw:
        return open_generator(path, step or "newest").images(list(range(count)))
    gan, _ = load_game(RunFolder(path), step or "newest")
    parts = (np.arange(begin, min(begin + 64, count)) for begin in range(0, count, 64))
    return np.concatenate([to_uint8(gan.generator(gan.inputs.from_seeds(part), training=False)) for part in parts])


def ranked(config, faces, networks):
    """The tables of models."""
    order = np.random.Generator(np.random.Philox(key=0)).permutation(faces.count)
    samples = min(config.samples, len(order) // 2)
    real, others = faces.images(order[:samples]), faces.images(order[samples : 2 * samples])
    judges = [Judge(network, real, others) for network in networks]
    models, found = config.models.split(","), []
    row = begin_table(f"{samples:,} pictures of each model against as many real faces, the worst first", judges)
    for model in models:
        images = pictures_of(model, samples)
        found.append([judge.responses(images) for judge in judges])
        row(model, *cells(found[-1]))
    pairs = [(worse, better) for better in range(len(models)) for worse in range(better)]
    count_pairs("Pairs of models in the expected order", judges, found, pairs, models)


def main(arguments=None):
    """Tests the judges that the flags name."""
    config = command_line.parse(
        Config,
        program="python benchmarks/judges.py",
        description=Path(__file__).read_text(encoding="utf-8").split('"""')[1],
        arguments=arguments,
    )
    command_line.load_tensorflow()
    from tfanime import data
    from tfanime.metrics.features import open_network, parse_networks

    faces = data.load(config.data, config.image_size)
    networks = [open_network(text) for text in parse_networks(config.features)]
    if config.distort:
        distorted(config, faces, networks)
    if config.models:
        ranked(config, faces, networks)


if __name__ == "__main__":
    command_line.run(main)
