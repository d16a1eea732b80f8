"""Augmentation: pictures changed at random, as a function of (seed, step, place in the batch)."""

import math
from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

AUGMENTATIONS = ("none", "diffaugment", "ada")


def varied(images, seed, step, least_side, light):
    """The same faces a little closer and in another light, as a function of (seed, step, place in the batch).

    Args:
        images: float32 `[batch, size, size, 3]` in [-1, 1].
        seed: Seed of the run, int.
        step: Number of the step, scalar int64 tensor or int.
        least_side: Least side of the square that is left, as a share.
        light: Largest change of contrast and brightness. All three channels change alike, so hues stay.

    Returns:
        float32 of the same shape, in [-1, 1].
    """
    count, size = tf.shape(images)[0], images.shape[1]
    seeds = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
    uniform = tf.random.stateless_uniform([count, 5], seeds, alg="philox")
    side = 1 - (1 - least_side) * uniform[:, 0]
    top, left = uniform[:, 1] * (1 - side), uniform[:, 2] * (1 - side)
    boxes = tf.stack([top, left, top + side, left + side], axis=1)
    images = tf.image.crop_and_resize(images, boxes, tf.range(count), (size, size))
    contrast, brightness = tf.split(light * (2 * uniform[:, 3:, None, None] - 1), 2, axis=1)
    return tf.clip_by_value(images * (1 + contrast) + 2 * brightness, -1.0, 1.0)


