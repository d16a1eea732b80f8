"""Whether the bytes of a picture may go into a shard as they are.

Pillow forgives damage that TensorFlow refuses: a JPEG without its last bytes, a PNG with a wrong checksum. Such a
picture can be used, but its bytes would stop a training in the middle; it has to be encoded anew.
"""

import re
import zlib

_SCAN_END = re.compile(rb"\xff(?![\x00\xd0-\xd7\xff])")  # a marker other than a stuffed byte or a restart


def is_whole(data):
    """Whether a JPEG or PNG is well-formed from its first byte to its end marker; pixels are not looked at.

    Args:
        data: The file's bytes.

    Returns:
        A bool; False for other formats.
    """
    try:
        if data.startswith(b"\xff\xd8"):
            return _is_whole_jpeg(data)
        return data.startswith(b"\x89PNG\r\n\x1a\n") and _is_whole_png(data)
    except IndexError:  # past the end
        return False


def _is_whole_jpeg(data):
    """Walks the segments: a marker and a length, and behind a start of scan entropy-coded bytes up to a marker."""
    position = 2
    while data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xD9:
            return True
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == 0xDA:
            end = _SCAN_END.search(data, position)
            if end is None:
                return False
            position = end.start()
    return False


def _is_whole_png(data):
    """Walks the chunks: length, type, contents, and the checksum of type and contents."""
    position = 8
    while True:
        data[position + 11]  # a chunk has at least 12 bytes
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        if zlib.crc32(data[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return False
        if data[position + 4 : position + 8] == b"IEND":
            return True
        position = end + 4
