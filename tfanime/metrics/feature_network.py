"""Feature networks: uint8 pictures -> vectors, with everything that a value measured in them depends on."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfanime.precision import without_tf32


@dataclass(frozen=True)
class FeatureNetwork:
    """A feature network with its weights.

    Args:
        name: Its name, a key of `tfanime.metrics.features.NETWORKS` or the stem of a file.
        value: Name of the Frechet distance in its features; fixes the protocol. `fid` is the name for the 2015
            Inception network alone.
        weights: SHA-256 (hex) of its weights.
        resize: How pictures are brought to its input's size and scale, in words.
        size: Height and width of its input in pixels.
        dimensions: Components of a feature vector.
        compute: uint8 array `[batch, height, width, 3]` -> float32 array `[batch, dimensions]`.
        takes_floats: Whether `compute` also takes float32 in 0 to 255, without rounding.
    """

    name: str
    value: str
    weights: str
    resize: str
    size: int
    dimensions: int
    compute: Callable[[np.ndarray], np.ndarray] = field(repr=False, compare=False)
    takes_floats: bool = False

    @property
    def protocol(self) -> dict[str, Any]:
        """The protocol, which must be equal for two values to be compared: a dictionary that JSON can represent."""
        names = ("name", "value", "weights", "resize", "size", "dimensions")
        return {name: getattr(self, name) for name in names}

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features of pictures.

        Args:
            images: uint8 array `[batch, height, width, 3]`, batch >= 1. Round generated pictures by
                `tfanime.images.to_uint8` first: features of unrounded pictures are another protocol.

        Returns:
            float32 array `[batch, dimensions]`.

        Raises:
            ValueError: `images` is not such an array, or a feature is not finite.
        """
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or not len(images):
            raise ValueError(
                f"images must be uint8 [batch >= 1, height, width, 3]. Received: {images.dtype} {images.shape}"
            )
        return self._checked(images)

    def of_floats(self, images: np.ndarray) -> np.ndarray:
        """Features of pictures that were not rounded to bytes, for path lengths only.

        Args:
            images: float32 array `[batch, height, width, 3]` in 0 to 255, batch >= 1.

        Returns:
            float32 array `[batch, dimensions]`.

        Raises:
            ValueError: The network takes bytes only, or a feature is not finite.
        """
        if not self.takes_floats:
            raise ValueError(
                f"the feature network {self.name!r} must take floats. Received: one that takes bytes alone"
            )
        return self._checked(np.asarray(images, np.float32))

    def _checked(self, images):
        with without_tf32():
            features = np.asarray(self.compute(images), np.float32)
        if features.shape != (len(images), self.dimensions):
            raise ValueError(
                f"the feature network {self.name!r} must give [{len(images)}, {self.dimensions}]. "
                f"Received: {list(features.shape)}"
            )
        wrong = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(wrong):
            raise ValueError(
                f"the feature network {self.name!r} must give finite features. Received: {len(wrong)} of "
                f"{len(images)} pictures with some that are not; its weights or the scale of its input are wrong"
            )
        return features


def hash_of_weights(weights):
    """SHA-256 (hex) over arrays in order: their types, shapes and bytes."""
    digest = hashlib.sha256()
    for weight in weights:
        weight = np.ascontiguousarray(weight)
        digest.update(f"{weight.dtype.str} {weight.shape}\n".encode())
        digest.update(weight.tobytes())
    return digest.hexdigest()


def hash_of_files(path):
    """SHA-256 (hex) of a file, or of a folder's files with their names, in order."""
    if path.is_file():
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        digest.update(f"{file.relative_to(path)} {hash_of_files(file)}\n".encode())
    return digest.hexdigest()
