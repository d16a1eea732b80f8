"""What the avatars of `drawn` are drawn with: curves, colours, a canvas with soft edges, and the pose of a head.

All geometry is in float coordinates that know no pixels, hence a drawing is the same at every size.
"""

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np

STEPS = 7  # points a curve segment is cut into; more is not visible at 256 px
SUBPIXEL_BITS = 4
WHITE = (255, 255, 255)


def _bernstein(degree):
    t = np.arange(1, STEPS + 1) / STEPS
    terms = [math.comb(degree, i) * t**i * (1 - t) ** (degree - i) for i in range(degree + 1)]
    return np.stack(terms, axis=1)


_BERNSTEIN = {degree: _bernstein(degree) for degree in (1, 2, 3)}
_T = np.arange(STEPS) / STEPS
_CATMULL_ROM = 0.5 * np.stack(
    [-_T + 2 * _T**2 - _T**3, 2 - 5 * _T**2 + 3 * _T**3, _T + 4 * _T**2 - 3 * _T**3, -(_T**2) + _T**3], axis=1
)


def curve(start, *segments):
    """Bezier segments joined end to end.

    Args:
        start: (x, y) of the first point.
        *segments: For each segment its one to three further control points: a line, a quadratic, a cubic.

    Returns:
        float array `[points, 2]`.
    """
    pieces, last = [np.array([start], np.float64)], start
    for segment in segments:
        pieces.append(_BERNSTEIN[len(segment)] @ np.array([last, *segment], np.float64))
        last = segment[-1]
    return np.concatenate(pieces)


def smooth(points, closed=False):
    """A Catmull-Rom spline through `points` `[count, 2]`, as an array `[more, 2]`; a point given twice is a corner."""
    points = np.asarray(points, np.float64)
    count = len(points)
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
    else:
        padded = np.concatenate([points[:1], points, points[-1:]])
        count -= 1
    windows = np.stack([padded[i : i + count] for i in range(4)], axis=1)  # [segment, 4, 2]
    fine = np.einsum("tk,skc->stc", _CATMULL_ROM, windows).reshape(-1, 2)
    return fine if closed else np.concatenate([fine, points[-1:]])


def ellipse(centre, radii, turn=0.0):
    """An ellipse as 24 points `[24, 2]`; `turn` is in radians."""
    angle = np.arange(24) * (math.tau / 24)
    x, y = radii[0] * np.cos(angle), radii[1] * np.sin(angle)
    cos, sin = math.cos(turn), math.sin(turn)
    return np.stack([centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos], axis=1)


def brush(points, width, start=0.0, end=0.0):
    """A stroke of a brush along `points` `[count, 2]`: `width` in the middle, `start` and `end` of it at the ends."""
    along = np.linspace(0, 1, len(points))
    shape = np.where(along < 0.5, start + (1 - start) * np.sin(math.pi * along), 0)
    shape = np.where(along >= 0.5, end + (1 - end) * np.sin(math.pi * along), shape)
    tangent = np.gradient(points, axis=0)
    normal = tangent[:, ::-1] * (-1, 1) / (np.hypot(tangent[:, 0], tangent[:, 1])[:, None] + 1e-9)
    offset = normal * (0.5 * width * shape)[:, None]
    return np.concatenate([points + offset, (points - offset)[::-1]])


def mirrored(points):
    """`points` `[count, 2]` on the other side of the y axis."""
    return np.asarray(points) * (-1, 1)


def mix(colour, other, share):
    """`colour` with `share` (0-1) of `other`; colours are (red, green, blue) in 0-255."""
    return tuple(a + (b - a) * share for a, b in zip(colour, other, strict=True))


def shade(colour, amount):
    """`colour` in shadow: darker, more saturated and cooler, as painters do it; `amount` in 0-1."""
    return tuple(c * (1 - amount * w) for c, w in zip(colour, (0.95, 1.05, 0.78), strict=True))


def tint(colour, amount):
    """`colour` in light: `amount` (0-1) of the way to a warm white."""
    return mix(colour, (255, 253, 248), amount)


@functools.lru_cache(maxsize=4)
def _pixel_centres(side):
    return (np.arange(side, dtype=np.float32) + 0.5) / side


