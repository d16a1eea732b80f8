"""The terms of games that turn photos into drawings, beside the content (`tfanime.training.content`).

The generator's: style, colour, total variation, landmarks. The discriminator's: negatives, pictures that are no
drawings though they consist of drawings' parts.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import tensorflow as tf

from tfanime.landmarks.points import EYES
from tfanime.training.content import Content
from tfanime.training.terms import Sight

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601
YUV = ((0.299, 0.587, 0.114), (-0.14714119, -0.28886916, 0.43601035), (0.61497538, -0.51496512, -0.10001026))
LEAST_EYES = 0.05  # of the picture's width, below which a distance between eyes is taken to be wrong
HUBER = 1.0  # where the absolute difference takes over from the squared one, as in the authors' code


def grey(images: tf.Tensor) -> tf.Tensor:
    """Pictures `[batch, height, width, 3]` without colours, of the same shape and range."""
    return tf.repeat(tf.reduce_sum(images * tf.constant(LUMA, images.dtype), axis=-1, keepdims=True), 3, axis=-1)


def gram(features: tf.Tensor) -> tf.Tensor:
    """F^T F / (height width channels) of features `[batch, height, width, channels]`: `[batch, channels, channels]`.

    Gatys et al. 2016 (CVPR), equation 3, over the number of values as AnimeGANv2's code has it.
    """
    _, height, width, channels = features.shape
    flat = tf.reshape(features, [-1, height * width, channels])
    return tf.matmul(flat, flat, transpose_a=True) / (height * width * channels)


@dataclass(frozen=True, eq=False)
class Style:
    """E[|Gram(F(grey(y))) - Gram(F(G(x)))|]: textures of drawings y, whose colours are not to be learned.

    Chen et al. 2020 (AnimeGAN, ISICA), equation 3, with the mean over the Gram matrices' entries. The i-th picture is
    compared with the i-th drawing.

    Args:
        content: The `Content` whose features F are taken.
    """

    content: Content

    def __call__(self, sight: Sight) -> tf.Tensor:
        wanted = tf.stop_gradient(gram(self.content.features(grey(sight.reals))))
        return tf.reduce_mean(tf.abs(wanted - gram(self.content.of_fakes(sight))))


def colour(sight: Sight, square: int = 1) -> tf.Tensor:
    """E[|Y(x) - Y(G(x))|] + E[H(U(x) - U(G(x)))] + E[H(V(x) - V(G(x)))]: the photo's colours stay, H Huber's loss.

    Chen et al. 2020 (AnimeGAN, ISICA), equation 5, with colours in [0, 1] and the mean over places, as in the authors'
    code. With a `square` above 1, ours, x and G(x) are means of squares of so many pixels: skin and hair keep their
    colours, while lines and eyes are free.
    """
    matrix = tf.constant(YUV)
    first, second = (tf.cast(images, tf.float32) for images in (sight.inputs, sight.fakes))
    if square > 1:
        first, second = (tf.nn.avg_pool2d(images, square, square, "SAME") for images in (first, second))
    first, second = (tf.einsum("nhwc,dc->nhwd", (images + 1.0) / 2.0, matrix) for images in (first, second))
    distances = tf.abs(first - second)
    huber = tf.where(distances <= HUBER, 0.5 * tf.square(distances), HUBER * (distances - 0.5 * HUBER))
    return tf.reduce_mean(distances[..., 0]) + tf.reduce_mean(huber[..., 1]) + tf.reduce_mean(huber[..., 2])


def colour_of_squares(square: int) -> Callable[[Sight], tf.Tensor]:
    """`colour` of squares of so many pixels, under its name.

    Raises:
        ValueError: `square` is below 1.
    """
    if square < 1:
        raise ValueError(f"square must be at least 1. Received: {square}")
    return functools.update_wrapper(functools.partial(colour, square=square), colour)


def total_variation(sight: Sight) -> tf.Tensor:
    """E[(G(x)_{i+1,j} - G(x)_{i,j})^2] / 2 + E[(G(x)_{i,j+1} - G(x)_{i,j})^2] / 2: flat areas, few specks.

    Rudin et al. 1992 in its squared form; AnimeGANv2's code.
    """
    fakes = tf.cast(sight.fakes, tf.float32)
    down, across = fakes[:, 1:] - fakes[:, :-1], fakes[:, :, 1:] - fakes[:, :, :-1]
    return 0.5 * tf.reduce_mean(tf.square(down)) + 0.5 * tf.reduce_mean(tf.square(across))


@dataclass(frozen=True, eq=False)
class Landmarks:
    """E[sqrt((||N(G(x))_i - t_i|| / e)^2 + s^2) - s]: the points of the face stay where the photo has them.

    N finds the points i of a face, t are those of the photo x, e is the distance between its eyes, and s the slack:
    distances well below it count little, because a drawing moves points a little. The points of each eye in t are
    `eye_scale` times as far from the eye's centre as those of x, so that eyes may become a drawing's. A loss of ours,
    with the root of Charbonnier et al. 1994; its idea is that of landmark-assisted CycleGAN (Wu et al. 2019, arXiv
    1908.10361), which compares with points of other pictures.

    Args:
        network: N, pictures `[batch, height, width, 3]` in [-1, 1] -> points `[batch, points, 2]`, such as a
            `tfanime.landmarks.files.LandmarkNetwork`.
        slack: s, in eye distances.
        eye_scale: Factor of the eyes.

    Raises:
        ValueError: A number is out of its range.
    """

    network: Any
    slack: float = 0.02
    eye_scale: float = 1.0

    def __post_init__(self) -> None:
        for name in ("slack", "eye_scale"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be above 0. Received: {getattr(self, name)}")

    def targets(self, photos: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Where the points of photos are to be found again, `[batch, points, 2]`, and their eye distances `[batch]`."""
        points = self.network(photos)
        eyes = [points[:, eye] for eye in EYES]
        centres = [tf.reduce_mean(eye, axis=1, keepdims=True) for eye in eyes]
        eyes = [centre + self.eye_scale * (eye - centre) for eye, centre in zip(eyes, centres, strict=True)]
        unit = tf.norm(centres[0] - centres[1], axis=-1)[:, 0]
        points = tf.concat([*eyes, points[:, EYES[-1].stop :]], axis=1)
        return tf.stop_gradient(points), tf.stop_gradient(tf.maximum(unit, LEAST_EYES))

    def __call__(self, sight: Sight) -> tf.Tensor:
        wanted, unit = self.targets(sight.inputs)
        squares = tf.reduce_sum(tf.square(self.network(sight.fakes) - wanted), axis=-1) / tf.square(unit)[:, None]
        return tf.reduce_mean(tf.sqrt(squares + self.slack**2) - self.slack)


