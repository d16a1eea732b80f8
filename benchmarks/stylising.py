"""What networks that turn photos into drawings make of photos they have not seen: a table in Markdown, and a sheet.

    python benchmarks/stylising.py --photos tfrecords/photos --data tfrecords/anime-portraits \
        --cascade lbpcascade_animeface.xml --out /tmp/stylising ours=runs/cartoon

Columns:

- KID x1000 to held-out drawings, in features of `hed_vgg16` (which has the layers of the content loss) and of `tagger`
  (which no loss has seen). No Frechet distance: held-out photos are fewer than a feature has dimensions.
- drawn face: share in which the cascade for drawings finds a face; photo face: that for photos.
- content: mean absolute difference to the photo in conv4_3 of `hed_vgg16`, before the ReLU.
- colour: the loss of `tfanime.training.cartoon_terms.colour` to the photo.
- retrieval: share of pictures that are nearer to their own photo than to every other, in features of `tagger`, each
  less the mean of its set.

The row "another photo" takes for each photo the next one: what content, colour and retrieval are by chance.
"""

import argparse
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import tensorflow as tf
from PIL import Image
from upscaling import table

from tfanime import data
from tfanime.files import write_text
from tfanime.generator import open_network
from tfanime.images import grid, to_float, write_png
from tfanime.metrics.faces import cascade_finder, prepared
from tfanime.metrics.features import extract
from tfanime.metrics.features import open_network as open_features
from tfanime.metrics.kernel import kernel_distance
from tfanime.models.vgg import hed_vgg16
from tfanime.stylise import LEAST_SCORE
from tfanime.tfrecords.detectors.portraits import haarcascade
from tfanime.training.cartoon_terms import colour
from tfanime.training.content import Content

BATCH = 64
LEVELS = 8  # of each colour
COLUMNS = 16


def posterised(image):
    """Twice a bilateral filter, then 8 levels of each colour."""
    for _ in range(2):
        image = cv2.bilateralFilter(image, 5, 40, 3)
    step = 255 / (LEVELS - 1)
    return np.uint8(np.round(np.round(image / step) * step))


def mean_shifted(image):
    """OpenCV's mean shift over 6 pixels and 30 grey levels."""
    return cv2.pyrMeanShiftFiltering(image, 6, 30)


def rows_of(networks):
    """Functions uint8 `[batch, height, width, 3]` -> pictures of the same shape, by name."""
    rows = {"photo": lambda images: images, "another photo": lambda images: np.roll(images, 1, axis=0)}
    for name, one in (("bilateral + posterise", posterised), ("mean shift", mean_shifted)):
        rows[name] = lambda images, one=one: np.stack([one(image) for image in images])
    for text in networks:
        name, _, path = text.rpartition("=")
        network = open_network(path, kinds=("stylise",))
        rows[name or path] = lambda images, network=network: np.concatenate(
            [network.images(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
        )
    return rows


def retrieval(first, second):
    """Share of rows of `first` whose nearest of `second`, by the cosine of their differences from their set's mean, is
    the row of the same number. The means take out what all drawings have and no photo has."""
    first, second = (rows - rows.mean(axis=0) for rows in (first, second))
    units = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (first, second)]
    return float(np.mean(np.argmax(units[0] @ units[1].T, axis=1) == np.arange(len(first))))


class Judges:
    """What looks at pictures made of photos.

    Args:
        photos: uint8 `[count, size, size, 3]`.
        drawings: Real ones, likewise.
        cascade: The file of the cascade for drawings.
    """

    def __init__(self, photos, drawings, cascade):
        self.photos = photos
        self.networks = {name: open_features(name) for name in ("hed_vgg16", "tagger")}
        self.drawings = {name: self._features(name, drawings) for name in self.networks}
        self.of_photos = self._features("tagger", photos)
        self.drawn_faces = cascade_finder(cascade)
        self.find = haarcascade(SimpleNamespace(detect_size=0)).find
        self.content = Content(hed_vgg16())

    def _features(self, name, images):
        batches = (images[i : i + BATCH] for i in range(0, len(images), BATCH))
        return np.concatenate(list(extract(self.networks[name], batches, len(images), name))).astype(float)

    def _has_photo_face(self, image):
        return any(face.score >= LEAST_SCORE for face in self.find(Image.fromarray(prepared(image))))

    def numbers(self, images, against_photos=True):
        """By name the numbers of pictures; those that compare with photos are left out where none belong to them."""
        features = {name: self._features(name, images) for name in self.networks}
        found = {}
        for name, rows in features.items():
            value, deviation = kernel_distance(self.drawings[name], rows)
            found[f"KID x1000 {name}"] = f"{1000 * value:.1f} ± {1000 * deviation:.1f}"
        found["drawn face"] = f"{100 * self.drawn_faces(images).mean():.0f} %"
        found["photo face"] = f"{100 * np.mean([self._has_photo_face(image) for image in images]):.0f} %"
        if not against_photos:
            return found | dict.fromkeys(("content", "colour", "retrieval"), "")
        distances = []
        for i in range(0, len(images), BATCH):
            sight = SimpleNamespace(
                inputs=to_float(tf.constant(self.photos[i : i + BATCH])),
                fakes=to_float(tf.constant(images[i : i + BATCH])),
                shared={},
            )
            distances.append(np.array([float(self.content(sight)), float(colour(sight))]) * len(sight.fakes))
        content, colours = np.sum(distances, axis=0) / len(images)
        found |= {"content": f"{content:.2f}", "colour": f"{colours:.3f}"}
        return found | {"retrieval": f"{100 * retrieval(features['tagger'], self.of_photos):.0f} %"}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NAME=NETWORK", help="networks of kind stylise")
    parser.add_argument("--photos", required=True, help="shards of photos with held-out ones")
    parser.add_argument("--data", required=True, help="shards of drawings with held-out ones")
    parser.add_argument("--cascade", required=True, help="XML file of the cascade for drawings")
    parser.add_argument("--size", type=int, default=64, help="side of all pictures in px")
    parser.add_argument("--count", type=int, default=1024, help="how many of either, at most")
    parser.add_argument("--out", required=True, help="folder for table.md and sheet.png")
    arguments = parser.parse_args(arguments)
    sets = [data.load(shards, arguments.size, split="holdout") for shards in (arguments.photos, arguments.data)]
    photos, drawings = (faces.images(range(min(arguments.count, faces.count))) for faces in sets)
    judges = Judges(photos, drawings, arguments.cascade)
    # Half of the drawings against the other half would be fewer: those of the training are of the same kind.
    others = data.load(arguments.data, arguments.size)
    count = min(len(photos), others.count)
    rows = {"drawings of the training": judges.numbers(others.images(range(count)), against_photos=False)}
    shown = []
    for name, function in rows_of(arguments.networks).items():
        made = function(photos)
        rows[name] = judges.numbers(made)
        shown.append(made[:COLUMNS])
        print(f"{name}: {rows[name]}", flush=True)
    out = Path(arguments.out)
    text = f"{len(photos)} photos, {len(drawings)} drawings, {arguments.size} px.\n\n{table(rows)}\n"
    write_text(out / "table.md", text)
    write_png(out / "sheet.png", grid(np.concatenate(shown), len(shown[0]), 2))
    print(text)


if __name__ == "__main__":
    main()
