import cv2
import numpy as np
import pytest
from test_tfrecords_detectors_cascade import BRIGHT_MIDDLE

from tfanime.metrics.faces import animeface_finder, cascade_finder, prepared
from tfanime.tfrecords.detectors.animeface import test_face as drawn_face

needs_cascades = pytest.mark.skipif(not hasattr(cv2, "CascadeClassifier"), reason="needs OpenCV below 5")


def pictures():
    """A bright middle, nothing, and a slope."""
    images = np.full((3, 32, 32, 3), 40, np.uint8)
    images[0, 10:22, 10:22] = 220
    images[2] = np.arange(0, 256, 8, dtype=np.uint8)[:, None]
    return images


@needs_cascades
def test_cascade_finder_finds_faces(tmp_path):
    (tmp_path / "cascade.xml").write_text(BRIGHT_MIDDLE)
    finder = cascade_finder(str(tmp_path / "cascade.xml"))
    assert finder(pictures()).tolist() == [True, False, False]
    assert finder.protocol["name"] == "lbpcascade" and "OpenCV" in finder.protocol["version"]
    with pytest.raises(FileNotFoundError, match=r"--cascade must name an existing XML file. Received: 'nowhere'"):
        cascade_finder("nowhere")


def test_prepared_repeats_the_edge():
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 31] = 200
    seen = prepared(image)
    assert seen.shape == (192, 192, 3) and (seen[:, 150:] > 190).all() and (seen[:, :48] == 0).all()


def test_animeface_finder_finds_faces():
    pytest.importorskip("animeface")
    finder = animeface_finder()
    images = np.stack([np.asarray(drawn_face(64)), np.full((64, 64, 3), 90, np.uint8)])
    assert finder(images).tolist() == [True, False]
