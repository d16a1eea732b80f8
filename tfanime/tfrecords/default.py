"""A data set that needs no pictures: drawn avatars, made once and kept in the cache folder."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from tfanime.files import cache_folder, require_writable_folder
from tfanime.tfrecords.manifest import FILE_NAME

MEGABYTES_PER_PIXEL = 2.0e-6  # of a drawn avatar as PNG


def default_shards(size=64, count=10_000, progress=True):
    """The shards of drawn avatars, which are drawn at the first call.

    They lie in `tfanime.files.cache_folder()`. If several processes call this at once, one draws and the others wait.

    Args:
        size: Height and width of the avatars, in pixels.
        count: Number of avatars.
        progress: Whether to show messages and a progress bar on stderr.

    Returns:
        The folder of shards as a `pathlib.Path`.

    Raises:
        OSError: The cache folder cannot be written, or the drawing failed; its own message is on stderr.
    """
    from tfanime.drawn import avatars

    parent = require_writable_folder(cache_folder(), "TFANIME_CACHE")
    folder = parent / f"drawn-{avatars.VERSION}-{size}px-{count}"
    with open(parent / f".{folder.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / FILE_NAME).is_file():
            return folder
        if progress:
            megabytes = count * size**2 * MEGABYTES_PER_PIXEL
            print(
                f"drawing {count:,} avatars of {size} px once (about {megabytes:,.0f} MB) into {folder}",
                file=sys.stderr,
                flush=True,
            )
        # In another process, because workers import the main module, which may be a user's script.
        package = Path(__file__).resolve().parents[2]
        path = os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH"))))
        command = [
            sys.executable,
            "-m",
            "tfanime.tfrecords",
            "drawn",
            str(folder),
            f"--count={count}",
            f"--size={size}",
        ]
        result = subprocess.run(
            [*command, "--name=drawn", f"--progress={'true' if progress else 'false'}"],
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
        )
        if result.returncode:
            raise OSError(
                f"the drawn avatars could not be made in {str(folder)!r} (status {result.returncode}; the cause is "
                "above). TFANIME_CACHE names another folder"
            )
    return folder
