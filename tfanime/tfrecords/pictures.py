"""One picture from its file to its faces: what every worker does, and all that it does."""

import functools
from dataclasses import dataclass

from tfanime.tfrecords.crop import centre_square, encode, face_square
from tfanime.tfrecords.detect import DETECTORS
from tfanime.tfrecords.face import Face
from tfanime.tfrecords.filters import Dropped, require_faces


@dataclass(frozen=True)
class Outcome:
    """What became of one picture.

    Args:
        id: Its id.
        faces: The `Face`s that are kept.
        drops: `(id, reason, value)` of each face that is not, or of the picture itself.
    """

    id: str
    faces: tuple
    drops: tuple


class PictureConverter:
    """Turns pictures into faces; can be pickled and sent to another process.

    Args:
        settings: The `Settings`.
        opener: From a picture's id to `(image, bytes or None)`, of a source's `opener()`.
        tagger: The tagger, see `tfanime.tfrecords.tagging`.
    """

    def __init__(self, settings, opener, tagger):
        self.settings = settings
        self.opener = opener
        self.tagger = tagger

    @functools.cached_property
    def _find(self):
        return DETECTORS[self.settings.detector]().find

    def __call__(self, id, words):
        """Decodes, detects, crops, tags and encodes.

        Args:
            id: The picture's id.
            words: Its tags as its row has them, or None.

        Returns:
            An `Outcome`; nothing that a picture holds makes this fail.
        """
        try:
            image, data = self.opener(id)
            crops = self._crops(image, data)
        except Dropped as drop:
            return Outcome(id, (), ((id, drop.reason, str(drop.value)),))
        faces, drops = [], []
        for number, (detection, make) in enumerate(crops):
            face_id = f"{id}#{number}" if number else id
            try:
                crop, data = make()
            except Dropped as drop:
                drops.append((face_id, drop.reason, str(drop.value)))
                continue
            tags = tuple(int(value) for value in self.tagger(crop, words))
            data = data or encode(crop, self.settings.format, self.settings.quality)
            if detection is None:
                faces.append(Face(face_id, data, tags))
            else:
                faces.append(Face(face_id, data, tags, detection.box, detection.score, detection.points))
        return Outcome(id, tuple(faces), tuple(drops))

    def _crops(self, image, data):
        """Pairs of a detection and a function that makes its crop."""
        settings = self.settings
        if self._find is None:
            if image.size == (settings.size, settings.size):
                return [(None, lambda: (image, data))]
            return [(None, lambda: (centre_square(image, settings.size), None))]
        found = [detection for detection in self._find(image) if detection.score >= settings.threshold]
        found.sort(key=lambda detection: (-detection.score, detection.box))
        require_faces(found)
        if settings.faces == "best":
            found = found[:1]
        return [
            (detection, lambda box=detection.box: (face_square(image, box, settings.zoom, settings.size), None))
            for detection in found
        ]
