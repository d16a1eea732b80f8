"""The Frechet distance of a GAN's pictures to real ones, while it trains."""

import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfanime.data import FaceData
from tfanime.images import to_uint8
from tfanime.metrics.feature_network import FeatureNetwork
from tfanime.metrics.features import BATCH, DEFAULT, extract, open_network
from tfanime.metrics.frechet import Moments, too_few
from tfanime.metrics.reference import MOST, reference


class FID(keras.callbacks.Callback):
    """Writes the Frechet distance of the averaged generator's pictures into an epoch's logs.

    The value is named after the feature network; only that of the Inception of 2015 is called `fid`. Put this before
    the callbacks that read the logs: `RunLog`, which writes it to `metrics.jsonl` and TensorBoard, and `Best`.

    The pictures are those of the seeds 0, 1, 2 ..., so that a value depends on the weights only; tags are drawn as the
    game draws them. Pictures are rounded to bytes. They are compared with all of `faces`, at most 50,000.

    Args:
        faces: The real pictures, a `tfanime.data.FaceData` of the generator's size.
        every: Training steps between two values, checked when an epoch ends. Make it a multiple of an epoch's steps, so
            that a resumed training computes values at the same steps as an undisturbed one.
        samples: Number of pictures that are drawn.
        features: A `tfanime.metrics.feature_network.FeatureNetwork`, or the name of one, see
            `tfanime.metrics.features.open_network`.
        reference_count: Largest number of real pictures.
        gather: With several workers: (*numbers) -> the numbers of all workers, `[workers, numbers]`, see
            `tfanime.devices.Workers.gather`. All use the first worker's value, and keep the same best.

    Raises:
        ValueError: An argument is out of its range, or the network is unknown.
    """

    def __init__(
        self,
        faces: FaceData,
        every: int,
        samples: int = 2048,
        features: str | FeatureNetwork = DEFAULT,
        reference_count: int = MOST,
        gather: Callable[..., np.ndarray] | None = None,
    ) -> None:
        super().__init__()
        for name, value, least in (
            ("every", every, 1),
            ("samples", samples, 2),
            ("reference_count", reference_count, 2),
        ):
            if value < least:
                raise ValueError(f"{name} must be at least {least}. Received: {value}")
        self.faces = faces
        self.every = every
        self.samples = samples
        self.network = open_network(features) if isinstance(features, str) else features
        self.reference_count = reference_count
        self.gather = gather or (lambda *numbers: np.array([numbers]))
        self.reference = None

    @property
    def name(self) -> str:
        """The value's name in the logs."""
        return self.network.value

    @property
    def protocol(self) -> dict[str, Any]:
        """The protocol, which must be equal for two values to be compared: a dictionary that JSON can represent."""
        real = {"fingerprint": self.faces.fingerprint, "count": min(self.reference_count, self.faces.count)}
        return {"network": self.network.protocol, "samples": self.samples, "reference": real}

    def prepare(self):
        """Computes the reference if it is not in the cache, which may take long."""
        self.reference = reference(self.network, self.faces, self.reference_count)

    def set_model(self, model):
        super().set_model(model)
        size = self.faces.image_size
        if model.generator.output_shape[1:] != (size, size, 3):
            raise ValueError(
                f"faces must be of the generator's size, {model.generator.output_shape[1:3]}. Received: {size} px"
            )
        self._draw = tf.function(
            lambda seeds: to_uint8(model(model.inputs.from_seeds(seeds))),
            input_signature=[tf.TensorSpec([None], tf.int64)],
        )

    def on_train_begin(self, logs=None):
        self.prepare()
        self._real = self.reference.gaussian  # read now: the cache may be emptied while the training goes on
        self._computed = self.model.step
        warning = too_few(min(self.samples, self.reference.details["count"]), self.network.dimensions)
        if warning:
            print(f"warning: {self.name}: {warning}", file=sys.stderr, flush=True)

    def on_epoch_end(self, epoch, logs=None):
        step = self.model.step
        # The first step counts too, because a resumed training may begin with an epoch's end.
        if step % self.every == 0 or step // self.every > self._computed // self.every:
            self._computed = step
            logs[self.name] = self.compute()

    def compute(self) -> float:
        """The distance at the present weights, a float.

        Raises:
            ValueError: The network's features of a picture are not finite.
        """
        moments = Moments(self.network.dimensions)
        for features in extract(self.network, self._pictures(), self.samples, f"{self.name} at {self.model.step:,}"):
            moments.update(features)
        distance = self._real.distance(moments.gaussian)
        return float(self.gather(distance)[0, 0])

    def _pictures(self):
        for begin in range(0, self.samples, BATCH):
            yield self._draw(tf.range(begin, min(begin + BATCH, self.samples), dtype=tf.int64)).numpy()
