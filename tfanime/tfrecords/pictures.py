"""The work of a worker: one picture, from its file to its faces."""

import dataclasses
import functools
import io
import multiprocessing
from dataclasses import dataclass

from PIL import Image

from tfanime import command_line
from tfanime.tfrecords.alignment import ZOOM, Aligner
from tfanime.tfrecords.crop import centre_square, encode, face_square, framed, resize, thumbnail
from tfanime.tfrecords.detectors.registry import DETECTORS
from tfanime.tfrecords.face import Face
from tfanime.tfrecords.filters import Dropped, measure, require_quality
from tfanime.tfrecords.taggers.tagging import Sight, split

PASSED_OVER = ("excluded", "rating", "old", "low_score")  # left out before decoding: the report has no picture of them


@dataclass(frozen=True)
class Drop:
    """A picture or face that is left out.

    Args:
        id: Its id.
        reason: A key of `tfanime.tfrecords.filters.REASONS`.
        value: The measured value, as text.
        thumbnail: A small JPEG of it; empty if it was not decoded.
    """

    id: str
    reason: str
    value: str
    thumbnail: bytes = b""

    @classmethod
    def of(cls, id, dropped):
        """The `Drop` of the picture or face `id`, from a raised `Dropped`."""
        image = None if dropped.image is None else thumbnail(dropped.image)
        return cls(id, dropped.reason, str(dropped.value), image or b"")


@dataclass(frozen=True)
class Outcome:
    """The result for one picture.

    Args:
        id: Its id.
        faces: The `Face`s that are kept.
        drops: The `Drop` of each face that is not, or of the picture itself.
        filed: `(id, perceptual hash)` of each face that takes part in the search for duplicates, in order: kept faces,
            and those on the exclude list, so that their twins do not come back.
        unknown_words: The words of the file beside it that are not tags.
        not_understood: Whether people gave it words, and none of them is a tag.
        unread: Name and error of each file beside it that cannot be read.
    """

    id: str
    faces: tuple
    drops: tuple
    filed: tuple = ()
    unknown_words: tuple = ()
    not_understood: bool = False
    unread: tuple = ()


class PictureConverter:
    """Turns pictures into faces; can be pickled and sent to another process.

    Args:
        settings: The `Settings`.
        opener: From a picture's id and words to a `tfanime.tfrecords.sources.sources.Picture`, of a source's
            `opener()`.
        tagger: The `tfanime.tfrecords.taggers.tagging.Chain`.
        excluded: Ids of faces that are left out, with their number (`#0` for the first).
    """

    def __init__(self, settings, opener, tagger, excluded=frozenset()):
        self.settings = settings
        self.opener = opener
        self.tagger = tagger
        self.excluded = excluded

    @functools.cached_property
    def _find(self):
        return DETECTORS[self.settings.detector](self.settings).find

    @functools.cached_property
    def _aligner(self):
        command_line.load_tensorflow(threads=1 if multiprocessing.parent_process() else None)  # workers run in parallel
        return Aligner(ZOOM if self._find is None else self.settings.zoom)

    def __getstate__(self):  # a detector and a network stay in their process
        return {name: value for name, value in vars(self).items() if name not in ("_find", "_aligner")}

    def __call__(self, id, words):
        """Decodes, detects, crops, tags and encodes.

        Args:
            id: The picture's id.
            words: The tags of its row, or None.

        Returns:
            An `Outcome`; no content of a picture makes this fail.
        """
        try:
            picture = self.opener(id, words)
        except Dropped as dropped:
            return Outcome(id, (), (Drop.of(id, dropped),))
        faces, drops, filed = [], [], []
        try:
            detections = self._detections(picture.image)
        except Dropped as dropped:
            detections, drops = [], [Drop.of(id, dropped)]
        for number, detection in enumerate(detections):
            face_id = f"{id}#{number}" if number else id
            try:
                face = self._face(face_id, picture, detection)
            except Dropped as dropped:
                drops.append(Drop.of(face_id, dropped))
                continue
            if face.hash is not None:
                filed.append((face_id, face.hash))
            if f"{id}#{number}" in self.excluded:
                drops.append(Drop(face_id, "excluded", ""))
            else:
                faces.append(face)
        if picture.excluded:
            faces, drops = [], [Drop(id, "excluded", "")]
        unknown, none = self._unknown_words(picture)
        return Outcome(id, tuple(faces), tuple(drops), tuple(filed), unknown, none, picture.unread)

    def _unknown_words(self, picture):
        """The words of the file beside a picture that are not tags, and whether no word is a tag."""
        if not picture.words or not any(tagger.name == "sidecar" for tagger in self.tagger.taggers):
            return (), False
        words = sorted(set(split(picture.words)))
        unknown = tuple(word for word in words if self.tagger.vocabulary.canonical(word) is None)
        # The words of the tags file's rows are counted elsewhere.
        return unknown if picture.origin != "row" else (), len(unknown) == len(words)

    def _detections(self, image):
        """The faces of a picture, the likeliest first; `[None]` if it is a face already."""
        if self._find is None:
            return [None]
        every = self._find(image)
        found = [detection for detection in every if detection.score >= self.settings.threshold]
        if not found:
            best = max((detection.score for detection in every), default=0)
            raise Dropped("no_face", round(best, 4), image)
        found.sort(key=lambda detection: (-detection.score, detection.box))
        return found[:1] if self.settings.faces == "best" else found

    def _face(self, id, picture, detection):
        settings = self.settings
        image, data = picture.image, picture.data
        drawn = settings.source == "drawn"
        align = settings.align and not drawn
        zoom = ZOOM if align else settings.zoom
        region = centre_square(image) if detection is None else face_square(image, detection.box, zoom)
        points = None
        if align:
            region, points = self._aligner(image, region)
        region = framed(region, settings.frame)
        crop = resize(region, settings.size, settings.enlarge)
        measures = measure(region.image, hashed=settings.duplicates >= 0 and not drawn)
        if not drawn:
            require_quality(measures, settings, region.image)
        place = None if detection is None or align else (region.left, region.top, region.side)
        tags, givers = self.tagger(Sight(crop, detection, picture.words, place, region.image, picture.origin))
        if data is None or crop is not image:
            data = encode(crop, settings.format, settings.quality)
        return Face(
            id,
            data,
            tuple(int(value) for value in tags),
            tuple(int(value) for value in givers),
            box=detection.box if detection else (),
            score=detection.score if detection else None,
            points=detection.points if detection else (),
            landmarks=() if points is None else tuple(map(tuple, region.from_picture(points).tolist())),
            picture_size=image.size,
            sharpness=measures.sharpness,
            chroma=measures.chroma,
            hash=measures.hash,
        )


def without(outcome, duplicates):
    """An outcome without its duplicates.

    Args:
        outcome: The `Outcome`.
        duplicates: `Duplicate`s by the id of the face that is one.

    Returns:
        An `Outcome`.
    """
    if not duplicates:
        return outcome
    drops = tuple(
        Drop(face.id, "duplicate", str(duplicates[face.id]), thumbnail(Image.open(io.BytesIO(face.image))))
        for face in outcome.faces
        if face.id in duplicates
    )
    faces = tuple(face for face in outcome.faces if face.id not in duplicates)
    return dataclasses.replace(outcome, faces=faces, drops=outcome.drops + drops)
