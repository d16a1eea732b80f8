import pytest

from tfanime.tfrecords.sources.encodings import decode_text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("笑顔 smile", "utf-8"),
        ("笑顔 smile", "utf-8-sig"),
        ("笑顔 smile", "utf-16"),
        ("long_hair smile", "utf-16-le"),
        ("long_hair smile", "utf-16-be"),
        ("笑顔 smile", "utf-32"),
        ("笑顔、眼鏡", "cp932"),
        ("短发, smile", "gb18030"),
        ("café, smile", "cp1252"),
        ("", "ascii"),
    ],
)
def test_text_is_decoded_in_the_order_of_encodings(text, encoding):
    assert decode_text(text.encode(encoding)) == text


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"a\0\1", b"\x81\x8d\xff", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_text_in_no_encoding_is_refused(data):
    with pytest.raises(ValueError, match="no text in UTF-8, UTF-16"):
        decode_text(data)
