"""Measures how far eyes and mouths lie from each other's places in crops of photos, before and after alignment.

    python benchmarks/alignment.py tfrecords/photos192 --mesh face_landmark.tflite

The photos are the held-out ones of a folder of shards, as they are and turned by up to 25 degrees. Each is cut by the
detector `haarcascade` as with the card `portraits`, or taken whole (`--detector none`), and then aligned. The judge is
MediaPipe's face mesh, see `benchmarks/landmark_labels.py`. The landmark network that aligns has learned from the mesh,
but not on these photos if they are those of docs/stylising.md.
"""

import argparse
import time
from types import SimpleNamespace

import cv2
import numpy as np
from landmark_labels import Mesh, faces_of
from PIL import Image

from tfanime.command_line import load_tensorflow
from tfanime.tfrecords.alignment import ZOOM, Aligner, anchors
from tfanime.tfrecords.crop import centre_square, face_square
from tfanime.tfrecords.detectors.portraits import haarcascade
from tfanime.tfrecords.filters import Dropped

TURN = 25.0  # degrees
APART = 0.1  # between the mesh's answers in a face and in its mirrored picture, in eye distances


def turned(image, degrees):
    """The picture turned about its middle; its outermost pixels are repeated."""
    middle = ((image.width - 1) / 2, (image.height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, degrees, 1.0)
    pixels = cv2.warpAffine(
        np.asarray(image), matrix, image.size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return Image.fromarray(pixels)


def spread(places):
    """Of anchors `[count, 4, 2]`: the root of the mean squared distance of an eye and of a corner of the mouth from its
    mean place, in percent of the crop, and the standard deviation of the eyes' angle in degrees."""
    off = np.sqrt(np.mean(np.sum((places - places.mean(axis=0)) ** 2, axis=-1), axis=0))
    x, y = (places[:, 1] - places[:, 0]).T
    return 100 * off[:2].mean(), 100 * off[2:].mean(), float(np.std(np.degrees(np.arctan2(y, x))))


def squares(images, find):
    """The square of each picture's likeliest face; whole pictures without a detector."""
    for image in images:
        if find is None:
            yield image, centre_square(image)
        elif faces := sorted(find(image), key=lambda face: -face.score):
            yield image, face_square(image, faces[0].box, ZOOM)


def measure(images, find, aligner, mesh):
    """`spread` before and after, the photos, those with a square, those aligned, those judged, and ms a face."""
    before, after, counts, seconds = [], [], [len(images), 0, 0], 0.0
    for image, region in squares(images, find):
        counts[1] += 1
        begin = time.process_time()
        try:
            aligned, _ = aligner(image, region)
        except Dropped:
            continue
        finally:
            seconds += time.process_time() - begin
        counts[2] += 1
        (first, apart, _), (second, also, _) = (mesh.both(np.asarray(each.image)) for each in (region, aligned))
        if max(apart, also) <= APART:
            before.append(anchors(first))
            after.append(anchors(second))
    return spread(np.array(before)), spread(np.array(after)), [*counts, len(after)], 1000 * seconds / counts[1]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", help="folder of shards of photos, made with --detector none and --holdout")
    parser.add_argument("--mesh", required=True, help="face_landmark.tflite")
    parser.add_argument("--detector", choices=["haarcascade", "none"], default="haarcascade")
    arguments = parser.parse_args(arguments)
    load_tensorflow(threads=1)
    cv2.setNumThreads(1)
    find = haarcascade(SimpleNamespace(detect_size=640)).find if arguments.detector != "none" else None
    aligner, mesh = Aligner(), Mesh(arguments.mesh)
    images = [Image.fromarray(image) for _, image in faces_of(arguments.shards, ["holdout"])]
    aligner(images[0], centre_square(images[0]))  # the first call builds
    random = np.random.default_rng(0)
    print("| photos | eyes, % | mouth, % | angle, degrees | photos, found, aligned, judged | CPU ms a face |")
    print("|---|---|---|---|---|---|")
    tilted = [turned(image, random.uniform(-TURN, TURN)) for image in images]
    for name, photos in (("as they are", images), ("turned", tilted)):
        before, after, counts, milliseconds = measure(photos, find, aligner, mesh)
        for row, values in ((f"{name}, cut", before), (f"{name}, aligned", after)):
            print(f"| {row} | {' | '.join(f'{value:.2f}' for value in values)} | {counts} | {milliseconds:.1f} |")


if __name__ == "__main__":
    main()