class Canvas:
    """A square picture with antialiased shapes, whose sides are 1 long: (0, 0) is the top left corner.

    Args:
        size: Side of the finished picture in pixels. It is painted at twice that, and at no less than 128.
    """

    def __init__(self, size):
        self.size = size
        self.side = size * max(2, -(-128 // size))
        self.pixels = np.zeros((self.side, self.side, 3), np.uint8)

    def _fixed_point(self, points):
        scale = self.side * (1 << SUBPIXEL_BITS)
        # A pixel's centre is a whole number to OpenCV. The clip keeps far points inside its 32 bits.
        return np.rint(np.clip(points, -4, 5) * scale - (1 << SUBPIXEL_BITS) / 2).astype(np.int32)

    def fill(self, points, colour):
        """Fills the polygon `points` `[count, 2]` with `colour`."""
        cv2.fillPoly(self.pixels, [self._fixed_point(points)], colour, cv2.LINE_AA, SUBPIXEL_BITS)

    def line(self, points, colour, width, closed=False):
        """Draws a line `width` wide along `points` `[count, 2]`."""
        thickness = max(1, round(width * self.side))
        cv2.polylines(self.pixels, [self._fixed_point(points)], closed, colour, thickness, cv2.LINE_AA, SUBPIXEL_BITS)

    def mask(self, *polygons, soft=0.0):
        """The share of each pixel that lies in one of `polygons`.

        Args:
            *polygons: Arrays `[count, 2]`.
            soft: Width over which the edge is blurred.

        Returns:
            uint8 array `[side, side]` in 0-255.
        """
        mask = np.zeros((self.side, self.side), np.uint8)
        for points in polygons:
            cv2.fillPoly(mask, [self._fixed_point(points)], 255, cv2.LINE_AA, SUBPIXEL_BITS)
        if soft:
            width = max(1, round(soft * self.side))
            cv2.blur(mask, (width, width), mask)
            cv2.blur(mask, (width, width), mask)
        return mask

    def paint(self, mask, colour, opacity=1.0, clip=None, to=None, start=(0, 0), end=(0, 1)):
        """Paints `colour` where `mask` is, in part where it is in part.

        Args:
            mask: uint8 array `[side, side]`, or a polygon `[count, 2]`.
            colour: (red, green, blue) in 0-255.
            opacity: 0-1, over the mask.
            clip: A second mask; only where both are is painted.
            to: A second colour: the paint runs from `colour` at `start` to this at `end`.
            start: See `to`.
            end: See `to`.
        """
        if mask.ndim == 2 and mask.shape[1] == 2:
            mask = self.mask(mask)
        x, y, width, height = cv2.boundingRect(mask)
        if not width:
            return
        rows, columns = slice(y, y + height), slice(x, x + width)
        alpha = mask[rows, columns].astype(np.float32)
        if clip is not None:
            alpha *= clip[rows, columns]
            opacity /= 255
        alpha *= opacity / 255
        paint = np.array(colour, np.float32)
        if to is not None:
            centres = _pixel_centres(self.side)
            direction = np.subtract(end, start)
            direction = (direction / (direction @ direction)).astype(np.float32)
            t = (centres[columns] - start[0]) * direction[0] + ((centres[rows] - start[1]) * direction[1])[:, None]
            paint = paint + np.clip(t, 0, 1)[..., None] * (np.array(to, np.float32) - paint)
        below = self.pixels[rows, columns]
        self.pixels[rows, columns] = below + alpha[..., None] * (paint - below) + 0.5

    def finish(self):
        """The picture, uint8 `[size, size, 3]`."""
        return cv2.resize(self.pixels, (self.size, self.size), interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class Pose:
    """Where a head (or body) is on the canvas.

    Its own coordinates have the origin between the eyes, x to the right, y down, and half a face's width as unit.

    Args:
        centre: The origin's place on the canvas.
        scale: Half a face's width on the canvas.
        tilt: Rotation in radians, clockwise.
        turn: How far the face looks to the right, in its own unit.
        nod: How far it looks down.
    """

    centre: tuple[float, float]
    scale: float
    tilt: float = 0.0
    turn: float = 0.0
    nod: float = 0.0

    def __call__(self, points, depth=1.0):
        """Places `points` `[count, 2]` on the canvas; `depth` is 1 for the face, 0 for what does not turn, below 0
        for what is behind."""
        points = np.asarray(points, np.float64)
        x, y = points[:, 0], points[:, 1]
        # What is in the middle of the face is nearest and moves most: near side wide, far side narrow.
        near = depth * np.maximum(0, 1 - (x / 1.5) ** 2)
        x, y = x + self.turn * near, y + self.nod * near
        cos, sin = self.scale * math.cos(self.tilt), self.scale * math.sin(self.tilt)
        return np.stack([self.centre[0] + x * cos - y * sin, self.centre[1] + x * sin + y * cos], axis=1)
