"""Alignment: the transform, its inverse, where marks come to lie, and aligned shards."""

import csv
import pickle

import marked_faces
import numpy as np
import pytest
import tensorflow as tf
import tiny_photos
from PIL import Image

from tfanime import data
from tfanime.landmarks.points import NAMES
from tfanime.tfrecords import pictures
from tfanime.tfrecords.alignment import PLACES, Aligner, anchors, similarity
from tfanime.tfrecords.convert import Conversion, convert
from tfanime.tfrecords.crop import centre_square, face_square, framed, turned_square
from tfanime.tfrecords.example import parse
from tfanime.tfrecords.filters import Dropped
from tfanime.tfrecords.manifest import Manifest
from tfanime.tfrecords.settings import Settings

NETWORK = marked_faces.Network()


def around(marks, side):
    """The box of a face with these marks."""
    return (*(marks.mean(axis=0) - side / 2), *(marks.mean(axis=0) + side / 2))


@pytest.mark.parametrize(("degrees", "scale", "shift"), [(0, 1, (0, 0)), (25, 0.7, (3, -8)), (-140, 30, (-500, 70))])
def test_similarity_recovers_turn_scale_and_shift(degrees, scale, shift):
    angle = np.radians(degrees)
    points = scale * PLACES @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + shift
    factor, moved = similarity(PLACES, points)
    assert abs(factor) == pytest.approx(scale) and np.angle(factor, deg=True) == pytest.approx(degrees)
    np.testing.assert_allclose((moved.real, moved.imag), shift, atol=1e-9)


def test_similarity_is_least_squares_and_never_mirrors():
    random = np.random.default_rng(1)
    places, points = random.normal(size=(2, 6, 2))
    x, y = places.T
    design = np.block([[x[:, None], -y[:, None], np.ones((6, 1)), np.zeros((6, 1))]])
    design = np.concatenate([design, np.block([[y[:, None], x[:, None], np.zeros((6, 1)), np.ones((6, 1))]])])
    expected = np.linalg.lstsq(design, points.T.ravel(), rcond=None)[0]
    factor, shift = similarity(places, points)
    np.testing.assert_allclose([factor.real, factor.imag, shift.real, shift.imag], expected)
    factor, _ = similarity(PLACES, PLACES * (-1, 1))
    assert abs(factor) < 0.5  # a mirrored face is not matched by a mirror


def test_turned_square_and_its_inverse():
    image = marked_faces.picture((90, 70), [(40, 30)] * 4)
    region = turned_square(image, (45, 35), 50, np.radians(30))
    points = np.random.default_rng(0).uniform(-0.2, 1.2, (5, 2))
    np.testing.assert_allclose(region.from_picture(region.to_picture(points)), points)
    np.testing.assert_allclose(region.to_picture([0.5, 0.5]), (45, 35))
    np.testing.assert_allclose(region.to_picture([1, 0.5]), (45 + 25 * np.cos(np.pi / 6), 35 + 25 * np.sin(np.pi / 6)))
    straight = turned_square(image, (45, 35), 50, 0)
    np.testing.assert_array_equal(straight.image, image.crop((20, 10, 70, 60)))
    quarter = turned_square(image, (45, 35), 50, np.pi / 2)
    np.testing.assert_array_equal(quarter.image, np.rot90(straight.image))
    part = framed(region, "0.1,0.2,0.7,0.8")
    np.testing.assert_allclose(part.to_picture([0, 0]), region.to_picture([0.1, 0.2]))
    np.testing.assert_allclose(part.from_picture(region.to_picture([0.7, 0.8])), [1, 1])


def test_turned_square_repeats_the_border():
    image = Image.fromarray(np.arange(40, dtype=np.uint8)[None, :, None].repeat(30, 0).repeat(3, 2) * 5)
    outside = np.asarray(turned_square(image, (2, 15), 24, 0).image)
    np.testing.assert_array_equal(outside[:, :10], 0)
    np.testing.assert_array_equal(outside[:, 10:], np.asarray(image.crop((0, 3, 14, 27))))
    wide = Image.new("RGB", (40_000, 3), "red")  # OpenCV takes no sides of 2^15
    np.testing.assert_array_equal(turned_square(wide, (39_999, 1), 8, 1.0).image, np.full((8, 8, 3), (255, 0, 0)))


