"""The page of a report: thumbnails, overlays, tables of tags, and the HTML."""

import io
import math
import re

import numpy as np
from PIL import Image

from tfanime.pages import template
from tfanime.pages.numbers import percent
from tfanime.pages.pictures import as_jpeg, data_uri
from tfanime.tfrecords.alignment import ANCHORS, anchors
from tfanime.tfrecords.face import POINT_NAMES
from tfanime.tfrecords.filters import REASONS
from tfanime.tfrecords.report.charts import axes, chart_of
from tfanime.tfrecords.report.counts import picture_of

THUMBNAIL = 128  # pixels
THUMBNAIL_BYTES = 6000
LOST_SIDE, LOST_BYTES = 96, 4000
UNLISTABLE = re.compile(r"[\r\n\ufffd]|^# |^\s*$")  # an exclude list has one id a line, in UTF-8
PAIRED_TAGS = 48  # a heat map of more is neither read nor small

SHEETS = (
    ("random", "Kept faces, at random", "The training pictures."),
    ("sharpness", "The blurriest", "Lowest sharpness first."),
    ("score", "The least certain", "Lowest score of the detector first: if it is wrong anywhere, then here."),
    ("side", "The smallest", "Smallest square in the picture first: these are enlarged most, or shrunk least."),
    ("chroma", "The greyest", "Lowest chroma first: manga, sketches, screens."),
)


def render(manifest, survey, lost):
    """The page as text.

    Args:
        manifest: The `Manifest`.
        survey: The `counts.Survey` of the folder.
        lost: Lists of `records.Lost` by reason.
    """
    card, vocabulary = manifest.card, manifest.vocabulary
    sheets = [
        {"name": name, "title": title, "note": note, "faces": [card_of(face, vocabulary, survey.zoom) for face in kept]}
        for name, title, note in SHEETS
        if (kept := survey.sheet(name))
    ]
    thumbnails = {one.id: one.image for sample in lost.values() for one in sample}
    thumbnails |= {id: image for id, image in survey.wanted.items() if image}
    lost_sheets = [
        {"reason": reason, "text": explained(reason, card), "cards": [lost_card(one, thumbnails) for one in sample]}
        for reason, sample in sorted(lost.items(), key=lambda item: _rank(item[0]))
    ]
    return template.render(
        "tfrecords/report/report.html.jinja",
        manifest=manifest,
        pictures=manifest.pictures,
        card=card,
        held_out=manifest.holdout["count"] if manifest.holdout else 0,
        total=survey.total,
        vocabulary=vocabulary,
        reasons=reasons_of(manifest),
        groups=groups_of(vocabulary, survey.tags, manifest.taggers) if vocabulary else [],
        heat=heat_map(vocabulary, survey.tags, survey.paired) if len(survey.paired) > 1 else None,
        charts=[chart for name, axis in axes(card) if (chart := chart_of(survey.histograms[name], axis))],
        sheets=sheets,
        overlays=any(card["overlay"] for sheet in sheets for card in sheet["faces"]),
        lost_sheets=lost_sheets,
    )


def paired_tags(manifest):
    """Indices of the tags whose pairs are counted: those with the most faces, in the vocabulary's order."""
    tags, counts = manifest.vocabulary.tags if manifest.vocabulary else (), manifest.tag_counts
    most = set(sorted((tag for tag in tags if counts[tag]), key=lambda tag: -counts[tag])[:PAIRED_TAGS])
    return [index for index, tag in enumerate(tags) if tag in most]


def reasons_of(manifest):
    """The rows of the table of what was left out, in the order in which the filters look."""
    by_picture, by_face = manifest.pictures["dropped"], manifest.pictures["dropped_faces"]
    most = max([*by_picture.values(), *by_face.values()], default=0)
    rows = []
    for reason in sorted({*by_picture, *by_face}, key=_rank):
        counts = [by_picture.get(reason, 0), by_face.get(reason, 0)]
        widths = [round(100 * count / most, 1) if most else 0 for count in counts]
        rows.append({"reason": reason, "text": explained(reason, manifest.card), "counts": counts, "widths": widths})
    return rows


def _rank(reason):
    known = list(REASONS)
    return (known.index(reason) if reason in known else len(known), reason)


def lost_card(lost, thumbnails):
    """The values that the template shows of a dropped face or picture.

    Args:
        lost: A `records.Lost`.
        thumbnails: Bytes of pictures by id, for the earlier one of a pair.
    """
    earlier = thumbnails.get(lost.earlier)
    return {
        "id": lost.id,
        "short": short(lost.id),
        "value": lost.value,
        "image": thumbnail(lost.image, LOST_BYTES, LOST_SIDE),
        "earlier": lost.earlier,
        "earlier_image": thumbnail(earlier, LOST_BYTES, LOST_SIDE) if earlier else None,
    }


def explained(reason, card):
    """The explanation of a reason, with the settings that decided.

    Returns:
        A list of `(text, setting)`; the setting such as `--chroma 2.0` follows its text, and is None behind the last.
    """
    text = REASONS.get(reason, "")
    flags = {"excluded": ("exclude",), "no_face": ("detector", "threshold")}.get(reason, ())
    text += "".join(f" --{flag}" for flag in flags if card.get(flag) is not None)
    pieces = re.split(r"--(\w+)", text)
    settings = [f"--{flag} {card[flag]}" if card.get(flag) is not None else f"--{flag}" for flag in pieces[1::2]]
    return list(zip(pieces[::2], [*settings, None], strict=True))


