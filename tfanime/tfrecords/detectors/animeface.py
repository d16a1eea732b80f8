"""The detector `animeface`."""

import importlib.metadata

import PIL
from PIL import Image, ImageDraw

from tfanime.tfrecords.detectors.detection import Detection, Detector, shrunk


def animeface(settings):
    """nagadomi's animeface (2009), by way of the `animeface` package.

    Eyes are named from the character's view: `left_eye` is on the right of the picture. Its box contains the face from
    the brows to the chin, without the hair.

    Args:
        settings: `DetectSettings`; `detect_size` is used.

    Raises:
        ImportError: It is not installed, or finds no face in its self-test.
    """
    try:
        import animeface as package
    except ImportError as error:
        raise ImportError(
            "--detector animeface needs the package animeface, which is not installed: pip install 'tfanime[faces]'"
        ) from error

    def find(image):
        return [_from_animeface(face) for face in package.detect(image)]

    # It reads the memory of Pillow's pictures; with a changed layout it silently finds no face.
    if not find(test_face()):
        raise ImportError(
            f"--detector animeface must find the face of its self-test. Received: no face, with Pillow "
            f"{PIL.__version__}; it works with Pillow below 12: pip install 'tfanime[faces]'"
        )
    return Detector(importlib.metadata.version("animeface"), shrunk(find, settings.detect_size))


def _from_animeface(face):
    def centre(box):
        return (box.x + box.width / 2, box.y + box.height / 2)

    box = face.face.pos
    colours = (
        ("skin", face.skin.color),
        ("hair", face.hair.color),
        ("left_eye", face.left_eye.color),
        ("right_eye", face.right_eye.color),
    )
    return Detection(
        (float(box.x), float(box.y), float(box.x + box.width), float(box.y + box.height)),
        float(face.likelihood),
        (
            centre(face.left_eye.pos),
            centre(face.right_eye.pos),
            centre(face.mouth.pos),
            (float(face.nose.pos.x), float(face.nose.pos.y)),
            (float(face.chin.pos.x), float(face.chin.pos.y)),
        ),
        tuple((name, (int(colour.r), int(colour.g), int(colour.b))) for name, colour in colours),
    )


def test_face(size=192):
    """Draws the plain face that a detector must find: brown hair, blue eyes, nothing else.

    Args:
        size: Side in pixels.

    Returns:
        RGB `PIL.Image`.
    """
    image = Image.new("RGB", (4 * size, 4 * size), (200, 220, 240))
    draw = ImageDraw.Draw(image)
    unit = 4 * size / 128

    def at(*coordinates):
        return [value * unit for value in coordinates]

    hair, skin = (110, 70, 40), (255, 224, 200)
    draw.ellipse(at(20, 8, 108, 112), hair)
    draw.ellipse(at(30, 30, 98, 114), skin)
    draw.polygon(at(30, 70, 98, 70, 64, 122), skin)
    draw.pieslice(at(24, 14, 104, 92), 180, 360, hair)
    for x in (47, 81):
        draw.ellipse(at(x - 9, 58, x + 9, 82), (40, 20, 20))
        draw.ellipse(at(x - 8, 60, x + 8, 82), (250, 250, 250))
        draw.ellipse(at(x - 7, 60, x + 7, 82), (30, 60, 140))
        draw.ellipse(at(x - 3, 64, x + 3, 76), (10, 10, 30))
        draw.ellipse(at(x - 5, 62, x - 1, 67), (255, 255, 255))
    draw.line(at(56, 100, 64, 102, 72, 100), (160, 60, 60), round(1.5 * unit))
    return image.resize((size, size), Image.Resampling.LANCZOS)
