"""Stand-ins for photos, drawn by rule, and shards of them."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tfanime.tfrecords.convert import convert
from tfanime.tfrecords.settings import Settings


def photo(seed, size=32):
    """A face as a photo has it: a smooth round one with shadows, small eyes, and noise."""
    random = np.random.default_rng(seed)
    skin, hair, wall = (tuple(int(value) for value in random.integers(60, 220, 3)) for _ in range(3))
    image = Image.new("RGB", (4 * size, 4 * size), wall)
    pen = ImageDraw.Draw(image)

    def ellipse(x, y, width, height, colour):
        x, y = random.normal((x, y), 0.01)
        pen.ellipse([4 * size * value for value in (x - width, y - height, x + width, y + height)], fill=colour)

    ellipse(0.5, 0.45, 0.48, 0.5, hair)
    ellipse(0.5, 0.55, 0.36, 0.45, skin)
    for x in (0.35, 0.65):
        ellipse(x, 0.45, 0.06, 0.03, (30, 20, 20))
    ellipse(0.5, 0.8, 0.13, 0.03, (140, 60, 60))
    image = image.filter(ImageFilter.GaussianBlur(size / 16)).resize((size, size))
    return Image.fromarray(np.uint8(np.clip(image + random.normal(0, 6, (size, size, 3)), 0, 255)))


def folder_of(path, count, size=32):
    """A folder of so many, as PNG."""
    path.mkdir(parents=True)
    for seed in range(count):
        photo(seed, size).save(path / f"{seed:03d}.png")
    return path


def shards_of(folder, path, size=32, holdout=0.2, align=False):
    """Shards of a folder of photos."""
    settings = Settings(
        *(str(folder), str(path)),
        detector="none",
        size=size,
        holdout=holdout,
        align=align,
        vocabulary="none",
        workers=1,
        duplicates=-1,
        sharpness=0.0,  # which noise of a photo hides at this size
    )
    convert(settings, progress=False)
    return path
