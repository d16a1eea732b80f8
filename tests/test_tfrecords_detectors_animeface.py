import importlib.util
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tfanime.tfrecords.detectors import animeface
from tfanime.tfrecords.detectors.registry import DetectSettings

SETTINGS = DetectSettings()
installed = pytest.mark.skipif(importlib.util.find_spec("animeface") is None, reason="needs tfanime[faces]")


@installed
def test_animeface_finds_a_face_at_its_place():
    detector = animeface.animeface(SETTINGS)
    (face,) = detector.find(animeface.test_face(192))
    left, top, right, bottom = face.box
    assert detector.version and 0.8 < face.score <= 1
    assert left < 70 and right > 122 and top < 100 and bottom > 123  # it holds both eyes
    left_eye, right_eye, mouth, nose, chin = face.points
    assert abs(left_eye[0] - 121) < 12 and abs(right_eye[0] - 70) < 12  # the character's left is on our right
    assert left_eye[1] < nose[1] < mouth[1] < chin[1]


@installed
def test_animeface_samples_are_rgb():
    picture = np.array(animeface.test_face(192))
    picture[86:126, 104:140] = picture[86:126, 104:140, [0, 2, 1]]  # the character's left eye: green
    (face,) = animeface.animeface(SETTINGS).find(Image.fromarray(picture))
    colours = dict(face.colours)
    assert list(colours) == ["skin", "hair", "left_eye", "right_eye"]
    assert all(type(value) is int for colour in colours.values() for value in colour)
    assert np.abs(np.subtract(colours["skin"], (255, 224, 200))).max() < 8
    assert np.abs(np.subtract(colours["hair"], (110, 70, 40))).max() < 8
    assert np.argmax(colours["left_eye"]) == 1 and np.argmax(colours["right_eye"]) == 2


@installed
def test_animeface_scales_boxes_of_shrunk_pictures_back():
    large = animeface.test_face(192).resize((768, 768), Image.Resampling.LANCZOS)
    (face,) = animeface.animeface(DetectSettings(detect_size=192)).find(large)
    (small,) = animeface.animeface(SETTINGS).find(animeface.test_face(192))
    assert face.box == pytest.approx([4 * value for value in small.box], abs=24)
    assert np.ravel(face.points) == pytest.approx(4 * np.ravel(small.points), abs=24)


@installed
def test_animeface_finds_no_face_in_an_empty_picture():
    assert animeface.animeface(SETTINGS).find(Image.new("RGB", (100, 100), "white")) == []


def test_animeface_missing_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "animeface", None)
    with pytest.raises(ImportError, match=r"pip install 'tfanime\[faces\]'"):
        animeface.animeface(SETTINGS)


def test_animeface_that_finds_nothing_is_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "animeface", SimpleNamespace(detect=lambda image: []))
    with pytest.raises(ImportError, match="Pillow below 12"):
        animeface.animeface(SETTINGS)
