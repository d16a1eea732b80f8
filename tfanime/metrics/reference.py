"""What generated pictures are compared with: features of real ones, computed once and kept in the cache folder.

The folder's name is a hash of all that the features depend on: the data's fingerprint, how it is decoded, the size of
the pictures, their number, the network with its weights and its resize. Memory does not grow with their number.
"""

import functools
import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfanime.data import DECODING
from tfanime.files import in_cache
from tfanime.metrics.features import BATCH, extract, in_batches
from tfanime.metrics.frechet import Gaussian, Moments

FORMAT = 1
MOST = 50_000  # real pictures that a reference has at most


@dataclass(frozen=True)
class Reference:
    """Features of real pictures.

    Args:
        folder: Where they lie.
        details: All that they depend on, a dictionary; `count` says how many they are.
        digest: Its SHA-256 (hex): equal ones mean equal features, on one kind of device.
    """

    folder: Path
    details: dict
    digest: str

    @functools.cached_property
    def gaussian(self):
        """Their `tfanime.metrics.frechet.Gaussian`, factor included."""
        try:
            with np.load(self.folder / "gaussian.npz") as values:
                return Gaussian(values["mean"], values["covariance"], values["factor"])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
            raise self._damaged(error) from error

    @functools.cached_property
    def features(self):
        """The features in the order of `indices`, float32 `[count, dimensions]`; read where they are used."""
        try:
            features = np.load(self.folder / "features.npy", mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise self._damaged(error) from error
        if features.shape != (self.details["count"], self.details["network"]["dimensions"]):
            raise self._damaged(f"features {features.shape}")
        return features

    @property
    def indices(self):
        """Which pictures they are of, int64 `[count]`."""
        return chosen(self.details["count"], self.details["of"])

    def _damaged(self, cause):
        return ValueError(f"{self.folder} is damaged. Remove the folder; it will be made again. Received: {cause}")


def reference(network, faces, count=MOST, progress=True):
    """The reference of a data set, computed at first use.

    Args:
        network: A `FeatureNetwork`.
        faces: A `tfanime.data.FaceData`.
        count: How many of its pictures, at most; fewer than there are are drawn without regard to their order.
        progress: Whether to show a progress bar while it is computed.

    Returns:
        A `Reference`.

    Raises:
        ValueError: There are fewer than two pictures, a feature is not finite, or what lies in the cache is damaged.
        OSError: The cache folder cannot be written.
    """
    count = min(count, faces.count)
    if count < 2:
        raise ValueError(f"a reference must have at least 2 pictures. Received: {count}")
    details = {
        "format": FORMAT,
        "fingerprint": faces.fingerprint,
        "image_size": faces.image_size,
        "stored_size": faces.stored_size,
        "decoding": DECODING,
        "count": count,
        "of": faces.count,
        "network": network.protocol,
    }
    digest = hashlib.sha256(json.dumps(details, sort_keys=True).encode()).hexdigest()
    folder = in_cache(
        f"references/{network.value}-{digest[:32]}", lambda target: _write(network, faces, details, target, progress)
    )
    return Reference(folder, details, digest)


def chosen(count, of):
    """The pictures of a reference: all, or a fixed random choice. Their numbers, int64 `[count]`, sorted."""
    if count == of:
        return np.arange(of)
    return np.sort(np.random.Generator(np.random.Philox(key=0)).permutation(of)[:count])


def _write(network, faces, details, folder, progress):
    count = details["count"]
    moments = Moments(network.dimensions)
    header = {"descr": "<f4", "fortran_order": False, "shape": (count, network.dimensions)}
    batches = in_batches(faces, chosen(count, faces.count), BATCH)
    title = f"{network.value} of real pictures" if progress else None
    with open(folder / "features.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for features in extract(network, batches, count, title):
            moments.update(features)
            file.write(features.astype("<f4").tobytes())
    gaussian = moments.gaussian
    np.savez(folder / "gaussian.npz", mean=gaussian.mean, covariance=gaussian.covariance, factor=gaussian.factor)
    (folder / "details.json").write_text(json.dumps(details, indent=1) + "\n")
