"""Faces of four marks, red eyes and blue corners of the mouth, and a stand-in for the network that finds them."""

import numpy as np
from PIL import Image

from tfanime.landmarks.points import EYES, NAMES
from tfanime.tfrecords.alignment import PLACES


def places_of(centre, side, degrees, zoom=1.07):
    """Where the marks of a face lie: the square of `PLACES`, turned clockwise about its middle; pixels `[4, 2]`."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.array(centre) + side * (PLACES - 0.5) * 1.07 / zoom @ turn


def picture(size, *faces, radius=6.0):
    """A picture (width, height) with soft marks at the places of each face, on grey noise, an RGB `PIL.Image`."""
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    pixels = np.random.default_rng(0).uniform(90, 110, (size[1], size[0], 3))
    for marks in faces:
        for (left, top), channel in zip(marks, (0, 0, 2, 2), strict=True):
            pixels[..., channel] += 140 * np.exp(-((x - left) ** 2 + (y - top) ** 2) / 2 / radius**2)
    return Image.fromarray(np.uint8(np.clip(pixels, 0, 255)))


def marks_in(pixels):
    """The marks of one face by their colours, in pixels `[4, 2]`; left and right are those of the picture."""
    pixels = np.asarray(pixels, float)
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]] + 0.5
    found = []
    for channel in (0, 2):
        weights = np.maximum(pixels[..., channel] - pixels[..., 1] - 40, 0)
        middle = np.sum(weights * x) / np.sum(weights)
        for side in (x < middle, x >= middle):
            own = weights * side
            found.append([np.sum(own * x) / np.sum(own), np.sum(own * y) / np.sum(own)])
    return np.array(found)


class Network:
    """Finds the marks."""

    image_size = 64

    def predict(self, images):
        points = np.full((len(images), len(NAMES), 2), 0.5)
        for each, image in zip(points, images, strict=True):
            marks = marks_in(image) / self.image_size
            each[EYES[0]], each[EYES[1]] = marks[0], marks[1]
            each[NAMES.index("left_mouth")], each[NAMES.index("right_mouth")] = marks[2:]
        return points
