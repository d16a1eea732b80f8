"""Taggers: who says which tags a face has.

A tagger is a callable object with `name` and `version`; a new one is one class here and one entry in `TAGGERS`.
"""

import re
from typing import Protocol

import numpy as np

import tfanime


class Tagger(Protocol):
    """Gives one value a tag to a crop.

    Called with the crop (RGB `PIL.Image`) and the words of the picture's row in the tags file (None without a row); it
    returns int8 `[len(vocabulary)]` of +1 (holds), -1 (does not) and 0 (not known).
    """

    name: str
    version: str

    def __call__(self, crop, words): ...


class SidecarTagger:
    """Takes the tags that people gave the picture (the row of the tags file).

    A picture without a row is unknown in every tag. An independent tag that no row of the whole file has is unknown
    too, not absent: whoever made the file did not look for it.

    Args:
        vocabulary: The `TagVocabulary`.
        used: All words that occur in the tags file.
    """

    name = "sidecar"
    version = tfanime.__version__

    def __init__(self, vocabulary, used=()):
        self.vocabulary = vocabulary
        seen = {vocabulary.canonical(word) for word in used}
        self._unseen = np.array(
            [not group.exclusive and tag not in seen for group in vocabulary.groups for tag in group.tags], bool
        )

    def __call__(self, crop, words):
        if words is None:
            return np.zeros(len(self.vocabulary), np.int8)
        return np.where(self._unseen, np.int8(0), self.vocabulary.encode(split(words)))


class NoTagger:
    """Gives no tags: the shards carry no vocabulary."""

    name = "none"
    version = tfanime.__version__

    def __init__(self, vocabulary=None, used=()):
        pass

    def __call__(self, crop, words):
        return np.zeros(0, np.int8)


def split(words):
    """The single tags of a row: separated by spaces (commas are understood)."""
    return [word for word in re.split(r"[\s,]+", words) if word]


TAGGERS = {"sidecar": SidecarTagger, "none": NoTagger}
