"""Decides whether the bytes of a picture may go into a shard unchanged.

Pillow tolerates damage that TensorFlow does not: a JPEG without its last bytes, a PNG with a wrong checksum. It also
reads what other decoders may not: arithmetic coding, chunks in the wrong order. Such bytes would stop a training in the
middle, so the picture is encoded again. In doubt it is too: that costs only some space.
"""

import re
import struct
import zlib

PNG = b"\x89PNG\r\n\x1a\n"
HEADER = b"\0\0\0\x0dIHDR"
MOST_BYTES = 1 << 20  # of a chunk beside the pixels: libpng refuses those of 8 MB
MOST_PIXELS = 1 << 22  # of a PNG: its pixels are unpacked once more, and no crop is larger

_SCAN_END = re.compile(rb"\xff(?![\x00\xd0-\xd7\xff])")  # a marker other than a stuffed byte or a restart
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: all that is coded after Huffman and not lossless
_TABLES = (0xC4, 0xDB, 0xDD)  # Huffman codes, quantization, restart interval
_EXTRA = (*range(0xE0, 0xF0), 0xFE)  # of applications, comments
_SCAN, _END = 0xDA, 0xD9


def is_whole(data):
    """Whether a JPEG or PNG is well-formed and of a common kind, from its first byte to its end marker.

    A JPEG's pixels are not checked, because all decoders forgive damage there.

    Args:
        data: The file's bytes.

    Returns:
        A bool; False for other formats.
    """
    try:
        if data.startswith(b"\xff\xd8"):
            return _is_whole_jpeg(data)
        return data.startswith(PNG) and _is_whole_png(data)
    except (IndexError, struct.error):  # past the end
        return False


def without_text(data):
    """A PNG without its texts, which Pillow refuses from 1 MiB on (ComfyUI's workflows); other data unchanged."""
    if not data.startswith(PNG):
        return data
    kept, view, start, position = [], memoryview(data), 0, len(PNG)
    while position + 8 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if data[position + 4 : position + 8] in (b"tEXt", b"zTXt", b"iTXt"):
            kept.append(view[start:position])
            start = end
        position = end
    return b"".join([*kept, view[start:]]) if kept else data


def _is_whole_jpeg(data):
    """Walks the segments: a marker and a length, and behind a start of scan entropy-coded bytes up to a marker."""
    position, frames, allowed = 2, 0, (*_FRAMES, *_TABLES, *_EXTRA, _SCAN)
    while data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker not in allowed:
            return False
        if marker == _END:
            return True
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _FRAMES:
            frames += 1
            if frames > 1 or data[position + 4] != 8:  # bits
                return False
        position += 2 + length
        if marker == _SCAN:
            end = _SCAN_END.search(data, position)
            if end is None or not frames:
                return False
            position = end.start()
            allowed = (*_TABLES, _SCAN, _END)  # any other marker does not belong to a scan, but damages it
    return False


def _is_whole_png(data):
    """Walks the chunks: length, type, contents, and the checksum of type and contents; then unpacks the pixels."""
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    # Colours without a palette; the only ways to pack and to filter, and the rows in their order.
    if data[8:16] != HEADER or colour != 2 or data[26:29] != bytes(3) or width * height > MOST_PIXELS:
        return False
    position, pixels = 33, []
    if zlib.crc32(data[12:29]) != int.from_bytes(data[29:33], "big"):
        return False
    while True:
        data[position + 11]  # a chunk has at least 12 bytes
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        end = position + 8 + length
        if zlib.crc32(data[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return False
        if kind == b"IDAT":
            pixels.append(data[position + 8 : end])
        elif kind == b"IEND":
            return _is_packed(b"".join(pixels), height * (1 + width * 3 * bits // 8))
        elif kind[0] < ord("a") or length > MOST_BYTES:  # a capital letter: cannot be read without it
            return False
        position = end + 4


def _is_packed(data, length):
    """Whether zlib's data unpack to the given number of bytes, with the right checksum at their end."""
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(data, length + 1)
    except zlib.error:
        return False
    return len(unpacked) == length and unpacker.eof and not unpacker.unused_data
