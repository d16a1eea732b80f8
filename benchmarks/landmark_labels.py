"""Writes the table of points that `python -m tfanime.recipes.landmarks` learns from.

    python benchmarks/landmark_labels.py tfrecords/photos points.csv --mesh face_landmark.tflite

The points are those of MediaPipe's face mesh (Apache-2.0), `mediapipe/modules/face_landmark/face_landmark.tflite` in
the wheel of the PyPI package mediapipe 0.10.21, of which nothing else is needed: a wheel is a zip file, and
`pip download --no-deps mediapipe==0.10.21` gets it. The mesh finds 468 points in a face of 192 px with a margin. Each
face is shown as it is and mirrored; the table has the mean of both answers, and no row for a face that the mesh takes
for none or of which both disagree.
"""

import argparse
import os

import cv2
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tfanime.landmarks.points import MIRRORED, eye_distance, write_points
from tfanime.tfrecords.example import parse
from tfanime.tfrecords.manifest import Manifest

SIDE = 192  # of the mesh's input
MARGIN = 0.25  # around the picture, whose outermost pixels are repeated there; the mesh was trained on wider crops
MESH = (
    *(33, 133, 159, 145, 263, 362, 386, 374),  # the eyes, in the order of tfanime.landmarks.points.NAMES
    *(70, 105, 107, 300, 334, 336),
    *(168, 1, 98, 327),
    *(61, 291, 0, 13, 14, 17),
    *(234, 172, 149, 454, 397, 378),
    *(152, 10),
)


class Mesh:
    """MediaPipe's face mesh.

    Args:
        path: Its file.
    """

    def __init__(self, path):
        self.interpreter = tf.lite.Interpreter(model_path=str(path), num_threads=1)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]["index"]
        outputs = self.interpreter.get_output_details()
        self.points = next(each["index"] for each in outputs if np.prod(each["shape"]) == 468 * 3)
        self.presence = next(each["index"] for each in outputs if np.prod(each["shape"]) == 1)

    def __call__(self, image):
        """Points and presence of a face.

        Args:
            image: uint8 `[size, size, 3]`, a face that fills it.

        Returns:
            Points as shares of the picture's sides `[len(MESH), 2]`, and the likelihood of a face.
        """
        border = round(MARGIN * len(image))
        image = cv2.copyMakeBorder(image, *[border] * 4, cv2.BORDER_REPLICATE)
        seen = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA if len(image) > SIDE else cv2.INTER_CUBIC)
        self.interpreter.set_tensor(self.input, (seen.astype(np.float32) / 255.0)[None])
        self.interpreter.invoke()
        points = self.interpreter.get_tensor(self.points).reshape(468, 3)[MESH, :2]
        presence = float(self.interpreter.get_tensor(self.presence).ravel()[0])
        presence = float(1 / (1 + np.exp(-presence)))
        return points / SIDE * (1 + 2 * MARGIN) - MARGIN, presence

    def both(self, image):
        """Points of a face and of its mirrored picture, how far they disagree in eye distances, and the presence.

        Returns:
            The mean points `[len(MESH), 2]`, the mean distance, and the smaller likelihood of a face.
        """
        points, presence = self(image)
        others, other_presence = self(np.ascontiguousarray(image[:, ::-1]))
        others = (others * [-1, 1] + [1, 0])[list(MIRRORED)]
        apart = np.mean(np.linalg.norm(points - others, axis=-1)) / eye_distance(points)
        return (points + others) / 2, float(apart), min(presence, other_presence)


def faces_of(shards, splits=("train", "holdout")):
    """Pairs of id and picture, uint8, of the faces of a folder of shards."""
    for split in splits:
        manifest = Manifest.load(shards).split(split)
        for shard in manifest.shards:
            for record in tf.data.TFRecordDataset(os.path.join(shards, shard["file"])).batch(1):
                row = parse(record, 0, ("id", "image"))
                yield row["id"][0].numpy().decode(), tf.io.decode_image(row["image"][0], 3).numpy()


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", help="folder of shards of faces, best of 128 px or more")
    parser.add_argument("out", help="the table, a CSV file")
    parser.add_argument("--mesh", required=True, help="face_landmark.tflite")
    parser.add_argument("--presence", type=float, default=0.5, help="least likelihood of a face")
    parser.add_argument("--apart", type=float, default=0.1, help="most disagreement, in eye distances")
    arguments = parser.parse_args(arguments)
    mesh, kept, seen = Mesh(arguments.mesh), {}, 0
    for key, image in tqdm(faces_of(arguments.shards), unit=" faces"):
        points, apart, presence = mesh.both(image)
        seen += 1
        if presence >= arguments.presence and apart <= arguments.apart:
            kept[key] = points
    write_points(arguments.out, kept)
    print(f"{len(kept):,} of {seen:,} faces -> {arguments.out}")


if __name__ == "__main__":
    main()
