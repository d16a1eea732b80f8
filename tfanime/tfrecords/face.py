"""What the converter knows of one face, from its crop to its record."""

from dataclasses import dataclass

POINT_NAMES = ("left_eye", "right_eye", "mouth", "nose", "chin")


@dataclass(frozen=True)
class Face:
    """One face, cropped and tagged.

    Args:
        id: The picture's path relative to the source folder, with `#1`, `#2` ... behind it for further faces.
        image: The crop as PNG or JPEG bytes.
        tags: Values of the vocabulary's tags: +1, -1 or 0 (unknown).
        box: The face that the detector found, (left, top, right, bottom) in pixels of the picture; empty where no
            detector ran.
        score: The detector's likelihood, None where no detector ran.
        points: (x, y) of `POINT_NAMES` in pixels of the picture; empty where the detector gives none.
    """

    id: str
    image: bytes
    tags: tuple[int, ...] = ()
    box: tuple[float, ...] = ()
    score: float | None = None
    points: tuple[tuple[float, float], ...] = ()
