import numpy as np

from tfanime.training.augment import varied


def test_variations_keep_hues_and_nothing_varied_is_the_picture_itself():
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (6, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(varied(images, 1, 2, 1.0, 0.0), images, atol=1e-5)
    flat = np.tile(np.float32([0.2, -0.4, 0.1]), (6, 16, 16, 1))
    other = varied(flat, 1, 2, 0.8, 0.1).numpy()
    assert np.ptp(other, axis=(1, 2)).max() < 1e-5 and np.ptp(other[:, 0, 0], axis=0).min() > 0.01
    differences = other[:, 0, 0] - other[:, 0, 0].min(axis=1, keepdims=True)  # hue: the ratio of the differences
    np.testing.assert_allclose(differences[:, 2] / differences[:, 0], 5 / 6, rtol=1e-4)
    assert varied(np.ones((2, 8, 8, 3), np.float32), 1, 2, 0.8, 0.1).numpy().max() <= 1


def test_crops_are_squares_inside_the_picture_of_the_sides_that_were_asked_for():
    ramps = np.linspace(-1, 1, 64, dtype=np.float32)
    images = np.zeros((200, 64, 64, 3), np.float32)
    images[..., 0], images[..., 1] = ramps, ramps[:, None]
    other = varied(images, 5, 0, 0.8, 0.0).numpy()
    for channel, axis in ((0, 1), (1, 0)):
        line = np.moveaxis(other[..., channel], 1 + axis, 1)[:, :, 0]
        spans = (line[:, -1] - line[:, 0]) / 2
        assert 0.8 <= spans.min() < 0.82 and 0.98 < spans.max() <= 1 + 1e-6
        assert line.min() >= -1 - 1e-6 and (1 + line[:, 0]).max() > 0.3
    assert np.corrcoef(other[:, 0, 0, 0], other[:, 0, 0, 1])[0, 1] < 0.6  # places across and down are drawn apart
