"""Tools for drawing avatars: curves, colours, a canvas with soft edges, and the pose of a head.

All geometry is in float coordinates that know no pixels, so a drawing is the same at every size.
"""

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np

STEPS = 7  # points a curve segment is cut into; more is not visible at 256 px
SUBPIXEL_BITS = 4
WHITE = (255, 255, 255)
_HALF_PIXEL = 1 << (SUBPIXEL_BITS - 1)  # the centre of a pixel is a whole number to OpenCV


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
    """Bezier segments joined end to end; many curves at once where the coordinates are arrays.

    Args:
        start: (x, y) of the first point, or an array `[curves, 2]` of them.
        *segments: For each segment its one to three further control points: a line, a quadratic, a cubic.

    Returns:
        float array `[points, 2]` or `[points, curves, 2]`.
    """
    pieces, last = [np.array([start], np.float64)], start
    for segment in segments:
        control = np.array([last, *segment], np.float64)
        pieces.append((_BERNSTEIN[len(segment)] @ control.reshape(len(control), -1)).reshape(-1, *control.shape[1:]))
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


def moved(points, x, y):
    """`points` `[..., 2]`, shifted."""
    return np.asarray(points, np.float64) + np.array((x, y))


_CIRCLE = np.exp(1j * np.arange(24) * (math.tau / 24))


def ellipse(centre, radii, turn=0.0):
    """An ellipse as 24 points `[24, 2]`; `turn` is in radians."""
    points = _CIRCLE.real * radii[0] + _CIRCLE.imag * (1j * radii[1])
    return _as_points(points * complex(math.cos(turn), math.sin(turn)) + complex(*centre))


def _as_complex(points):
    """Points `[..., 2]` as complex numbers `[...]`, in which to turn is to multiply."""
    return np.ascontiguousarray(points, np.float64).view(np.complex128)[..., 0]


def _as_points(numbers):
    return numbers[..., None].view(np.float64)


@functools.lru_cache
def _brush_profile(count, start, end):
    along = np.linspace(0, 1, count)
    least = np.where(along < 0.5, start, end)
    return least + (1 - least) * np.sin(math.pi * along)


def brush(points, width, start=0.0, end=0.0):
    """The outline of a stroke of a brush.

    Args:
        points: Array `[count, 2]`, or `[count, strokes, 2]`, along which it goes.
        width: Its width in the middle.
        start: The share of it at the beginning.
        end: The share of it at the end.

    Returns:
        Array `[2 * count, 2]` or `[2 * count, strokes, 2]`.
    """
    line = _as_complex(points)
    tangent = np.empty_like(line)
    tangent[1:-1] = line[2:] - line[:-2]
    tangent[0], tangent[-1] = line[1] - line[0], line[-1] - line[-2]
    profile = (0.5j * width) * _brush_profile(len(line), start, end)
    offset = tangent * profile.reshape(-1, *[1] * (line.ndim - 1)) / (np.abs(tangent) + 1e-9)
    return _as_points(np.concatenate([line + offset, (line - offset)[::-1]]))


def mix(colour, other, share):
    """`colour` with `share` (0-1) of `other`; colours are (red, green, blue) in 0-255."""
    return tuple(a + (b - a) * share for a, b in zip(colour, other, strict=True))


def shade(colour, amount):
    """`colour` in shadow: darker, and its hue moved towards red or blue, as painters do it; `amount` in 0-1."""
    weights = (0.72, 1.08, 1.1) if colour[0] > colour[2] + 12 else (1.12, 1.02, 0.72)
    return tuple(c * (1 - amount * weight) for c, weight in zip(colour, weights, strict=True))


def tint(colour, amount):
    """`colour` in light: `amount` (0-1) of the way to a warm white."""
    return mix(colour, (255, 253, 248), amount)


@functools.lru_cache(maxsize=4)
def _pixel_centres(side):
    return (np.arange(side, dtype=np.float32) + 0.5) / side


_RAMP = np.linspace(0, 1, 256)[:, None, None]


