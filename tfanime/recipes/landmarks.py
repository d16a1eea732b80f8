"""The landmark network: finds 32 points of a face, so that a loss can hold a drawn face to the photo's.

A few convolutions learn points that another network has found: a table of `tfanime.landmarks.points`, or the points in
aligned shards. That network is not needed afterwards. Faces are turned, scaled, shifted and mirrored with their points,
or the network would learn where a face's points lie on average: photos that are aligned hide that. Their colours, lines
and flat areas vary, so that it knows drawn faces too. The optimizer is AdamW, with a rate that falls to zero as a
cosine.

The shards must have held-out faces (the converter's `--holdout 0.05`). On these the trained network is evaluated as it
is written, beside two rows that know nothing of the picture: the points of another face, and the mean face.
"""

import hashlib
import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from tfanime import command_line
from tfanime.limits import above, at_least
from tfanime.recipes.driver import Recipe
from tfanime.recipes.faces import open_faces
from tfanime.recipes.settings import RESUMABLE, DataSettings, RunSettings, multiple_of
from tfanime.runs import RunFolder

TERMS = "Statistics of the pictures that it was trained on, whose licences bound its use. It contains no picture."
JUDGED = 4  # times that each held-out face is moved, for the table


@dataclass(frozen=True)
class Config(DataSettings, RunSettings):
    """A network of landmarks.

    Args:
        data: Folder of shards of faces, some of them held out.
        points: Table of the points that another network has found in these faces, a CSV file, see docs/stylising.md.
            Default: the points in the shards, which the converter's --align has found.
        out: Path of the trained network's two files without their endings. Default: landmarks in the run folder.
        labels: The source of the points, for its card.
        terms: Terms of use, for its card.
        batch_size: Faces in a step.
        seed: Seed of weights, order of the data and augmentation.
        steps: Training steps; the learning rate falls to zero at the last one, so a run keeps its steps.
        learning_rate: AdamW's highest learning rate.
        weight_decay: AdamW's weight decay, of kernels only.
    """

    points: Annotated[str | None, RESUMABLE] = None
    out: Annotated[str | None, RESUMABLE] = None
    labels: Annotated[str, RESUMABLE] = ""
    terms: Annotated[str, RESUMABLE] = TERMS
    image_size: Annotated[int, multiple_of(16)] = 64
    batch_size: int = 64
    steps: int = 3000
    learning_rate: Annotated[float, above(0)] = 2e-3
    weight_decay: Annotated[float, at_least(0)] = 0.01
    epoch_steps: int = 50
    checkpoint_minutes: float = 1

    def rules(self):
        yield "data", bool(self.data), "a folder of shards with held-out faces"

    @property
    def resumable(self):
        """Names of the fields that may change when a run is resumed."""
        return super().resumable - {"steps"}

    @property
    def network(self):
        """The form of the network, see `tfanime.landmarks.files.from_arrays`."""
        from tfanime.landmarks.network import CHANNELS, HIDDEN

        return {"image_size": self.image_size, "channels": list(CHANNELS), "hidden": HIDDEN}

    @property
    def written(self):
        """The path of the trained network's files, without endings."""
        return Path(self.out) if self.out else RunFolder(self.run).path / "landmarks"


@dataclass(frozen=True)
class PointData:
    """Faces whose points are known.

    Args:
        faces: `tfanime.data.FaceData`.
        rows: Numbers of those faces that have points, int `[count]`.
        points: float32 `[count, points, 2]`.
    """

    faces: object
    rows: object
    points: object
    vocabulary = None

    @property
    def count(self):
        """Faces with points."""
        return len(self.rows)

    @property
    def image_size(self):
        """Height and width in pixels."""
        return self.faces.image_size

    @property
    def identity(self):
        """The data's identity, which must be the same when a run is resumed."""
        return self.faces.identity | {"points": hashlib.sha256(self.points.tobytes()).hexdigest()[:16]}

    def take(self, numbers):
        """Pictures, uint8, and points of faces by number."""
        return self.faces.images(self.rows[numbers]), self.points[numbers]


