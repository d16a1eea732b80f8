"""Projection: the point of a latent space whose avatar is most like a given picture.

After Karras et al. 2020 (arXiv 1912.04958, section 5 and appendix D) and the projector of StyleGAN2-ADA: Adam starts
from the mean w. Noise is added to w and fades during the search. The noise maps are optimised too, with a regulariser
that keeps them noise. Differences: the mean w is that of the picture's own tags, every layer may have its own w ("w+",
Abdal et al. 2019, arXiv 1904.03189), and the distance is one of `tfanime.latent_space.distances`.
"""

import keras
import numpy as np
import tensorflow as tf

from tfanime.images import to_float
from tfanime.latent_space.space import Points
from tfanime.models.stylegan2 import noise_maps

SPACES = ("w", "w+", "z")
RATE = 0.1
RISE, FALL = 0.05, 0.25  # shares of the steps in which the rate rises linearly, and falls along a cosine
SHAKE, SHAKEN = 0.05, 0.75  # noise on w, relative to the deviation of w, and the share of the steps it lasts
NOISE_WEIGHT = 1e5  # of the regulariser of noise maps
SMALLEST_MAP = 8  # smaller maps are not halved
SAMPLES = 1024  # from which the deviation of w is estimated


def rate_at(share):
    """The learning rate at a share of all steps, 0 to 1."""
    fall = min(1.0, (1.0 - share) / FALL)
    return RATE * (0.5 - 0.5 * np.cos(np.pi * fall)) * min(1.0, share / RISE)


def shake_at(share, deviation):
    """The deviation of the noise on w at a share of all steps; `deviation` is that of w."""
    return deviation * SHAKE * max(0.0, 1.0 - share / SHAKEN) ** 2


def likeness_to_itself(noise, image_size):
    """The autocorrelation of noise maps at one pixel's distance, at all their sizes: 0 for noise, 1 for a constant map.

    Args:
        noise: float32 `[batch, noise_size(image_size)]`.
        image_size: Of the pictures.

    Returns:
        float32 `[batch]`, the sum over maps, sizes and the two axes of E[n(x) n(x + 1)]^2.
    """
    total = tf.zeros(tf.shape(noise)[0])
    for each in noise_maps(noise, image_size):
        while True:
            for axis in (1, 2):
                total += tf.reduce_mean(each * tf.roll(each, 1, axis), axis=(1, 2, 3)) ** 2
            if each.shape[1] <= SMALLEST_MAP:
                break
            each = 2 * tf.nn.avg_pool2d(each, 2, 2, "VALID")  # keeps a deviation of 1
    return total


def as_noise(noise, image_size):
    """Noise maps of mean 0 and deviation 1 each."""
    parts = []
    for each in noise_maps(noise, image_size):
        flat = tf.reshape(each, (-1, each.shape[1] * each.shape[2]))
        flat -= tf.reduce_mean(flat, axis=1, keepdims=True)
        parts.append(flat * tf.math.rsqrt(tf.reduce_mean(flat**2, axis=1, keepdims=True) + 1e-12))
    return tf.concat(parts, axis=1)


class Projector:
    """Searches for the points whose avatars are most like pictures.

    Args:
        space: The `LatentSpace`.
        distance: A `tfanime.latent_space.distances.Distance`.
        start: `Points`, one for each picture; their tags and noise are used.
        images: The pictures, uint8 `[count, height, width, 3]` of the generator's size.
        steps: Number of steps.
        kind: `"w+"`: every layer has a w of its own; `"w"`: all layers have the same one; its avatar is less like the
            picture, but edits change it as they change other avatars; `"z"`: for a network without styles.
        seed: Of the noise on w.

    Attributes:
        distances: Of the pictures from their avatars, by the last step, float32 `[count]`.

    Raises:
        ValueError: The network has no such space.
    """

    def __init__(self, space, distance, start, images, steps=1000, kind="w+", seed=0):
        kinds = SPACES[:2] if space.has_styles else SPACES[2:]
        if kind not in kinds:
            raise ValueError(f"space must be one of {', '.join(kinds)} for this network. Received: {kind!r}")
        self.space, self.distance, self.start, self.steps, self.seed = space, distance, start, steps, seed
        self.size = images.shape[1]
        self.wanted = distance.features(to_float(images))
        centres = space.centres(start)[:, None]
        count, layers = len(start), space.layers if kind == "w+" else 1
        self.codes = tf.Variable(tf.repeat(centres + tf.zeros([count, 1, space.size]), layers, axis=1))
        self.deviation = self._deviation(centres) if space.has_styles else float(space.size) ** 0.5
        self.others = dict(start.others)
        self.searched = [self.codes]
        if space.has_styles:
            self.others["noise"] = tf.Variable(as_noise(start.others["noise"], self.size))
            self.searched.append(self.others["noise"])
        self.optimizer = keras.optimizers.Adam(RATE, 0.9, 0.999)
        self.optimizer.build(self.searched)
        self.distances = np.full(count, np.inf, np.float32)
        self._step = tf.function(self._step)

    def _deviation(self, centres):
        """The root of the mean squared distance of w from their mean, under the first picture's tags."""
        first = self.start[:1]
        same = {name: tf.repeat(each, SAMPLES, axis=0) for name, each in first.others.items() if name == "tags"}
        same["noise"] = tf.zeros([SAMPLES, first.others["noise"].shape[1]])
        latents = self.space.inputs.latents.batch(SAMPLES, self.seed, 0)
        codes = self.space.of_latents(latents, same).codes[:, 0]
        return float(tf.sqrt(tf.reduce_mean(tf.reduce_sum((codes - centres[0]) ** 2, axis=1))))

    def points(self):
        """The `Points` found so far."""
        others = {name: tf.convert_to_tensor(each) for name, each in self.others.items()}
        return Points(tf.repeat(self.codes, self.space.layers // self.codes.shape[1], axis=1), others)

    def run(self, on_step=None):
        """Makes all steps.

        Args:
            on_step: Called after each step with its number, from 1 on, and the pictures drawn in it, float32
                `[count, height, width, 3]` in [-1, 1].

        Returns:
            The `Points` found.
        """
        for step in range(self.steps):
            share = step / self.steps
            self.optimizer.learning_rate.assign(rate_at(share))
            images, distances = self._step(tf.constant(step), tf.constant(shake_at(share, self.deviation), tf.float32))
            self.distances = distances.numpy()
            if on_step:
                on_step(step + 1, images)
        return self.points()

    def _step(self, step, shake):
        with tf.GradientTape() as tape:
            noise = tf.random.stateless_normal(self.codes.shape, tf.stack([self.seed, step]), alg="philox")
            codes = self.codes + shake * noise
            drawn = Points(tf.repeat(codes, self.space.layers // codes.shape[1], axis=1), self.others)
            images = self.space.pictures(drawn)
            distances = self.distance.between(self.distance.features(images), self.wanted)
            losses = distances
            if self.space.has_styles:
                losses += NOISE_WEIGHT * likeness_to_itself(self.others["noise"], self.size)
            total = tf.reduce_sum(losses)  # each picture's gradient depends on its own loss only
        self.optimizer.apply(tape.gradient(total, self.searched), self.searched)
        if self.space.has_styles:
            self.others["noise"].assign(as_noise(self.others["noise"], self.size))
        elif self.space.inputs.latents.distribution == "uniform":
            self.codes.assign(tf.clip_by_value(self.codes, -1.0, 1.0))
        else:  # the network was trained on such lengths only
            self.codes.assign(tf.clip_by_norm(self.codes, self.deviation, axes=[-1]))
        return images, distances
