"""The benchmark of networks that turn photos into drawings."""

import numpy as np
import pytest
import stylising
import tiny_photos
import tiny_pictures
import tiny_vgg
from test_tfrecords_detectors_cascade import BRIGHT_MIDDLE, needs_cascades

from tfanime.landmarks.points import NAMES
from tfanime.tfrecords.convert import convert
from tfanime.tfrecords.settings import Settings


def test_retrieval_counts_nearest_photos():
    random = np.random.default_rng(0)
    rows = random.normal(size=(20, 6))
    assert stylising.retrieval(3 * rows + 7, rows) == 1.0
    assert stylising.retrieval(np.roll(rows, 1, axis=0), rows) == 0.0


def test_posterised_pictures_have_few_colours():
    made = stylising.posterised(np.asarray(tiny_photos.photo(0)))
    assert set(np.unique(made)) <= set(np.uint8(np.round(np.arange(8) * 255 / 7)))


class BrightestPlace:
    """In place of the face mesh: all points lie around the brightest place, in bright pictures alone."""

    def __init__(self, path):
        self.shape = np.random.default_rng(0).uniform(-0.1, 0.1, (len(NAMES), 2))

    def __call__(self, image):
        row, column = np.unravel_index(np.argmax(image.sum(axis=-1)), image.shape[:2])
        points = np.array([column, row]) / len(image) + self.shape
        return points, 1.0 if image.max() > 200 else 0.0


def test_landmarks_of_pictures(monkeypatch):
    monkeypatch.setattr(stylising, "Mesh", BrightestPlace)
    photos = np.zeros((3, 32, 32, 3), np.uint8)
    for photo, place in zip(photos, (14, 16, 18), strict=True):
        photo[place - 1 : place + 2, place - 1 : place + 2] = 220
        photo[place, place] = 255
    judges = object.__new__(stylising.Judges)
    judges.see("mesh", photos)
    same = judges.landmarks(photos, judges.turned)
    assert same == {"mesh": "100 %", "landmarks": "0.000", "landmarks turned": "0.000"}
    half = photos.copy()
    half[2] = 0
    other = judges.landmarks(half, np.roll(judges.turned, 1, axis=0))
    assert other["mesh"] == "67 %" and other["landmarks"] == "0.000" and float(other["landmarks turned"]) > 0.5


@needs_cascades
@tiny_vgg.installed
@pytest.mark.slow
def test_table_has_all_rows(in_tmp, capsys):
    (in_tmp / "cascade.xml").write_text(BRIGHT_MIDDLE)
    photos = tiny_photos.shards_of(tiny_photos.folder_of(in_tmp / "pictures", 24), in_tmp / "photos", holdout=0.4)
    convert(Settings("drawn", "drawings", count=24, size=32, holdout=0.4, workers=1), progress=False)
    network = tiny_pictures.write(in_tmp / "styliser", "stylise")
    flags = [f"--photos={photos}", "--data=drawings", "--cascade=cascade.xml", "--size=32", "--out=out"]
    stylising.main([f"ours={network}", *flags])
    lines = (in_tmp / "out" / "table.md").read_text().splitlines()
    names = [line.split("|")[1].strip() for line in lines[4:]]
    assert names == [
        "drawings of the training",
        "photo",
        "another photo",
        "bilateral + posterise",
        "mean shift",
        "ours",
    ]
    photo, another = lines[5].split("|"), lines[6].split("|")
    assert photo[-4].strip() == "0.00" and photo[-2].strip() == "100 %" and another[-2].strip() == "0 %"
    assert (in_tmp / "out" / "sheet.png").is_file()
