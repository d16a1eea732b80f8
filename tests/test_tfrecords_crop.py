import io
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image
from small_pictures import data_of, noise

from tfanime.tfrecords.crop import Region, centre_square, decode, encode, face_square, framed, resize, thumbnail
from tfanime.tfrecords.filters import Dropped


def stripes(width, height):
    """Red is the column, green the row."""
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([columns, rows, 0 * rows], axis=-1).astype(np.uint8))


@pytest.mark.parametrize("format", ["png", "bmp"])
def test_lossless_formats_keep_all_pixels(format):
    image, plain = decode(data_of(noise(1), format))
    np.testing.assert_array_equal(image, noise(1))
    assert plain is (format == "png")


def test_jpeg_and_webp_are_close():
    smooth = Image.fromarray(np.full((16, 16, 3), (200, 40, 90), np.uint8))
    for format, plain in (("jpeg", True), ("webp", False)):
        image, is_plain = decode(data_of(smooth, format))
        assert is_plain is plain and np.abs(np.asarray(image).astype(int) - smooth).max() < 8


def test_exif_orientation_turns_the_picture():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    image, plain = decode(data_of(stripes(10, 6), "png", exif=exif))
    assert image.size == (6, 10) and not plain
    np.testing.assert_array_equal(image, np.rot90(stripes(10, 6), -1))


def test_transparency_is_drawn_over_white():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 127))
    assert decode(data_of(clear))[0].getpixel((0, 0)) == (255, 255, 255)
    assert decode(data_of(half))[0].getpixel((0, 0)) == (128, 128, 128)


def test_transparent_palettes_and_key_colours_become_white():
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert decode(data_of(palette, "gif"))[0].getpixel((0, 0)) == (10, 20, 30)
    image, plain = decode(data_of(palette, "png", transparency=1))
    assert image.getpixel((0, 0)) == (255, 255, 255) and not plain
    image, plain = decode(data_of(Image.new("RGB", (4, 4), (1, 2, 3)), "png", transparency=(1, 2, 3)))
    assert image.getpixel((0, 0)) == (255, 255, 255) and not plain


def test_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for format in ("gif", "png"):
        image, plain = decode(data_of(frames[0], format, save_all=True, append_images=frames[1:]))
        assert image.getpixel((0, 0)) == (255, 0, 0) and not plain


@pytest.mark.parametrize("mode", ["L", "1", "CMYK", "LA", "I;16", "YCbCr"])
def test_rare_modes_become_rgb(mode):
    if mode == "I;16":
        source = Image.fromarray(np.full((4, 4), 65535, np.uint16))
    else:
        source = Image.new("RGB", (4, 4), "white").convert(mode)
    image, plain = decode(data_of(source, "jpeg" if mode in ("CMYK", "YCbCr") else "png"))
    assert image.mode == "RGB" and min(image.getpixel((1, 1))) >= 254
    assert plain is (mode == "YCbCr")  # a JPEG of YCbCr is just a JPEG


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"no picture", data_of(noise())[:300], data_of(noise(), "jpeg")[:700]]
)
def test_damaged_files_are_dropped_with_the_decoders_message(data):
    with pytest.raises(Dropped) as drop:
        decode(data)
    assert drop.value.reason == "unreadable" and drop.value.value and " at 0x" not in drop.value.value


@pytest.mark.parametrize("format", ["png", "jpeg"])
def test_damage_that_only_pillow_accepts_is_not_plain(format):
    data = data_of(noise(), format)
    data = data[:-2] + b"?" * 99 if format == "jpeg" else data[:-6] + b"?" + data[-5:]
    image, plain = decode(data)
    assert image.size == (24, 24) and not plain


@pytest.mark.parametrize("size", [(20, 21), (20_000, 20_000)])
def test_too_many_pixels_are_not_decoded(size):
    header = data_of(noise())
    width, height = (side.to_bytes(4, "big") for side in size)
    chunk = b"IHDR" + width + height + header[24:29]
    data = header[:12] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + header[33:]
    with pytest.raises(Dropped) as drop:
        decode(data, 400)
    assert drop.value.reason == "too_large" and drop.value.value
    if size == (20, 21):
        assert drop.value.value == "20x21"


def test_centre_square_is_central():
    region = centre_square(stripes(20, 10))
    np.testing.assert_array_equal(region.image, np.asarray(stripes(20, 10))[:, 5:15])
    assert (region.left, region.top, region.side) == (5, 0, 10)
    square = stripes(9, 9)
    assert centre_square(square).image is square


def test_shrinking_is_antialiased():
    lines = np.zeros((64, 64, 3), np.uint8)
    lines[::2] = 255
    small = np.asarray(resize(Region(Image.fromarray(lines), 0, 0), 16, 1)).astype(int)
    assert np.abs(small[2:-2] - 127.5).max() < 6  # without a filter all of it would be 0 or 255


