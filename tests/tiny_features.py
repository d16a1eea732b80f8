"""A feature network and real pictures that take no time, for the tests of what judges pictures."""

import numpy as np

from tfanime.data import FaceData
from tfanime.metrics.feature_network import FeatureNetwork

DIMENSIONS = 6


def network(seed=0, broken=False, calls=None, dimensions=DIMENSIONS):
    """Random projections of the pixels through tanh; notes in `calls` how many pictures it was asked about."""
    calls = [] if calls is None else calls

    def compute(images):
        calls.append(len(images))
        pixels = images.reshape(len(images), -1) / 127.5 - 1
        matrix = np.random.default_rng(seed).normal(size=(pixels.shape[1], dimensions))
        features = np.tanh(pixels @ matrix / np.sqrt(len(matrix)) * 3)
        return np.where(features > 0.1, np.nan, features) if broken else features

    return FeatureNetwork("tiny", f"fd_tiny{seed}", f"{seed:064d}", "none", 0, dimensions, compute)


def faces(folder, count=60, size=4, seed=5):
    """Random pictures as `tfanime.data.load` would return them, no two alike."""
    images = np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "images.uint8").write_bytes(images.tobytes())
    return FaceData(folder / "images.uint8", count, size, np.zeros((count, 0)), None, f"{seed:064d}", size)


def write(path, size=16, dimensions=3, seed=1):
    """Writes a Keras file with a network of its own."""
    import keras
    from keras import layers

    convolution = layers.Conv2D(
        dimensions,
        size // 2,
        strides=size // 4,
        activation="tanh",
        kernel_initializer=keras.initializers.GlorotNormal(seed),
    )
    keras.Sequential([layers.Input((size, size, 3)), convolution, layers.GlobalAveragePooling2D()]).save(path)
    return path
