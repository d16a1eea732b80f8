"""The converter: a folder of pictures, or seeds of drawn avatars, to a folder of shards with its manifest."""

import collections
import csv
import difflib
import hashlib
import itertools
import sys

import PIL
from tqdm import tqdm

import tfanime
from tfanime.command_line import quiet
from tfanime.files import locked, replacing, require_writable_folder
from tfanime.tfrecords.detect import DETECTORS
from tfanime.tfrecords.manifest import FILE_NAME, Manifest
from tfanime.tfrecords.pictures import PictureConverter
from tfanime.tfrecords.settings import DRAWN, load_vocabulary
from tfanime.tfrecords.sources import DrawnSource, FolderSource
from tfanime.tfrecords.tagging import TAGGERS
from tfanime.tfrecords.workers import outcomes

DROPPED = "dropped.csv"


def convert(settings, progress=True):
    """Converts pictures to shards; goes on where an earlier call with the same settings was cut short.

    The shards depend on the pictures and `settings.card()` alone, not on the number of workers or of interruptions.

    Args:
        settings: The `Settings`.
        progress: Whether to show a progress bar on stderr.

    Returns:
        `(manifest, fresh)`: the folder's `Manifest`, and whether this call made it (False: it was complete already).

    Raises:
        ValueError: The source holds no picture or nothing is kept, a file is not what it should be, or OUT holds
            shards of other settings or other pictures.
        OSError: The source does not exist, OUT cannot be written, or the disk is full.
        ImportError: The detector is not installed.
    """
    if settings.source == DRAWN:
        source = DrawnSource(settings.count, settings.seed, settings.size)
    else:
        source = FolderSource(settings.source, settings.tags)
    vocabulary = load_vocabulary(settings.vocabulary)
    if settings.tagger == "none" or source.used_words is None:
        vocabulary = None
    tagger = TAGGERS["none"]() if vocabulary is None else TAGGERS[settings.tagger](vocabulary, source.used_words)
    unknown_words = _unknown_words(vocabulary, source.used_words)
    detector = {"name": settings.detector, "version": DETECTORS[settings.detector]().version}
    state = {
        "card": settings.card(),
        "listing": source.listing,
        "detector": detector,
        "versions": {"tfanime": tfanime.__version__, "pillow": PIL.__version__},
    }
    out = require_writable_folder(settings.out, "OUT")
    with quiet():
        from tfanime.tfrecords import shards  # loads TensorFlow, which bad arguments need not wait for

    with locked(out, "OUT"):
        folder = shards.ShardFolder(out)
        complete, begun = (out / FILE_NAME).is_file(), folder.state(damaged_is_none=settings.overwrite)
        if settings.overwrite and begun != state:
            folder.clear()
        elif complete:
            manifest = Manifest.load(out)
            _require_same({"card": manifest.card, "listing": manifest.pictures.get("listing")}, state, out)
            folder.require_shards(manifest)
            folder.end()
            return manifest, False
        elif begun is not None:
            _require_same(begun, state, out)
        elif folder.shards():
            raise ValueError(
                f"OUT must be empty or hold an unfinished conversion. Received: {str(out)!r}, which has other shards; "
                "--overwrite replaces them"
            )
        folder.begin(state)
        planned = shards.plan(source.ids, settings.name, settings.shard_records)
        accounts = {name: account for name in planned if (account := folder.account(name))}
        converter = PictureConverter(settings, source.opener(), tagger)
        tasks = ((id, source.words_of(id)) for name, ids in planned.items() if name not in accounts for id in ids)
        stream = outcomes(converter, tasks, settings.workers)
        digest = hashlib.sha256()
        bar = tqdm(
            total=len(source),
            initial=sum(len(planned[name]) for name in accounts),
            unit=" pictures",
            desc="drawing" if settings.source == DRAWN else "converting",
            disable=not progress,
            mininterval=0.5 if sys.stderr.isatty() else 10,
        )
        with bar:
            for name, ids in planned.items():
                if name in accounts:
                    for record in folder.records(name):
                        digest.update(record)
                else:
                    counted = _counting(itertools.islice(stream, len(ids)), bar)
                    accounts[name] = folder.write(name, counted, len(vocabulary or ()), digest)
        accounts = [accounts[name] for name in planned]
        kept = sum(account["kept"] for account in accounts)
        lost = collections.Counter(reason for account in accounts for reason in account["lost"])
        if not kept:
            folder.clear()
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in lost.most_common())
            raise ValueError(
                f"SOURCE must hold a picture that can be kept. Received: {len(source)}, dropped: {reasons}"
            )
        _write_drops(out / DROPPED, accounts)
        manifest = Manifest(
            name=settings.name,
            image_size=settings.size,
            count=sum(account["count"] for account in accounts),
            shards=[{key: account[key] for key in ("file", "count", "bytes")} for account in accounts],
            fingerprint=digest.hexdigest(),
            vocabulary=vocabulary,
            tag_counts=_by_tag(vocabulary, accounts, "holds"),
            detector=detector,
            tagger={"name": tagger.name, "version": tagger.version},
            pictures={
                "found": len(source),
                "kept": kept,
                "dropped": dict(sorted(lost.items())),
                "rows_without_picture": source.rows_without_picture,
                "pictures_without_row": source.pictures_without_row,
                "unknown_words": unknown_words,
                "tags_known": _by_tag(vocabulary, accounts, "known"),
                "listing": source.listing,
            },
            card=settings.card(),
            tfanime=tfanime.__version__,
        )
        manifest.save(out)
        folder.end()
        return manifest, True


def _require_same(before, now, out):
    """Refuses to go on in a folder of other shards, and says what differs."""
    changed = [
        f"--{key} {before['card'].get(key)} (now {value})"
        for key, value in now["card"].items()
        if before["card"].get(key) != value
    ]
    if before["listing"] != now["listing"] and not changed:
        changed.append("other pictures or tags than SOURCE has now")
    changed += [f"another {key}" for key in ("detector", "versions") if before.get(key, now[key]) != now[key]]
    if changed:
        raise ValueError(
            f"OUT must be empty or hold shards of the same settings and pictures. Received: {str(out)!r}, made with "
            f"{', '.join(changed)}; --overwrite replaces them"
        )


def _unknown_words(vocabulary, used_words):
    """The words of the tags file that are no tag of the vocabulary, with their rows, the most frequent first.

    Raises:
        ValueError: None of its words is a tag: the vocabulary is the wrong one.
    """
    if vocabulary is None:
        return {}
    unknown = {word: count for word, count in used_words.items() if vocabulary.canonical(word) is None}
    if unknown and len(unknown) == len(used_words):
        near = difflib.get_close_matches(next(iter(unknown)), vocabulary.tags, n=3)
        raise ValueError(
            f"--vocabulary must have tags that the tags file has. Received: {vocabulary.name!r}, which has none of "
            f"{', '.join(list(unknown)[:5])}{f' (near: {near[0]})' if near else ''}"
        )
    return dict(sorted(unknown.items(), key=lambda item: (-item[1], item[0])))


def _counting(stream, bar):
    for outcome in stream:
        bar.update()
        yield outcome


def _by_tag(vocabulary, accounts, key):
    """Sums a shard's counts by tag over all shards."""
    if vocabulary is None:
        return {}
    return {tag: sum(account[key][index] for account in accounts) for index, tag in enumerate(vocabulary.tags)}


def _write_drops(path, accounts):
    """Writes which picture or face was left out, why, and what was measured."""
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "reason", "value"))
        writer.writerows(sorted(tuple(drop) for account in accounts for drop in account["drops"]))
