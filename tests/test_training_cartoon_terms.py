"""Terms of games that turn photos into drawings: their numbers, and whom their gradients reach."""

import numpy as np
import pytest
import tensorflow as tf
import tiny_stylising
import tiny_vgg
from test_training_content import FAKES, PHOTOS, REALS, features

from tfanime.landmarks.points import EYES, NAMES
from tfanime.training import Sight, Term
from tfanime.training.cartoon_terms import (
    SIDES,
    Landmarks,
    Negative,
    Style,
    colour,
    colour_of_squares,
    grey,
    total_variation,
)
from tfanime.training.content import Content
from tfanime.training.losses import LOSSES

SMOOTH = np.random.default_rng(1).uniform(-1, 1, REALS.shape).astype(np.float32)
SIGHT = Sight(reals=REALS, fakes=FAKES, inputs=PHOTOS, targets=SMOOTH)


def in_grey(images):
    luma = 0.299 * images[..., 0] + 0.587 * images[..., 1] + 0.114 * images[..., 2]
    return np.stack([luma] * 3, axis=-1)


def style():
    return Style(Content(tiny_vgg.tiny_vgg(), "conv3_2"))


def test_grey_loss_equals_numpy():
    np.testing.assert_allclose(grey(tf.constant(REALS)), in_grey(REALS), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(grey(tf.ones((1, 2, 2, 3))), np.ones((1, 2, 2, 3)), rtol=1e-6)


def test_style_loss_equals_numpy():
    def gram(images):
        answers = features(images, "conv3_2", False)
        count, height, width, channels = answers.shape
        flat = answers.reshape(count, -1, channels)
        return flat.transpose(0, 2, 1) @ flat / (height * width * channels)

    expected = np.mean(np.abs(gram(in_grey(REALS)) - gram(FAKES)))
    np.testing.assert_allclose(style()(SIGHT), expected, rtol=1e-4)
    assert float(style()(Sight(reals=REALS, fakes=grey(tf.constant(REALS))))) == pytest.approx(0, abs=1e-3)


def test_colour_loss_equals_numpy():
    def yuv(images):
        red, green, blue = np.moveaxis((images.astype(np.float64) + 1) / 2, -1, 0)
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        return luma, 0.492111 * (blue - luma), 0.877283 * (red - luma)

    (y, u, v), (other_y, other_u, other_v) = yuv(PHOTOS), yuv(FAKES)
    expected = np.mean(np.abs(y - other_y)) + sum(np.mean(d**2) / 2 for d in (u - other_u, v - other_v))
    np.testing.assert_allclose(colour(SIGHT), expected, rtol=1e-4)
    # Beyond 1, which colours outside of [-1, 1] reach, Huber's loss is linear: V differs by 0.614975 * 4, U by less.
    far = np.reshape([8.0, 0.0, 0.0], (1, 1, 1, 3))
    d_y, d_u, d_v = 0.299 * 4, 0.14714119 * 4, 0.61497538 * 4
    value = colour(Sight(inputs=np.zeros((1, 1, 1, 3), np.float32), fakes=far.astype(np.float32)))
    np.testing.assert_allclose(value, d_y + d_u**2 / 2 + (d_v - 0.5), rtol=1e-5)


def test_colour_loss_of_squares_equals_that_of_their_means():
    def means(images):
        return images.reshape(2, 4, 4, 4, 4, 3).mean((2, 4))

    value = colour_of_squares(4)(SIGHT)
    np.testing.assert_allclose(value, colour(Sight(inputs=means(PHOTOS), fakes=means(FAKES))), rtol=1e-4)
    assert colour_of_squares(1)(SIGHT) == colour(SIGHT) > value and colour_of_squares(4).__name__ == "colour"
    with pytest.raises(ValueError, match=r"square must be at least 1. Received: 0"):
        colour_of_squares(0)


def test_total_variation_equals_numpy():
    down, across = np.diff(FAKES, axis=1), np.diff(FAKES, axis=2)
    np.testing.assert_allclose(total_variation(SIGHT), np.mean(down**2) / 2 + np.mean(across**2) / 2, rtol=1e-5)
    assert float(total_variation(Sight(fakes=np.ones((1, 4, 4, 3))))) == 0.0


LINEAR = np.random.default_rng(2).normal(0, 0.01, (int(np.prod(PHOTOS.shape[1:])), 2 * len(NAMES))).astype(np.float32)
OFFSETS = np.random.default_rng(3).uniform(0.3, 0.7, 2 * len(NAMES)).astype(np.float32)


def points_of(images):
    """Points that are linear in a picture, in place of a network's."""
    flat = tf.reshape(images, [-1, LINEAR.shape[0]])
    return tf.reshape(tf.matmul(flat, LINEAR) + OFFSETS, [-1, len(NAMES), 2])


def landmarks(**options):
    return Landmarks(points_of, **options)


@pytest.mark.parametrize("eye_scale", [1.0, 1.5])
def test_landmarks(eye_scale):
    points, found = points_of(PHOTOS).numpy(), points_of(FAKES).numpy()
    centres = [points[:, eye].mean(axis=1, keepdims=True) for eye in EYES]
    unit = np.linalg.norm(centres[0] - centres[1], axis=-1)
    for eye, centre in zip(EYES, centres, strict=True):
        points[:, eye] = centre + eye_scale * (points[:, eye] - centre)
    distances = np.linalg.norm(found - points, axis=-1) / unit
    expected = np.mean(np.sqrt(distances**2 + 0.1**2) - 0.1)
    np.testing.assert_allclose(landmarks(slack=0.1, eye_scale=eye_scale)(SIGHT), expected, rtol=1e-4)
    same = landmarks()(Sight(inputs=PHOTOS, fakes=PHOTOS))
    assert float(same) == pytest.approx(0, abs=1e-6)


def test_landmarks_are_those_of_the_own_photo():
    wanted, _ = landmarks().targets(tf.constant(PHOTOS))
    assert float(tf.reduce_max(tf.abs(wanted[0] - wanted[1]))) > 0.01
    turned = landmarks()(Sight(inputs=PHOTOS[::-1], fakes=FAKES))
    assert abs(float(turned) - float(landmarks()(SIGHT))) > 1e-4
    # Nothing is learned by moving the photo's points, and eyes that lie on one another give no endless number.
    photos = tf.constant(PHOTOS)
    with tf.GradientTape() as tape:
        tape.watch(photos)
        value = landmarks()(Sight(inputs=photos, fakes=tf.constant(FAKES)))
    assert tape.gradient(value, photos) is None
    together = Landmarks(lambda images: 0.5 + 0 * points_of(images))
    assert np.isfinite(together(SIGHT))


@pytest.mark.parametrize("loss", SIDES)
@pytest.mark.parametrize(
    ("pictures", "expected"), [("smooth", SMOOTH), ("grey", in_grey(REALS)), ("grey_smooth", in_grey(SMOOTH))]
)
def test_negatives_add_the_logits_of_other_pictures(pictures, expected, loss):
    def logits_of(images):
        return tf.reduce_mean(images * tf.constant([3.0, -2.0, 1.0]), axis=-1)  # a logit for each place

    logits = np.asarray(logits_of(expected))
    number = {
        "least_squares": np.mean(logits**2) / 2,
        "non_saturating": np.mean(np.log1p(np.exp(logits))),
        "hinge": np.mean(np.maximum(0, 1 + logits)),
    }[loss]
    sight = Sight(reals=REALS, targets=SMOOTH, logits_of=logits_of)
    np.testing.assert_allclose(Negative(pictures, loss)(sight), number, rtol=1e-4)
    # The loss itself says the same of fakes: beside reals that cost nothing it is all there is.
    costless = {"least_squares": 1.0, "non_saturating": 1e9, "hinge": 2.0}[loss]
    whole = LOSSES[loss].discriminator(tf.fill(logits.shape, costless), logits)
    np.testing.assert_allclose(whole, number, rtol=1e-4)


@pytest.mark.parametrize("name", ["style", "colour", "total_variation", "landmarks"])
def test_cartoon_terms_have_gradients_at_every_weight(name):
    functions = {"style": style(), "colour": colour, "total_variation": total_variation, "landmarks": landmarks()}
    function = functions[name]
    generator = tiny_stylising.generator()
    photos = tf.constant(PHOTOS)
    with tf.GradientTape() as tape:
        value, _ = Term(function, "generator", 2.0)(
            Sight(reals=REALS, inputs=photos, fakes=generator(photos, training=True)), 0
        )
    assert all(float(tf.norm(slope)) > 0 for slope in tape.gradient(value, generator.trainable_variables))


def test_cartoon_terms_refuse_bad_arguments():
    for name in ("slack", "eye_scale"):
        with pytest.raises(ValueError, match=f"{name} must be above 0. Received: 0"):
            landmarks(**{name: 0})
    with pytest.raises(ValueError, match=r"pictures must be one of smooth, grey, grey_smooth. Received: 'blurred'"):
        Negative("blurred", "hinge")
    with pytest.raises(ValueError, match=r"loss must be one of least_squares, non_saturating, hinge. Received: 'wa"):
        Negative("grey", "wasserstein")
