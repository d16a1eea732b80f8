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
"""Seconds without a change after which an incomplete folder in the cache counts as abandoned."""

LONGEST_NAME = 200
"""Bytes of a name that are kept in the name of its temporary file; file systems allow 255 in total."""


@contextlib.contextmanager
def replacing(path):
    """Yields a temporary path and renames it to `path` when the block ends without an error.

    Readers therefore never see an incomplete file, even if the process is killed. Works for a file and for a folder (a
    folder at `path` is refused unless it is empty, because a rename cannot replace it).

    Args:
        path: Path of the finished file or folder. Its parent folder is created.

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
                    os.fsync(file.fileno())  # the contents must reach the disk before the rename
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
    """Refuses a path with bytes of another encoding, which TensorFlow, TOML and JSON cannot represent.

    Args:
        path: The path.
        argument: Name of the argument, for the message.

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


_made = []  # the folders that `require_writable_folder` has made, outer ones first


def remove_empty_folders():
    """Removes those folders that `require_writable_folder` made and that are still empty, as after an error."""
    while _made:
        with contextlib.suppress(OSError):  # something is in it
            _made.pop().rmdir()


def require_writable_folder(path, argument):
    """Creates the folder `path` and checks that a file can be written in it.

    Args:
        path: The folder.
        argument: Name of the argument, for the message.

    Returns:
        `path` as a `pathlib.Path`.

    Raises:
        OSError: The folder cannot be created or written; the message names the argument, the path and the cause.
        ValueError: Its path is not UTF-8.
    """
    path = require_utf8(path, argument)
    try:
        new = [each for each in (path, *path.parents) if not each.exists()]
        path.mkdir(parents=True, exist_ok=True)
        _made.extend(each.absolute() for each in reversed(new))
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OSError(
            error.errno, f"{argument} must be a folder that can be written ({error.strerror}). Received", str(path)
        ) from error
    return path


@contextlib.contextmanager
def locked(folder, argument):
    """Locks a folder against other processes that would write in it. The lock ends with the process, however that ends.

    Args:
        folder: The folder; it exists.
        argument: Name of the argument, for the message.

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
    """A path of a folder that TensorFlow does not misread as a pattern.

    TensorFlow finds checkpoints, and the variables of a SavedModel, by patterns (`RestoreV2`, `CheckpointManager`). In
    a folder such as "[Group] faces" it writes them but does not find them.

    Args:
        folder: An existing folder, with any characters in its path.

    Yields:
        A string: `folder` itself if it has no special characters, else a link to it that exists during the block.
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
        OSError: The variable is not set and the user has no home folder.
    """
    folder = os.environ.get("TFANIME_CACHE")
    if folder:
        return Path(folder)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tfanime"
    except RuntimeError as error:  # in a container that runs as an unknown user
        raise OSError(
            "TFANIME_CACHE must name a folder for the cache, because HOME is not set and the user has no "
            "home folder. Received: nothing"
        ) from error


def in_cache(name, fill):
    """A folder of the cache, made at first use.

    Incomplete folders of killed processes are removed once nothing in them has changed for `LEFT_AFTER` seconds.

    Args:
        name: Its path below `cache_folder()`, such as `"references/fd_tagger1-0123"`, which identifies its contents.
        fill: Called with the path of an empty folder to fill; it is renamed when the call returns.

    Returns:
        Its `pathlib.Path`.

    Raises:
        OSError: The cache folder cannot be written or is full; the message names it, the cause and `TFANIME_CACHE`.
            Other errors of `fill` are not changed. No incomplete folder stays.
    """
    folder = cache_folder() / name
    if folder.is_dir():
        return folder
    for left in folder.parent.glob(".*.part"):
        with contextlib.suppress(OSError):  # another process may be renaming it, or another user own it
            if time.time() - max(path.stat().st_mtime for path in (left, *left.rglob("*"))) > LEFT_AFTER:
                shutil.rmtree(left)
    try:
        with replacing(folder) as temporary:
            temporary.mkdir()
            fill(temporary)
    except OSError as error:
        if not folder.is_dir():  # otherwise another process has made it meanwhile
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
    # NumPy's error has the number of written items, but no cause.
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or bool(re.search(r"requested and \d+ written", str(error)))


def _is_of(folder, error):
    """Whether an `OSError` is about `folder`: about a path in or above it, or about a full disk."""
    if error.filename is None:
        return is_full(error)
    named = Path(os.fsdecode(error.filename))
    return folder in (named, *named.parents) or named in folder.parents


def downloaded(name, url, sha256):
    """A folder of the cache with a downloaded file, or with the contents of a downloaded archive; filled at first use.

    Args:
        name: Its path below `cache_folder()`, which identifies its contents.
        url: The address; one that ends in .tgz, .tar.gz or .zip is unpacked.
        sha256: SHA-256 of the download, 64 hexadecimal digits in lower case.

    Returns:
        Its `pathlib.Path`; the file or the archive's contents lie somewhere below.

    Raises:
        OSError: The address cannot be reached, the download has another hash, or the cache cannot be written.
    """
    import keras

    file = urllib.parse.urlsplit(url).path.rpartition("/")[2]
    packed = file.endswith((".tgz", ".tar.gz", ".zip"))
    options = {"extract": packed, "file_hash": sha256, "hash_algorithm": "sha256"}
    try:
        return in_cache(name, lambda target: keras.utils.get_file(file, url, cache_dir=target, **options))
    except Exception as error:  # Keras raises plain exceptions for failed downloads and wrong hashes
        raise OSError(f"url must be reachable, and what lies there have sha256. Received: {url!r}: {error}") from error


def versions(base):
    """The versions of an exported model, as TensorFlow Serving lays them out.

    Args:
        base: The folder that holds them.

    Returns:
        A dictionary from version to folder, of all folders whose name is a whole number (an unfinished export has
        another name). Empty if `base` is not a folder.
    """
    base = Path(base)
    folders = [entry for entry in base.iterdir() if entry.is_dir()] if base.is_dir() else []
    return {int(folder.name): folder for folder in folders if re.fullmatch(r"[0-9]{1,18}", folder.name)}
