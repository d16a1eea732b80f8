import pytest
import tensorflow as tf
from mutations import PNG as SIGNATURE
from mutations import chunk, chunks, with_chunk
from small_pictures import data_of, noise

from tfanime.tfrecords.whole import is_whole

JPEG, PNG = data_of(noise(0, 64, 64), "jpeg"), data_of(noise(0, 64, 64))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
def test_is_whole_accepts_jpegs_of_all_kinds(options):
    data = data_of(noise(0, 64, 64), "jpeg", **options)
    assert is_whole(data) and is_whole(data + b"a tail") and is_whole(data[:2] + b"\xff" + data[2:])


def test_is_whole_accepts_png():
    assert is_whole(PNG) and is_whole(PNG + b"a tail")


@pytest.mark.parametrize(
    "data",
    [
        JPEG[:-2],
        JPEG[:-1],
        JPEG[:100],
        JPEG[:-200] + b"\xff\xeb\x70\x00" + JPEG[-196:],  # a stray segment inside the scan
        PNG[:-1],
        PNG[:-14] + b"?" + PNG[-13:],  # a wrong checksum
        PNG[:40],
    ],
)
def test_is_whole_rejects_files_that_tensorflow_refuses(data):
    assert not is_whole(data)
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.io.decode_image(data)


HEADER, *REST = [chunk(*part) for part in chunks(PNG)]
SCAN = JPEG.index(b"\xff\xda")


@pytest.mark.parametrize(
    "data",
    [
        JPEG.replace(b"\xff\xc0", b"\xff\xc3", 1),  # lossless
        JPEG.replace(b"\xff\xc0", b"\xff\xc9", 1),  # arithmetic coding
        JPEG[: SCAN + 500] + JPEG[20:],  # a second picture inside the scan
        JPEG[:SCAN] + b"\xff\xd9",
        SIGNATURE + chunk(b"IHDR", PNG[16:28] + b"A") + b"".join(REST),  # an interlacing that nobody knows
        SIGNATURE + HEADER + chunk(b"IDAT", chunks(PNG)[1][1][:-4] + b"sums") + REST[-1],  # a wrong checksum of zlib's
        SIGNATURE + HEADER + chunk(b"IDAT", chunks(PNG)[1][1] + b"more") + REST[-1],
        SIGNATURE + HEADER + REST[-1],
        with_chunk(PNG, b"QQQQ", b"critical and unknown"),
        with_chunk(PNG, b"tEXt", b"Comment\0" + b"x" * 9_000_000),
        SIGNATURE + HEADER + HEADER + b"".join(REST),
        SIGNATURE + REST[0] + HEADER + b"".join(REST),
    ],
)
def test_is_whole_rejects_files_that_some_decoders_refuse(data):
    assert not is_whole(data)


def test_is_whole_accepts_unknown_chunks():
    assert is_whole(with_chunk(PNG, b"tEXt", b"Comment\0by me"))


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff", PNG[:8], data_of(noise(), "bmp"), b"text"])
def test_is_whole_rejects_other_data(data):
    assert not is_whole(data)
