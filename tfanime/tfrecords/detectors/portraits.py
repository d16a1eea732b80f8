"""The detector `haarcascade`: faces in photographs."""

import math
from pathlib import Path

import cv2
import numpy as np

from tfanime.tfrecords.detectors.detection import Detection, Detector, file_version, shrunk

FILE = "haarcascade_frontalface_alt2.xml"  # of the three frontal ones the one that misses fewest of 300 portraits
SCALE_FACTOR, MIN_NEIGHBOURS, MIN_SIDE = 1.1, 5, 24
BORDER = 0.3  # of the shorter side: a face that fills its picture is found in one of three cases without, in 98 % with
LOWER = 0.1  # of the box's height, by which its middle lies above that of the face from forehead to chin
SLOPE, INTERCEPT = 1.41, -75.2  # a logistic fit to 364 boxes in scenes with known faces


def haarcascade(settings):
    """OpenCV's cascade for frontal faces (Viola and Jones 2001; Lienhart and Maydt 2002): a square from the forehead to
    the chin. The cascade comes with OpenCV's wheel; nothing is downloaded.

    Args:
        settings: `DetectSettings`; `detect_size` is used.

    Raises:
        ImportError: OpenCV 5, whose main wheel has no cascades.
    """
    if not hasattr(cv2, "CascadeClassifier"):
        raise ImportError(
            f"--detector haarcascade needs OpenCV below 5. Received: OpenCV {cv2.__version__}, which has no cascades: "
            "pip install 'opencv-python<5'"
        )
    path = Path(cv2.data.haarcascades) / FILE
    cascade = cv2.CascadeClassifier(str(path))

    def find(image):
        grey = cv2.equalizeHist(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2GRAY))
        border = round(BORDER * min(grey.shape))
        grey = cv2.copyMakeBorder(grey, border, border, border, border, cv2.BORDER_REPLICATE)
        boxes, _, weights = cascade.detectMultiScale3(
            grey, SCALE_FACTOR, MIN_NEIGHBOURS, minSize=(MIN_SIDE, MIN_SIDE), outputRejectLevels=True
        )
        return [
            Detection(_moved(np.asarray(box, float) - [border, border, 0, 0]), likelihood(weight))
            for box, weight in zip(boxes, weights, strict=True)
        ]

    return Detector(f"{file_version(path)}, OpenCV {cv2.__version__}", shrunk(find, settings.detect_size))


def _moved(box):
    left, top, width, height = box
    top += LOWER * height
    return float(left), float(top), float(left + width), float(top + height)


def likelihood(weight):
    """The score of a box: in scenes with known faces the share of boxes of this weight that are right.

    Args:
        weight: The output of the cascade's last stage for its best window (OpenCV's level weight).

    Returns:
        A float, 0 to 1.
    """
    return 0.5 * (1 + math.tanh(0.5 * (SLOPE * float(np.ravel(weight)[0]) + INTERCEPT)))
