"""A network that learns where points of faces lie, as a Keras model for `fit`, and the faces it learns from."""

import math

import keras
import tensorflow as tf

from tfanime.landmarks.points import EYES, MIRRORED
from tfanime.training.augment import recoloured
from tfanime.training.game import Game

TURN, SCALES, SHIFT = 25.0, (0.7, 1.15), 0.12  # degrees, factors, a share of the picture
BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)  # rows and columns of the blur
LEVELS = (2, 8)  # of a posterised picture's colours, least and most


class PointRegression(Game):
    """Trains a network of points by E[||p - N(x)||], the mean distance between a point and where it is found.

    It is a `Game` of one player; see there for resuming and several devices.

    Args:
        network: Built `keras.Model`, pictures `[batch, height, width, 3]` -> points `[batch, points, 2]`, such as
            `tfanime.landmarks.network.landmark_network`.
    """

    def __init__(self, network, **kwargs):
        super().__init__(**kwargs)
        self.network = network

    def compile(self, point_optimizer, **kwargs):
        """Sets the optimizer.

        Args:
            point_optimizer: A Keras optimizer.
            **kwargs: For `Game.set_players`: `gradient_clip`, `jit_compile`, `run_eagerly`.
        """
        self.set_players({"point": (self.network, point_optimizer)}, **kwargs)

    def call(self, images):
        """Points of pictures, in inference mode."""
        return self.network(images, training=False)

    def train_step(self, data):
        """One update.

        Args:
            data: Pairs of pictures, float32 in [-1, 1] `[batch, height, width, 3]`, and points `[batch, points, 2]`.

        Returns:
            Scalars by name: the loss, in shares of the picture's side; the same in eye distances; the learning rate of
            this update; and, on one device, the gradients' norm.
        """
        images, points, _ = keras.utils.unpack_x_y_sample_weight(data)
        learning_rate = tf.identity(tf.convert_to_tensor(self.point_optimizer.learning_rate))
        with tf.GradientTape() as tape:
            distances = distance(points, self.network(images, training=True))
            loss = tf.reduce_mean(distances)
        gradients = tape.gradient(loss, self.network.trainable_variables)
        return self.as_logs(
            {
                "loss": loss,
                "error": tf.reduce_mean(tf.reduce_mean(distances, axis=1) / eye_distance(points)),
                "learning_rate": learning_rate,
                "gradient_norm": self.update(self.network, self.point_optimizer, gradients),
            }
        )


def distance(first, second):
    """||first - second|| of points `[batch, points, 2]`, `[batch, points]`."""
    # The root has an infinite slope at 0.
    return tf.sqrt(tf.reduce_sum(tf.square(first - second), axis=-1) + 1e-12)


def eye_distance(points):
    """The distance between the eyes' centres of points `[batch, points, 2]`, `[batch]`."""
    left, right = (tf.reduce_mean(points[:, eye], axis=1) for eye in EYES)
    return distance(left, right)


def moved(images, points, seed, step, turn=TURN, scales=SCALES, shift=SHIFT, mirror=0.5):
    """Faces turned, scaled, shifted and mirrored together with their points, as a function of (seed, step, place in the
    batch). Where a picture ends its outermost pixels are repeated.

    Args:
        images: float32 `[batch, size, size, 3]`.
        points: Shares of width and height, float32 `[batch, points, 2]`.
        seed: Seed of the run, int.
        step: Number of the step, scalar int64 tensor or int.
        turn: Largest angle, in degrees, either way.
        scales: Least and largest factor.
        shift: Largest shift along either axis, a share.
        mirror: Probability with which a picture is mirrored.

    Returns:
        Pictures and points of the same shapes.
    """
    size = images.shape[1]
    uniform = tf.unstack(_uniform(images, seed, step, 5), axis=1)
    angle = (2 * uniform[0] - 1) * math.radians(turn)
    scale = scales[0] + (scales[1] - scales[0]) * uniform[1]
    offset = tf.stack([(2 * each - 1) * shift for each in uniform[2:4]], axis=1)[:, None]  # [batch, 1, 2]
    mirrored = uniform[4] < mirror
    points = tf.where(mirrored[:, None, None], tf.gather(points, MIRRORED, axis=1), points)
    flip = tf.where(mirrored, -1.0, 1.0)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    forth = tf.reshape(scale[:, None] * tf.stack([flip * cosine, -sine, flip * sine, cosine], axis=1), [-1, 2, 2])
    points = tf.einsum("nij,npj->npi", forth, points - 0.5) + 0.5 + offset
    # From a new pixel's number to the old one's: the middle of pixel i lies at (i + 1/2) / size.
    back = tf.linalg.inv(forth)
    rest = tf.einsum("nij,nj->ni", back, 0.5 - size * (0.5 + offset[:, 0])) + 0.5 * size - 0.5
    rows = tf.concat([back, rest[:, :, None]], axis=2)  # [batch, 2, 3]
    transforms = tf.concat([tf.reshape(rows, [-1, 6]), tf.zeros([tf.shape(images)[0], 2])], axis=1)
    images = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=[size, size],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    return images, points


def repainted(images, seed, step):
    """Photos in the colours, flat areas and lines that drawings have: hues, saturation, contrast and brightness vary,
    some pictures are posterised, and they are blurred or sharpened; as a function of (seed, step, place in the batch).

    Args:
        images: float32 `[batch, size, size, 3]` in [-1, 1].
        seed: Seed of the run, int.
        step: Number of the step, scalar int64 tensor or int.

    Returns:
        float32 of the same shape, in [-1, 1].
    """
    seed = seed + 1  # other numbers than those of `moved`
    uniform = tf.unstack(_uniform(images, seed, step, 7), axis=1)
    hue = tf.where(uniform[0] < 0.5, 0.0, (uniform[0] - 0.75) * 4 * math.pi / 4)  # half of them, by up to 45 degrees
    images = recoloured(images, contrast=0.6 + 0.9 * uniform[1], hue=hue, saturation=2.0 * uniform[2])
    images = tf.clip_by_value(images + (0.8 * uniform[3] - 0.4)[:, None, None, None], -1.0, 1.0)
    kernel = tf.tensordot(tf.constant(BINOMIAL), tf.constant(BINOMIAL), axes=0)
    kernel = tf.tile(kernel[:, :, None, None], [1, 1, 3, 1])
    padded = tf.pad(images, [[0, 0], [2, 2], [2, 2], [0, 0]], "REFLECT")
    blurred = tf.nn.depthwise_conv2d(padded, kernel, [1, 1, 1, 1], "VALID")
    images += (2.0 * uniform[4] - 1.0)[:, None, None, None] * (blurred - images)
    steps = tf.floor(LEVELS[0] + (LEVELS[1] + 1 - LEVELS[0]) * uniform[5])[:, None, None, None] - 1
    posterised = 2.0 * tf.round((images + 1.0) / 2.0 * steps) / steps - 1.0
    images = tf.where((uniform[6] < 0.3)[:, None, None, None], posterised, images)
    return tf.clip_by_value(images, -1.0, 1.0)


def _uniform(images, seed, step, count):
    seeds = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
    return tf.random.stateless_uniform([tf.shape(images)[0], count], seeds, alg="philox")
