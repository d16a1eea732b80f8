"""Drawings with smoothed edges, which a discriminator of drawings learns to reject.

Chen et al. 2018 (CartoonGAN, CVPR), section 3.2: clear edges are few of a drawing's pixels, so a discriminator might
ignore whether a generator draws them.
"""

import dataclasses
from typing import TYPE_CHECKING

import cv2
import numpy as np
from tqdm import tqdm

from tfanime.files import in_cache

if TYPE_CHECKING:
    from tfanime.data import FaceData

LOW, HIGH = 100, 200  # thresholds of Canny's hysteresis
SIDE = 5  # of the square by which edges are widened, and of the Gaussian
FORM = 1  # increased when the pixels change, so that older caches are not used
BATCH = 256


def smooth_edges(image: np.ndarray) -> np.ndarray:
    """Smooths a picture where it has edges, and nowhere else.

    Edges by Canny (thresholds 100 and 200), widened by a square of 5x5, are replaced by OpenCV's Gaussian mean of this
    size, whose weights are binomial.

    Args:
        image: uint8 array `[height, width, 3]`.

    Returns:
        uint8 array of the same shape.
    """
    edges = cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), LOW, HIGH)
    near = cv2.dilate(edges, np.ones((SIDE, SIDE), np.uint8)) > 0
    return np.where(near[..., None], cv2.GaussianBlur(image, (SIDE, SIDE), 0), image)


def smoothed(faces: "FaceData", progress: bool = True) -> "FaceData":
    """The same faces with smoothed edges, in the same order; made on first use and kept in the cache.

    Args:
        faces: The `tfanime.data.FaceData`.
        progress: Whether to show a progress bar while they are made.

    Returns:
        A `FaceData`.
    """

    def make(target):
        bar = tqdm(total=faces.count, desc="smoothing edges", unit=" pictures", disable=not progress)
        with bar, open(target / "images.uint8", "wb") as file:
            for begin in range(0, faces.count, BATCH):
                images = faces.images(np.arange(begin, min(begin + BATCH, faces.count)))
                file.write(np.stack([smooth_edges(image) for image in images]).tobytes())
                bar.update(len(images))

    folder = in_cache(f"smoothed/{faces.fingerprint[:32]}-{faces.image_size}-{FORM}", make)
    return dataclasses.replace(faces, path=folder / "images.uint8")