def test_enlarging_beyond_the_limit_is_refused():
    assert resize(centre_square(noise(0, 10, 8)), 16, 2.0).size == (16, 16)
    with pytest.raises(Dropped) as drop:
        resize(centre_square(noise(0, 10, 7)), 16, 2.0)
    assert (drop.value.reason, drop.value.value, drop.value.image.size) == ("too_small", 7, (7, 7))
    assert resize(centre_square(noise(0, 10, 7)), 16, 2.5).size == (16, 16)


def test_face_is_zoomed_about_its_centre():
    region = face_square(stripes(100, 80), (40, 30, 60, 50), 2)
    np.testing.assert_array_equal(region.image, np.asarray(stripes(100, 80))[20:60, 30:70])
    assert (region.left, region.top, region.side) == (30, 20, 40)


def test_face_of_an_oblong_box_takes_the_longer_side():
    crop = face_square(stripes(100, 80), (40, 30, 60, 40), 1).image
    np.testing.assert_array_equal(crop, np.asarray(stripes(100, 80))[25:45, 40:60])


def test_face_at_the_edge_is_moved_inside():
    crop = face_square(stripes(100, 80), (0, 60, 20, 80), 2).image
    np.testing.assert_array_equal(crop, np.asarray(stripes(100, 80))[40:80, 0:40])


def test_face_larger_than_the_picture_is_padded_with_its_edge():
    region = face_square(stripes(100, 30), (40, 5, 60, 25), 2)
    crop = np.asarray(region.image)
    assert (region.left, region.top) == (30, -5)
    np.testing.assert_array_equal(crop[5:35], np.asarray(stripes(100, 30))[:, 30:70])
    assert (crop[:5] == crop[5]).all() and (crop[35:] == crop[34]).all()


def test_thumbnails_are_small_jpegs():
    picture = Image.open(io.BytesIO(thumbnail(noise(0, 400, 200))))
    assert (picture.format, picture.size) == ("JPEG", (96, 48))
    assert Image.open(io.BytesIO(thumbnail(Image.new("L", (5, 7))))).size == (5, 7)


def test_encode_writes_each_format():
    png = Image.open(io.BytesIO(encode(noise(3))))
    assert png.format == "PNG"
    np.testing.assert_array_equal(png, noise(3))
    low, high = (encode(noise(3), "jpeg", quality) for quality in (30, 95))
    assert Image.open(io.BytesIO(high)).format == "JPEG" and len(low) < len(high)


@pytest.mark.parametrize("options", [{"format": "png"}, {"format": "jpeg", "comment": b"by me"}])
def test_crops_have_no_profile_or_comment(options):
    data = data_of(noise(0, 40, 40), icc_profile=np.random.default_rng(0).bytes(60_000), **options)
    crop = resize(centre_square(decode(data)[0]), 8, 1)
    assert len(encode(crop)) < 1000 and b"by me" not in encode(crop, "jpeg")


def test_deep_pictures_are_scaled_in_strips():
    values = np.random.default_rng(0).integers(0, 65536, (1500, 1000), np.uint16)
    data = data_of(Image.fromarray(values))
    tracemalloc.start()
    image, _ = decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(np.asarray(image)[..., 0], np.uint8(values / 65535 * 255))
    assert peak < 12 * values.size  # bytes; floats of all pixels would be three times eight


def chunk(kind, content):
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"tEXt", b"workflow\0" + b"x" * (3 << 20)),
        chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"x" * (3 << 20))),
        chunk(b"iTXt", b"workflow\0\0\0\0\0" + b"x" * (3 << 20)),
        chunk(b"eXIf", b"II*\0\xff\xff\xff\xff damaged"),
        chunk(b"eXIf", b"no EXIF at all"),
        chunk(b"eXIf", b""),
    ],
    ids=["tEXt", "zTXt", "iTXt", "eXIf", "no eXIf", "empty eXIf"],
)
def test_png_with_long_texts_or_damaged_exif_is_read(extra):
    data = data_of(noise(1))
    head, body = data[:33], data[33:]  # signature and header
    for with_extra in (head + extra + body, data[:-12] + extra + data[-12:]):
        image, _ = decode(with_extra)
        np.testing.assert_array_equal(image, noise(1))


def test_frame_is_part_of_a_region():
    whole = Region(stripes(100, 100), 30, -10)
    assert framed(whole, None) is whole
    part = framed(whole, "0.11,0.17,0.89,0.95")
    assert (part.left, part.top, part.side) == (41, 7, 78)
    np.testing.assert_array_equal(part.image, stripes(100, 100).crop((11, 17, 89, 95)))
    assert framed(Region(stripes(3, 3), 0, 0), "0.9,0.9,1,1").image.size == (1, 1)
