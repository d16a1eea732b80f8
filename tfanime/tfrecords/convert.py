"""The converter: a folder of pictures, or seeds of drawn avatars, to a folder of shards with its manifest."""

import collections
import difflib
import hashlib
import itertools
import os
from dataclasses import dataclass

import cv2
import imagehash
import PIL

import tfanime
from tfanime.command_line import quiet
from tfanime.files import locked, require_writable_folder
from tfanime.landmarks.files import packaged_version
from tfanime.tags import TagVocabulary
from tfanime.tfrecords.detectors.registry import DETECTORS
from tfanime.tfrecords.manifest import FILE_NAME, Manifest
from tfanime.tfrecords.pictures import PictureConverter
from tfanime.tfrecords.settings import DRAWN, Settings
from tfanime.tfrecords.sources.drawn import DrawnSource
from tfanime.tfrecords.sources.sources import FolderSource
from tfanime.tfrecords.sources.words import WordReader
from tfanime.tfrecords.taggers.tagging import load_vocabulary, make_tagger, tagger_names

LISTED = {
    "pictures": "other pictures than SOURCE has now",
    "tags": "other tags than SOURCE has now",
    "exclude": "another exclude list",
    "times": "pictures or tags that have changed since",
}


@dataclass(frozen=True)
class Conversion:
    """The plan of a conversion, made before the first picture is opened.

    Args:
        settings: The `Settings`.
        source: The source of the pictures.
        vocabulary: The `TagVocabulary`, None for shards without tags.
        converter: The `PictureConverter`.
        state: Plain values that decide the shards; a conversion is resumed only if they are equal.
        unknown_words: The words of the tags file that are not tags, with the number of their rows.
    """

    settings: Settings
    source: FolderSource | DrawnSource
    vocabulary: TagVocabulary | None
    converter: PictureConverter
    state: dict
    unknown_words: dict

    @classmethod
    def of(cls, settings):
        """Lists the source and opens detector and taggers; raises as `convert` does."""
        asked = tagger_names(settings.tagger)
        vocabulary = load_vocabulary(settings.vocabulary)
        source = _source(settings, "sidecar" in asked, vocabulary)
        if settings.tagger == "none" or (asked == ("sidecar",) and source.sidecars is None):
            vocabulary = None
        tagger = make_tagger(vocabulary, settings, source.used_words)
        card = settings.card()
        detector = {"name": settings.detector, "version": DETECTORS[settings.detector](settings).version}
        if "align" in card:
            detector["landmarks"] = packaged_version()
        state = {
            "card": card,
            "vocabulary": vocabulary.to_json() if vocabulary else None,
            "listing": source.listing | {"times": source.times},
            "detector": detector,
            "taggers": [{"name": each.name, "version": each.version} for each in tagger.taggers],
            "versions": {
                "tfanime": tfanime.__version__,
                "pillow": PIL.__version__,
                "opencv": cv2.__version__,
                "imagehash": imagehash.__version__,
            },
        }
        converter = PictureConverter(settings, source.opener(settings.max_pixels), tagger, source.excluded_faces)
        return cls(settings, source, vocabulary, converter, state, _unknown_words(vocabulary, source.used_words))


def convert(settings, progress=True):
    """Converts pictures to shards; resumes an interrupted conversion with the same settings.

    The shards depend on the pictures and `settings.card()` alone, not on the number of workers, the runner or
    interruptions.

    Args:
        settings: The `Settings`.
        progress: Whether to show a progress bar on stderr.

    Returns:
        `(manifest, fresh)`: the folder's `Manifest`, and whether this call made it (False: it was complete already).

    Raises:
        ValueError: The source holds no picture or nothing is kept, a file is wrong, or OUT holds shards of other
            settings or other pictures.
        OSError: The source does not exist, OUT cannot be written, or the disk is full.
        ImportError: The detector, a tagger or the runner is not installed.
    """
    conversion = Conversion.of(settings)
    if os.path.realpath(settings.out) == os.path.realpath(settings.source):
        raise ValueError(f"OUT must be another folder than SOURCE. Received: {settings.out!r} for both")
    out = require_writable_folder(settings.out, "OUT")
    with quiet():
        # These load TensorFlow, which bad arguments need not wait for.
        from tfanime.tfrecords import report, shards
        from tfanime.tfrecords.runners import runner

        run = runner(settings.runner)
    with locked(out, "OUT"), shards.room_in(out):
        folder = shards.ShardFolder(out)
        finished = _finished(folder, conversion)
        if finished is None:
            folder.begin(conversion.state)
            plan = shards.plan(conversion.source.ids, settings.name, settings.shard_records, settings.holdout)
            accounts = run(conversion, folder, plan, progress)
            manifest = _manifest(conversion, plan, accounts)
            if not manifest.count:
                folder.clear()
                folder.write_dropped(accounts)
                raise ValueError(_nothing_kept(manifest, accounts))
            folder.write_dropped(accounts)
            manifest.save(out)
        else:
            manifest = finished
        folder.end()
        if not (out / shards.REPORT).is_file():
            report.write(out)
        return manifest, finished is None