@dataclass(frozen=True)
class Augmentation:
    """Changes the pictures that a discriminator sees, reals and fakes, against overfitting to few pictures.

    `"diffaugment"` (Zhao et al. 2020, arXiv 2006.10738) changes every picture: a shift of up to 1/8, a square of half
    the size cut out, colours. `"ada"` (Karras et al. 2020, arXiv 2006.06676, sections 2 and 3) has more operations,
    each of which changes a picture with the probability p. p is moved so that the mean sign of the real pictures'
    logits stays near 0.6; it ends at 0.8, because beyond that generators learn what the operations do. Of the paper's
    operations it has those that are sums and products: x-flip, shift, isotropic scale, anisotropic scale, fractional
    shift; brightness, contrast, luma flip, hue, saturation; cutout. Gradients of any order are exact, and XLA compiles
    all of it.

    Args:
        kind: `"diffaugment"` or `"ada"`.
        colours: Whether colours may change. Without, contrast, luma flip, hue and saturation are left out, and all of
            DiffAugment's colours; brightness stays.
        mirrors: Whether x-flips are among the operations.

    Raises:
        ValueError: There is no such kind.
    """

    TARGET: ClassVar[float] = 0.6  # of the mean sign
    LIMIT: ClassVar[float] = 0.8  # of p
    IMAGES: ClassVar[int] = 500_000  # in which p goes from 0 to 1 at most
    EVERY: ClassVar[int] = 4  # training steps from one move of p to the next

    kind: str
    colours: bool = True
    mirrors: bool = True
    name = "augmentation"  # of its state in a game

    def __post_init__(self):
        if self.kind not in AUGMENTATIONS[1:]:
            raise ValueError(f"kind must be one of {', '.join(AUGMENTATIONS[1:])}. Received: {self.kind!r}")

    @classmethod
    def of(cls, kind, vocabulary=None):
        """The augmentation without the operations that would make tags wrong.

        Args:
            kind: One of `AUGMENTATIONS`.
            vocabulary: The `tfanime.tags.TagVocabulary` of a game with tags.

        Returns:
            An `Augmentation`; None for `"none"`.
        """
        if kind == "none":
            return None
        groups, tags = (vocabulary.groups, vocabulary.tags) if vocabulary else ((), ())
        sided = any(side in tag.split("_") for tag in tags for side in ("left", "right"))
        return cls(kind, not any("colour" in group.name for group in groups), not sided)

    @property
    def left_out(self):
        """The operations that are left out because of the tags, in words; empty if none are."""
        words = []
        if not self.colours:
            words.append("contrast, luma flip, hue, saturation" if self.kind == "ada" else "colours")
        if not self.mirrors and self.kind == "ada":
            words.append("x-flip")
        return ", ".join(words)

    @property
    def state(self):
        """Initial state by name: p, and the mean sign of the steps since p last moved."""
        return {"probability": 0.0, "sign": 0.0} if self.kind == "ada" else {}

    def next_state(self, state, sign, step, images):
        """The state after a training step.

        Args:
            state: The present values by name.
            sign: Mean sign of the real pictures' logits in this step, over all devices.
            step: The training step, int64 scalar.
            images: Pictures a step, over all devices.
        """
        mean = state["sign"] + sign / self.EVERY
        moved = (
            state["probability"] + tf.sign(mean - self.TARGET) * tf.cast(self.EVERY * images, tf.float32) / self.IMAGES
        )
        due = step % self.EVERY == self.EVERY - 1
        probability = tf.where(due, tf.clip_by_value(moved, 0.0, self.LIMIT), state["probability"])
        return {"probability": probability, "sign": tf.where(due, 0.0, mean)}

    def __call__(self, images, draw, probability=1.0):
        """Changes pictures.

        Args:
            images: float32 `[batch, height, width, 3]` in [-1, 1].
            draw: See `tfanime.training.terms.Sight`.
            probability: p, which counts with `"ada"`.

        Returns:
            Pictures of the same shape, which may leave [-1, 1].
        """
        images = tf.cast(images, tf.float32)
        # Which operation takes which number stays the same whatever is left out.
        uniform, normal = draw("uniform", (24,)), draw("normal", (8,), normal=True)
        if self.kind == "diffaugment":
            return self._diffaugment(images, uniform)
        return self._ada(images, uniform, normal, probability)

    def _diffaugment(self, images, uniform):
        if self.colours:
            images += uniform[:, 0, None, None, None] - 0.5
            images = recoloured(images, saturation=2.0 * uniform[:, 1])
            mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
            images = mean + (images - mean) * (0.5 + uniform[:, 2, None, None, None])
        shifts = []
        for axis in (1, 2):
            most = int(images.shape[axis] / 8 + 0.5)
            shifts.append(tf.floor(uniform[:, 2 + axis] * (2 * most + 1)) - most)
        rows, columns = (resampling(images.shape[axis], shifts[axis - 1], reflected=False) for axis in (1, 2))
        return cut_out(resampled(images, rows, columns), uniform[:, 5], uniform[:, 6])

    def _ada(self, images, uniform, normal, probability):
        gates = tf.unstack(tf.cast(uniform[:, :12] < probability, tf.float32), axis=1)
        places, numbers = tf.unstack(uniform[:, 12:], axis=1), tf.unstack(normal, axis=1)
        height, width = images.shape[1:3]

        def whole(place, size):
            return gates[1] * tf.round((2.0 * place - 1.0) * 0.125 * size)

        flip = 1.0 - 2.0 * gates[0] * _coin(places[0]) if self.mirrors else 1.0
        scale = 2.0 ** (0.2 * gates[2] * numbers[0])
        stretch = 2.0 ** (0.2 * gates[3] * numbers[1])
        fractions = [0.125 * gates[4] * number for number in numbers[2:4]]
        rows = resampling(height, whole(places[1], height), scale / stretch, fractions[0] * height)
        columns = resampling(width, whole(places[2], width), scale * stretch, fractions[1] * width, flip)
        images = resampled(images, rows, columns)
        images += (0.2 * gates[5] * numbers[4])[:, None, None, None]
        if self.colours:
            images = recoloured(
                images,
                contrast=2.0 ** (0.5 * gates[6] * numbers[5]),
                luma=1.0 - 2.0 * gates[7] * _coin(places[3]),
                hue=gates[8] * (2.0 * places[4] - 1.0) * math.pi,
                saturation=2.0 ** (gates[9] * numbers[6]),
            )
        return cut_out(images, places[5], places[6], gates[10])


def _coin(uniform):
    return tf.cast(uniform < 0.5, tf.float32)


