"""The pictures in a folder and in all folders below it, with the files that describe them."""

import hashlib
import os
from dataclasses import dataclass

from tfanime.tfrecords.sidecars import KINDS, names_beside

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")


@dataclass(frozen=True)
class Listing:
    """What one walk through a folder finds.

    Args:
        ids: Paths of the pictures relative to the folder, with slashes, sorted.
        alone: The ids of those without a file beside them, sorted.
        kinds: Which `KINDS` of files are beside some picture.
        contents: Digest over the names and sizes of the pictures and of the files beside them.
        times: Digest over their modification times.
    """

    ids: list[str]
    alone: list[str]
    kinds: tuple[str, ...]
    contents: bytes
    times: bytes


def list_pictures(folder):
    """Lists the pictures below a folder; hidden files and folders are passed over. No file is opened.

    Args:
        folder: Path of the folder.

    Returns:
        The `Listing`.

    Raises:
        OSError: A folder cannot be read; its pictures would be lost without a word.
    """
    ids, alone, kinds, digests = [], [], set(), []
    for prefix, files in _folders_below(folder):
        base = os.path.join(folder, prefix)
        beside = {name for name in files if name.endswith(tuple(f".{kind}" for kind in KINDS))}
        contents, times = hashlib.sha256(), hashlib.sha256()
        for name in sorted(name for name in files if name.lower().endswith(SUFFIXES)):
            id = prefix + name
            ids.append(id)
            found = [(kind, file) for kind in KINDS for file in names_beside(name, kind) if file in beside]
            kinds.update(kind for kind, _ in found)
            if not found:
                alone.append(id)
            for file in (name, *(file for _, file in found)):
                size, time = _size_and_time(base + file)
                contents.update(f"{file}\0{size}\n".encode(errors="surrogateescape"))
                times.update(f"{time}\n".encode())
        digests.append((prefix, contents.digest(), times.digest()))
    digests.sort()
    ids.sort()
    alone.sort()
    contents, times = hashlib.sha256(), hashlib.sha256()
    for prefix, of_contents, of_times in digests:
        contents.update(prefix.encode(errors="surrogateescape") + b"\0" + of_contents)
        times.update(of_times)
    return Listing(ids, alone, tuple(kind for kind in KINDS if kind in kinds), contents.digest(), times.digest())


def _folders_below(folder):
    """Yields `(path, names of files)` of a folder and of all below it; the path is relative and ends with a slash.

    Every folder is visited once. Links are followed after all that is reached without them: what they lead to may be
    there already, or be a folder above.
    """
    waiting, links, seen = [""], [], set()
    while waiting or links:
        prefix = waiting.pop() if waiting else links.pop()
        path = os.path.join(folder, prefix)
        real = os.path.realpath(path)
        if real in seen:
            continue
        seen.add(real)
        files = []
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if not _is_folder(entry):
                    files.append(entry.name)
                elif entry.is_symlink():
                    links.append(f"{prefix}{entry.name}/")
                else:
                    waiting.append(f"{prefix}{entry.name}/")
        links.sort(reverse=True)
        yield prefix, files


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _size_and_time(path):
    """Bytes, and modification time in nanoseconds; a link to nothing has -1 bytes and is unreadable later."""
    try:
        status = os.stat(path)
    except OSError:
        return -1, 0
    return status.st_size, status.st_mtime_ns