def _source(settings, tagged, vocabulary):
    if settings.source == DRAWN:
        return DrawnSource(settings.count, settings.seed, settings.size)
    return FolderSource(
        settings.source,
        settings.tags,
        ratings=settings.ratings,
        min_year=settings.min_year,
        min_score=settings.min_score,
        exclude=settings.exclude,
        strict=settings.strict,
        read_tags=tagged,
        skip=settings.out,
        reader=WordReader(vocabulary, settings.tags_threshold),
    )


def _finished(folder, conversion):
    """The manifest if the folder is complete; None if the conversion shall begin or go on there.

    Raises:
        ValueError: The folder holds something else.
    """
    overwrite, state = conversion.settings.overwrite, conversion.state
    out, begun = folder.folder, folder.state(damaged_is_none=overwrite)
    complete = (out / FILE_NAME).is_file()
    if overwrite and begun != state:
        folder.clear()
    elif complete:
        manifest = Manifest.load(out)
        named = [{key: each[key] for key in ("name", "version")} for each in manifest.taggers]
        before = {
            "card": manifest.card,
            "vocabulary": manifest.vocabulary and manifest.vocabulary.to_json(),
            "listing": manifest.pictures["listing"],
            "detector": manifest.detector,
            "taggers": named,
        }
        _require_same(before, state, out)
        folder.require_shards(manifest)
        return manifest
    elif begun is not None:
        _require_same(begun, state, out)
    elif folder.shards():
        raise ValueError(
            f"OUT must be empty or hold an unfinished conversion. Received: {str(out)!r}, which has other shards; "
            "--overwrite replaces them"
        )
    return None


def _require_same(before, now, out):
    """Refuses to resume in a folder of other shards, and says what differs."""
    flags = sorted(before["card"].keys() | now["card"].keys())
    changed = [
        f"--{flag} {before['card'].get(flag, 'not given')} (now {now['card'].get(flag, 'not given')})"
        for flag in flags
        if before["card"].get(flag) != now["card"].get(flag)
    ]
    for key, name in LISTED.items():
        if before["listing"].get(key) != now["listing"][key]:
            changed.append(name)
            break  # a change of names or sizes is one of times too
    for key in ("vocabulary", "detector", "taggers", "versions"):
        if before.get(key, now[key]) != now[key]:
            changed.append(f"other {key}" if key.endswith("s") else f"another {key}")
    if changed:
        raise ValueError(
            f"OUT must be empty or hold shards of the same settings and pictures. Received: {str(out)!r}, made with "
            f"{', '.join(changed)}; --overwrite replaces them"
        )


def _unknown_words(vocabulary, used_words):
    """The words of the tags file that are not tags of the vocabulary, with the number of their rows.

    Raises:
        ValueError: None of its words is a tag: the vocabulary is the wrong one.
    """
    if vocabulary is None or used_words is None:
        return {}
    unknown = {word: count for word, count in used_words.items() if vocabulary.canonical(word) is None}
    if unknown and len(unknown) == len(used_words):
        near = difflib.get_close_matches(next(iter(unknown)), vocabulary.tags, n=3)
        raise ValueError(
            f"--vocabulary must have tags that the tags file has. Received: {vocabulary.name!r}, which has none of "
            f"{', '.join(list(unknown)[:5])}{f' (near: {near[0]})' if near else ''}"
        )
    return unknown


