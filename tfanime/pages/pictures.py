"""Pictures in a page: part of its one file, as `data:` URIs."""

import base64
import io


def as_jpeg(picture, quality):
    """A `PIL.Image.Image` as the bytes of a JPEG, without transparency."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "jpeg", quality=quality, optimize=True)
    return buffer.getvalue()


def data_uri(image, kind="jpeg"):
    """The URI of a picture's bytes; `kind` is that of its media type, such as png."""
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