def thumbnail(image, most=THUMBNAIL_BYTES, side=THUMBNAIL):
    """A picture for the page.

    Args:
        image: Bytes of a PNG or JPEG.
        most: From how many bytes on it is made smaller: a JPEG of lower quality.
        side: Longer side at most that a smaller one has, in pixels.

    Returns:
        A `data:` URI; None if the bytes are not a picture.
    """
    kind = "png" if image.startswith(b"\x89PNG") else "jpeg" if image.startswith(b"\xff\xd8") else None
    if kind is None or len(image) > most:
        try:
            picture = Image.open(io.BytesIO(image)).convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None
        kind = "jpeg"
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        for quality in (88, 75, 60, 40):
            image = as_jpeg(picture, quality)
            if len(image) <= most:
                break
    return data_uri(image, kind)


def short(id, most=40):
    """The end of an id, which is more specific than its beginning."""
    return id if len(id) <= most else "…" + id[-most:]


def overlay(face, zoom):
    """Where the detector's box and points lie in the crop; of an aligned face, where eyes and mouth do.

    Args:
        face: A `records.Kept`.
        zoom: The card's.

    Returns:
        `{"box": (left, top, width, height), "points": [(name, x, y)]}` in percent of the crop's side, the box None for
        an aligned face; None where nothing was found.
    """
    if face.landmarks:
        percent = np.round(100 * anchors(np.array(face.landmarks)), 1).tolist()
        return {"box": None, "points": [(name, *place) for name, place in zip(ANCHORS, percent, strict=True)]}
    if not face.box or not face.picture_size:
        return None
    left, top, right, bottom = face.box
    side = face.side(zoom)
    # As `crop.face_square` places it: about the face, moved into the picture where that is large enough.
    origin = [
        min(max(round((start + end - side) / 2), min(0, extent - side)), max(0, extent - side))
        for start, end, extent in ((left, right, face.picture_size[0]), (top, bottom, face.picture_size[1]))
    ]

    def scaled(*values):
        return tuple(round(100 * value / side, 1) for value in values)

    points = [
        (name, *scaled(x - origin[0], y - origin[1])) for name, (x, y) in zip(POINT_NAMES, face.points, strict=False)
    ]
    return {"box": scaled(left - origin[0], top - origin[1], right - left, bottom - top), "points": points}


def card_of(face, vocabulary, zoom):
    """The values that the template shows of a kept face."""
    tags = vocabulary.decode(face.tags) if vocabulary else ()
    return {
        "id": face.id,
        # On the exclude list the id of a first face means its whole picture.
        "listed": f"{face.id}#0" if face.siblings and face.id == picture_of(face.id) else face.id,
        "picture": picture_of(face.id),
        "short": short(face.id),
        "listable": not UNLISTABLE.search(face.id),  # exclude.txt has one id a line, in UTF-8
        "image": thumbnail(face.image),
        "tags": [tag.replace("_", " ") for tag in tags],
        "score": face.score,
        "side": face.side(zoom),
        "sharpness": face.sharpness,
        "chroma": face.chroma,
        "held_out": face.held_out,
        "overlay": overlay(face, zoom),
    }


def groups_of(vocabulary, counts, taggers):
    """The tables of tags, one a group.

    Args:
        vocabulary: The `TagVocabulary`.
        counts: The `counts.TagCounts`, summed.
        taggers: Those of the manifest.

    Returns:
        A list of dictionaries; tags with the most faces first.
    """
    places = {tag: index for index, tag in enumerate(vocabulary.tags)}
    groups = []
    for group in vocabulary.groups:
        rows = [
            {
                "tag": tag,
                "holds": int(counts.holds[places[tag]]),
                "known": int(counts.known[places[tag]]),
                "given": [(tagger["known"][tag], tagger["holds"][tag]) for tagger in taggers],
            }
            for tag in group.tags
        ]
        most = max((row["holds"] for row in rows), default=0)
        for row in rows:
            row["width"] = round(100 * row["holds"] / most, 1) if most else 0
        rows.sort(key=lambda row: -row["holds"])
        known = max((row["known"] for row in rows), default=0)
        groups.append({"name": group.name, "exclusive": group.exclusive, "rows": rows, "known": known})
    return groups


def heat_map(vocabulary, counts, paired):
    """The table of tags that go together.

    Args:
        vocabulary: The `TagVocabulary`.
        counts: The `counts.TagCounts`.
        paired: Indices of its tags, in order.

    Returns:
        `{"tags", "rows": [(tag, [cell])]}`; a cell is None where nothing can be said (the same tag, or two of one
        exclusive group), else a dictionary of `share` (of the column where the row holds, 0 to 100), `lift` (log2 of
        that share over the column's own, -100 to 100 for a factor of 4) and `text`.
    """
    exclusive = {tag: group.name for group in vocabulary.groups if group.exclusive for tag in group.tags}
    tags = [vocabulary.tags[index] for index in paired]
    overall = counts.holds[paired] / np.maximum(1, counts.known[paired])
    rows = []
    for row, name in enumerate(tags):
        cells = []
        for column, other in enumerate(tags):
            same = row == column or (name in exclusive and exclusive.get(name) == exclusive.get(other))
            if same or not counts.given[row, column] or not overall[column]:
                cells.append(None)
                continue
            both, of = int(counts.together[row, column]), int(counts.given[row, column])
            share = both / of
            # Half a face is added to either side, so that a pair of rare tags does not shout.
            lift = math.log2((both + 0.5) / (of * overall[column] + 0.5))
            text = f"{other} given {name}: {percent(both, of)} ({both:,} of {of:,}); "
            text += f"of all: {percent(overall[column], 1)}"
            cells.append({"share": round(100 * share), "lift": round(min(max(lift / 2, -1), 1) * 100), "text": text})
        rows.append((name, cells))
    return {"tags": tags, "rows": rows}
