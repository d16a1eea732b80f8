"""One face in the converter, from its crop to its record."""

from dataclasses import dataclass

POINT_NAMES = ("left_eye", "right_eye", "mouth", "nose", "chin")


@dataclass(frozen=True)
class Face:
    """One face, cropped and tagged.

    Args:
        id: The picture's path relative to the source folder, with `#1`, `#2` ... behind it for further faces.
        image: The crop as PNG or JPEG bytes.
        tags: Values of the vocabulary's tags: +1, -1 or 0 (unknown).
        givers: For each tag, the number of the tagger that gave its value, -1 where it is unknown.
        box: The face that the detector found, (left, top, right, bottom) in pixels of the picture; empty where no
            detector ran.
        score: The detector's likelihood, None where no detector ran.
        points: (x, y) of `POINT_NAMES` in pixels of the picture; empty where the detector gives none.
        landmarks: (x, y) of `tfanime.landmarks.points.NAMES` as shares of the crop's sides; empty if the face was not
            aligned.
        picture_size: Width and height of the picture, in pixels.
        sharpness, chroma, hash: See `tfanime.tfrecords.filters.Measures`.
    """

    id: str
    image: bytes
    tags: tuple[int, ...] = ()
    givers: tuple[int, ...] = ()
    box: tuple[float, ...] = ()
    score: float | None = None
    points: tuple[tuple[float, float], ...] = ()
    landmarks: tuple[tuple[float, float], ...] = ()
    picture_size: tuple[int, int] = (0, 0)
    sharpness: float = 0.0
    chroma: float = 0.0
    hash: int | None = None
