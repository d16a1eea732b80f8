"""Small pictures for the converter's tests."""

import io

import numpy as np
from PIL import Image


def noise(seed=0, width=24, height=24):
    """A picture of noise, RGB."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def data_of(image, format="png", **options):
    """The bytes of a picture."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def folder_of(path, count, size=24):
    """A folder of `count` PNGs of noise with a tags file whose row 0 lacks its picture; picture 1 lacks its row."""
    path.mkdir(parents=True)
    rows = ["file,tags", "missing.png,red_hair"]
    for number in range(count):
        noise(number, size, size).save(path / f"{number:04d}.png")
        if number != 1:
            rows.append(f"{number:04d}.png,{'blonde' if number % 2 else 'blue'}_hair smile")
    (path / "tags.csv").write_text("\n".join(rows) + "\n")
    return path
