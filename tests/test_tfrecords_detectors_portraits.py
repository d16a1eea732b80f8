import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from tfanime.tfrecords.crop import face_square
from tfanime.tfrecords.detectors import portraits
from tfanime.tfrecords.detectors.registry import DetectSettings

needs_cascades = pytest.mark.skipif(not hasattr(cv2, "CascadeClassifier"), reason="needs OpenCV below 5")


def portrait(side=200):
    """A face drawn as the cascade sees one: eyes in shadow, bright cheeks and nose, a dark mouth."""
    scale = side / 200
    image = Image.new("L", (side, side), 130)
    pen = ImageDraw.Draw(image)

    def ellipse(x, y, width, height, value):
        box = [(x - width) * scale, (y - height) * scale, (x + width) * scale, (y + height) * scale]
        pen.ellipse(box, fill=value)

    ellipse(100, 110, 90, 125, 60)  # hair
    ellipse(100, 115, 72, 100, 190)
    for x in (64, 136):
        ellipse(x, 72, 26, 7, 70)  # brows
        ellipse(x, 88, 24, 15, 120)
        ellipse(x, 90, 14, 8, 30)
        ellipse(x, 125, 20, 14, 205)
    pen.rectangle([92 * scale, 80 * scale, 108 * scale, 135 * scale], fill=215)
    ellipse(100, 138, 18, 6, 120)
    ellipse(100, 165, 30, 9, 80)
    return Image.fromarray(cv2.GaussianBlur(np.asarray(image), (0, 0), 2.5 * scale)).convert("RGB")


@needs_cascades
@pytest.mark.parametrize("detect_size", [640, 150])
def test_portraits_find_a_face_that_fills_its_picture(detect_size):
    (face,) = portraits.haarcascade(DetectSettings(detect_size=detect_size)).find(portrait())
    left, top, right, bottom = face.box
    assert 150 < right - left < 240 and right - left == pytest.approx(bottom - top)
    assert (left + right) / 2 == pytest.approx(100, abs=10) and 90 < (top + bottom) / 2 < 140
    assert 0 < face.score < 1 and face.points == ()
    assert face_square(portrait(), face.box, 1.07).image.size[0] > 150


@needs_cascades
def test_portraits_find_a_face_in_a_scene():
    scene = Image.new("RGB", (500, 400), (130, 130, 130))
    scene.paste(portrait(160), (300, 120))
    faces = portraits.haarcascade(DetectSettings()).find(scene)
    left, top, right, bottom = max(faces, key=lambda face: face.score).box
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((380, 205), abs=20)


@needs_cascades
def test_portraits_find_no_face_elsewhere():
    assert portraits.haarcascade(DetectSettings()).find(Image.new("RGB", (90, 60), "white")) == []
    assert cv2.__version__ in portraits.haarcascade(DetectSettings()).version
    scores = [portraits.likelihood(weight) for weight in (-3, 50, 53, 55, 60, 1000)]
    assert scores == sorted(scores) and scores[0] >= 0 and scores[-1] <= 1
    assert scores[2] < DetectSettings().threshold < scores[3]


def test_portraits_refuse_opencv_5(monkeypatch):
    monkeypatch.delattr(cv2, "CascadeClassifier", raising=False)
    with pytest.raises(ImportError, match=r"haarcascade needs OpenCV below 5.*'opencv-python<5'"):
        portraits.haarcascade(DetectSettings())
