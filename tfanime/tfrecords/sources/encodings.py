"""Text files in other encodings than UTF-8."""

import json
import re

# After UTF-8, in this order. Half-width katakana, and what Python makes of bytes that Shift-JIS does not have, are what
# other encodings look like in it.
_FURTHER = ("cp932", "gb18030", "cp1252")
_HALF_WIDTH = re.compile("[\uf8f0-\uf8f3\uff61-\uff9f]")
_NO_TEXT = re.compile("[\0-\x08\x0e-\x1f\x7f]")


def decode_text(data):
    """Decodes a text file: as its byte order mark says, else UTF-8 (UTF-16, UTF-32 by their zeros), else by a list.

    The list is fixed, and nothing is guessed from what a text may mean: Shift-JIS unless that gives half-width
    katakana, GB18030, Windows-1252. The first that fits counts, so words beyond ASCII may come out as nonsense.

    Args:
        data: The file's bytes.

    Returns:
        The text without its byte order mark.

    Raises:
        ValueError: None of them fits, or there are control characters in it.
    """
    first = json.detect_encoding(data)  # of marks and zeros only; utf-8 where it sees neither
    for encoding in (first, *_FURTHER) if first == "utf-8" else (first,):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _NO_TEXT.search(text) and not (encoding == "cp932" and _HALF_WIDTH.search(text)):
            return text
    raise ValueError("no text in UTF-8, UTF-16, Shift-JIS, GB18030 or Windows-1252")