def resampling(size, shift, scale=1.0, later_shift=0.0, flip=1.0, reflected=True):
    """The matrices that move, scale and mirror the rows of pictures, or their columns, one for each picture.

    Args:
        size: Rows of a picture.
        shift: Rows by which the mirrored picture moves, `[batch]`.
        scale: Factor about the middle after that, `[batch]` or a number.
        later_shift: Rows by which it moves after that, `[batch]` or a number.
        flip: 1, or -1 for mirrored, `[batch]` or a number.
        reflected: Whether pictures are padded by reflection, or with zeros.

    Returns:
        float32 `[batch, size, size]`: the weights of all old rows in each new one. They are a triangle around the
        place that comes to lie there, one row wide on each side, and wider where pictures become smaller.
    """
    shift = tf.convert_to_tensor(shift)[:, None]
    scale, later_shift, flip = (
        tf.broadcast_to(tf.cast(each, tf.float32), tf.shape(shift[:, 0]))[:, None]
        for each in (scale, later_shift, flip)
    )
    middle = (size - 1) / 2
    places = tf.range(size, dtype=tf.float32) - middle
    sources = flip * ((places - later_shift) / scale - shift) + middle  # [batch, size]
    if reflected:
        sources = (size - 1) - tf.abs(tf.math.floormod(sources, 2.0 * (size - 1)) - (size - 1))
    radius = tf.maximum(1.0, 1.0 / scale)[:, :, None]
    distances = tf.abs(sources[:, :, None] - tf.range(size, dtype=tf.float32))
    weights = tf.nn.relu(1.0 - distances / radius)
    return weights / tf.reduce_sum(weights, axis=2, keepdims=True) if reflected else weights


def resampled(images, rows, columns):
    """Pictures `[batch, height, width, 3]` whose rows and columns are weighted, both `[batch, size, size]`."""
    images = tf.einsum("nij,njwc->niwc", rows, images)
    return tf.einsum("nij,nhjc->nhic", columns, images)


GREY = [[1 / 3] * 3] * 3  # what is left of a colour in the direction of white
TURN = [[0.0, -(3**-0.5), 3**-0.5], [3**-0.5, 0.0, -(3**-0.5)], [-(3**-0.5), 3**-0.5, 0.0]]  # a quarter turn around it


def recoloured(images, contrast=1.0, luma=1.0, hue=0.0, saturation=1.0):
    """Changes colours by one affine map for each picture, around the grey axis from black to white. The axis itself
    changes by `contrast` and `luma` only.

    Args:
        images: float32 `[batch, height, width, 3]`.
        contrast: Factor of all channels, `[batch]` or a number, as all others.
        luma: 1, or -1 to exchange light and dark.
        hue: Angle by which hues turn, in radians.
        saturation: Factor of the distance to the grey axis.
    """
    contrast, luma, hue, saturation = (
        tf.reshape(tf.cast(each, tf.float32), [-1, 1, 1]) for each in (contrast, luma, hue, saturation)
    )
    colour = tf.cos(hue) * (tf.eye(3) - tf.constant(GREY)) + tf.sin(hue) * tf.constant(TURN)
    matrices = contrast * (luma * tf.constant(GREY) + saturation * colour)  # [batch, 3, 3]
    return tf.einsum("nij,nhwj->nhwi", matrices, images)


def cut_out(images, row, column, gate=1.0):
    """Pictures with a square of half the size put to 0, which is grey.

    Args:
        images: float32 `[batch, height, width, 3]`.
        row: Where its middle is, as a share of the height, `[batch]`.
        column: And of the width.
        gate: Where it is 0, nothing is cut out: `[batch]`, or a number for all.
    """
    inside = [
        tf.abs((tf.range(size, dtype=tf.float32) + 0.5) / size - middle[:, None]) < 0.25
        for size, middle in zip(images.shape[1:3], (row, column), strict=True)
    ]
    square = tf.cast(inside[0][:, :, None] & inside[1][:, None, :], tf.float32)  # [batch, height, width]
    return images * (1.0 - tf.reshape(gate, [-1, 1, 1]) * square)[..., None]
