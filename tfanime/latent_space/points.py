"""Files of points, and lists of avatars that mix seeds and such files."""

import json
import zipfile
from pathlib import Path

import numpy as np

from tfanime.files import replacing


def points_of(space, avatars, tags="", allow_untrained_tags=False):
    """The points of avatars.

    Args:
        space: The `LatentSpace`.
        avatars: From `tfanime.latent_space.text.parse_points`.
        tags: Tags of the avatars of seeds, see `LatentSpace.from_seeds`. Points of files have their own tags.
        allow_untrained_tags: See `LatentSpace.from_seeds`.

    Returns:
        `Points`, one for each avatar.

    Raises:
        ValueError: See `LatentSpace.from_seeds` and `read_points`.
    """
    from tfanime.latent_space.space import joined

    seeds = [avatar for avatar in avatars if not isinstance(avatar, Path)]
    drawn = iter(range(len(seeds)))
    of_seeds = space.from_seeds(seeds or [0], tags, allow_untrained_tags)  # tags are checked in any case
    parts = []
    for avatar in avatars:
        parts.append(read_points(avatar, space) if isinstance(avatar, Path) else of_seeds[_one(next(drawn))])
    return joined(parts)


def _one(index):
    return slice(index, index + 1)


def write_points(path, space, points, about):
    """Writes points as a file that `parse_points` takes.

    Args:
        path: The file, which ends in .npz.
        space: The `LatentSpace` that they belong to.
        points: `Points`.
        about: Their origin, a dictionary that JSON can represent.
    """
    others = {name: np.asarray(each, np.float32) for name, each in points.others.items()}
    with replacing(path) as temporary, open(temporary, "wb") as file:  # `savez` would add a suffix to a path
        np.savez(
            file,
            network=space.fingerprint,
            about=json.dumps(about),
            codes=np.asarray(points.codes, np.float32),
            **{f"other_{name}": each for name, each in others.items()},
        )


def read_points(path, space):
    """Points that `write_points` wrote.

    Args:
        path: The file.
        space: The `LatentSpace` to which they must belong.

    Returns:
        `Points`.

    Raises:
        ValueError: The file is damaged, or its points are another network's.
    """
    from tfanime.latent_space.space import Points

    arrays = read_arrays(path, {"network", "codes"}, "a file of points, which `python -m tfanime.project` writes")
    require_same_network(path, arrays, space)
    others = {name.removeprefix("other_"): each for name, each in arrays.items() if name.startswith("other_")}
    names = [spec.name for spec in space.inputs.specs[1:]]
    if set(names) != set(others) or arrays["codes"].shape[1:] != (space.layers, space.size):
        raise ValueError(f"{path} must hold the network's inputs, {names}. Received: {sorted(others)}")
    return Points(arrays["codes"], {name: others[name] for name in names})


def read_arrays(path, names, what):
    """The arrays of an .npz file, a dictionary.

    Args:
        path: The file.
        names: Names that must be there.
        what: A description of the expected file, for the message.

    Raises:
        ValueError: It is damaged, or another kind of file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} must be {what}: {error}") from error
    missing = sorted(names - set(arrays))
    if missing:
        raise ValueError(f"{path} must be {what}. Received: a file without {', '.join(missing)}")
    return arrays


def require_same_network(path, arrays, space):
    """Raises a `ValueError` if arrays were made in the latent space of another network."""
    if str(arrays["network"]) != space.fingerprint:
        raise ValueError(
            f"{path} must have been made with the same network: a point means nothing to another one. Received: made "
            f"with {str(arrays['network'])[:12]}, for {space.fingerprint[:12]}; make it again"
        )
