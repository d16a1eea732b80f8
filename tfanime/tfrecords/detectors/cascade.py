"""The detector `lbpcascade`."""

import math
import os
from pathlib import Path

import cv2
import numpy as np

from tfanime.tfrecords.detectors.detection import Detection, Detector, file_version, shrunk

VARIABLE = "TFANIME_CASCADE"
SOURCE = "lbpcascade_animeface.xml of https://github.com/nagadomi/lbpcascade_animeface (MIT licence)"
SCALE_FACTOR, MIN_NEIGHBOURS, MIN_SIDE = 1.1, 5, 24
SLOPE, INTERCEPT = 1.58, -0.37  # logistic fit to 1,226 boxes in scenes with known faces: docs/reports/detectors.md


def lbpcascade(settings):
    """nagadomi's cascade of local binary patterns (2011), by way of OpenCV: a square about the face and its hair.

    Args:
        settings: `DetectSettings`; `cascade` and `detect_size` are used.

    Raises:
        ImportError: OpenCV 5, whose main wheel has no cascades.
        ValueError: No XML file is named, or it holds no cascade.
        FileNotFoundError: The XML file does not exist.
    """
    if not hasattr(cv2, "CascadeClassifier"):
        raise ImportError(
            f"--detector lbpcascade needs OpenCV below 5. Received: OpenCV {cv2.__version__}, which has no cascades: "
            "pip install 'opencv-python<5'"
        )
    path = cascade_path(settings)
    try:
        cascade = cv2.CascadeClassifier(str(path))
    except (cv2.error, SystemError) as error:
        raise ValueError(_no_cascade(path)) from error
    if cascade.empty():
        raise ValueError(_no_cascade(path))

    def find(image):
        grey = cv2.equalizeHist(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2GRAY))
        boxes, _, weights = cascade.detectMultiScale3(
            grey, SCALE_FACTOR, MIN_NEIGHBOURS, minSize=(MIN_SIDE, MIN_SIDE), outputRejectLevels=True
        )
        return [
            Detection((float(left), float(top), float(left + width), float(top + height)), likelihood(weight))
            for (left, top, width, height), weight in zip(boxes, weights, strict=True)
        ]

    version = f"{file_version(path)}, OpenCV {cv2.__version__}"
    return Detector(version, shrunk(find, settings.detect_size))


def likelihood(weight):
    """The score of a box: in scenes with known faces the share of boxes of this weight that are right.

    Args:
        weight: The output of the cascade's last stage for its best window (OpenCV's level weight).

    Returns:
        A float, 0 to 1.
    """
    return 0.5 * (1 + math.tanh(0.5 * (SLOPE * float(weight) + INTERCEPT)))  # the logistic function, without overflow


def cascade_path(settings):
    """The XML file: `settings.cascade`, else what the environment variable TFANIME_CASCADE names.

    Raises:
        ValueError: Neither names one.
        FileNotFoundError: It does not exist.
    """
    value = settings.cascade or os.environ.get(VARIABLE)
    if not value:
        raise ValueError(
            f"--cascade must name the cascade's XML file for --detector lbpcascade, or the environment variable "
            f"{VARIABLE} must. Received: neither; the file is {SOURCE}"
        )
    if not Path(value).is_file():
        flag = "--cascade" if settings.cascade else f"the environment variable {VARIABLE}"
        raise FileNotFoundError(f"{flag} must name an existing XML file. Received: {value!r}; the file is {SOURCE}")
    return Path(value)


def _no_cascade(path):
    return f"--cascade must be the XML file of a cascade that OpenCV reads. Received: {str(path)!r}; get {SOURCE}"
