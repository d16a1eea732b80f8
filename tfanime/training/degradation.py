"""How pictures lose what an enlarger is to bring back: large pictures to pairs with small ones.

Everything is a function of (seed, step, place in the global batch): a resumed run sees the same pairs, and several
devices see together what one would. Pictures stay bytes, as those that will be enlarged are.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

DEGRADATIONS = ("clean", "blind")
JITTERS = ("brightness", "contrast", "saturation", "hue")
JITTER = 0.1  # the most that each is varied by
WAYS = ("residual", "shown")


def random_of(seed, step, row):
    """The random numbers of one picture of one step, a `numpy.random.Generator`."""
    # Beside those of the order of the data and its flips, whose counters begin at 0 and 1.
    counter = np.array([0, 0, row, 1], np.uint64)
    return np.random.Generator(np.random.Philox(key=np.array([seed % 2**64, step], np.uint64), counter=counter))


def shrunk(image, scale):
    """A picture made small, each place the mean of `scale` x `scale`: uint8 `[height, width, 3]` to uint8."""
    height, width, channels = image.shape
    sums = image.reshape(height // scale, scale, width // scale, scale, channels).sum((1, 3), np.uint32)
    return ((sums + scale * scale // 2) // (scale * scale)).astype(np.uint8)


def jittered(image, brightness, contrast, saturation, hue):
    """A picture in other light, as `tf.image` defines it: brightness, then contrast, saturation and hue.

    Args:
        image: uint8 `[height, width, 3]`.
        brightness: What is added, as a share of white.
        contrast: Factor of the distance to each channel's mean.
        saturation: Factor of the saturation.
        hue: What is added to the hue, as a share of the whole circle.

    Returns:
        uint8 `[height, width, 3]`.
    """
    x = image.astype(np.float32) / 255 + np.float32(brightness)
    mean = x.mean((0, 1))
    x = np.clip((x - mean) * np.float32(contrast) + mean, 0, 1)
    hsv = cv2.cvtColor(x, cv2.COLOR_RGB2HSV)  # hue in degrees
    hsv[..., 0] = (hsv[..., 0] + 360 * hue) % 360
    hsv[..., 1] = np.clip(hsv[..., 1] * np.float32(saturation), 0, 1)
    return np.round(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255).clip(0, 255).astype(np.uint8)


def worn(image, random):
    """A small picture as it might have come by the web: twice blurred, resized and back, noisy, and compressed.

    Wang et al. 2021 (Real-ESRGAN, arXiv 2107.10833), sections 3.1 and 3.2, made mild for faces of few pixels: Gaussian
    kernels of 3 to 7 pixels with sigma .2 to 1.2, sides of 80 to 125 %, noise of sigma 1 to 10 grey levels (of one grey
    for all channels in two cases of five) and JPEG of quality 60 to 95. The second time is half as strong, and each of
    its parts is left out as often as not. No sinc filters.

    Args:
        image: uint8 `[height, width, 3]`.
        random: A `numpy.random.Generator`.

    Returns:
        uint8 `[height, width, 3]`.
    """
    height, width, _ = image.shape
    for strength in (1.0, 0.5):
        kept = random.random(4) < (1.0 if strength == 1 else 0.5)
        kernel, sigma = 2 * random.integers(1, 4) + 1, random.uniform(0.2, 0.2 + strength)
        if kept[0]:
            image = cv2.GaussianBlur(image, (int(kernel), int(kernel)), sigma)
        factor, how = random.uniform(1 - 0.2 * strength, 1 + 0.25 * strength), random.integers(3)
        if kept[1]:
            sides = max(1, round(width * factor)), max(1, round(height * factor))
            method = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[how]
            image = cv2.resize(cv2.resize(image, sides, interpolation=method), (width, height), interpolation=method)
        noise = random.normal(0, random.uniform(1, 1 + 9 * strength), image.shape)
        if random.random() < 0.4:
            noise = noise[..., :1]
        if kept[2]:
            image = np.round(image + noise).clip(0, 255).astype(np.uint8)
        quality = int(random.integers(round(95 - 35 * strength), 96))
        if kept[3]:
            _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
            image = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
    return np.ascontiguousarray(image)


def residual_of(image):
    """What a generator did to a picture beside drawing it: the difference to an edge-keeping filter's (bilateral, 5
    pixels, 25 grey levels) picture, float32 `[height, width, 3]`. Lines and shades stay behind."""
    return image.astype(np.float32) - cv2.bilateralFilter(image, 5, 25, 2)


@dataclass(frozen=True)
class Degradation:
    """Pairs of a small picture and its large one, of the pictures of a batch.

    Args:
        kind: How small pictures are made: `"clean"`, by means of places alone; `"blind"`, `worn` afterwards.
        scale: How many times smaller.
        crop: Side of the part of a large picture that a step sees, at a random place; None for all of it.
        jitter: In what the light of large pictures is varied first, some of `JITTERS`.
        drawn: uint8 `[count, height, width, 3]`: pictures of a generator whose artefacts are to be known; None for
            none. They are at least as large as small pictures; a part at a random place is taken.
        way: What is done with these: `"residual"`, their `residual_of` is added to small pictures with a random share;
            `"shown"`, they come beside the pairs.
    """

    kind: Literal["clean", "blind"] = "clean"
    scale: int = 2
    crop: int | None = None
    jitter: tuple[str, ...] = ()
    drawn: np.ndarray | None = None
    way: Literal["residual", "shown"] = "residual"

    @property
    def shows(self):
        """Whether drawn pictures come beside the pairs."""
        return self.drawn is not None and self.way == "shown"

    def __call__(self, images, seed, step, begin=0):
        """The pairs of a batch.

        Args:
            images: Large pictures, uint8 `[batch, height, width, 3]`.
            seed: Seed of the run.
            step: Number of the training step.
            begin: Place of the first one in the global batch.

        Returns:
            A tuple of uint8 arrays `[batch, ...]`: small pictures, large ones, and with `way="shown"` drawn ones.
        """
        rows = [self._one(image, random_of(seed, step, begin + i)) for i, image in enumerate(images)]
        return tuple(np.stack(each) for each in zip(*rows, strict=True))

    def _one(self, image, random):
        if self.crop:
            # At whole small pixels, so that a small picture is a part of the whole small picture.
            image = _part(image, self.crop, random, self.scale)
        if self.jitter:
            # All are drawn, so that one more changes nothing about the others.
            drawn = dict(zip(JITTERS, random.uniform(-JITTER, JITTER, len(JITTERS)), strict=True))
            brightness, contrast, saturation, hue = (drawn[name] * (name in self.jitter) for name in JITTERS)
            image = jittered(image, brightness, 1 + contrast, 1 + saturation, hue)
        small = shrunk(image, self.scale)
        if self.kind == "blind":
            small = worn(small, random)
        if self.drawn is None:
            return small, image
        drawn = _part(self.drawn[random.integers(len(self.drawn))], len(small), random)
        if random.random() < 0.5:
            drawn = drawn[:, ::-1]
        drawn = np.ascontiguousarray(drawn)
        if self.shows:
            return small, image, drawn
        small = np.round(small + random.uniform(0, 1.5) * residual_of(drawn)).clip(0, 255).astype(np.uint8)
        return small, image


def _part(image, side, random, grid=1):
    top, left = (grid * int(random.integers((length - side) // grid + 1)) for length in image.shape[:2])
    return image[top : top + side, left : left + side]
