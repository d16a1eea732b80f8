"""Whether the bytes of a picture may go into a shard as they are.

Pillow forgives damage that TensorFlow refuses: a JPEG without its last bytes, a PNG with a wrong checksum; and it
reads what other decoders may not: arithmetic coding, chunks in disorder. Such a picture can be used, but its bytes
would stop a training in the middle; it has to be encoded anew. In doubt it is: that costs nothing but room.
"""

import re
import zlib

PNG = b"\x89PNG\r\n\x1a\n"
MOST_BYTES = 1 << 20  # of a chunk beside the pixels: libpng refuses those of 8 MB

_SCAN_END = re.compile(rb"\xff(?![\x00\xd0-\xd7\xff])")  # a marker other than a stuffed byte or a restart
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: all that is coded after Huffman and not lossless
_TABLES = (0xC4, 0xDB, 0xDD)  # Huffman codes, quantization, restart interval
_EXTRA = (*range(0xE0, 0xF0), 0xFE)  # of applications, comments
_SCAN, _END = 0xDA, 0xD9


def is_whole(data):
    """Whether a JPEG or PNG is well-formed and of a common kind, from its first byte to its end marker.

    Pixels are not looked at.

    Args:
        data: The file's bytes.

    Returns:
        A bool; False for other formats.
    """
    try:
        if data.startswith(b"\xff\xd8"):
            return _is_whole_jpeg(data)
        return data.startswith(PNG) and _is_whole_png(data)
    except IndexError:  # past the end
        return False


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
            allowed = (*_TABLES, _SCAN, _END)  # anything else is no part of a scan, but damage to it
    return False


def _is_whole_png(data):
    """Walks the chunks: length, type, contents, and the checksum of type and contents."""
    position, before = 8, None
    while True:
        data[position + 11]  # a chunk has at least 12 bytes
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        end = position + 8 + length
        if zlib.crc32(data[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return False
        if (before is None) != (kind == b"IHDR"):  # first, and once
            return False
        if kind == b"IEND":
            return True
        if kind[0] < ord("a"):
            if kind not in (b"IHDR", b"IDAT"):  # a capital letter: cannot be read without it
                return False
        elif length > MOST_BYTES:
            return False
        position, before = end + 4, kind
