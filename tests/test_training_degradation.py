"""Pairs of pictures: each way of making them by hand or by TensorFlow, and that they are a function of the step."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tiny_pictures

from tfanime.training.degradation import (
    DEGRADATIONS,
    JITTERS,
    Degradation,
    jittered,
    random_of,
    residual_of,
    shrunk,
    worn,
)

LARGE = tiny_pictures.pictures(6, 32, 32)


def test_shrunk_pictures_are_means():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    expected = image.reshape(2, 2, 2, 2, 3).mean((1, 3))
    np.testing.assert_array_equal(shrunk(image, 2), np.floor(expected + 0.5))
    assert shrunk(np.full((4, 4, 3), 255, np.uint8), 4).tolist() == [[[255] * 3]]


@pytest.mark.parametrize("values", [(0.07, 1.08, 1.05, -0.06), (-0.1, 0.9, 0.92, 0.1), (0, 1, 1, 0)])
def test_jitter_equals_tensorflow(values):
    brightness, contrast, saturation, hue = values
    x = tf.image.adjust_brightness(tf.image.convert_image_dtype(LARGE[0], tf.float32), brightness)
    x = tf.clip_by_value(tf.image.adjust_contrast(x, contrast), 0, 1)
    x = tf.image.adjust_hue(tf.image.adjust_saturation(x, saturation), hue)
    difference = np.abs(jittered(LARGE[0], *values).astype(int) - np.round(255 * x.numpy()))
    assert difference.max() <= 1


def test_worn_pictures_are_degraded_slightly():
    image = tiny_pictures.pictures(1, 48, 48)[0] // 3 + 80
    errors = []
    for row in range(40):
        bad = worn(image, random_of(1, 2, row))
        assert bad.dtype == np.uint8 and bad.shape == image.shape and bad.flags["C_CONTIGUOUS"]
        errors.append(np.abs(bad.astype(float) - image).mean())
        np.testing.assert_array_equal(bad, worn(image, random_of(1, 2, row)))
    assert min(errors) > 0.5 and 2 < np.mean(errors) < 20 and len(set(errors)) == 40
    flat = np.full((32, 32, 3), 128, np.uint8)
    assert abs(np.mean([worn(flat, random_of(0, 0, row)).mean() for row in range(20)]) - 128) < 1


def test_residuals_have_no_lines():
    image = np.full((32, 32, 3), 200, np.uint8)
    image[:, 16:] = 20  # a line
    assert np.abs(residual_of(image)).max() < 1
    noise = np.random.default_rng(0).normal(0, 6, image.shape)
    noisy = np.clip(image + noise, 0, 255).astype(np.uint8)
    found, known = residual_of(noisy).ravel(), (noisy.astype(float) - image).ravel()
    assert np.corrcoef(found, known)[0, 1] > 0.7


@pytest.mark.parametrize("jitter", [(), JITTERS])
@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_pairs_are_a_function_of_seed_step_and_place(kind, jitter):
    make = Degradation(kind, 2, jitter=jitter)
    small, large = make(LARGE, seed=3, step=7)
    assert small.shape == (6, 16, 16, 3) and large.shape == LARGE.shape and small.dtype == large.dtype == np.uint8
    for begin in (0, 3):  # two devices see what one sees
        part = make(LARGE[begin : begin + 3], 3, 7, begin)
        np.testing.assert_array_equal(part[0], small[begin : begin + 3])
        np.testing.assert_array_equal(part[1], large[begin : begin + 3])
    other, _ = make(LARGE, 3, 8)
    assert (kind == "clean" and not jitter) == np.array_equal(other, small)
    assert bool(jitter) != np.array_equal(large, LARGE)
    if kind == "clean":
        np.testing.assert_array_equal(small, [shrunk(image, 2) for image in large])


@pytest.mark.parametrize("name", JITTERS)
def test_jitters_change_as_named(name):
    _, made = Degradation("clean", 2, jitter=(name,))(LARGE, 0, 0)
    before, after = (np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2HSV) for image in each]) for each in (LARGE, made))
    change = {
        "brightness": made.mean((1, 2, 3)) - LARGE.mean((1, 2, 3)),
        "contrast": made.std((1, 2, 3)) - LARGE.std((1, 2, 3)),
        "saturation": after[..., 1].mean((1, 2)) - before[..., 1].mean((1, 2)),
        "hue": (after[..., 0].astype(float) - before[..., 0]).std((1, 2)),
    }
    assert np.abs(change[name]).max() > 2 and len(set(change[name])) == 6
    if name in ("saturation", "hue"):
        assert np.abs(after[..., 2].astype(int) - before[..., 2]).max() <= 1


def test_crops_are_parts_of_the_pair():
    small, large = Degradation("clean", 2, crop=12)(LARGE, 0, 0)
    assert small.shape == (6, 6, 6, 3) and large.shape == (6, 12, 12, 3)
    corners = []
    for part, image in zip(large, LARGE, strict=True):
        found = [
            (top, left)
            for top in range(0, 21, 2)
            for left in range(0, 21, 2)
            if np.array_equal(image[top : top + 12, left : left + 12], part)
        ]
        corners += found
        assert len(found) == 1
    assert len(set(corners)) > 2
    np.testing.assert_array_equal(small, [shrunk(part, 2) for part in large])


def test_artefacts_are_of_the_generator():
    drawn = tiny_pictures.pictures(3, 24, 24, seed=9)
    drawn[0] = 0
    noise = np.random.default_rng(0).normal(0, 8, drawn.shape)
    drawn = np.clip(drawn + noise, 0, 255).astype(np.uint8)
    plain, _ = Degradation("clean", 2)(LARGE, 0, 0)
    small, large = Degradation("clean", 2, drawn=drawn)(LARGE, 0, 0)
    np.testing.assert_array_equal(large, LARGE)
    error = np.abs(small.astype(float) - plain).mean((1, 2, 3))
    assert (error > 0.01).all() and error.max() < 12 and len(set(error)) == 6
    small, large, shown = Degradation("clean", 2, drawn=drawn, way="shown")(LARGE, 0, 0)
    np.testing.assert_array_equal(small, plain)
    assert shown.shape == plain.shape
    patches = {
        patch.tobytes()
        for image in drawn
        for top in range(9)
        for left in range(9)
        for patch in (image[top : top + 16, left : left + 16], image[top : top + 16, left : left + 16][:, ::-1])
    }
    assert all(each.tobytes() in patches for each in shown)
