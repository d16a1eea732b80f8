"""Made-up scenes with pasted faces whose places are known: what `benchmarks/detectors.py` shows to detectors.

A scene is 512 to 1024 px wide and high. Its background is a gradient, noise, patches of other face pictures shuffled or
blurred beyond recognition, or drawn shapes; a quarter of the scenes holds no face, the others one to three. A face is a
whole picture of the face set, 48 to 256 px, turned by up to 10 degrees, with a hard, a soft or an oval border. Scenes
are functions of (seed, number) alone, and are never written.
"""

import cv2
import numpy as np
from PIL import Image

LEAST, MOST = 512, 1024  # sides of a scene
SMALLEST, LARGEST = 48, 256  # sides of a face
MOST_TURN = 10  # degrees
FACES = (0, 1, 2, 3)


class Scenes:
    """Scenes of the faces in some pictures.

    Args:
        paths: Square pictures of one face each.
        seed: Changes all scenes.
    """

    def __init__(self, paths, seed=0):
        self.paths = list(paths)
        self.seed = seed

    def __call__(self, number):
        """One scene.

        Returns:
            `(image, squares)`: an RGB `PIL.Image`, and the faces' squares before they were turned, float [n, 4]
            (left, top, right, bottom) in pixels.
        """
        random = np.random.default_rng([self.seed, number])
        width, height = random.integers(LEAST, MOST + 1, 2)
        scene = self._background(random, width, height)
        squares = []
        for _ in range(FACES[random.integers(len(FACES))]):
            side = round(SMALLEST * (LARGEST / SMALLEST) ** random.random())  # all scales alike
            square = _free_square(random, side, width, height, squares)
            if square is not None:
                _paste(random, scene, self._face(random), square)
                squares.append(square)
        return Image.fromarray(scene), np.array(squares, np.float64).reshape(-1, 4)

    def _face(self, random):
        return np.asarray(Image.open(self.paths[random.integers(len(self.paths))]).convert("RGB"))

    def _background(self, random, width, height):
        kinds = (_gradient, _noise, _shapes, self._shuffled, self._blurred)
        return kinds[random.integers(len(kinds))](random, width, height)

    def _shuffled(self, random, width, height):
        """Patches of a third of a face each, turned by quarters and in any order."""
        patch = int(random.integers(16, 33))
        rows, columns = -(-height // patch), -(-width // patch)
        faces = np.stack([cv2.resize(self._face(random), (96, 96)) for _ in range(12)])
        which = random.integers(len(faces), size=(rows, columns))
        corners = random.integers(96 - patch, size=(rows, columns, 2))
        turns = random.integers(4, size=(rows, columns))
        lines = []
        for row in range(rows):
            line = []
            for column in range(columns):
                top, left = corners[row, column]
                piece = faces[which[row, column], top : top + patch, left : left + patch]
                line.append(np.rot90(piece, turns[row, column]))
            lines.append(np.concatenate(line, axis=1))
        return np.concatenate(lines)[:height, :width].copy()

    def _blurred(self, random, width, height):
        """A face picture over the whole scene, upside down, blurred by a tenth of it."""
        face = self._face(random)[::-1]
        face = cv2.GaussianBlur(face, (0, 0), 0.1 * face.shape[0])
        return cv2.resize(face, (int(width), int(height)), interpolation=cv2.INTER_CUBIC)


def _gradient(random, width, height):
    angle = 2 * np.pi * random.random()
    across = np.cos(angle) * np.linspace(-1, 1, width) + np.sin(angle) * np.linspace(-1, 1, height)[:, None]
    share = np.float32((across - across.min()) / np.ptp(across))[..., None]
    start, end = np.float32(random.integers(256, size=(2, 3)))
    return np.uint8(start + (end - start) * share)


def _noise(random, width, height):
    """Noise of several scales, as clouds, cloth and leaves have it."""
    scene = np.zeros((height, width, 3), np.float32)
    for cell in (4, 16, 64, 256):
        small = random.random((height // cell + 2, width // cell + 2, 3), np.float32)
        scene += random.random() * cv2.resize(small, (int(width), int(height)), interpolation=cv2.INTER_CUBIC)
    scene -= scene.min()
    return np.uint8(255 * scene / scene.max())


def _shapes(random, width, height):
    """Ellipses, polygons and lines in any colours, over a gradient."""
    scene = _gradient(random, width, height)
    for _ in range(random.integers(10, 60)):
        colour = tuple(random.integers(256, size=3).tolist())
        centre = (int(random.integers(width)), int(random.integers(height)))
        kind = random.integers(3)
        if kind == 0:
            axes = tuple(random.integers(5, 120, 2).tolist())
            cv2.ellipse(scene, centre, axes, 360 * random.random(), 0, 360, colour, -1, cv2.LINE_AA)
        elif kind == 1:
            corners = np.int32(centre + random.integers(-120, 120, (random.integers(3, 6), 2)))
            cv2.fillPoly(scene, [corners], colour, cv2.LINE_AA)
        else:
            end = (int(random.integers(width)), int(random.integers(height)))
            cv2.line(scene, centre, end, colour, int(random.integers(1, 12)), cv2.LINE_AA)
    return scene


def _free_square(random, side, width, height, taken):
    """A place for a face whose turned square overlaps no other one; None if there is hardly any."""
    for _ in range(20):
        left, top = random.integers(0, width - side + 1), random.integers(0, height - side + 1)
        square = (left, top, left + side, top + side)
        margin = 0.25 * side
        if all(
            square[2] + margin <= other[0]
            or other[2] + margin <= square[0]
            or square[3] + margin <= other[1]
            or other[3] + margin <= square[1]
            for other in taken
        ):
            return square
    return None


def _paste(random, scene, face, square):
    """Puts a face into a scene, turned about its middle; corners that leave the scene are cut."""
    left, top, right, _ = (int(value) for value in square)
    side = right - left
    shrinks = side < face.shape[0]
    face = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    position = (np.arange(side) + 0.5) / side * 2 - 1
    x, y = np.abs(position[None, :]), np.abs(position[:, None])
    feather = 0.05 + 0.15 * random.random()
    kind = random.integers(3)
    if kind == 0:
        mask = np.ones((side, side), np.float32)
    elif kind == 1:
        mask = np.clip((1 - np.maximum(x, y)) / feather, 0, 1)
    else:
        mask = np.clip((1.15 - np.hypot(x, y)) / feather, 0, 1)
    turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), random.uniform(-MOST_TURN, MOST_TURN), 1)
    turn[:, 2] += left, top
    size = (scene.shape[1], scene.shape[0])
    # The colours go on beyond the picture's border, the mask does not.
    turned = cv2.warpAffine(face, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(mask.astype(np.float32), turn, size, flags=cv2.INTER_LINEAR)[..., None]
    scene[:] = np.uint8(np.round(scene * (1 - mask) + turned * mask))
