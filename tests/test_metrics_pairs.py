"""PSNR and SSIM against plain NumPy."""

import numpy as np
import pytest

from tfanime.evaluate.judge import Judge
from tfanime.metrics.pairs import PSNR, SSIM, psnr, ssim


def pictures(count=3, height=24, width=20, seed=0):
    """Smooth pictures and noisy ones of the same."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    phases = random.uniform(0, 6, (count, 1, 1, 3))
    clean = 127 + 80 * np.sin(y[None, ..., None] / 3 + phases) * np.cos(x[None, ..., None] / 4)
    noisy = clean + random.normal(0, np.array([5, 20, 60]).reshape(3, 1, 1, 1)[:count], clean.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), clean.astype(np.uint8)


def plain_ssim(first, second):
    """Wang et al. 2004, equations 13 to 16, window by window, for one channel."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for top in range(first.shape[0] - 10):
        for left in range(first.shape[1] - 10):
            x, y = (each[top : top + 11, left : left + 11] for each in (first, second))
            mean_x, mean_y = np.sum(window * x), np.sum(window * y)
            variance_x, variance_y = np.sum(window * (x - mean_x) ** 2), np.sum(window * (y - mean_y) ** 2)
            covariance = np.sum(window * (x - mean_x) * (y - mean_y))
            above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
            values.append(above / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)))
    return np.mean(values)


def test_psnr_equals_hand_computation():
    images, targets = pictures()
    errors = np.mean((images.astype(np.float64) - targets) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(psnr(images, targets), 10 * np.log10(255**2 / errors), rtol=1e-5)
    off = np.full((1, 4, 4, 3), 100, np.uint8)
    assert psnr(off + np.uint8(10), off)[0] == pytest.approx(28.1308, abs=1e-4)  # 20 log10(25.5)
    assert np.isposinf(psnr(off, off)[0])


def test_ssim_equals_a_reference():
    images, targets = pictures()
    expected = [
        np.mean([plain_ssim(*(each[..., channel] for each in pair)) for channel in range(3)])
        for pair in zip(images, targets, strict=True)
    ]
    found = ssim(images, targets)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert 1 > found[0] > found[1] > found[2] > 0
    np.testing.assert_allclose(ssim(images, images), 1, atol=1e-6)


def test_pairs_refuse_wrong_arrays():
    images, targets = pictures()
    with pytest.raises(ValueError, match=r"targets must be uint8 .* Received: float32"):
        psnr(images, targets.astype(np.float32))
    with pytest.raises(ValueError, match=r"must have one shape. Received: \(2, 24, 20, 3\) and \(3, 24, 20, 3\)"):
        ssim(images[:2], targets)
    with pytest.raises(ValueError, match=r"at least 11 x 11 pixels. Received: shape \(3, 10, 20, 3\)"):
        ssim(images[:, :10], targets[:, :10])


def test_pairs_are_evaluated_for_sources_with_targets(tmp_path, monkeypatch):
    import tiny_features

    from tfanime.evaluate.sources import Source
    from tfanime.evaluate.table import columns
    from tfanime.metrics.reference import reference

    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path))
    targets = np.random.default_rng(1).integers(0, 256, (70, 16, 16, 3), np.uint8)
    images = (targets * 0.9).astype(np.uint8)
    network = tiny_features.network()
    real = reference(network, tiny_features.faces(tmp_path / "faces", size=16), progress=False)
    judge = Judge(network, real, 70, progress=False, also=["psnr", "ssim"])
    upscaled = Source("up", 70, images.__getitem__, 16, targets=targets.__getitem__)
    drawn = Source("drawn", 70, images.__getitem__, 16)
    values = judge.row(upscaled).values
    assert values["psnr"] == pytest.approx(psnr(images, targets).mean())
    assert values["ssim"] == pytest.approx(ssim(images, targets).mean())
    assert {"PSNR", "SSIM"} <= {column.heading for column in columns(judge.protocol)}
    assert judge.protocol["psnr"] == {} and PSNR.name in judge.protocol and SSIM.name in judge.protocol
    assert (judge.row(drawn).values["psnr"], judge.row(drawn).values["ssim"]) == (None, None)
    judge.require_also([drawn, upscaled])
    with pytest.raises(
        ValueError, match=r"the metric psnr must have a source that meets .* none with targets \(what these"
    ):
        judge.require_also([drawn])
