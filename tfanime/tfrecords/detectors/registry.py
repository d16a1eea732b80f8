"""The registry of detectors, and their flags.

A new detector is one function, from `DetectSettings` to a `Detector`, and one entry in `DETECTORS`.
"""

import importlib.util
from dataclasses import dataclass
from typing import Annotated, Literal

import tfanime
from tfanime.limits import SHARE, Limit
from tfanime.tfrecords.detectors.animeface import animeface, test_face
from tfanime.tfrecords.detectors.cascade import cascade_path, lbpcascade
from tfanime.tfrecords.detectors.detection import Detection, Detector
from tfanime.tfrecords.detectors.onnx import model_path, onnx
from tfanime.tfrecords.detectors.portraits import haarcascade

__all__ = ["DEFAULT", "DETECTORS", "DetectSettings", "Detection", "Detector", "detector_name", "test_face"]

DEFAULT = "animeface"


@dataclass(frozen=True, kw_only=True)
class DetectSettings:
    """Which detector finds the faces, and how.

    Args:
        detector: The face detector: `animeface` (needs `pip install 'tfanime[faces]'`), `lbpcascade` (needs --cascade),
            `onnx` (needs --detector_model and `pip install 'tfanime[onnx]'`), `haarcascade` (faces in photographs) or
            `none` (each picture is a face already; the middle square is used). Default: animeface, for `drawn` none.
        faces: Keep all faces of a picture, or the best one.
        threshold: Smallest score of a face, on the detector's own scale (YOLO's models: 0.25 to 0.5).
        detect_size: Longer side, in pixels, to which pictures are shrunk for the detector; 0: never. Crops are cut from
            the original picture. An `onnx` model of fixed input size has its own.
        cascade: For `lbpcascade`: nagadomi's lbpcascade_animeface.xml. Default: the environment variable
            TFANIME_CASCADE.
        detector_model: For `onnx`: a face detector of YOLO's form, as an ONNX file.
    """

    detector: str | None = None
    faces: Literal["all", "best"] = "all"
    threshold: Annotated[float, SHARE] = 0.8
    detect_size: Annotated[int, Limit("at least 32 (pixels), or 0", lambda value: value == 0 or value >= 32)] = 640
    cascade: str | None = None
    detector_model: str | None = None

    def rules(self):
        """Yields `(flag, holds, rule)` of each rule.

        Raises:
            ValueError: The chosen detector needs a file that is not named.
            FileNotFoundError: That file does not exist.
        """
        yield "detector", self.detector is None or self.detector in DETECTORS, f"one of {', '.join(DETECTORS)}"
        yield "faces", self.faces in ("all", "best"), "one of all, best"
        if self.detector == "lbpcascade":
            cascade_path(self)
        if self.detector == "onnx":
            model_path(self)

    def idle(self):
        """Yields the fields that have no effect; for the files the detector's version speaks, a hash of them."""
        yield from ("cascade", "detector_model")
        if self.detector == "none":
            yield from ("faces", "threshold", "detect_size")


def detector_name(settings):
    """The name of the detector that the settings mean.

    Args:
        settings: `DetectSettings` that have the field `source` too.

    Returns:
        A key of `DETECTORS`: `settings.detector`, or its default.

    Raises:
        ImportError: The default is not installed.
    """
    if settings.detector is not None:
        return settings.detector
    if settings.source == "drawn":
        return "none"
    if importlib.util.find_spec(DEFAULT) is None:
        raise ImportError(
            f"--detector {DEFAULT}, the default, is not installed: pip install 'tfanime[faces]', or take "
            "--detector lbpcascade --cascade FILE, or --detector none for pictures that are faces already"
        )
    return DEFAULT


def none(settings):
    """For pictures that are cropped already."""
    return Detector(tfanime.__version__, None)


DETECTORS = {"animeface": animeface, "lbpcascade": lbpcascade, "onnx": onnx, "haarcascade": haarcascade, "none": none}
