"""Faces as the data of a recipe: opening them, the tags that condition a game, the evaluation of avatars."""

import dataclasses
from pathlib import Path

from tfanime.metrics.names import is_frechet


def open_faces(run, shards, image_size, split="train", flag="data"):
    """Opens the data of a run, new or to be resumed; see `tfanime.data.load`.

    Args:
        run: A `tfanime.runs.RunFolder`.
        shards: The folder of shards, in a resumed run possibly the one that the run has stored. None for drawn avatars.
        image_size: Height and width in pixels.
        split: Split of the shards.
        flag: Name of the setting, for messages.

    Returns:
        A `FaceData`.

    Raises:
        FileNotFoundError: The folder does not exist, or is not a folder of shards.
        ValueError: See `tfanime.data.load`.
    """
    from tfanime import data

    if shards is None:
        from tfanime.tfrecords.default import default_shards

        shards = default_shards(image_size)
    try:
        return data.load(shards, image_size, split=split)
    except FileNotFoundError as error:
        if error.filename is not None:  # an error of the cache, where the faces are decoded
            raise
        if not run.details.is_file() or run.load()["config"].get(flag) != str(shards):
            raise FileNotFoundError(f"--{flag}: {error}") from error
        relative = "" if Path(shards).is_absolute() else f", looked for from the working folder {str(Path.cwd())!r}"
        raise FileNotFoundError(
            f"--{flag} must name the shards of the run in {str(run.path)!r}, which are not where they were when it was "
            f"last started ({run.config}). Received: {str(shards)!r}{relative}: {error}"
        ) from error


def open_tagged(config, run, warn):
    """The `Recipe.data` of games with `TagSettings`: faces with the tags of the game, none with `--tags none`."""
    faces = open_faces(run, config.data, config.image_size)
    vocabulary = vocabulary_of(config, faces, run)
    if vocabulary:
        left_out = [group.name for group in faces.vocabulary.groups if group not in vocabulary.groups]
        if left_out:
            warn(f"no face has a tag of {', '.join(left_out)}: left out of the game")
        if vocabulary.untrained:
            warn(f"no face has {', '.join(vocabulary.untrained)}: the generator cannot learn to draw it")
    return faces.described_by(vocabulary)


def vocabulary_of(config, faces, run=None):
    """The vocabulary of a game, whose priors draw the tags of fakes.

    Groups are left out if no face has a tag of them; a run that began with them keeps them, because its networks have
    inputs for them. Single tags that no face has are marked as untrained.

    Args:
        config: The recipe's config.
        faces: The `tfanime.data.FaceData`.
        run: The `RunFolder`, new or to be resumed; None without one.

    Returns:
        A `TagVocabulary`; None for a game without tags.

    Raises:
        ValueError: The shards have no tags.
    """
    if config.tags == "none":
        return None
    if not faces.vocabulary:
        raise ValueError(f"--tags must be none for shards without a vocabulary. Received: {config.tags!r}")
    vocabulary = faces.vocabulary
    unseen = vocabulary.unseen(faces.tags)
    begun = run.load().get("vocabulary") if run and run.details.is_file() else None
    if begun:
        kept = {group["name"] for group in begun["groups"]}
    else:
        kept = {group.name for group in vocabulary.groups if not set(group.tags) <= set(unseen)}
    if not kept:
        raise ValueError(f"--tags must be none for shards in which no face has a tag. Received: {config.tags!r}")
    if config.tags == "frequencies":
        vocabulary = vocabulary.with_frequencies(faces.tags)
    return dataclasses.replace(vocabulary, untrained=unseen).of_groups(kept)


def batches(config, faces, start, parts, own):
    """The `Recipe.batches` of games with `GameSettings` on faces, see `FaceData.batches`."""
    return faces.batches(
        config.batch_size,
        critic_steps=config.critic_steps,
        seed=config.seed,
        start=start,
        horizontal_flip=config.horizontal_flip,
        parts=parts,
        own=own,
    )


def judge(config, faces, workers):
    """The `Recipe.judge` of games with `JudgingSettings`: the callback of `--fid_every`; None without.

    Raises:
        ValueError: `--best_by` is a Frechet distance that is never computed.
    """
    from tfanime.callbacks import FID

    by = config.best_by if config.best_by and is_frechet(config.best_by) else None
    if not config.fid_every:
        if by:
            raise ValueError(f"--fid_every must be above 0 with --best_by {by}. Received: 0")
        return None
    every = config.whole_epochs(config.fid_every)
    fid = FID(faces, every, config.fid_samples, config.fid_features, gather=workers.gather)
    if by and by != fid.name:
        raise ValueError(f"--best_by must be {fid.name} with --fid_features {config.fid_features}. Received: {by!r}")
    if by and every > config.steps:
        raise ValueError(
            f"--fid_every, in whole epochs of {config.epoch_steps} steps, must be at most --steps, {config.steps:,}, "
            f"with --best_by {by}. Received: {every:,}"
        )
    return fid
