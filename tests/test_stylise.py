"""Photos become drawings: whose face is drawn, what is said of photos without one, and all the way from photos to a
server."""

from types import SimpleNamespace

import marked_faces
import numpy as np
import pytest
import tiny_photos
import tiny_pictures
import tiny_stylising
import tiny_vgg
from PIL import Image
from test_tfrecords_detectors_portraits import needs_cascades, portrait

from tfanime import export, stylise
from tfanime.generator import open_network, tiles
from tfanime.models import cartoon, vgg
from tfanime.picture_files import Picture
from tfanime.recipes import cartoongan
from tfanime.serving.client import AvatarClient
from tfanime.serving.server.models import Models, load
from tfanime.serving.server.server import Server
from tfanime.stylise import Stylist
from tfanime.tfrecords.alignment import PLACES, Aligner
from tfanime.tfrecords.crop import face_square
from tfanime.tfrecords.detectors.detection import Detection


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_pictures.write(tmp_path_factory.mktemp("networks") / "styliser", "stylise")


@pytest.fixture(scope="module")
def network(folder):
    return open_network(folder)


PIXELS = tiny_pictures.pictures(1, 100, 140)[0]
FACES = [Detection((10.0, 10.0, 40.0, 40.0), 0.9), Detection((60.0, 20.0, 120.0, 80.0), 0.95)]


def stylist(network, faces=FACES, **options):
    return Stylist(network, **{"size": 32, "find": lambda image: list(faces)} | options)


def drawn(network, box, zoom=1.07):
    region = face_square(Image.fromarray(PIXELS), box, zoom)
    seen = np.asarray(region.image.resize((32, 32), Image.Resampling.LANCZOS))
    return region, network.images(seen[None])[0]


def test_stylist_draws_the_largest_face(network):
    made = stylist(network)(Picture(PIXELS))
    np.testing.assert_allclose(made.pixels.astype(int), drawn(network, FACES[1].box)[1], atol=1)
    assert made.note == "the largest of 2 faces"
    made = stylist(network, FACES[:1], zoom=1.5)(Picture(PIXELS, note="the first frame of an animation"))
    np.testing.assert_allclose(made.pixels.astype(int), drawn(network, FACES[0].box, 1.5)[1], atol=1)
    assert made.note == "the first frame of an animation"
    small = Detection((0.0, 0.0, 9.0, 9.0), 0.9)
    assert stylist(network, [small])(Picture(PIXELS)).note == "a face of 10 px is drawn at 32"


def test_stylist_pastes_faces_into_the_photo(network):
    alpha = np.full(PIXELS.shape[:2], 9, np.uint8)
    made = stylist(network, faces=FACES, paste=True)(Picture(PIXELS, alpha))
    region, face = drawn(network, FACES[1].box)
    place = np.s_[region.top : region.top + region.side, region.left : region.left + region.side]
    expected = Image.fromarray(face).resize((region.side, region.side), Image.Resampling.LANCZOS)
    np.testing.assert_allclose(made.pixels[place].astype(int), expected, atol=2)
    np.testing.assert_array_equal(made.pixels[:15, :50], PIXELS[:15, :50])  # the smaller face
    assert made.alpha is alpha
    every = stylist(network, find=lambda image: list(FACES), paste=True)
    every.faces = "all"
    both = every(Picture(PIXELS))
    assert both.note == "" and not np.array_equal(both.pixels[:15, 5:40], PIXELS[:15, 5:40])
    np.testing.assert_allclose(both.pixels[place].astype(int), expected, atol=2)


