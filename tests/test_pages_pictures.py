import base64
import io

from PIL import Image

from tfanime.pages.pictures import as_jpeg, data_uri


def test_data_uri_contains_the_picture():
    uri = data_uri(as_jpeg(Image.new("RGBA", (9, 6), (200, 30, 60, 128)), quality=90))
    kind, _, data = uri.partition(";base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert kind == "data:image/jpeg" and (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (9, 6))
    assert data_uri(b"\x89PNG", "png") == "data:image/png;base64,iVBORw=="
