"""Pictures of people's own, made ready for a projection: cut out about the face, in the generator's size, with tags."""

from pathlib import Path

import numpy as np
from PIL import Image

from tfanime.metrics.attributes import in_words_of
from tfanime.picture_files import READ, read_picture
from tfanime.tfrecords.crop import centre_square, face_square

HOLDS = 0.5  # probability from which on the tagger's word counts


def pictures_in(path):
    """The picture files that a path names: itself, or those in a folder, sorted.

    Raises:
        FileNotFoundError: There is no such path.
        ValueError: The folder has none, or two of the same name but for the ending.
    """
    path = Path(path)
    if not path.is_dir():
        if not path.is_file():
            raise FileNotFoundError(
                f"picture must be a picture file, or a folder of pictures. Received: {str(path)!r}, not found"
            )
        return [path]
    found = sorted(each for each in path.iterdir() if each.suffix.lower() in READ)
    if not found:
        raise ValueError(f"picture must be a folder with pictures ({', '.join(READ)}). Received: {str(path)!r}")
    names = [each.stem for each in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"pictures must have different names, beside their endings. Received twice: {twice[0]!r}")
    return found


def portrait(path, size, find=None, name="", zoom=1.5):
    """The face of a picture.

    Args:
        path: The picture's file.
        size: Height and width of the result, in pixels.
        find: The `find` of a `tfanime.tfrecords.detectors.detection.Detector`; the best face is taken. None: the middle
            square is the face.
        name: The detector's name, for messages.
        zoom: Side of the square relative to the face that was found.

    Returns:
        uint8 array `[size, size, 3]`.

    Raises:
        OSError, ValueError: See `read_picture`; or no face is found.
    """
    image = Image.fromarray(read_picture(path).pixels)
    if find is None:
        region = centre_square(image)
    else:
        faces = find(image)
        if not faces:
            raise ValueError(
                f"picture must show a face that {name} finds. Received: {str(path)!r}; if it is cropped to a face "
                "already, use --no_crop"
            )
        region = face_square(image, max(faces, key=lambda face: face.score).box, zoom)
    return np.asarray(region.image.resize((size, size), Image.Resampling.LANCZOS))


def tags_of(vocabulary, tagger, images):
    """The tags that a tagger sees, in a generator's vocabulary.

    Args:
        vocabulary: The generator's `TagVocabulary`.
        tagger: A `tfanime.tagger.files.TaggerNetwork`.
        images: uint8 `[count, height, width, 3]`.

    Returns:
        int8 array `[count, len(vocabulary)]` of +1, -1 and 0 (not known). Of an exclusive group one tag holds.
    """
    probabilities = 1 / (1 + np.exp(-tagger.predict(images)[1]))
    places = range(len(tagger.vocabulary))
    seen = np.stack([tagger.vocabulary.from_probabilities(places, row, HOLDS) for row in probabilities])
    values = in_words_of(vocabulary, tagger.vocabulary, seen)
    for group, where in vocabulary.slices:
        if group.exclusive:  # one that is only known not to be any of some
            values[~(values[:, where] > 0).any(axis=1), where] = 0
    return values