@pytest.mark.parametrize(
    ("degrees", "side", "zoom"), [(0, 150, 1.07), (25, 130, 1.07), (-35, 220, 1.07), (20, 150, 1.6)]
)
def test_marks_come_to_lie_at_the_places(degrees, side, zoom):
    marks = marked_faces.places_of((190, 160), side, degrees)
    image = marked_faces.picture((400, 330), marks)
    aligner = Aligner(zoom, NETWORK)
    region, points = aligner(image, face_square(image, around(marks, 130), 1.07))
    assert region.side == pytest.approx(side * zoom / 1.07, abs=1.5)
    assert np.degrees(region.turn) == pytest.approx(degrees, abs=0.5)
    expected = 0.5 + (PLACES - 0.5) * 1.07 / zoom
    found = marked_faces.marks_in(region.image)
    np.testing.assert_allclose(found, expected * region.side, atol=1)
    np.testing.assert_allclose(anchors(points), marks, atol=1)
    np.testing.assert_allclose(anchors(region.from_picture(points)), expected, atol=1 / side)


def test_implausible_points_are_refused():
    marks = marked_faces.places_of((100, 100), 120, 0)
    marks[2:, 1] += 60  # a mouth below the chin
    image = marked_faces.picture((200, 220), marks)
    region = centre_square(image)
    with pytest.raises(Dropped) as dropped:
        Aligner(network=NETWORK)(image, region)
    assert dropped.value.reason == "unaligned" and 0.2 < dropped.value.value < 1 and dropped.value.image is region.image
    small = marked_faces.picture((200, 200), marked_faces.places_of((100, 100), 60, 0))
    with pytest.raises(Dropped, match="unaligned"):
        Aligner(network=NETWORK)(small, centre_square(small))


@pytest.mark.parametrize("turn", [0.0, 0.4])
def test_pasted_face_lies_where_it_was_cut(turn):
    marks = marked_faces.places_of((60, 55), 60, np.degrees(turn))
    image = marked_faces.picture((120, 110), marks)
    before = np.asarray(image).astype(int)
    region = turned_square(image, (60, 55), 64, turn)
    region.paste(image, region.image.resize((128, 128), Image.Resampling.LANCZOS))
    after = np.asarray(image).astype(int)
    assert np.abs(after - before).max() < 25 and np.abs(after - before).mean() < 2  # noise, resampled twice
    np.testing.assert_allclose(marked_faces.marks_in(after), marked_faces.marks_in(before), atol=0.1)
    region.paste(image, Image.new("RGB", (8, 8), (0, 255, 0)))
    shares = region.from_picture(np.stack(np.meshgrid(np.arange(120) + 0.5, np.arange(110) + 0.5), axis=-1))
    depth = 0.5 - np.abs(shares - 0.5).max(axis=-1)  # inside the square, as a share of its side
    green = np.asarray(image)
    np.testing.assert_array_equal(green[depth > 1 / 64], np.broadcast_to((0, 255, 0), green[depth > 1 / 64].shape))
    np.testing.assert_array_equal(green[depth < -1 / 64], after[depth < -1 / 64])


def settings(source, out, **flags):
    flags = {
        "size": 32,
        "detector": "none",
        "align": True,
        "vocabulary": "none",
        "workers": 1,
        "duplicates": -1,
    } | flags
    return Settings(str(source), str(out), name="x", sharpness=0.0, chroma=0.0, **flags)


def records(folder):
    for shard in Manifest.load(folder).shards:
        for record in tf.data.TFRecordDataset(str(folder / shard["file"])).as_numpy_iterator():
            yield {name: value[0] for name, value in parse([record], 0, ("id", "image", "face/landmarks")).items()}


