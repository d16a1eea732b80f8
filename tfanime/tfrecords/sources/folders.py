"""The pictures in a folder and in all folders below it, with the files that describe them."""

import collections
import hashlib
import os
from dataclasses import dataclass

from tfanime.tfrecords.sources.sidecars import KINDS, names_beside

# What `tfanime.tfrecords.crop` decodes, by the names that it goes by.
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp")
SIDECARS = (".json", ".txt", ".caption")
MOST_OTHERS = 30  # suffixes that are counted each for itself, else `a.000001`, `a.000002`, ... would fill a manifest

_NOTHING = hashlib.sha256().digest()


@dataclass(frozen=True)
class Listing:
    """What one walk through a folder finds.

    Args:
        ids: Paths of the pictures relative to the folder, with slashes, sorted.
        alone: The ids of those without a file beside them, sorted.
        kinds: The kinds of files that were found beside some picture.
        passed_over: How many files are neither pictures nor beside one, by suffix, the most frequent first: lower case
            with its dot, `""` for none; `others` for those of rare suffixes where there are more than `MOST_OTHERS`.
        pictures: SHA-256 (hex) over the names and sizes of the pictures.
        beside: SHA-256 (hex) over the names and sizes of the files beside them.
        times: SHA-256 (hex) over the modification times of both.
    """

    ids: list[str]
    alone: list[str]
    kinds: tuple[str, ...]
    passed_over: dict[str, int]
    pictures: str
    beside: str
    times: str


def list_pictures(folder, kinds=KINDS, skip=()):
    """Lists the pictures below a folder; hidden files and folders are passed over. No file is opened.

    The digests know nothing of folders without pictures: an empty one may come and go.

    Args:
        folder: Path of the folder.
        kinds: Which `KINDS` of files beside pictures are looked for.
        skip: Paths of folders that are left out of the walk, by whichever name they are met, and of files that are
            not counted as passed over.

    Returns:
        The `Listing`.

    Raises:
        OSError: A folder cannot be read; its pictures would be lost without a word.
    """
    ids, alone, present, others = [], [], set(), collections.Counter()
    digests = {"pictures": [], "beside": [], "times": []}
    for prefix, files in _folders_below(folder, skip):
        base = os.path.join(folder, prefix)
        pictures = sorted(name for name in files if name.lower().endswith(SUFFIXES))
        others.update(_passed_over(files, set(pictures)))
        described = {name for name in files if name.lower().endswith(SIDECARS)}
        hashes = {what: hashlib.sha256() for what in digests}
        for name in pictures:
            id = prefix + name
            ids.append(id)
            found = [(kind, file) for kind in kinds for file in names_beside(name, kind) if file in described]
            present.update(kind for kind, _ in found)
            if all(kind == "info" for kind, _ in found):  # it says nothing of single pictures
                alone.append(id)
            for what, file in (("pictures", name), *(("beside", file) for _, file in found)):
                size, time = _size_and_time(base + file)
                hashes[what].update(f"{file}\0{size}\n".encode(errors="surrogateescape"))
                hashes["times"].update(f"{time}\n".encode())
        for what, of_folder in hashes.items():
            if of_folder.digest() != _NOTHING:
                digests[what].append((prefix, of_folder.hexdigest()))
    ids.sort()
    alone.sort()
    return Listing(
        ids,
        alone,
        tuple(kind for kind in kinds if kind in present),
        _most_frequent(others),
        **{what: digest_of(f"{prefix}\0{digest}\n" for prefix, digest in sorted(digests[what])) for what in digests},
    )


def digest_of(lines):
    """SHA-256 (hex) over lines of text; the names of files in them need not be UTF-8."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _passed_over(files, pictures):
    """Yields the suffix of each file of a folder that is neither a picture nor describes one.

    What describes another file, such as the video `a.mp4` that `a.mp4.json` is beside, is not counted next to it.
    """
    named = (name for name in files if not name.lower().endswith(SIDECARS))
    beside = {file for name in named for kind in KINDS for file in names_beside(name, kind)}
    for name in files:
        if name not in pictures and name not in beside:
            suffix = os.path.splitext(name)[1].lower()
            yield suffix.encode(errors="backslashreplace").decode()  # a manifest and a page are UTF-8


def _most_frequent(others):
    rows = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    rare = sum(count for _, count in rows[MOST_OTHERS:])
    return dict(rows[:MOST_OTHERS]) | ({"others": rare} if rare else {})


def _folders_below(folder, skip=()):
    """Yields `(path, names of files)` of a folder and of all below it; the path is relative and ends with a slash.

    Every folder is visited once. Links are followed after everything that is reached without them: their targets may be
    there already, or be a folder above. What `skip` names is left out, but for `folder` itself.
    """
    skipped = {os.path.realpath(path) for path in skip}
    skipped |= {os.path.join(os.path.realpath(parent), name) for parent, name in map(_split, skip)}
    waiting, links, seen = [""], [], skipped - {os.path.realpath(folder)}
    while waiting or links:
        prefix = waiting.pop() if waiting else links.pop()
        path = os.path.join(folder, prefix)
        real = os.path.realpath(path)
        if real in seen:
            continue
        seen.add(real)
        here = {name for parent, name in map(os.path.split, skipped) if parent == real}
        files = []
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name in here:
                    continue
                if not _is_folder(entry):
                    files.append(entry.name)
                elif entry.is_symlink():
                    links.append(f"{prefix}{entry.name}/")
                else:
                    waiting.append(f"{prefix}{entry.name}/")
        links.sort(reverse=True)
        yield prefix, files


def _split(path):
    return os.path.split(os.path.abspath(path))


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
