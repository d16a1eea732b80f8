"""Files that are complete or absent, and the cache folder."""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import tempfile
import time
import urllib.parse
from pathlib import Path

LEFT_AFTER = 24 * 3600.0
"""Seconds without a change after which half a folder in the cache has no maker any more."""

LONGEST_NAME = 200
"""Bytes of a name that the name of its temporary file has too; file systems allow 255 in all."""


@contextlib.contextmanager
def replacing(path):
    """Hands out a temporary path and renames it to `path` once the block ends without an error.

    A reader, or a process killed at any moment, therefore never sees half a file. Works for a file and for a folder
    (a folder at `path` is refused unless it is empty, because a rename cannot replace it).

    Args:
        path: Where the finished file or folder shall be. Its parent folder is created.

    Yields:
        A `pathlib.Path` in the same folder; it does not exist yet.

    Raises:
        OSError: The disk is full or the folder is not writable; what was written so far is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Containers and hosts that share a folder may have equal process ids.
    kept = os.fsencode(path.name)[:LONGEST_NAME].decode(
        errors="ignore"
    )  # a name may be as long as the file system allows
    temporary = path.with_name(f".{kept}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        for path_of_file in [temporary, *temporary.rglob("*")]:
            if path_of_file.is_file():
                with open(path_of_file, "rb") as file:
                    os.fsync(file.fileno())  # the rename must not reach the disk before the contents do
        os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def write_text(path, text):
    """Writes `text` to `path` (UTF-8) through a temporary file."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def require_utf8(path, argument):
    """Refuses a path that holds bytes of another encoding: TensorFlow, TOML and JSON have no form for it.

    Args:
        path: The path.
        argument: The name of the argument that it came from, for the message.

    Returns:
        `path` as a `pathlib.Path`.

    Raises:
        ValueError: It is not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{argument} must be a path in UTF-8. Received: {os.fsencode(path)}; rename it") from error
    return Path(path)


def require_writable_folder(path, argument):
    """Creates the folder `path` and checks that a file can be written in it.

    Args:
        path: The folder.
        argument: The name of the argument that the path came from, for the message.

    Returns:
        `path` as a `pathlib.Path`.

    Raises:
        OSError: The folder cannot be created or written; the message names the argument, the path and the cause.
        ValueError: Its path is not UTF-8.
    """
    path = require_utf8(path, argument)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OSError(
            error.errno, f"{argument} must be a folder that can be written ({error.strerror}). Received", str(path)
        ) from error
    return path


@contextlib.contextmanager
def locked(folder, argument):
    """Holds a folder against a second process that would write in it; ends with the process, however that ends.

    Args:
        folder: The folder; it exists.
        argument: The name of the argument that it came from, for the message.

    Raises:
        BlockingIOError: Another process holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(
                f"{argument} must not be in use. Received: {str(folder)!r}, in which another process is writing"
            ) from error
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def without_wildcards(folder):
    """A path of a folder that TensorFlow does not take for a pattern.

    TensorFlow finds checkpoints, and the variables of a SavedModel, by patterns (`RestoreV2`, `CheckpointManager`):
    below a folder such as "[Group] faces" it writes them, and finds none.

    Args:
        folder: An existing folder, whatever characters its path has.

    Yields:
        A string: `folder` itself if nothing in it misleads TensorFlow, else a link to it that lasts as long as the
        block.
    """
    path = str(folder)
    if not re.search(r"[*?\[\\]", path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="tfanime-") as place:
        link = Path(place) / "link"
        link.symlink_to(Path(folder).resolve())
        yield str(link)


def cache_folder():
    """The cache folder: `TFANIME_CACHE`, or `tfanime` in the user's cache folder.

    Raises:
        OSError: Neither is known, because the user has no home folder.
    """
    folder = os.environ.get("TFANIME_CACHE")
    if folder:
        return Path(folder)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tfanime"
    except RuntimeError as error:  # of a container that runs as a user whom it does not know
        raise OSError(
            "TFANIME_CACHE must name a folder for what can be made again, because HOME is not set and the user has no "
            "home folder. Received: nothing"
        ) from error


def in_cache(name, fill):
    """A folder of the cache, made at first use.

    What a killed process left half made beside it is removed once nothing in it has changed for `LEFT_AFTER` seconds.

    Args:
        name: Where it lies below `cache_folder()`, such as `"references/fd_tagger1-0123"`: a name for its contents.
        fill: Called with the path of an empty folder, which becomes this one when the call returns.

    Returns:
        Its `pathlib.Path`.

    Raises:
        OSError: The cache folder cannot be written or is full; the message names it, the cause and `TFANIME_CACHE`.
            `fill`'s own errors pass through. Nothing is left behind.
    """
    folder = cache_folder() / name
    if folder.is_dir():
        return folder
    for left in folder.parent.glob(".*.part"):
        with contextlib.suppress(OSError):  # its maker may be renaming it, and somebody else may own it
            if time.time() - max(path.stat().st_mtime for path in (left, *left.rglob("*"))) > LEFT_AFTER:
                shutil.rmtree(left)
    try:
        with replacing(folder) as temporary:
            temporary.mkdir()
            fill(temporary)
    except OSError as error:
        if not folder.is_dir():  # otherwise another process was faster, and made the same
            if not _is_of(folder.parent, error):
                raise
            cause = error.strerror or error
            raise OSError(
                error.errno,
                f"the cache cannot be written ({cause}): free some space, or name another folder "
                "with TFANIME_CACHE. Received",
                str(folder),
            ) from error
    return folder


def is_full(error):
    """Whether an `OSError` says that a disk is full. Python does not say which disk: such errors name no file."""
    # NumPy knows how much it wrote, and no cause.
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or bool(re.search(r"requested and \d+ written", str(error)))


def _is_of(folder, error):
    """Whether an `OSError` is about `folder`: one of something in or above it, or one of a full disk."""
    if error.filename is None:
        return is_full(error)
    named = Path(os.fsdecode(error.filename))
    return folder in (named, *named.parents) or named in folder.parents


def downloaded(name, url, sha256):
    """A folder of the cache that holds what lies at an address, unpacked if it is an archive; filled at first use.

    Args:
        name: Where it lies below `cache_folder()`, a name for its contents.
        url: The address; one that ends in .tgz, .tar.gz or .zip is of an archive.
        sha256: 64 hexadecimal digits in lower case, of what is downloaded.

    Returns:
        Its `pathlib.Path`; the file or the archive's contents lie somewhere below.

    Raises:
        OSError: The address cannot be reached, what lies there has another hash, or the cache cannot be written.
    """
    import keras

    file = urllib.parse.urlsplit(url).path.rpartition("/")[2]
    packed = file.endswith((".tgz", ".tar.gz", ".zip"))
    options = {"extract": packed, "file_hash": sha256, "hash_algorithm": "sha256"}
    try:
        return in_cache(name, lambda target: keras.utils.get_file(file, url, cache_dir=target, **options))
    except Exception as error:  # Keras has classes neither for a download that fails nor for another hash
        raise OSError(f"url must be reachable, and what lies there have sha256. Received: {url!r}: {error}") from error


def versions(base):
    """The versions of an exported model, as TensorFlow Serving lays them out.

    Args:
        base: The folder that holds them.

    Returns:
        A dictionary from version to folder: those whose name is a whole number, since an export in the making has
        another name. Empty if `base` is no folder.
    """
    base = Path(base)
    folders = [entry for entry in base.iterdir() if entry.is_dir()] if base.is_dir() else []
    return {int(folder.name): folder for folder in folders if re.fullmatch(r"[0-9]{1,18}", folder.name)}
