import io
import pickle

import numpy as np
import pytest
from PIL import Image
from small_pictures import data_of, noise

from tfanime.tags import KONACHAN26
from tfanime.tfrecords import detect
from tfanime.tfrecords.filters import Dropped
from tfanime.tfrecords.pictures import PictureConverter
from tfanime.tfrecords.settings import Settings
from tfanime.tfrecords.sources import FolderSource
from tfanime.tfrecords.tagging import NoTagger, SidecarTagger


def converter(image, data=None, tagger=None, **flags):
    settings = Settings("faces", "out", **{"size": 24, **flags})
    return PictureConverter(settings, lambda id: (image, data), tagger or NoTagger())


def pixels(face):
    return np.asarray(Image.open(io.BytesIO(face.image)))


def test_a_crop_of_the_right_size_keeps_its_bytes():
    data = data_of(noise(), "jpeg")
    (face,) = converter(noise(), data)("a.jpg", None).faces
    assert face.image is data and face.id == "a.jpg" and face.box == () and face.score is None


def test_other_sizes_and_formats_are_encoded_anew():
    (face,) = converter(noise())("a.bmp", None).faces
    np.testing.assert_array_equal(pixels(face), noise())
    (face,) = converter(noise(0, 48, 30), b"its own bytes")("a.png", None).faces
    assert pixels(face).shape == (24, 24, 3)


def test_tags_are_plain_integers():
    (face,) = converter(noise(), tagger=SidecarTagger(KONACHAN26))("a", "red_hair").faces
    assert face.tags == tuple(KONACHAN26.encode(["red_hair"]).tolist()) and type(face.tags[0]) is int


def test_drops_are_outcomes():
    outcome = converter(noise(0, 8, 8))("a.png", None)
    assert outcome.faces == () and outcome.drops == (("a.png", "too_small", "8"),)

    def unreadable(id):
        raise Dropped("unreadable", "cut short")

    outcome = PictureConverter(Settings("faces", "out"), unreadable, NoTagger())("b.png", None)
    assert outcome.drops == (("b.png", "unreadable", "cut short"),)


@pytest.fixture
def three_faces(monkeypatch):
    """A detector that finds a fair face, the best one, a tiny one and a doubtful one, in this order."""
    found = [
        detect.Detection((0, 0, 40, 40), 0.9),
        detect.Detection((50, 50, 90, 90), 0.99, ((1.0, 2.0),) * 5),
        detect.Detection((10, 10, 14, 14), 0.85),
        detect.Detection((20, 20, 60, 60), 0.3),
    ]
    monkeypatch.setitem(detect.DETECTORS, "three", lambda: detect.Detector("1", lambda image: list(found)))
    return found


def test_all_faces_best_first(three_faces):
    outcome = converter(noise(0, 100, 100), detector="three", zoom=1.0)("a", None)
    assert [(face.id, face.score) for face in outcome.faces] == [("a", 0.99), ("a#1", 0.9)]
    assert outcome.faces[0].points == ((1.0, 2.0),) * 5 and outcome.faces[0].box == (50, 50, 90, 90)
    assert outcome.drops == (("a#2", "too_small", "4"),)


def test_best_face_only(three_faces):
    outcome = converter(noise(0, 100, 100), detector="three", faces="best")("a", None)
    assert [face.score for face in outcome.faces] == [0.99] and outcome.drops == ()


def test_no_face_above_the_threshold(three_faces):
    assert converter(noise(), detector="three", threshold=1.0)("a", None).drops == (("a", "no_face", "0"),)


def test_a_converter_crosses_processes(tmp_path):
    noise().save(tmp_path / "a.png")
    before = PictureConverter(Settings("f", "o", size=24), FolderSource(tmp_path).opener(), SidecarTagger(KONACHAN26))
    assert pickle.loads(pickle.dumps(before))("a.png", "red_hair") == before("a.png", "red_hair")
