"""What judging costs, and whether each number moves the way its definition says.

    python benchmarks/metrics.py                                          all parts, in the features of the tagger
    python benchmarks/metrics.py --parts frechet
    python benchmarks/metrics.py --parts moves --data tfrecords/faces --cascade lbpcascade_animeface.xml

The parts, each of which prints a Markdown table:

    extraction  features of pictures, for Keras' networks against `predict` and the compiled call, on pictures that are
                prepared already; also by CPU time, which tells what idle cores would do where others are at work
    frechet     the Frechet distance in 2,048 dimensions, against `scipy.linalg.sqrtm`
    callback    the FID callback of `dcgan`, and the features of all real pictures at its first use
    moves       real pictures against real ones, blurred, with noise, as JPEGs, mirrored, of half of the classes, each
                twice, and against themselves

What is compared takes turns, see rounds.py.
"""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from rounds import LEAST_ROUNDS, compare, neighbours

from tfanime import command_line


@dataclass(frozen=True)
class Config:
    """Measure judging.

    Args:
        parts: What to measure, separated by commas: extraction, frechet, callback, moves.
        features: The network, see `python -m tfanime.evaluate --help`.
        data: Folder of shards. Default: drawn avatars, made on first use.
        image_size: Height and width of the pictures.
        samples: Pictures of callback and moves.
        cascade: nagadomi's lbpcascade_animeface.xml, by which moves looks for faces, too.
        dimensions: Of frechet.
        seconds: How long a comparison takes; it takes longer where rounds are too few by then.
        rounds: Least number of rounds.
    """

    parts: str = "extraction,frechet,callback,moves"
    features: str = "tagger"
    data: str | None = None
    image_size: int = 64
    samples: int = 2048
    cascade: str | None = None
    dimensions: int = 2048
    seconds: float = 30
    rounds: int = LEAST_ROUNDS

    def __post_init__(self):
        for part in self.parts.split(","):
            if part not in TABLES:
                raise ValueError(f"--parts must be some of {', '.join(TABLES)}. Received: {part!r}")
        for name, least in (("rounds", 2), ("samples", 6), ("dimensions", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"--{name} must be at least {least}. Received: {getattr(self, name)}")

    def faces(self):
        """The real pictures."""
        from tfanime import data
        from tfanime.tfrecords.default import default_shards

        return data.load(self.data or default_shards(self.image_size), self.image_size)


def table(title, *columns):
    """Begins a Markdown table; returns a function that adds a row."""
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    return lambda *cells: print(f"| {' | '.join(map(str, cells))} |", flush=True)


def extraction(config):
    """Features against the bare `predict`."""
    import keras
    import tensorflow as tf

    from tfanime.images import to_float
    from tfanime.metrics.features import BATCH, extract, open_network

    network, model = open_network(config.features), None
    if config.features == "tagger":
        from tfanime.tagger import files as tagger_files

        model = tagger_files.open_tagger().model
    elif Path(file := config.features.partition(":")[0]).suffix == ".keras":
        model = keras.models.load_model(file, compile=False)
    images = np.random.default_rng(0).integers(0, 256, (512, config.image_size, config.image_size, 3), np.uint8)

    def ours():
        batches = (images[begin : begin + BATCH] for begin in range(0, len(images), BATCH))
        for _ in extract(network, batches):
            pass

    functions = {"extract": ours}
    if model:
        small = np.stack([cv2.resize(image, (network.size, network.size)) for image in images])
        prepared = to_float(small).numpy()
        call = tf.function(lambda pictures: model(pictures, training=False), reduce_retracing=True)

        def compiled():
            for begin in range(0, len(prepared), BATCH):
                call(tf.constant(prepared[begin : begin + BATCH]))

        predict = {"predict": lambda: model.predict(prepared, batch_size=BATCH, verbose=0)}
        functions = predict | {"compiled call": compiled} | functions
    times = compare(functions, config.seconds, config.rounds)
    title = f"Extraction, {network.value}, {config.image_size} px"
    first, cores = next(iter(functions)), os.cpu_count()
    row = table(title, "", "pictures/s", f"of `{first}`", f"pictures/s of {cores} cores by CPU time", "rounds")
    for name, function in functions.items():
        begin = time.process_time()
        function()
        ideal = len(images) * cores / (time.process_time() - begin)
        pace = len(images) / times.seconds(name)
        row(name, f"{pace:.0f}", times.speedup(name, first), f"{ideal:.0f}", len(times))


def frechet(config):
    """The distance against SciPy's root of a matrix."""
    from scipy import linalg

    from tfanime.metrics.frechet import Gaussian, frechet_distance

    random = np.random.default_rng(0)
    count = config.dimensions + config.dimensions // 4
    moments = []
    for _ in range(2):
        rows = random.normal(size=(count, config.dimensions)) * random.uniform(0.5, 1.5, config.dimensions)
        moments += [rows.mean(axis=0), np.cov(rows, rowvar=False)]
    real, fake = Gaussian(*moments[:2]), Gaussian(*moments[2:])
    _ = real.factor
    found = {}

    def by_root():
        root = linalg.sqrtm(real.covariance @ fake.covariance)
        traces = np.trace(real.covariance) + np.trace(fake.covariance) - 2 * np.trace(root).real
        found["sqrtm"] = np.sum((real.mean - fake.mean) ** 2) + traces

    def ours(name, function):
        found[name] = function()

    functions = {
        "sqrtm": by_root,
        "frechet_distance": lambda: ours("frechet_distance", lambda: frechet_distance(*moments)),
        "root cached": lambda: ours("root cached", lambda: real.distance(fake)),
    }
    times = compare(functions, config.seconds, config.rounds)
    title = f"Frechet distance, {config.dimensions:,} dimensions"
    row = table(title, "", "seconds", "times as fast as sqrtm", "relative difference", "rounds")
    for name in functions:
        difference = abs(found[name] / found["sqrtm"] - 1)
        row(name, f"{times.seconds(name):.2f}", times.speedup(name, "sqrtm"), f"{difference:.1e}", len(times))


def callback(config):
    """The FID callback."""
    from tfanime.callbacks import FID
    from tfanime.recipes import dcgan

    faces = config.faces()
    gan = dcgan.build(dcgan.Config(image_size=config.image_size, precision="float32"))
    fid = FID(faces, every=1, samples=config.samples, features=config.features)
    fid.set_model(gan)
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict("os.environ", TFANIME_CACHE=folder):
        begin = time.perf_counter()
        fid.on_train_begin()
        first = time.perf_counter() - begin
    fid.compute()  # traces
    seconds = []
    for _ in range(config.rounds):
        begin = time.perf_counter()
        fid.compute()
        seconds.append(time.perf_counter() - begin)
    row = table(f"FID callback, {fid.name}, {config.image_size} px", "", "pictures", "seconds")
    row("real ones, at first use", f"{fid.reference.details['count']:,}", f"{first:.1f}")
    row("a value", f"{config.samples:,}", f"{np.median(seconds):.1f}")


@dataclass(frozen=True)
class Part:
    """Some pictures of a data set, as a data set."""

    faces: object
    numbers: np.ndarray
    name: str

    count = property(lambda self: len(self.numbers))
    fingerprint = property(lambda self: f"{self.faces.fingerprint} {self.name}")
    image_size = property(lambda self: self.faces.image_size)
    stored_size = property(lambda self: self.faces.stored_size)

    def images(self, indices):
        return self.faces.images(self.numbers[indices])


def _jpeg(image):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 15])[1], cv2.IMREAD_COLOR)


