import io
import pickle

import numpy as np
import pytest
from PIL import Image
from small_pictures import data_of, noise

from tfanime.tags import KONACHAN26
from tfanime.tfrecords.detectors import registry
from tfanime.tfrecords.filters import Dropped
from tfanime.tfrecords.pictures import Drop, PictureConverter
from tfanime.tfrecords.settings import Settings
from tfanime.tfrecords.sources.sources import FolderSource, Picture
from tfanime.tfrecords.taggers.tagging import Chain, SidecarTagger

NOBODY = Chain(None, ())
SIDECAR = Chain(KONACHAN26, (SidecarTagger(KONACHAN26),))


def converter(image, data=None, tagger=NOBODY, excluded=(), **flags):
    settings = Settings("faces", "out", **{"size": 24, "detector": "none", **flags})
    return PictureConverter(settings, lambda id, words: Picture(image, data, words), tagger, frozenset(excluded))


def told(outcome):
    """The drops without their thumbnails."""
    return tuple((drop.id, drop.reason, drop.value) for drop in outcome.drops)


def pixels(face):
    return np.asarray(Image.open(io.BytesIO(face.image)))


def test_crop_of_the_right_size_keeps_its_bytes():
    data = data_of(noise(), "jpeg")
    (face,) = converter(noise(), data)("a.jpg", None).faces
    assert face.image is data and face.id == "a.jpg" and face.box == () and face.score is None


def test_other_sizes_and_formats_are_encoded_again():
    (face,) = converter(noise())("a.bmp", None).faces
    np.testing.assert_array_equal(pixels(face), noise())
    (face,) = converter(noise(0, 48, 30), b"its own bytes")("a.png", None).faces
    assert pixels(face).shape == (24, 24, 3)


def test_tags_are_plain_integers():
    (face,) = converter(noise(), tagger=SIDECAR)("a", "red_hair").faces
    assert face.tags == tuple(KONACHAN26.encode(["red_hair"]).tolist()) and type(face.tags[0]) is int
    assert face.givers[0] == 0 and type(face.givers[0]) is int


def test_drops_are_outcomes():
    outcome = converter(noise(0, 8, 8))("a.png", None)
    assert outcome.faces == () and told(outcome) == (("a.png", "too_small", "8"),)
    assert Image.open(io.BytesIO(outcome.drops[0].thumbnail)).size == (8, 8)

    def unreadable(id, words):
        raise Dropped("unreadable", "cut short")

    outcome = PictureConverter(Settings("faces", "out", detector="none"), unreadable, NOBODY)("b.png", None)
    assert outcome.drops == (Drop("b.png", "unreadable", "cut short"),)


def test_grey_and_blurred_faces_are_dropped_and_measured():
    grey = noise(0, 24, 24).convert("L").convert("RGB")
    assert converter(grey)("a", None).drops[0].reason == "grey"
    smooth = Image.linear_gradient("L").resize((24, 24))
    colours = Image.merge("RGB", (smooth, smooth.rotate(90), smooth.rotate(180)))
    assert converter(colours)("a", None).drops[0].reason == "blurred"
    (face,) = converter(colours, sharpness=0)("a", None).faces
    assert 0 < face.sharpness < 50 and face.chroma > 2 and face.picture_size == (24, 24) and face.hash is not None
    assert converter(colours, sharpness=0, duplicates=-1)("a", None).faces[0].hash is None


@pytest.fixture
def three_faces(monkeypatch):
    """A detector that finds a fair face, the best one, a tiny one and a doubtful one, in this order."""
    found = [
        registry.Detection((0, 0, 40, 40), 0.9),
        registry.Detection((50, 50, 90, 90), 0.99, ((1.0, 2.0),) * 5),
        registry.Detection((10, 10, 14, 14), 0.85),
        registry.Detection((20, 20, 60, 60), 0.3),
    ]
    monkeypatch.setitem(registry.DETECTORS, "three", lambda settings: registry.Detector("1", lambda image: list(found)))
    return found


def test_faces_all_are_in_order_of_their_score(three_faces):
    outcome = converter(noise(0, 100, 100), detector="three", zoom=1.0)("a", None)
    assert [(face.id, face.score) for face in outcome.faces] == [("a", 0.99), ("a#1", 0.9)]
    assert outcome.faces[0].points == ((1.0, 2.0),) * 5 and outcome.faces[0].box == (50, 50, 90, 90)
    assert told(outcome) == (("a#2", "too_small", "4"),)


def test_faces_best_keeps_one(three_faces):
    outcome = converter(noise(0, 100, 100), detector="three", faces="best")("a", None)
    assert [face.score for face in outcome.faces] == [0.99] and outcome.drops == ()


def test_threshold_drops_pictures_without_a_face(three_faces):
    outcome = converter(noise(), detector="three", threshold=1.0)("a", None)
    assert told(outcome) == (("a", "no_face", "0.99"),) and outcome.drops[0].thumbnail


def test_excluded_faces_are_left_out_and_do_not_renumber_the_others(three_faces):
    image = noise(0, 100, 100)
    outcome = converter(image, detector="three", zoom=1.0, excluded=["a#1"])("a", None)
    assert [face.id for face in outcome.faces] == ["a"]
    assert told(outcome) == (("a#1", "excluded", ""), ("a#2", "too_small", "4"))


def test_frame_is_the_kept_part_of_the_square(three_faces):
    image, settings = noise(0, 100, 100), {"detector": "three", "faces": "best", "zoom": 1.0, "size": 20}
    (face,) = converter(image, frame="0.25,0.5,0.75,1", **settings)("a", None).faces
    expected = image.crop((60, 70, 80, 90))
    np.testing.assert_array_equal(Image.open(io.BytesIO(face.image)), expected)


def test_taggers_get_the_place_of_the_crop(three_faces):
    seen = []

    def tagger(sight):
        seen.append(sight)
        return np.zeros(0, np.int8), np.zeros(0, np.int8)

    tagger.taggers = ()
    converter(noise(0, 100, 100), tagger=tagger, detector="three", zoom=1.0)("a", "red_hair")
    assert [sight.region for sight in seen] == [(50, 50, 40), (0, 0, 40)]
    assert [sight.square.size for sight in seen] == [(40, 40), (40, 40)]
    assert seen[0].words == "red_hair" and seen[0].crop.size == (24, 24) and seen[0].detection.score == 0.99


def test_converter_can_be_pickled(tmp_path):
    noise().save(tmp_path / "a.png")
    settings = Settings("f", "o", size=24, detector="none")
    before = PictureConverter(settings, FolderSource(tmp_path).opener(), SIDECAR)
    assert pickle.loads(pickle.dumps(before))("a.png", "red_hair") == before("a.png", "red_hair")
