"""A run's checkpoints as files: lists, finds and loads them."""

import re
from pathlib import Path

import tensorflow as tf

from tfanime.files import without_wildcards


def load(path, further=None, **objects):
    """Loads objects from a checkpoint, which may hold more than these.

    Args:
        path: The checkpoint, such as `RUN/checkpoints/ckpt-100`.
        further: Objects by name that stay unchanged if the checkpoint of an older version does not have them.
        **objects: What `Checkpoints` saved under these names; its model is `gan`.

    Raises:
        ValueError: The checkpoint is damaged, or has other objects.
    """
    path = Path(path)
    try:
        with without_wildcards(path.parent) as folder:
            prefix = f"{folder}/{path.name}"
            known = {name.partition("/")[0] for name in tf.train.load_checkpoint(prefix).get_variable_to_shape_map()}
            objects |= {name: value for name, value in (further or {}).items() if name in known}
            tf.train.Checkpoint(**objects).restore(prefix).assert_existing_objects_matched().expect_partial()
    except (AssertionError, ValueError, LookupError, RuntimeError, tf.errors.OpError) as error:
        cause = re.sub(r"\{\{.*?\}\} ?", "", str(error))[:200]  # without the graph's names
        raise ValueError(f"{path} must be a whole checkpoint of this run's networks: {cause}") from error


def newest(folder):
    """The newest checkpoint in a folder; `tf.train.latest_checkpoint` for folders of any name.

    Returns:
        Its path as a string, for `load`; None without one.
    """
    with without_wildcards(folder) as plain:
        found = tf.train.latest_checkpoint(plain)
    return found and str(Path(folder) / Path(found).name)


def kept(folder):
    """The paths of a folder's checkpoints, strings, the oldest first, as TensorFlow's own list in it has them."""
    with without_wildcards(folder) as plain:
        state = tf.train.get_checkpoint_state(plain)
    return [str(Path(folder) / Path(path).name) for path in state.all_model_checkpoint_paths] if state else []


def find(run, which="newest"):
    """Finds one of a run's checkpoints.

    Args:
        run: A `tfanime.runs.RunFolder`.
        which: `"newest"`; `"best"`, see `Best`; or the step of a checkpoint that is there, such as `"1200"`.

    Returns:
        Its path, for `load`.

    Raises:
        FileNotFoundError: The run has no checkpoint, or not this one.
    """
    listed, best = kept(run.checkpoints), newest(run.best)
    paths = {path.rpartition("-")[2]: path for path in listed}
    paths |= {"newest": listed[-1]} if listed else {}
    paths |= {"best": best} if best else {}
    if not paths:
        raise FileNotFoundError(f"a run must have a checkpoint. Received: {str(run.path)!r}, which has none yet")
    if which not in paths:
        raise FileNotFoundError(
            f"checkpoint must be one of {', '.join(paths)} in {str(run.path)!r}. Received: {which!r}"
        )
    return paths[which]