def _noise(image):
    seed = int.from_bytes(image.tobytes()[:8])  # of the picture alone, whatever the batch
    noise = np.random.default_rng(seed).normal(scale=20, size=image.shape)
    return np.clip(np.round(image + noise), 0, 255).astype(np.uint8)


DISTORTIONS = {
    "real": lambda image: image,
    "blurred, sigma 1 px": lambda image: cv2.GaussianBlur(image, (0, 0), 1),
    "blurred, sigma 2 px": lambda image: cv2.GaussianBlur(image, (0, 0), 2),
    "noise, sigma 20": _noise,
    "JPEG of quality 15": _jpeg,
    "mirrored": lambda image: image[:, ::-1],
}


def half_of_the_classes(faces, numbers):
    """Those of some pictures whose tag of the first exclusive group is in the first half of that group; empty without
    such a group."""
    for group, where in faces.vocabulary.slices if faces.vocabulary else ():
        if group.exclusive:
            return numbers[(faces.tags[numbers, where][:, : len(group.tags) // 2] > 0).any(axis=1)]
    return numbers[:0]


def moves(config):
    """Distorted real pictures against others that are not."""
    from tfanime.evaluate.judge import LEAST, Judge
    from tfanime.evaluate.sources import Source
    from tfanime.evaluate.table import columns
    from tfanime.metrics.faces import cascade_finder
    from tfanime.metrics.features import open_network
    from tfanime.metrics.reference import reference

    faces, network = config.faces(), open_network(config.features)
    order = np.random.default_rng(0).permutation(faces.count)
    real = Part(faces, np.sort(order[: faces.count // 2]), "first half")
    others = order[faces.count // 2 :]
    some = half_of_the_classes(faces, others)
    samples = min(config.samples, len(others), len(some) if len(some) >= LEAST else len(others))
    judge = Judge(
        network, reference(network, real), samples, cascade_finder(config.cascade) if config.cascade else None
    )
    shown = columns(judge.protocol)
    row = table(
        f"{samples:,} real pictures against {real.count:,} others, {config.image_size} px",
        "",
        *(column.heading for column in shown),
    )

    def judged(name, numbers, distortion):
        def images(places):
            return np.stack([distortion(image) for image in faces.images(numbers[places])])

        values = judge.row(Source(name, samples, images, faces.image_size, False)).values
        row(name, *(column.text(values) for column in shown))

    for name, distortion in DISTORTIONS.items():
        judged(name, others, distortion)
    if len(some) >= LEAST:
        judged("half of the classes", some, DISTORTIONS["real"])
    judged("each twice", np.repeat(others, 2), DISTORTIONS["real"])
    judged("the others themselves", real.numbers, DISTORTIONS["real"])


TABLES = {"extraction": extraction, "frechet": frechet, "callback": callback, "moves": moves}


def main(arguments=None):
    """Measures the parts that the flags name; `--help` lists them."""
    config = command_line.parse(
        Config,
        program="python benchmarks/metrics.py",
        description=Path(__file__).read_text(encoding="utf-8").split('"""')[1],
        arguments=arguments,
    )
    command_line.load_tensorflow()
    with neighbours():
        for part in config.parts.split(","):
            TABLES[part](config)


if __name__ == "__main__":
    command_line.run(main)
