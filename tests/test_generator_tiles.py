import numpy as np
import pytest
import tiny_pictures

from tfanime.generator import Form, open_network, tiles
from tfanime.generator.tiles import in_tiles, through
from tfanime.picture_files import Picture


@pytest.fixture(scope="module")
def enlarger(tmp_path_factory):
    return open_network(tiny_pictures.write(tmp_path_factory.mktemp("enlarger")))


@pytest.mark.parametrize(("height", "width"), [(70, 90), (33, 32), (20, 131)])
def test_in_tiles_has_no_seams(enlarger, height, width):
    (picture,) = tiny_pictures.pictures(1, height, width)
    counts = []
    tiled = in_tiles(enlarger.images, picture, enlarger.form, side=32, progress=counts.append)
    whole = enlarger.images(picture[None])[0]
    assert np.abs(tiled.astype(int) - whole).max() <= 1
    assert counts == [-(-height // 32) * -(-width // 32)] * len(counts) and len(counts) == counts[0]
    narrow = Form("upscale", 2, reach=1)  # the test would see seams
    assert np.abs(in_tiles(enlarger.images, picture, narrow, side=32).astype(int) - whole).max() > 1


def test_in_tiles_begins_at_whole_multiples():
    seen = []

    def function(pictures):
        seen.append(pictures.shape[1:3])
        return pictures

    (picture,) = tiny_pictures.pictures(1, 50, 41)
    tiled = in_tiles(function, picture, Form("stylise", multiple=4, reach=17), side=18)
    np.testing.assert_array_equal(tiled, picture)
    assert seen[0] == (40, 40) and len(seen) == 9  # sides of 20, surroundings of 20


def test_in_tiles_refuses_a_large_picture_without_a_reach(monkeypatch):
    monkeypatch.setattr(tiles, "MOST_AT_ONCE", 20)
    with pytest.raises(ValueError, match=r"at most 20 pixels .* make it smaller first. Received: 7 x 3"):
        in_tiles(None, np.zeros((3, 7, 3), np.uint8), Form("stylise", multiple=4))


def test_in_tiles_gives_the_whole_picture_without_a_reach():
    (picture,) = tiny_pictures.pictures(1, 50, 40)
    tiled = in_tiles(lambda pictures: pictures + pictures.shape[1], picture, Form("stylise"), side=16)
    np.testing.assert_array_equal(tiled, picture + np.uint8(50))


def test_through_keeps_alpha(enlarger):
    (pixels,) = tiny_pictures.pictures(1, 20, 30)
    alpha = np.zeros((20, 30), np.uint8)
    alpha[5:15, 10:20] = 255
    made = through(enlarger.images, Picture(pixels, alpha, "a note"), enlarger.form)
    np.testing.assert_array_equal(made.pixels, enlarger.images(pixels[None])[0])
    assert made.alpha.shape == (40, 60) and made.note == "a note"
    assert made.alpha[20, 30] == 255 and made.alpha[2, 2] == 0
    same = through(lambda pictures: pictures, Picture(pixels, alpha), Form("stylise"))
    np.testing.assert_array_equal(same.alpha, alpha)
    assert through(enlarger.images, Picture(pixels), enlarger.form).alpha is None
