"""Whether a detector finds a face in a picture.

Read it only beside recall and the share of duplicates: a detector finds a face in every average of real faces.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from tfanime.metrics.metric import Metric, Number, percent
from tfanime.tfrecords.detectors.animeface import animeface
from tfanime.tfrecords.detectors.cascade import MIN_NEIGHBOURS, SCALE_FACTOR, cascade_path, lbpcascade
from tfanime.tfrecords.detectors.registry import DetectSettings

SIDE, BORDER = 96, 48  # detectors need a margin around the face, so the edge is repeated
LEAST = SIDE // 2  # a face fills the picture


@dataclass(frozen=True)
class FaceFinder:
    """A face detector for metrics.

    Args:
        name: `lbpcascade` or `animeface`.
        version: Its version.
        find: uint8 array `[192, 192, 3]` -> whether there is a face.
    """

    name: str
    version: str
    find: Callable

    @property
    def protocol(self):
        """The protocol, which must be equal for two shares to be compared."""
        return {"name": self.name, "version": self.version}

    def __call__(self, images):
        """Finds the pictures with a face.

        Args:
            images: uint8 array `[count, height, width, 3]`, one face each.

        Returns:
            bool array `[count]`.
        """
        return np.array([self.find(prepared(image)) for image in images], bool)


def prepared(image):
    """A picture as detectors see it: bicubic to 96 px, the edge repeated 48 px wide."""
    image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return cv2.copyMakeBorder(image, BORDER, BORDER, BORDER, BORDER, cv2.BORDER_REPLICATE)


def cascade_finder(cascade=None):
    """nagadomi's cascade, which finds a face of at least 48 px.

    Args:
        cascade: The XML file. Default: the environment variable TFANIME_CASCADE.

    Raises:
        ImportError: OpenCV 5, which has no cascades.
        ValueError: No file is named, or it holds no cascade.
        FileNotFoundError: The file does not exist.
    """
    settings = DetectSettings(detector="lbpcascade", cascade=cascade)
    version = lbpcascade(settings).version
    classifier = cv2.CascadeClassifier(str(cascade_path(settings)))

    def find(image):
        grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        return len(classifier.detectMultiScale(grey, SCALE_FACTOR, MIN_NEIGHBOURS, minSize=(LEAST, LEAST))) > 0

    return FaceFinder("lbpcascade", version, find)


def animeface_finder():
    """The package animeface, with the converter's threshold of a face's likelihood.

    Raises:
        ImportError: It is not installed, or finds no face in its self-test.
    """
    settings = DetectSettings(detector="animeface", detect_size=0)
    detector = animeface(settings)

    def find(image):
        return any(face.score >= settings.threshold for face in detector.find(Image.fromarray(image)))

    return FaceFinder("animeface", f"{detector.version}, threshold {settings.threshold}", find)


METRIC = Metric(
    "faces",
    (
        Number(
            "faces",
            "faces",
            "more",
            percent,
            lambda protocol: (
                f"Share of pictures in which {protocol['detector']['name']} finds a face. Averages of real faces get "
                "nearly all: read it with recall and duplicates."
            ),
        ),
    ),
    compute=lambda seen: {"faces": float(np.mean(seen))},
    look=lambda images, finder: finder(images),
    asked="detector",
)
