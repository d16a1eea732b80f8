"""Drawings with smoothed edges."""

import cv2
import numpy as np
import pytest

from tfanime import data
from tfanime.drawn.avatars import draw
from tfanime.training import edges
from tfanime.training.edges import smooth_edges, smoothed


def reference(image):
    """Within two places of an edge the binomial mean of 5x5, the picture mirrored at its border."""
    found = cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 100, 200) > 0
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    padded, near = np.pad(image.astype(float), ((2, 2), (2, 2), (0, 0)), mode="reflect"), np.pad(found, 2)
    result = image.astype(float)
    for row, column in np.ndindex(found.shape):
        if near[row : row + 5, column : column + 5].any():
            result[row, column] = np.einsum("ij,ijc->c", kernel, padded[row : row + 5, column : column + 5])
    return result


@pytest.mark.parametrize("seed", [0, 1])
def test_smooth_edges_changes_edges_only(seed):
    image = np.asarray(draw(seed, size=32))
    found, expected = smooth_edges(image), reference(image)
    assert np.abs(found - expected).max() <= 1.5  # OpenCV computes bytes with whole numbers
    changed = np.any(found != image, axis=-1)
    assert 0.1 < changed.mean() < 1
    assert found.dtype == np.uint8 and found.shape == image.shape


def test_smooth_edges_keeps_a_picture_without_edges():
    smooth = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[:, None, None], (1, 64, 3))
    np.testing.assert_array_equal(smooth_edges(smooth), smooth)


def test_smoothed_is_cached(shards, monkeypatch):
    faces = data.load(shards, 16, progress=False)
    found = smoothed(faces, progress=False)
    assert (found.count, found.image_size, found.fingerprint) == (faces.count, 16, faces.fingerprint)
    for index in (0, faces.count - 1):
        np.testing.assert_array_equal(found.images(index), smooth_edges(faces.images(index)))
    monkeypatch.setattr(edges, "smooth_edges", None)
    assert smoothed(faces).path == found.path