def build(config, vocabulary):
    """The network with its loss and optimizer, compiled: a `tfanime.training.point_regression.PointRegression`."""
    import keras

    from tfanime.landmarks.network import landmark_network
    from tfanime.training.point_regression import PointRegression

    schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.steps)
    optimizer = keras.optimizers.AdamW(schedule, config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    game = PointRegression(landmark_network(**config.network), seed=config.seed)
    game.compile(optimizer)
    return game


def open_points(config, run, split="train"):
    """Faces of shards and their points, a `PointData`.

    Raises:
        FileNotFoundError, ValueError: See `open_faces` and `tfanime.landmarks.points.read_points`; or there is neither
            a table nor points in the shards.
    """
    import numpy as np
    import tensorflow as tf

    from tfanime.landmarks.points import read_points
    from tfanime.tfrecords.example import parse
    from tfanime.tfrecords.manifest import Manifest

    faces = open_faces(run, config.data, config.image_size, split=split).described_by(None)
    if config.points is None:
        if faces.points is None:
            raise ValueError(
                "--points must be a table of points, for shards that the converter has made without --align. Received: "
                "None"
            )
        return PointData(faces, np.arange(faces.count), faces.points)
    shards = Manifest.load(config.data).split(split).shards
    records = tf.data.TFRecordDataset([os.path.join(config.data, shard["file"]) for shard in shards]).batch(256)
    ids = [key.decode() for batch in records.as_numpy_iterator() for key in parse(batch, 0, ("id",))["id"].numpy()]
    return PointData(faces, *read_points(config.points, ids))


def open_data(config, run, warn):
    """The `Recipe.data`: a `PointData`. Faces must be held out, too."""
    from tfanime.files import require_writable_folder

    data = open_points(config, run)
    open_points(config, run, "holdout")
    if data.count < data.faces.count:
        warn(f"--points have none of {data.faces.count - data.count:,} of the {data.faces.count:,} faces")
    if config.out:
        require_writable_folder(config.written.parent, "the folder of out")  # before any work
    return data


def batches(config, data, start=0, parts=1, own=(0,)):
    """The `Recipe.batches`: pairs of pictures, float32 `[batch_size, image_size, image_size, 3]` in [-1, 1], and
    points, float32 `[batch_size, points, 2]`; a pure function of (seed, step).
    """
    import numpy as np
    import tensorflow as tf

    from tfanime.images import to_float
    from tfanime.training.point_regression import moved, repainted

    order = replace(data.faces, count=data.count)  # of the faces with points alone

    def read(step):
        images, points = data.take(order.indices(config.seed, int(step), config.batch_size))
        return images, points.astype(np.float32)

    def one(number):
        step = start + number
        images, points = tf.numpy_function(read, [step], (tf.uint8, tf.float32), stateful=False)
        images = tf.ensure_shape(images, (config.batch_size, data.image_size, data.image_size, 3))
        points = tf.ensure_shape(points, (config.batch_size, *data.points.shape[1:]))
        images, points = moved(to_float(images), points, config.seed, step)
        return repainted(images, config.seed, step), points

    return tf.data.Dataset.counter().map(one, num_parallel_calls=2).prefetch(2)


def evaluate(network, data, held_out):
    """Errors on held-out faces, in eye distances.

    Args:
        network: A `keras.Model` as `landmark_network` returns it.
        data: The `PointData` of the training.
        held_out: That of the held-out faces.

    Returns:
        By name of the faces, `"as they are"` or `"moved"` (turned, scaled, shifted and mirrored), a dictionary: the
        mean error of the `network`, of the points of `"another face"`, and of the `"mean face"`.
    """
    import numpy as np
    import tensorflow as tf

    from tfanime.images import to_float
    from tfanime.landmarks.points import eye_distance
    from tfanime.training.point_regression import moved

    def errors(points, others):
        return np.mean(np.linalg.norm(points - others, axis=-1), axis=-1) / eye_distance(points)

    images, points = held_out.take(np.arange(held_out.count))
    images, points = to_float(tf.constant(images)), tf.constant(points)
    still = {"turn": 0.0, "scales": (1.0, 1.0), "shift": 0.0, "mirror": 0.0}
    found = {}
    for name, options, times in (("as they are", still, 1), ("moved", {}, JUDGED)):
        rows = {"network": [], "another face": [], "mean face": []}
        means = [
            np.mean(moved(tf.zeros((data.count, 8, 8, 3)), tf.constant(data.points), 1, time, **options)[1], axis=0)
            for time in range(times)
        ]
        for time in range(times):
            seen, truth = (each.numpy() for each in moved(images, points, 0, time, **options))
            batches = (seen[begin : begin + 256] for begin in range(0, len(seen), 256))
            rows["network"].append(errors(truth, np.concatenate([network(batch).numpy() for batch in batches])))
            rows["another face"].append(errors(truth, np.roll(truth, 1, axis=0)))
            rows["mean face"].append(errors(truth, means[time]))
        found[name] = {row: round(float(np.mean(values)), 5) for row, values in rows.items()}
    return found


def evaluate_and_write(session):
    """The `Recipe.finish`: evaluates the network and writes it; once more for a run that has spent its budget."""
    from tfanime.files import write_text
    from tfanime.landmarks import files as landmark_files
    from tfanime.tagger.files import to_arrays
    from tfanime.tfrecords.manifest import Manifest

    if session.status:  # broken off
        return
    config, run, data = session.config, session.run, session.data
    held_out = open_points(config, run, "holdout")
    arrays = to_arrays(session.model.network)
    scores = evaluate(landmark_files.from_arrays(config.network, arrays), data, held_out)
    manifest = Manifest.load(config.data)
    trained_on = {"name": manifest.name, "faces": data.count, "fingerprint": data.faces.fingerprint}
    trained_on |= {"labels": config.labels, "steps": session.model.step, "batch_size": config.batch_size}
    judged = {"faces": held_out.count, "unit": "eye distance", "errors": scores}
    landmark_files.save(
        config.written, config.network, arrays, terms=config.terms, trained_on=trained_on, holdout=judged
    )
    columns = list(next(iter(scores.values())))
    lines = [f"| held-out faces | {' | '.join(columns)} |", f"|---{'|---' * len(columns)}|"]
    lines += [f"| {name} | {' | '.join(f'{row[each]:.4f}' for each in columns)} |" for name, row in scores.items()]
    text = "\n".join(["Mean error of a point, in eye distances.\n", *lines]) + "\n"
    write_text(run.scores, text)
    print(text)
    paths = [config.written.with_name(f"{config.written.name}.{ending}") for ending in ("npz", "json")]
    print(f"network: {paths[0]} ({os.path.getsize(paths[0]) / 1e6:.2f} MB), card: {paths[1]}")
    print(f"table:   {run.scores}")
    print(f"curves:  tensorboard --logdir {shlex.quote(str(run.path))}")


recipe = Recipe(
    "landmarks",
    Config,
    "Train the network that finds points of faces, for the landmark loss of the recipe cartoongan.",
    build,
    data=open_data,
    batches=batches,
    finish=evaluate_and_write,
    examples="""\
  python -m tfanime.tfrecords photos/ tfrecords/photos --card portraits --holdout 0.05
  python -m tfanime.recipes.landmarks --data tfrecords/photos --points points.csv --run runs/landmarks
  python -m tfanime.recipes.landmarks --run runs/landmarks --out mine        evaluate and write it once more
""",
)
main = recipe.main


if __name__ == "__main__":
    command_line.run(main)
