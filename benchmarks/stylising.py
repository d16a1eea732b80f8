"""What networks that turn photos into drawings make of photos they have not seen: a table in Markdown, and a sheet.

    python benchmarks/stylising.py --photos tfrecords/photos --data tfrecords/anime-portraits \
        --cascade lbpcascade_animeface.xml --mesh face_landmark.tflite --out /tmp/stylising ours=runs/cartoon

Columns:

- KID x1000 to held-out drawings, in features of `hed_vgg16` (which has the layers of the content loss) and of `tagger`
  (which no loss has seen). No Frechet distance: held-out photos are fewer than a feature has dimensions.
- drawn face: share in which the cascade for drawings finds a face; photo face: that for photos.
- content: mean absolute difference to the photo in conv4_3 of `hed_vgg16`, before the ReLU.
- colour: the loss of `tfanime.training.cartoon_terms.colour` to the photo.
- mesh: share in which MediaPipe's face mesh sees a face (`landmark_labels.py` says where it comes from; the landmark
  loss has another network).
- landmarks: mean distance of the mesh's points of the picture to those of the photo, in distances between the eyes, of
  pictures that have some; landmarks turned: the same of photos that were turned, scaled and shifted before they were
  drawn. Photos of a set are aligned: only turned ones show whether points follow the photo.
- retrieval: share of pictures that are nearer to their own photo than to every other, in features of `tagger`, each
  less the mean of its set.

The row "another photo" takes for each photo the next one: what content, colour, landmarks and retrieval are by chance.
"""

import argparse
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import tensorflow as tf
from landmark_labels import Mesh
from PIL import Image
from upscaling import table

from tfanime import data
from tfanime.files import write_text
from tfanime.generator import open_network
from tfanime.images import grid, to_float, to_uint8, write_png
from tfanime.landmarks.points import NAMES, eye_distance
from tfanime.metrics.faces import cascade_finder, prepared
from tfanime.metrics.features import extract
from tfanime.metrics.features import open_network as open_features
from tfanime.metrics.kernel import kernel_distance
from tfanime.models.vgg import hed_vgg16
from tfanime.stylise import LEAST_SCORE
from tfanime.tfrecords.detectors.portraits import haarcascade
from tfanime.training.cartoon_terms import colour
from tfanime.training.content import Content
from tfanime.training.point_regression import moved

PRESENT = 0.5  # likelihood of a face from which on the mesh counts one
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
        mesh: That of the face mesh; None to leave its columns out.
    """

    def __init__(self, photos, drawings, cascade, mesh=None):
        self.photos = photos
        self.see(mesh, photos)
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

    def see(self, mesh, photos):
        """Opens the face mesh and lets it see the photos, as they are and turned."""
        none = tf.zeros((len(photos), len(NAMES), 2))  # no points of their own to move
        self.turned = to_uint8(moved(to_float(tf.constant(photos)), none, 0, 0, mirror=0.0)[0]).numpy()
        self.mesh = mesh and Mesh(mesh)
        self.points = [self._points(images) for images in (photos, self.turned)] if mesh else []

    def _points(self, images):
        """The mesh's points of pictures, NaN where it sees no face, `[count, points, 2]`."""
        found = [self.mesh(image) for image in images]
        return np.stack([points if presence >= PRESENT else np.nan * points for points, presence in found])

    def landmarks(self, images, turned):
        """The mesh's columns."""
        points = [self._points(each) for each in (images, turned)]
        found = {"mesh": f"{100 * np.isfinite(points[0][:, 0, 0]).mean():.0f} %"}
        for name, there, own in zip(("landmarks", "landmarks turned"), points, self.points, strict=True):
            errors = np.linalg.norm(there - own, axis=-1).mean(axis=-1) / eye_distance(own)
            found[name] = f"{np.nanmean(errors):.3f}"
        return found

    def numbers(self, images, turned=None):
        """By name the numbers of pictures.

        Args:
            images: Made of the photos, uint8 of their shape.
            turned: Made of the turned photos; None for pictures that were made of none, and are not compared with any.
        """
        features = {name: self._features(name, images) for name in self.networks}
        found = {}
        for name, rows in features.items():
            value, deviation = kernel_distance(self.drawings[name], rows)
            found[f"KID x1000 {name}"] = f"{1000 * value:.1f} ± {1000 * deviation:.1f}"
        found["drawn face"] = f"{100 * self.drawn_faces(images).mean():.0f} %"
        found["photo face"] = f"{100 * np.mean([self._has_photo_face(image) for image in images]):.0f} %"
        if turned is None:
            columns = ("mesh", "landmarks", "landmarks turned") if self.mesh else ()
            return found | dict.fromkeys((*columns, "content", "colour", "retrieval"), "")
        if self.mesh:
            found |= self.landmarks(images, turned)
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
    parser.add_argument("--mesh", help="face_landmark.tflite, for the columns of landmarks")
    parser.add_argument("--size", type=int, default=64, help="side of all pictures in px")
    parser.add_argument("--count", type=int, default=1024, help="how many of either, at most")
    parser.add_argument("--out", required=True, help="folder for table.md and sheet.png")
    arguments = parser.parse_args(arguments)
    sets = [data.load(shards, arguments.size, split="holdout") for shards in (arguments.photos, arguments.data)]
    photos, drawings = (faces.images(range(min(arguments.count, faces.count))) for faces in sets)
    judges = Judges(photos, drawings, arguments.cascade, arguments.mesh)
    # Half of the drawings against the other half would be fewer: those of the training are of the same kind.
    others = data.load(arguments.data, arguments.size)
    count = min(len(photos), others.count)
    rows = {"drawings of the training": judges.numbers(others.images(range(count)))}
    shown = []
    for name, function in rows_of(arguments.networks).items():
        made = function(photos)
        rows[name] = judges.numbers(made, function(judges.turned))
        shown.append(made[:COLUMNS])
        print(f"{name}: {rows[name]}", flush=True)
    out = Path(arguments.out)
    text = f"{len(photos)} photos, {len(drawings)} drawings, {arguments.size} px.\n\n{table(rows)}\n"
    write_text(out / "table.md", text)
    write_png(out / "sheet.png", grid(np.concatenate(shown), len(shown[0]), 2))
    print(text)


if __name__ == "__main__":
    main()