def test_stylist_aligns_faces(network, monkeypatch):
    monkeypatch.setattr(stylise, "Aligner", lambda zoom: Aligner(zoom, marked_faces.Network()))
    marks = marked_faces.places_of((160, 130), 120, 20)
    photo = marked_faces.picture((340, 300), marks)
    face = Detection((*(marks.mean(axis=0) - 55), *(marks.mean(axis=0) + 55)), 0.9)
    draw = SimpleNamespace(images=lambda pictures: pictures, card={})
    plain = Picture(np.asarray(photo))
    made = Stylist(draw, align=True, size=64, find=lambda image: [face])(plain)
    np.testing.assert_allclose(marked_faces.marks_in(made.pixels), 64 * PLACES, atol=1)
    # A network that changes nothing gives the photo back, wherever the face was cut.
    pasted = Stylist(draw, align=True, paste=True, size=240, find=lambda image: [face])(plain)
    change = np.abs(pasted.pixels.astype(int) - plain.pixels)
    assert change.mean() < 1 and change.max() < 25 and np.any(change)
    torn = marked_faces.picture((340, 300), marks + np.array([[0, -25], [0, -25], [0, 30], [0, 30]]))
    made = Stylist(draw, align=True, size=64, find=lambda image: [face])(Picture(np.asarray(torn)))
    assert made.note == "1 of 1 not aligned: eyes and mouth were not found"
    expected = face_square(torn, face.box, 1.07).image.resize((64, 64), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(made.pixels, expected)


def test_stylist_draws_whole_pictures(network):
    made = Stylist(network, "whole")(Picture(PIXELS[:, :130]))  # no multiple of 4
    np.testing.assert_allclose(made.pixels.astype(int), network.images(PIXELS[None, :, :130])[0], atol=1)
    assert made.pixels.shape == (100, 130, 3)


def test_stylist_refuses_whole_pictures_that_are_too_large(network, monkeypatch):
    monkeypatch.setattr(tiles, "MOST_AT_ONCE", 500)
    assert Stylist(network, "whole")(Picture(PIXELS[:20, :25])).pixels.shape == (20, 25, 3)
    with pytest.raises(ValueError, match=r"at most 500 pixels for a network that .* Received: 26 x 20"):
        Stylist(network, "whole")(Picture(PIXELS[:20, :26]))


def test_stylist_refuses_a_photo_without_a_face(network):
    unsure = [Detection((10.0, 10.0, 40.0, 40.0), 0.5)]
    with pytest.raises(ValueError, match=r"a photo must show a face from the front, .* take --faces whole"):
        stylist(network, unsure)(Picture(PIXELS))


@needs_cascades
def test_stylise_command_writes_drawings(folder, in_tmp, capsys):
    scene = Image.new("RGB", (400, 300), (130, 130, 130))
    scene.paste(portrait(160), (200, 90))
    (in_tmp / "photos" / "more").mkdir(parents=True)
    scene.save("photos/face.png")
    scene.save("photos/more/again.jpg")
    Image.new("RGB", (60, 50), "white").save("photos/nobody.png")
    (in_tmp / "photos" / "broken.png").write_bytes(b"no picture")
    arguments = [f"--with={folder}", "--size=32"]
    assert stylise.main(["photos/face.png", *arguments, "--out=one.png"]) == 0
    assert "wrote one.png" in capsys.readouterr().out
    assert Image.open("one.png").size == (32, 32)
    assert stylise.main(["photos", *arguments, "--out=out"]) == 1
    told = capsys.readouterr()
    assert "wrote 2 pictures to out, 2 left out" in told.out
    assert "nobody.png: a photo must show a face" in told.err and "broken.png: a picture must be" in told.err
    np.testing.assert_array_equal(Image.open("out/face.png"), Image.open("one.png"))
    assert Image.open("out/more/again.png").size == (32, 32)
    assert stylise.main(["photos", *arguments, "--out=out"]) == 1
    assert "wrote 0 pictures to out, 2 were there already, 2 left out" in capsys.readouterr().out
    assert stylise.main(["photos/nobody.png", *arguments[:1], "--faces=whole", "--out=white.png"]) == 0
    assert Image.open("white.png").size == (60, 50)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--faces=all"], "--paste must be true with --faces all. Received: False"),
        (["--faces=whole", "--size=32"], "--size must be left out with --faces whole. Received: 32"),
        (["--faces=whole", "--paste"], "--paste must be false with --faces whole. Received: True"),
        (["--faces=whole", "--align"], "--align must be false with --faces whole. Received: True"),
        (["--size=8"], "--size must be at least 16. Received: 8"),
    ],
)
def test_stylise_refuses_bad_arguments(flags, message, in_tmp, capsys):
    with pytest.raises(SystemExit):
        stylise.main(["a.png", "--with=x", "--out=b.png", *flags])
    assert message in capsys.readouterr().err


def test_stylise_refuses_networks_of_another_kind(in_tmp):
    tiny_photos.photo(0).save("a.png")
    with pytest.raises(ValueError, match=r"stylise.* Received: .*enlarger"):
        stylise.main(["a.png", f"--with={tiny_pictures.write(in_tmp / 'enlarger')}", "--out=b.png"])
    with pytest.raises(FileNotFoundError, match="absent"):
        stylise.main(["a.png", "--with=absent", "--out=b.png"])
    with pytest.raises(ValueError, match=r"--out must end in one of .png"):
        stylise.main(["a.png", "--with=absent", "--out=b"])


def test_stylise_network_trains_exports_and_serves(shards, in_tmp, monkeypatch):
    """Photos are converted, a network is trained, exported and served, and a client is drawn its photo."""
    monkeypatch.setitem(vgg.VGGS, "hed_vgg16", tiny_vgg.tiny_vgg)
    monkeypatch.setattr(cartoon, "small_generator", lambda channels: tiny_stylising.generator())
    photos = tiny_photos.shards_of(tiny_photos.folder_of(in_tmp / "photos", 12), in_tmp / "shards")
    flags = f"--photos={photos} --data={shards} --run=run --image_size=16 --batch_size=4 --steps=2 --content_steps=1"
    assert cartoongan.main([*flags.split(), "--channels=1", "--discriminator_channels=1", "--devices=cpu:1"]) == 0
    assert stylise.main(["photos", "--with=run", "--faces=whole", "--out=drawn"]) == 0
    pixels = np.asarray(tiny_photos.photo(3))
    expected = np.asarray(Image.open("drawn/003.png"))
    np.testing.assert_allclose(open_network("run").images(pixels[None])[0].astype(int), expected, atol=1)
    assert (expected != pixels).any()
    folder = export.export("run", "exports/cartoon")
    with (
        Server(Models([load("cartoon", 1, folder)]), port=0) as server,
        AvatarClient(server.address, "cartoon") as client,
    ):
        np.testing.assert_allclose(client.stylise(pixels[None])[0].astype(int), expected, atol=1)
