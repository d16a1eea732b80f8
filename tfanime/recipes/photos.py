"""Photos and drawings as the data of a recipe: two sets of pictures of which none belongs to one of the other."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfanime.recipes.faces import open_faces

if TYPE_CHECKING:
    from tfanime.data import FaceData

SHOWN, COLUMNS = 64, 16  # photos on a sheet, and in a row of it


@dataclass(frozen=True)
class PhotosAndDrawings:
    """The data of a game that turns photos into drawings.

    Args:
        photos, drawings: `tfanime.data.FaceData` of one size, without tags.
        smooth: The drawings with smoothed edges, in the same order; None if the game does not use them.
        shown: Photos for sheets, held-out ones if the shards have any, in whole rows of a sheet: uint8 `[count,
            image_size, image_size, 3]`.
    """

    photos: "FaceData"
    drawings: "FaceData"
    smooth: "FaceData | None"
    shown: object
    vocabulary = None

    @property
    def count(self):
        """Number of pictures of the smaller set, the largest batch."""
        return min(self.photos.count, self.drawings.count)

    @property
    def image_size(self):
        """Height and width in pixels."""
        return self.drawings.image_size

    @property
    def identity(self):
        """The data's identity, which must be the same when a run is resumed."""
        return {"drawings": self.drawings.identity, "photos": self.photos.identity}


def open_photos(config, run, warn):
    """The `Recipe.data` of such games: a `PhotosAndDrawings`.

    Raises:
        FileNotFoundError, ValueError: See `open_faces`; or no photos are given, or the photos are the drawings.
    """
    import numpy as np

    from tfanime.tfrecords.manifest import Manifest
    from tfanime.training.edges import smoothed

    if not config.photos:
        raise ValueError(f"--photos must be a folder of shards of photos. Received: {config.photos!r}")
    drawings = open_faces(run, config.data, config.image_size).described_by(None)
    photos = open_faces(run, config.photos, config.image_size, flag="photos").described_by(None)
    if photos.fingerprint == drawings.fingerprint:
        raise ValueError(f"--photos must be other shards than --data. Received: {config.photos!r}, the same pictures")
    held_out, holdout = photos, Manifest.load(config.photos).holdout
    if holdout and holdout["count"]:
        held_out = open_faces(run, config.photos, config.image_size, "holdout", "photos")
    else:
        warn("--photos have no held-out ones (the converter's --holdout): the sheets show photos of the training")
    count = min(SHOWN, held_out.count)
    shown = held_out.images(np.arange(count // COLUMNS * COLUMNS or count))
    return PhotosAndDrawings(photos, drawings, smoothed(drawings) if config.needs_smooth else None, shown)


def batches(config, data, start, parts, own):
    """The `Recipe.batches`: tuples of photos, drawings and, where they are needed, these drawings with smoothed edges,
    float32 `[batch_size / parts, image_size, image_size, 3]` in [-1, 1]."""
    import tensorflow as tf

    def stream(faces, seed):
        return faces.batches(
            config.batch_size,
            seed=seed,
            start=start,
            horizontal_flip=config.horizontal_flip,
            parts=parts,
            own=own,
        ).map(lambda images: images[:, 0])

    # Another seed: two sets of one size would else have one order, and each photo always the same drawing beside it.
    streams = [stream(data.photos, config.seed), stream(data.drawings, config.seed + 1)]
    if data.smooth:
        streams.append(stream(data.smooth, config.seed + 1))
    return tf.data.Dataset.zip(tuple(streams))