def _manifest(conversion, plan, accounts):
    """Sums up the accounts of all shards."""
    settings, source, vocabulary = conversion.settings, conversion.source, conversion.vocabulary
    tags = vocabulary.tags if vocabulary else ()
    splits = {
        split: _split(tags, [account for shard, account in zip(plan, accounts, strict=True) if shard.split == split])
        for split in ("train", "holdout")
    }
    taggers = [
        tagger | {key: _by_tag(tags, (account[key][number] for account in accounts)) for key in ("holds", "known")}
        for number, tagger in enumerate(conversion.state["taggers"])
    ]
    known = (values for account in accounts for values in account["known"])
    return Manifest(
        name=settings.name,
        image_size=settings.size,
        **splits["train"],
        holdout=splits["holdout"] if settings.holdout else None,
        vocabulary=vocabulary,
        detector=conversion.state["detector"],
        taggers=taggers,
        pictures={
            "found": len(source),
            "kept": sum(account["kept"] for account in accounts),
            "dropped": _count(reason for account in accounts for reason in account["lost"]),
            "dropped_faces": _count(drop[1] for account in accounts for drop in account["drops"]),
            "rows_without_picture": source.rows_without_picture,
            "row_without_picture": source.row_without_picture,
            "pictures_without_row": source.pictures_without_row,
            "exclude_without_picture": source.exclude_without_picture + _unmatched(source, accounts),
            "pictures_not_understood": sum(account["not_understood"] for account in accounts),
            "sidecar_unreadable": sum(account["sidecar_unreadable"] for account in accounts),
            "unread": [line for account in accounts for line in account["unread"]][:5],
            "unknown_words": _most_frequent([conversion.unknown_words, *(each["unknown_words"] for each in accounts)]),
            "tags_known": _by_tag(tags, known),
            "listing": conversion.state["listing"],
            "passed_over": source.passed_over,
        },
        card=conversion.state["card"],
        tfanime=tfanime.__version__,
    )


def _unmatched(source, accounts):
    """Number of faces on the exclude list that do not exist, because their pictures have fewer."""
    unmatched = {id for id in source.excluded_faces if id.rpartition("#")[0] not in source.excluded}
    for account in accounts if unmatched else ():
        for id, *_ in account["drops"]:
            unmatched -= {id, f"{id}#0"}
    return len(unmatched)


def _split(tags, accounts):
    """A manifest's entry for one split."""
    digest = hashlib.sha256("".join(account["sha256"] for account in accounts).encode())
    holds = (values for account in accounts for values in account["holds"])
    return {
        "count": sum(account["count"] for account in accounts),
        "shards": [{key: account[key] for key in ("file", "count", "bytes", "sha256")} for account in accounts],
        "fingerprint": digest.hexdigest(),
        "tag_counts": _by_tag(tags, holds),
    }


def _by_tag(tags, rows):
    """Sums rows of one number a tag."""
    return dict(zip(tags, map(sum, itertools.zip_longest(*rows, [0] * len(tags))), strict=True))


def _most_frequent(counts):
    """Sums dictionaries of counts; the most frequent first."""
    total = collections.Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def _count(reasons):
    return dict(sorted(collections.Counter(reasons).items()))


def _nothing_kept(manifest, accounts):
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in manifest.pictures["dropped"].items())
    held_out = f", held out: {manifest.holdout['count']:,}" if manifest.holdout else ""
    return (
        f"SOURCE must hold a picture that can be kept. Received: {manifest.pictures['found']:,}, dropped: "
        f"{reasons or 'none'}{held_out}{_first(accounts)}{_hint(manifest)}"
    )


def _first(accounts):
    """The first picture that was left out, as `dropped.csv` has it."""
    id, reason, value, _ = min((tuple(drop) for account in accounts for drop in account["drops"]), default=[""] * 4)
    return f"; the first of dropped.csv: {id}: {reason} {value}".rstrip() if id else ""


def _hint(manifest):
    """Advice if most pictures seem to be faces already."""
    lost = manifest.pictures["dropped"].get("no_face", 0)
    if 2 * lost < manifest.pictures["found"]:
        return ""
    return "; pictures that are faces already want --detector none"