class Canvas:
    """A square picture with antialiased shapes, whose sides are 1 long: (0, 0) is the top left corner.

    Shapes are polygons: an array `[count, 2]`, several of equal length `[count, polygons, 2]`, or a list of arrays.
    Colours are (red, green, blue) in 0-255.

    Args:
        size: Side of the finished picture in pixels. It is painted at twice that, and at no less than 128.
    """

    def __init__(self, size):
        self.size = size
        self.side = size * max(2, -(-128 // size))
        self.pixels = np.zeros((self.side, self.side, 3), np.uint8)

    def _polygons(self, shape):
        """The polygons of `shape` as fixed-point numbers, each `[count, 2]`."""
        scale = self.side * (1 << SUBPIXEL_BITS)
        if isinstance(shape, list):
            return [(points * scale).astype(np.int32) - _HALF_PIXEL for points in shape]
        fixed = (shape * scale).astype(np.int32) - _HALF_PIXEL
        return [fixed] if fixed.ndim == 2 else list(np.ascontiguousarray(fixed.swapaxes(0, 1)))

    def flood(self, colour, to, start, end):
        """Paints everything with a gradient from `colour` at `start` to `to` at `end`."""
        self.pixels[:] = self._gradient(slice(None), slice(None), colour, to, start, end)

    def fill(self, shape, colour):
        """Fills `shape` with `colour`."""
        for polygon in self._polygons(shape):
            cv2.fillPoly(self.pixels, [polygon], colour, cv2.LINE_AA, SUBPIXEL_BITS)

    def line(self, shape, colour, width, closed=False):
        """Draws a line `width` wide along `shape`."""
        thickness = max(1, round(width * self.side))
        cv2.polylines(self.pixels, self._polygons(shape), closed, colour, thickness, cv2.LINE_AA, SUBPIXEL_BITS)

    def mask(self, shape):
        """The share of each pixel that lies in `shape`, float32 `[side, side]` in 0-1, to clip paint with."""
        mask = np.zeros((self.side, self.side), np.uint8)
        for polygon in self._polygons(shape):
            cv2.fillPoly(mask, [polygon], 255, cv2.LINE_AA, SUBPIXEL_BITS)
        return mask * np.float32(1 / 255)

    def paint(self, shape, colour, opacity=1.0, clip=None, soft=0.0, to=None, start=(0, 0), end=(0, 1)):
        """Paints `shape` with transparency, within a mask, with a soft edge, or with a gradient.

        Args:
            shape: The shape to paint.
            colour: Its colour.
            opacity: 0-1.
            clip: A `mask`: only there is painted.
            soft: Width over which the edge is blurred.
            to: A second colour: the paint runs from `colour` at `start` to this at `end`.
            start: See `to`.
            end: See `to`.
        """
        polygons = self._polygons(shape)
        blur = max(1, round(soft * self.side)) if soft else 0
        rows, columns = self._box(polygons, blur + 1)
        below = self.pixels[rows, columns]
        if not below.size:
            return
        mask = np.zeros(below.shape[:2], np.uint8)
        corner = (-columns.start << SUBPIXEL_BITS, -rows.start << SUBPIXEL_BITS)
        for polygon in polygons:
            cv2.fillPoly(mask, [polygon], 255, cv2.LINE_AA, SUBPIXEL_BITS, corner)
        for _ in range(2 if blur else 0):
            mask = cv2.blur(mask, (blur, blur))
        weight = mask * np.float32(opacity / 255)
        if clip is not None:
            weight *= clip[rows, columns]
        if to is None:
            paint = np.empty_like(below)
            cv2.rectangle(paint, (0, 0), mask.shape[::-1], colour, cv2.FILLED)  # much faster than numpy's broadcast
        else:
            paint = self._gradient(rows, columns, colour, to, start, end)
        self.pixels[rows, columns] = cv2.blendLinear(paint, below, weight, 1 - weight)

    def _box(self, polygons, margin):
        """The rows and columns of pixels that `polygons` reach, as two slices."""
        points = polygons[0] if len(polygons) == 1 else np.concatenate(polygons)
        left, top, width, height = cv2.boundingRect(points)
        side = self.side

        def pixels(first, length):
            low = (first >> SUBPIXEL_BITS) - margin
            high = ((first + length) >> SUBPIXEL_BITS) + margin + 2
            return slice(min(max(low, 0), side), min(max(high, 0), side))

        return pixels(top, height), pixels(left, width)

    def _gradient(self, rows, columns, colour, to, start, end):
        x, y = end[0] - start[0], end[1] - start[1]
        factor = 255 / (x * x + y * y)
        centres = _pixel_centres(self.side)
        across = (centres[columns] - np.float32(start[0])) * np.float32(x * factor)
        down = (centres[rows] - np.float32(start[1])) * np.float32(y * factor)
        step = cv2.max(cv2.min(across + down[:, None], 255), 0).astype(np.uint8)
        colours = np.array(colour) + _RAMP * np.subtract(to, colour)
        return cv2.applyColorMap(step, np.rint(colours).astype(np.uint8))

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
        """Places `points` `[..., 2]` on the canvas; `depth` is 1 for the face, 0 for what does not turn, below 0
        for what is behind."""
        place = _as_complex(points)
        # The middle of the face is nearest and moves most: the near side becomes wide, the far side narrow.
        near = np.maximum(1 - np.square(place.real) * (1 / 2.25), 0)
        turned = place + near * (depth * complex(self.turn, self.nod))
        factor = self.scale * complex(math.cos(self.tilt), math.sin(self.tilt))
        return _as_points(turned * factor + complex(*self.centre))