@pytest.mark.parametrize(("frame", "size"), [(None, 96), ("0.1,0.1,0.9,0.9", 64)])
def test_conversion_aligns_faces(frame, size, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "Aligner", lambda zoom: Aligner(zoom, NETWORK))
    (tmp_path / "in").mkdir()
    for degrees in (-30, 10, 25):
        marks = marked_faces.places_of((100 + degrees / 3, 97), 140, degrees)
        marked_faces.picture((200, 190), marks).save(tmp_path / "in" / f"{degrees}.png")
    marked_faces.picture((200, 190), marks + np.array([[0, -30], [0, -30], [0, 40], [0, 40]])).save(
        tmp_path / "in" / "no.png"
    )
    out = tmp_path / "out"
    manifest, _ = convert(settings(tmp_path / "in", out, frame=frame, size=size), progress=False)
    assert manifest.pictures["dropped"] == {"unaligned": 1} and manifest.card["align"] is True
    with open(out / "dropped.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["id"] == "no.png" and float(row["value"]) > 0.2
    expected = PLACES if frame is None else (PLACES - 0.1) / 0.8
    found = list(records(out))
    assert len(found) == 3
    for record in found:
        image = tf.io.decode_png(record["image"]).numpy()
        assert image.shape == (size, size, 3)
        np.testing.assert_allclose(marked_faces.marks_in(image), expected * size, atol=1)
        landmarks = record["face/landmarks"].numpy().reshape(len(NAMES), 2)
        np.testing.assert_allclose(anchors(landmarks), expected, atol=1 / size)
    decoded = data.load(out, 32, progress=False)
    assert decoded.points.dtype == np.float32
    np.testing.assert_allclose(decoded.points, [np.reshape(each["face/landmarks"], (-1, 2)) for each in found])
    assert (out / "report.html").read_text().count("<title>left_mouth</title>") >= 3


def test_aligned_faces_of_a_detector_have_its_zoom(tmp_path, monkeypatch):
    from tfanime.tfrecords.detectors import registry

    marks = marked_faces.places_of((210, 160), 100, -15)
    monkeypatch.setattr(pictures, "Aligner", lambda zoom: Aligner(zoom, NETWORK))
    detection = registry.Detection(around(marks, 95), 0.9)
    monkeypatch.setitem(
        pictures.DETECTORS, "haarcascade", lambda settings: registry.Detector("1", lambda image: [detection])
    )
    (tmp_path / "in").mkdir()
    marked_faces.picture((400, 330), marks).save(tmp_path / "in" / "a.png")
    convert(settings(tmp_path / "in", tmp_path / "out", detector="haarcascade", zoom=1.5, size=128), progress=False)
    ((_, image, _),) = (each.values() for each in records(tmp_path / "out"))
    expected = 0.5 + (PLACES - 0.5) * 1.07 / 1.5
    np.testing.assert_allclose(marked_faces.marks_in(tf.io.decode_png(image)), 128 * expected, atol=1)


def test_settings_of_older_shards_do_not_change():
    assert "align" not in Settings("faces", "out", detector="none").card()
    assert Settings("faces", "out", detector="none", align=True).unused() == []
    with pytest.raises(
        ValueError, match="--align must be left out with --detector lbpcascade, which finds drawn faces"
    ):
        Settings("faces", "out", detector="lbpcascade", cascade=__file__, align=True)


def test_drawn_avatars_are_not_aligned(tmp_path):
    for align in (False, True):
        settings = Settings("drawn", str(tmp_path / str(align)), count=4, size=32, align=align, workers=1, name="a")
        convert(settings, progress=False)
    assert list(settings.notes()) == ["--align has no effect with SOURCE drawn"]
    one, two = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in tmp_path.iterdir())
    assert one == two


def test_converter_goes_to_workers_without_its_network(tmp_path):
    source = tiny_photos.folder_of(tmp_path / "in", 1, 64)
    converter = Conversion.of(settings(source, tmp_path / "out")).converter
    assert converter._aligner.zoom == 1.07
    assert "_aligner" not in vars(pickle.loads(pickle.dumps(converter)))


@pytest.mark.slow
def test_workers_align_equally(tmp_path):
    source = tiny_photos.folder_of(tmp_path / "in", 12, 64)
    for workers in (1, 2):
        convert(settings(source, tmp_path / str(workers), workers=workers), progress=False)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / each).iterdir()} for each in "12")
    assert one == two and len(list(records(tmp_path / "1"))) > 6
