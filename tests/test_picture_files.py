import numpy as np
import pytest
import tiny_pictures
from PIL import Image

from tfanime import picture_files
from tfanime.picture_files import Picture, read_picture, require_picture_name, write_picture

PIXELS = tiny_pictures.pictures(1, 20, 30)[0] // 4 + 90  # dull colours, which a JPEG keeps


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_picture_file_round_trip(tmp_path, suffix):
    path = tmp_path / "new" / f"a{suffix}"
    path.parent.mkdir()
    write_picture(path, Picture(PIXELS))
    read = read_picture(path)
    assert read.alpha is None and not read.note and [each.name for each in path.parent.iterdir()] == [path.name]
    assert np.abs(read.pixels.astype(int) - PIXELS).mean() < (0.1 if suffix == ".png" else 6)


def test_open_picture_reads_all_modes(tmp_path):
    grey = np.arange(600, dtype=np.uint16).reshape(20, 30)
    for name, image in {
        "grey": Image.fromarray(PIXELS[..., 0]),
        "palette": Image.fromarray(PIXELS).quantize(256),
        "bits": Image.fromarray(PIXELS[..., 0] > 100),
        "deep": Image.fromarray(grey * 109),
        "thin": Image.fromarray(PIXELS[:1]),
        "cmyk": Image.fromarray(PIXELS).convert("CMYK"),
    }.items():
        path = tmp_path / f"{name}{'.tif' if name == 'cmyk' else '.png'}"
        image.save(path)
        read = read_picture(path)
        assert read.pixels.dtype == np.uint8 and read.pixels.shape == (*image.size[::-1], 3), name
        assert read.alpha is None and read.pixels.flags["C_CONTIGUOUS"]
    deep = read_picture(tmp_path / "deep.png").pixels
    assert deep.min() == 0 and deep.max() > 250


def test_open_picture_fills_colours_under_alpha(tmp_path):
    alpha = np.zeros((20, 30), np.uint8)
    alpha[5:15, 10:20] = 200
    hidden = np.where(alpha[..., None] > 0, PIXELS, 0).astype(np.uint8)
    Image.fromarray(np.dstack([hidden, alpha])).save(tmp_path / "a.png")
    read = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(read.alpha, alpha)
    np.testing.assert_array_equal(read.pixels[alpha > 0], PIXELS[alpha > 0])
    np.testing.assert_array_equal(read.pixels[7, :10], np.repeat(PIXELS[7, 10:11], 10, axis=0))  # the nearest colour
    write_picture(tmp_path / "b.webp", read)
    assert np.abs(read_picture(tmp_path / "b.webp").alpha.astype(int) - alpha).max() <= 2
    write_picture(tmp_path / "b.jpg", read)
    assert read_picture(tmp_path / "b.jpg").pixels[0, 0].min() > 250  # on white
    for value, kept in ((0, True), (255, False)):
        Image.fromarray(np.dstack([PIXELS, np.full_like(alpha, value)])).save(tmp_path / "c.png")
        read = read_picture(tmp_path / "c.png")
        np.testing.assert_array_equal(read.pixels, PIXELS)
        assert (read.alpha is not None) == kept


def test_open_picture_takes_the_first_frame_and_notes_it(tmp_path):
    frames = [Image.fromarray(np.full((8, 8, 3), grey, np.uint8)) for grey in (40, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    read = read_picture(tmp_path / "a.gif")
    assert read.note == "the first frame of an animation" and np.abs(read.pixels.astype(int) - 40).max() < 5


def test_open_picture_applies_exif_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").pixels, np.rot90(PIXELS, -1))


def test_open_picture_refuses_other_files(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a picture must be a PNG, .* or TIFF\. Received: '.*a\.png'"):
        read_picture(tmp_path / "a.png")
    write_picture(tmp_path / "b.png", Picture(PIXELS))
    content = (tmp_path / "b.png").read_bytes()
    (tmp_path / "c.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"a picture must be whole and not too large\. Received: '.*c\.png', "):
        read_picture(tmp_path / "c.png")
    monkeypatch.setattr(picture_files, "MAX_PIXELS", 599)
    with pytest.raises(ValueError, match="it has 30 x 20 pixels, more than 599"):
        read_picture(tmp_path / "b.png")
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "nothing.png")
    with pytest.raises(IsADirectoryError):
        read_picture(tmp_path)


def test_require_picture_name_checks_the_suffix(tmp_path):
    require_picture_name("A.PNG", "out")
    with pytest.raises(ValueError, match=r"out must end in one of .png, .jpg, .jpeg, .webp. Received: 'a.bmp'"):
        require_picture_name("a.bmp", "out")
    with pytest.raises(ValueError, match="a picture's name must end in"):
        write_picture(tmp_path / "a", Picture(PIXELS))
    assert not list(tmp_path.iterdir())
