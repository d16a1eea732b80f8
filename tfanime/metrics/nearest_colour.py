"""The baseline that a tagger must beat where tags are colours: the nearest mean colour of hair and of eyes.

It is the strongest of the simple baselines in docs/reports/colours.md: the median colour over hair, and over both
irises, in CIELAB, compared with the mean of each tag's training faces.
"""

import numpy as np
from PIL import Image
from tqdm import tqdm

from tfanime.tfrecords.taggers.colours import PARTS, REGIONS, find_eyes, load_colours, take_pixels, to_lab
from tfanime.tfrecords.taggers.tagging import Sight

SEEN = {"hair": ("top", "fringe", "side"), "eyes": ("upper iris", "lower iris")}


def face_colours(images, progress=False):
    """The colours of hair and of eyes.

    Args:
        images: Faces, uint8 `[count, size, size, 3]`.
        progress: Whether to show a progress bar.

    Returns:
        float32 `[count, 2, 3]`, CIELAB of hair and of eyes.
    """
    regions = [np.any([REGIONS[name] for name in SEEN[part]], axis=0) for part in PARTS]
    result = np.empty((len(images), len(PARTS), 3), np.float32)
    for row, image in zip(result, tqdm(images, desc="colours", unit=" faces", disable=not progress), strict=True):
        lab = to_lab(take_pixels(image, find_eyes(Sight(Image.fromarray(image), None, None))))
        row[:] = [np.median(lab[region], axis=0) for region in regions]
    return result


class NearestColour:
    """Predicts the tags of exclusive groups of colours by the nearest mean.

    Args:
        vocabulary: The `tfanime.tags.TagVocabulary`.
        colours: Of training faces, from `face_colours`, `[faces, 2, 3]`.
        tags: Their tags, +1, -1 and 0, `[faces, len(vocabulary)]`.
    """

    def __init__(self, vocabulary, colours, tags):
        self.vocabulary = vocabulary
        self._means = []  # (slice, number of the part, means [tags, 3])
        tags = np.asarray(tags)
        for group, where in vocabulary.slices:
            part = _part(group)
            if part is None:
                continue
            holds = tags[:, where] > 0
            holds &= holds.sum(axis=1, keepdims=True) == 1
            means = np.full((len(group.tags), 3), np.nan)  # a tag without faces is the nearest to none
            for number in np.flatnonzero(holds.any(axis=0)):
                means[number] = colours[holds[:, number], part].mean(axis=0)
            if holds.any():
                self._means.append((where, part, means))

    def scores(self, colours):
        """The scores of faces.

        Args:
            colours: From `face_colours`, `[faces, 2, 3]`.

        Returns:
            float64 `[faces, len(vocabulary)]`: minus the distance to the tag's mean in CIELAB; minus infinity for tags
            that no training face had, and NaN for groups that are not colours.
        """
        result = np.full((len(colours), len(self.vocabulary)), np.nan)
        for where, part, means in self._means:
            distances = np.linalg.norm(colours[:, None, part] - means, axis=2)
            result[:, where] = -np.where(np.isnan(distances), np.inf, distances)
        return result


def _part(group):
    """The number of the part whose colours are the tags of an exclusive group; None if they are not colours."""
    for number, part in enumerate(PARTS):
        known = {f"{name}_{part}" for name in load_colours().names[part]}
        if group.exclusive and len(known & set(group.tags)) > 1:
            return number
    return None
