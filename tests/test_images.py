import numpy as np
import pytest
from PIL import Image

from tfanime import images


def test_to_uint8_inverts_to_float():
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(images.to_uint8(images.to_float(levels)), levels)


def test_to_float_has_the_range_minus_one_to_one():
    np.testing.assert_array_equal(images.to_float(np.array([0, 255], np.uint8)), [-1, 1])


def test_to_uint8_clips_and_rounds_to_nearest():
    np.testing.assert_array_equal(images.to_uint8(np.array([-3.0, 3.0, 0.6 / 127.5, 0.4 / 127.5])), [0, 255, 128, 128])
    assert images.to_uint8(np.array([-0.6 / 127.5])).numpy()[0] == 127  # truncation would give 126


def test_grid_places_pictures_in_rows():
    pictures = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 4, 3), np.uint8)
    sheet = images.grid(pictures, columns=2, padding=1)
    assert sheet.shape == (2 * 3 + 1, 2 * 5 + 1, 3)
    assert sheet[0].max() == sheet[0].min() == 255
    assert (sheet[1:3, 1:5] == 0).all() and (sheet[1:3, 6:10] == 1).all() and (sheet[4:6, 1:5] == 2).all()
    assert (sheet[4:6, 6:10] == 255).all()


@pytest.mark.parametrize(
    "bad", [np.zeros((0, 2, 2, 3), np.uint8), np.zeros((1, 2, 2, 3)), np.zeros((2, 2, 3), np.uint8)]
)
def test_grid_refuses_other_arrays(bad):
    with pytest.raises(ValueError, match=r"images must be uint8 .* Received: .*"):
        images.grid(bad)


def test_write_png_is_lossless(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    images.write_png(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), picture)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
