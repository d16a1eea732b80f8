"""PSNR and SSIM: how near pictures are to their targets, pixel by pixel.

They are for tasks with a target, such as upscaling. A generator that draws from seeds has none.
"""

import numpy as np

from tfanime.metrics.metric import Metric, Number, digits

WINDOW = 11  # pixels of SSIM's Gaussian window, which no picture may be smaller than
SIGMA = 1.5
K1, K2 = 0.01, 0.03


def psnr(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The peak signal-to-noise ratio, 10 log10(255^2 / mean squared error), in dB.

    Args:
        images: uint8 array `[count, height, width, 3]`.
        targets: The pictures that they should equal, of the same shape.

    Returns:
        float64 array `[count]`; infinite for equal pictures. The mean squared error is over all pixels and channels.

    Raises:
        ValueError: One of them is something else, or their shapes differ.
    """
    import tensorflow as tf

    images, targets = _require_pictures(images, targets)
    return tf.image.psnr(images, targets, max_val=255).numpy().astype(np.float64)


def ssim(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The structural similarity (Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural
    Similarity", equation 13), with the constants of its section III.B: a Gaussian window of 11 x 11 pixels with a
    standard deviation of 1.5, K1 = .01 and K2 = .03.

    Args:
        images: uint8 array `[count, height, width, 3]`, of at least 11 x 11 pixels.
        targets: The pictures that they should equal, of the same shape.

    Returns:
        float64 array `[count]`, at most 1: the mean over the channels and all places at which the window lies inside.

    Raises:
        ValueError: One of them is something else or too small, or their shapes differ.
    """
    import tensorflow as tf

    images, targets = _require_pictures(images, targets)
    if min(images.shape[1:3]) < WINDOW:
        raise ValueError(f"images must be of at least {WINDOW} x {WINDOW} pixels. Received: shape {images.shape}")
    values = tf.image.ssim(images, targets, 255, filter_size=WINDOW, filter_sigma=SIGMA, k1=K1, k2=K2)
    return values.numpy().astype(np.float64)


def _require_pictures(images, targets):
    images, targets = np.asarray(images), np.asarray(targets)
    for name, pictures in (("images", images), ("targets", targets)):
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[-1] != 3:
            raise ValueError(
                f"{name} must be uint8 [count, height, width, 3]. Received: {pictures.dtype} {pictures.shape}"
            )
    if images.shape != targets.shape:
        raise ValueError(f"images and targets must have one shape. Received: {images.shape} and {targets.shape}")
    return images, targets


PSNR = Metric(
    "psnr",
    (Number("psnr", "PSNR", "more", digits(4), "Peak signal-to-noise ratio to the right pictures in dB, the mean."),),
    compute=lambda seen: {"psnr": float(np.mean(seen))},
    look=psnr,
    options={},
)
SSIM = Metric(
    "ssim",
    (Number("ssim", "SSIM", "more", digits(4), "Structural similarity to the right pictures (Wang et al. 2004)."),),
    compute=lambda seen: {"ssim": float(np.mean(seen))},
    look=ssim,
    options={},
)
