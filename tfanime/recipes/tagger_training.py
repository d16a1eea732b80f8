"""The way from the tagger's config to a trained network, judged and written."""

import os
import shlex
import sys

import keras
import tensorflow as tf

from tfanime.files import locked, require_writable_folder, write_text
from tfanime.precision import precision_policy
from tfanime.recipes.fitting import Session, open_faces, require_resumable
from tfanime.recipes.tagger_scores import as_markdown, judge
from tfanime.runs import RunFolder
from tfanime.tagger import files as tagger_files
from tfanime.tfrecords.manifest import Manifest
from tfanime.training.augment import varied

RESUMABLE = frozenset(
    ("data", "run", "out", "name", "terms", "minutes", "epoch_steps", "checkpoint_minutes")
)  # of the settings, those that do not decide what a step computes


def train(config, build):
    """Trains a tagger: opens data and run folder, resumes if there is something to resume, fits, judges, writes.

    A run that has spent its budget is judged and written once more.

    Args:
        config: A `tfanime.recipes.tagger.Config`, with `run` and `name` resolved.
        build: Config and vocabulary -> compiled `TagClassifier`.

    Returns:
        The exit status of the command: 0, or 130 after Ctrl-C (143 after SIGTERM), which loses nothing.

    Raises:
        ValueError: The shards have no tags or no held-out faces, or the run folder is another's.
        OSError: A file cannot be read or written.
    """
    run = RunFolder(config.run)
    faces = open_faces(run, config.data, config.image_size)
    if not faces.vocabulary:
        raise ValueError(f"--data must be shards with tags. Received: {config.data!r}, which have no vocabulary")
    held_out = open_faces(run, config.data, config.image_size, split="holdout")
    if config.batch_size > faces.count:
        raise ValueError(f"--batch_size must be at most the {faces.count} pictures. Received: {config.batch_size}")
    identity = require_resumable(run, "tagger", config, faces, RESUMABLE)
    require_writable_folder(config.written.parent, "the folder of out")  # before any work
    with locked(require_writable_folder(run.path, "run"), "run"):
        keras.utils.set_random_seed(config.seed)
        vocabulary = faces.vocabulary.with_frequencies(faces.tags)
        warn_of_absent(vocabulary, faces.tags)
        with precision_policy(config.precision):
            classifier = build(config, vocabulary)
        run.start("tagger", config, identity, RESUMABLE, vocabulary)
        status = _fit(config, run, faces, classifier)
        return status or _judge_and_write(config, run, faces, held_out, classifier)


def warn_of_absent(vocabulary, tags):
    """Names on stderr the tags of a vocabulary that no face has; `tags` is `[faces, len(vocabulary)]` of +1, -1, 0."""
    absent = vocabulary.unseen(tags)
    if absent:
        print(f"warning: no face has {', '.join(absent)}: the network cannot learn to see it", file=sys.stderr)


def _fit(config, run, faces, classifier):
    session = Session(run, config, classifier, config.batch_size)
    print(
        f"tagger: {faces.count:,} pictures at {faces.image_size} px, {len(faces.vocabulary)} tags of "
        f"{faces.vocabulary.name}, {config.precision}, {session.begun} -> {run.path}",
        flush=True,
    )
    return 0 if session.budget.spent() else session.fit(batches(config, faces, session.start))


def batches(config, faces, start=0):
    """The endless stream of training batches.

    Args:
        config: A `tfanime.recipes.tagger.Config`.
        faces: The `tfanime.data.FaceData`, with a vocabulary.
        start: The step to begin with.

    Returns:
        A `tf.data.Dataset` of pairs: pictures, float32 `[batch_size, image_size, image_size, 3]` in [-1, 1], and tags,
        float32 `[batch_size, len(vocabulary)]`; a pure function of (seed, step).
    """
    stream = faces.batches(config.batch_size, seed=config.seed, start=start, horizontal_flip=True)

    def one(step, pair):
        images, tags = (values[:, 0] for values in pair)  # of the one critic step
        return varied(images, config.seed, start + step, config.least_side, config.light), tags

    numbered = tf.data.Dataset.zip(tf.data.Dataset.counter(), stream)
    return numbered.map(one, num_parallel_calls=2).prefetch(2)


def _judge_and_write(config, run, faces, held_out, classifier):
    # Judged is what is written: float32, from weights that were rounded to float16.
    arrays = tagger_files.to_arrays(classifier.network)
    model = tagger_files.from_arrays(config.network, faces.vocabulary, arrays)
    scores = judge(model, faces, held_out)
    manifest = Manifest.load(config.data)
    tagger_files.save(
        config.written,
        config.name,
        config.network,
        faces.vocabulary,
        arrays,
        trained_on={
            "name": manifest.name,
            "faces": faces.count,
            "fingerprint": faces.fingerprint,
            "taggers": [tagger["name"] for tagger in manifest.taggers],
            "steps": classifier.step,
            "batch_size": config.batch_size,
        },
        terms=config.terms,
        holdout=scores,
    )
    text = as_markdown(scores)
    write_text(run.scores, text)
    print(text)
    paths = [config.written.with_name(f"{config.written.name}.{ending}") for ending in ("npz", "json")]
    print(f"network: {paths[0]} ({os.path.getsize(paths[0]) / 1e6:.1f} MB), card: {paths[1]}")
    print(f"tables:  {run.scores}")
    print(f"curves:  tensorboard --logdir {shlex.quote(str(run.path))}")
    return 0
