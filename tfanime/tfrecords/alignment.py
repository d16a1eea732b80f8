"""Alignment of faces in photographs: eyes and mouth come to lie at the same places in every crop.

A landmark network finds points in the square about a face. The square is then turned, scaled and shifted, and never
stretched, so that the centres of the eyes and the corners of the mouth lie as near to `PLACES` as they can, by least
squares (Umeyama 1991). This is done twice, because the network finds points best in a face that is upright and fills
its square.
"""

import numpy as np
from PIL import Image

from tfanime.landmarks.files import open_landmarks
from tfanime.landmarks.points import EYES, MIRRORED, NAMES
from tfanime.tfrecords.crop import turned_square
from tfanime.tfrecords.filters import Dropped

ZOOM = 1.07  # of the card portraits; the landmark network knows faces that fill their square so
ANCHORS = ("left_eye", "right_eye", "left_mouth", "right_mouth")
"""What is brought to `PLACES`: the centres of the eyes and the corners of the mouth, sides as in the picture."""
PLACES = np.array([[0.319, 0.304], [0.681, 0.304], [0.340, 0.670], [0.660, 0.670]])
"""Where these lie in a crop of `ZOOM`, as shares of its side: means over 1,471 photos, cut by the card `portraits`, of
the points that MediaPipe's face mesh finds, made symmetric."""

SPAN = PLACES[1, 0] - PLACES[0, 0]  # the distance between the eyes there
SCALES = (0.5, 2)  # least and largest factor by which the first square may be scaled
MOST_OFF = 0.2  # no face is off so far in the 124 photos of docs/converter.md, upright or turned
DIGITS = 5  # of points, so that the last bits of the network's arithmetic do not change a crop


def anchors(points):
    """Where the `ANCHORS` of faces lie.

    Args:
        points: `[..., len(NAMES), 2]`, see `tfanime.landmarks.points`.

    Returns:
        `[..., 4, 2]`.
    """
    eyes = [points[..., eye, :].mean(axis=-2) for eye in EYES]
    mouth = [points[..., NAMES.index(name), :] for name in ANCHORS[2:]]
    return np.stack(eyes + mouth, axis=-2)


def similarity(places, points):
    """The turn, scale and shift that bring places nearest to points, by least squares.

    Args:
        places, points: `[count, 2]`; not all places are the same.

    Returns:
        Complex numbers `(factor, shift)`: a place (x, y) comes to lie at `factor * (x + yi) + shift`. The factor's
        modulus is the scale, its angle the turn.
    """
    places, points = (np.asarray(each, float) @ (1, 1j) for each in (places, points))
    centred = places - places.mean()
    factor = np.vdot(centred, points) / np.vdot(centred, centred).real
    return factor, points.mean() - factor * places.mean()


class Aligner:
    """Aligns faces.

    Args:
        zoom: Side of the aligned square relative to the face. At 1.07 the anchors lie at `PLACES`, at others nearer to
            the middle or farther from it.
        network: A `tfanime.landmarks.files.LandmarkNetwork`; default: the one that tfanime carries.
    """

    def __init__(self, zoom=ZOOM, network=None):
        self.zoom = zoom
        self.network = network or open_landmarks()

    def __call__(self, image, region):
        """The aligned square of a face, and its points.

        Args:
            image: The picture, RGB `PIL.Image`.
            region: The `Region` about the face, from its forehead to its chin.

        Returns:
            `(region, points)`: the aligned `Region`, and the face's points, float `[len(NAMES), 2]` in pixels of the
            picture.

        Raises:
            Dropped: `unaligned`: the anchors lie farther than `MOST_OFF` from `PLACES` once the face is aligned, or it
                is much smaller or larger than its square (then they are measured in that square). The value is that
                distance, the root of the mean square, in distances between the eyes.
        """
        (factor, shift), _, off = self._fitted(region)
        if SCALES[0] < abs(factor) / region.side < SCALES[1]:
            (factor, shift), points, off = self._fitted(_square(image, factor, shift, 1))
            if off <= MOST_OFF:
                return _square(image, factor, shift, self.zoom / ZOOM), points
        raise Dropped("unaligned", round(off, 2), region.image)

    def _fitted(self, region):
        """The `similarity` of a face in a square, its points in pixels of the picture, and how far off it is there."""
        side = self.network.image_size
        pixels = np.asarray(region.image.resize((side, side), Image.Resampling.BILINEAR))  # widened, so antialiased
        straight, mirrored = np.asarray(self.network.predict(np.stack([pixels, pixels[:, ::-1]])), float)
        shares = np.round((straight + (1, 0) + (-1, 1) * mirrored[list(MIRRORED)]) / 2, DIGITS)
        off = np.sqrt(np.mean(np.sum((anchors(shares) - PLACES) ** 2, axis=-1))) / SPAN
        points = region.to_picture(shares)
        return similarity(PLACES, anchors(points)), points, float(off)


def _square(image, factor, shift, scale):
    """The square whose middle is at the place (1/2, 1/2), a `Region`; `scale` times the one of `PLACES`."""
    middle = factor * (0.5 + 0.5j) + shift
    return turned_square(image, (middle.real, middle.imag), scale * abs(factor), np.angle(factor))
