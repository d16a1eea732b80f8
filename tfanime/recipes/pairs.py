"""Small pictures and their large ones as the data of a recipe, see `tfanime.training.degradation`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfanime.recipes.faces import open_faces

if TYPE_CHECKING:  # TensorFlow takes seconds to load
    from tfanime.data import FaceData
    from tfanime.training.degradation import Degradation

DRAWN = 2048
"""Pictures of a generator whose artefacts are shown."""


@dataclass(frozen=True)
class PairData:
    """Faces as the truth of small pictures.

    Args:
        faces: The `FaceData`.
        degradation: The `Degradation` that makes pairs of them.
        artefacts: The card's SHA-256 of the generator whose pictures the degradation has; None without one.
    """

    faces: "FaceData"
    degradation: "Degradation"
    artefacts: str | None = None
    vocabulary = None

    @property
    def count(self) -> int:
        """Number of faces."""
        return self.faces.count

    @property
    def image_size(self) -> int:
        """Height and width of the faces."""
        return self.faces.image_size

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same when a run is resumed, a dictionary that JSON knows."""
        return self.faces.identity | ({"artefacts": self.artefacts} if self.artefacts else {})

    def batches(self, batch_size, *, seed, start, horizontal_flip, parts, own):
        """The unending stream of training batches; arguments as for `FaceData.batches`.

        Returns:
            A `tf.data.Dataset` of tuples of float32 `[batch_size / parts, height, width, 3]` in [-1, 1]: small
            pictures, large ones and, as the degradation says, drawn ones.
        """
        import tensorflow as tf

        from tfanime.images import to_float, to_uint8

        rows = batch_size // parts
        large = self.degradation.crop or self.image_size
        small = large // self.degradation.scale
        sides = [small, large, *([small] if self.degradation.shows else [])]
        stream = self.faces.described_by(None).batches(
            batch_size, seed=seed, start=start, horizontal_flip=horizontal_flip, parts=parts, own=own
        )

        def make(images, number):
            step, place = divmod(int(number), len(own))
            return self.degradation(images, seed, start + step, own[place] * rows)

        def pairs(number, images):
            bytes_ = to_uint8(images[:, 0])  # of the one critic step
            made = tf.numpy_function(make, [bytes_, number], [tf.uint8] * len(sides), stateful=False)
            shapes = [(rows, side, side, 3) for side in sides]
            return tuple(to_float(tf.ensure_shape(*each)) for each in zip(made, shapes, strict=True))

        numbered = tf.data.Dataset.zip(tf.data.Dataset.counter(), stream)
        return numbered.map(pairs, num_parallel_calls=2).prefetch(2 * len(own))


def open_pairs(config, run, warn):
    """The `Recipe.data`: a `PairData`.

    Raises:
        OSError, ValueError: See `open_faces`; the generator of `--artefacts` cannot be opened, or draws pictures that
            are too small.
    """
    from tfanime.training.degradation import Degradation

    faces = open_faces(run, config.data, config.image_size)
    if faces.stored_size == config.image_size:
        warn(
            f"faces are shown as they are stored, at {config.image_size} px: what their JPEG did to them is learned too"
        )
    drawn, digest = None, None
    if config.artefacts:
        drawn, digest = draw(config.artefacts, (config.crop or config.image_size) // config.scale)
    options = {"jitter": config.jitters, "drawn": drawn, "way": config.artefact_way}
    degradation = Degradation(config.degradation, config.scale, config.crop, **options)
    return PairData(faces, degradation, digest)


def draw(model, least):
    """`DRAWN` pictures of a generator, those of the seeds from 0 on, uint8 `[count, height, width, 3]`, and a text that
    names the generator's weights.

    Args:
        model: See `tfanime.generator.open_generator`.
        least: Least height and width.

    Raises:
        OSError, ValueError: See `open_generator`; the pictures are smaller.
    """
    import hashlib

    import numpy as np
    from tqdm import tqdm

    from tfanime.generator import open_generator

    generator = open_generator(model)
    first = generator.images([0])
    if min(first.shape[1:3]) < least:
        raise ValueError(
            f"--artefacts must be a generator of pictures of at least {least} px. "
            f"Received: {model!r}, of {first.shape[2]} x {first.shape[1]}"
        )
    images = np.empty((DRAWN, *first.shape[1:]), np.uint8)
    with tqdm(total=DRAWN, desc="drawing artefacts", unit=" pictures", leave=False) as bar:
        for seeds, drawn in generator.images_in_batches(range(DRAWN)):
            images[seeds[0] : seeds[-1] + 1] = drawn
            bar.update(len(seeds))
    # Not of the pictures, which differ by a grey level from machine to machine.
    digest = hashlib.sha256(b"".join(np.asarray(each).tobytes() for each in generator.variables)).hexdigest()
    return images, digest
