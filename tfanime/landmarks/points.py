"""Which points of a face the landmarks are, and the table that tells where they lie.

Sides are those of the picture: the left eye is the one on the picture's left. Coordinates are shares of the picture's
width and height, from its upper left corner; they may leave [0, 1] where a chin is cut off.
"""

import csv
import os
from collections.abc import Iterable, Mapping

import numpy as np

from tfanime.files import replacing

_EYE, _BROW, _JAW = ("outer", "inner", "top", "bottom"), ("outer", "middle", "inner"), ("cheek", "jaw", "low_jaw")
NAMES = (
    *(f"{side}_eye_{part}" for side in ("left", "right") for part in _EYE),
    *(f"{side}_brow_{part}" for side in ("left", "right") for part in _BROW),
    *("nose_bridge", "nose_tip", "left_nostril", "right_nostril"),
    *("left_mouth", "right_mouth", "upper_lip_top", "upper_lip_bottom", "lower_lip_top", "lower_lip_bottom"),
    *(f"{side}_{part}" for side in ("left", "right") for part in _JAW),
    *("chin", "forehead"),
)
"""Names of the points, in the order of every array of them."""

EYES = (slice(0, 4), slice(4, 8))
"""The points of the left and of the right eye."""


def _mirrored(name):
    sides = {"left": "right", "right": "left"}
    first, _, rest = name.partition("_")
    return f"{sides.get(first, first)}_{rest}" if rest else name


MIRRORED = tuple(NAMES.index(_mirrored(name)) for name in NAMES)
"""Of each point the number of the one that takes its place in the mirrored picture."""


def eye_distance(points: np.ndarray) -> np.ndarray:
    """The distance between the centres of both eyes, the unit of errors of landmarks.

    Args:
        points: `[..., len(NAMES), 2]`.

    Returns:
        `[...]`, in the points' unit.
    """
    left, right = (points[..., eye, :].mean(axis=-2) for eye in EYES)
    return np.linalg.norm(left - right, axis=-1)


def write_points(path: str | os.PathLike[str], points: Mapping[str, np.ndarray]) -> None:
    """Writes a table of points, a CSV file with a row for each face.

    Args:
        path: The file.
        points: By the face's `id` in its shards, `[len(NAMES), 2]`.
    """
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", *(f"{name}_{axis}" for name in NAMES for axis in "xy")])
        for key, values in points.items():
            writer.writerow([key, *(f"{value:.5f}" for value in np.ravel(values))])


def read_points(path: str | os.PathLike[str], ids: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Reads the points of faces from a table.

    Args:
        path: A file of `write_points`.
        ids: The faces, in the wanted order.

    Returns:
        `(rows, points)`: the places in `ids` of the faces that the table has, int `[found]`, and their points, float32
        `[found, len(NAMES), 2]`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is another table, or has none of the faces.
    """
    ids = list(ids)
    expected = ["id", *(f"{name}_{axis}" for name in NAMES for axis in "xy")]
    found = {}
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        if next(reader, None) != expected:
            raise ValueError(f"points must be a CSV file with the columns id, {NAMES[0]}_x ... Received: {str(path)!r}")
        for row in reader:
            try:
                values = np.array(row[1:], np.float32).reshape(len(NAMES), 2)
                if not np.isfinite(values).all():
                    raise ValueError("a number is not finite")
            except ValueError as error:
                raise ValueError(
                    f"points must have {2 * len(NAMES)} finite numbers in each row. Received: {str(path)!r}, "
                    f"line {reader.line_num}: {error}"
                ) from error
            found[row[0]] = values
    rows = [row for row, key in enumerate(ids) if key in found]
    if not rows:
        raise ValueError(f"points must be those of the faces. Received: {str(path)!r}, which has none of {len(ids):,}")
    return np.array(rows), np.stack([found[ids[row]] for row in rows])