SIDES = {
    "least_squares": lambda logits: 0.5 * tf.reduce_mean(tf.square(logits)),
    "non_saturating": lambda logits: tf.reduce_mean(tf.nn.softplus(logits)),
    "hinge": lambda logits: tf.reduce_mean(tf.nn.relu(1.0 + logits)),
}
"""What the discriminator's side of a loss says of fakes, by the loss's name."""


@dataclass(frozen=True)
class Negative:
    """What a discriminator's loss says of fakes, of pictures that are neither photos nor drawings.

    `"smooth"`: drawings without clear edges, so that a generator must draw these (Chen et al. 2018, CartoonGAN,
    equation 2). `"grey"`: drawings without colours, so that colours must be drawn (Chen et al. 2020, AnimeGAN,
    equation 6). `"grey_smooth"`: both, as in AnimeGANv2's code. The smooth ones are a `Sight`'s `targets`.

    Args:
        pictures: Which of these.
        loss: Name of the game's loss, one of `SIDES`.

    Raises:
        ValueError: There are no such pictures, or the loss has no side of fakes alone.
    """

    pictures: Literal["smooth", "grey", "grey_smooth"]
    loss: str

    def __post_init__(self) -> None:
        if self.pictures not in ("smooth", "grey", "grey_smooth"):
            raise ValueError(f"pictures must be one of smooth, grey, grey_smooth. Received: {self.pictures!r}")
        if self.loss not in SIDES:
            raise ValueError(f"loss must be one of {', '.join(SIDES)}. Received: {self.loss!r}")

    def __call__(self, sight: Sight) -> tf.Tensor:
        images = sight.reals if self.pictures == "grey" else sight.targets
        return SIDES[self.loss](sight.logits_of(images if self.pictures == "smooth" else grey(images)))
