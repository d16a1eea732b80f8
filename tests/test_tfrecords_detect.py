import importlib.util
import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from tfanime.tfrecords import detect

installed = pytest.mark.skipif(importlib.util.find_spec("animeface") is None, reason="needs tfanime[faces]")


def test_none_takes_every_picture_for_a_face():
    assert detect.DETECTORS["none"]().find is None


@installed
def test_animeface_finds_the_test_face_where_it_is():
    detector = detect.animeface()
    (face,) = detector.find(detect.test_face(192))
    left, top, right, bottom = face.box
    assert detector.version and 0.8 < face.score <= 1
    assert left < 70 and right > 122 and top < 100 and bottom > 123  # it holds both eyes
    left_eye, right_eye, mouth, nose, chin = face.points
    assert abs(left_eye[0] - 121) < 12 and abs(right_eye[0] - 70) < 12  # the character's left is on our right
    assert left_eye[1] < nose[1] < mouth[1] < chin[1]


@installed
def test_animeface_finds_nothing_in_nothing():
    assert detect.animeface().find(Image.new("RGB", (100, 100), "white")) == []


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "animeface", None)
    with pytest.raises(ImportError, match=r"pip install 'tfanime\[faces\]'"):
        detect.animeface()


def test_an_animeface_that_sees_nothing_fails_loudly(monkeypatch):
    monkeypatch.setitem(sys.modules, "animeface", SimpleNamespace(detect=lambda image: []))
    with pytest.raises(ImportError, match="Pillow below 12"):
        detect.animeface()
