"""Taggers, which give a face its tags, and the order in which they are asked.

A tagger is a callable object with `name` and `version`; a new one is one class and one entry in `TAGGERS`.
"""

import json
import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from PIL import Image

import tfanime
from tfanime.tags import VOCABULARIES, TagVocabulary
from tfanime.tfrecords.detectors.registry import Detection
from tfanime.tfrecords.taggers.colours import ColourTagger
from tfanime.tfrecords.taggers.network import NetworkTagger
from tfanime.tfrecords.taggers.onnx import OnnxTagger, OnnxTaggerSettings


@dataclass(frozen=True)
class Sight:
    """The input of a tagger: a face.

    Args:
        crop: The face as it goes into the shards, an RGB `PIL.Image`.
        detection: The `Detection` that it was cropped by, None where no detector ran.
        words: People's tags of the picture, separated by spaces or commas; None if there are none.
        region: The square of the picture that the crop shows: (left, top, side) in pixels of the picture; None where
            no detector ran, or the square is turned.
        square: The face's square at the picture's own resolution, for networks that want more pixels than the crop has;
            None if it is not at hand.
        origin: Source of the words: `row` of the tags file, `board` whose tagging is complete, or `file`, any other
            file beside the picture.
    """

    crop: Image.Image
    detection: Detection | None
    words: str | None
    region: tuple[float, float, float] | None = None
    square: Image.Image | None = None
    origin: str = "row"


class Tagger(Protocol):
    """Gives one value a tag to a face; made by `TAGGERS[name](vocabulary, settings, used_words)`.

    Called with a `Sight` it returns int8 `[len(vocabulary)]` of +1 (holds), -1 (does not) and 0 (not known), by the
    rules of `TagVocabulary`. It can be pickled, because large objects are loaded at their first use.
    """

    name: str
    version: str

    def __call__(self, sight): ...


class SidecarTagger:
    """The tagger `sidecar`: tags that people gave, from the picture's row of the tags file or the file beside it.

    A picture of which no word is understood is unknown in every tag: the words are about other things, or in
    another language. An independent tag that is missing elsewhere is absent only where somebody looked for it, which
    `--absence` decides: see `TaggingSettings`.

    Args:
        vocabulary: The `TagVocabulary`.
        settings: Anything with the field `absence` of `TaggingSettings`; None for its default.
        used_words: All words that occur in the tags file; None if there is no file, or every tag was looked for.
    """

    name = "sidecar"
    version = tfanime.__version__

    def __init__(self, vocabulary, settings=None, used_words=None):
        self.vocabulary = vocabulary
        self._absence = settings.absence if settings else TaggingSettings.absence
        self._independent = np.zeros(len(vocabulary), bool)
        for group, where in vocabulary.slices:
            self._independent[where] = not group.exclusive
        seen = set(vocabulary.tags if used_words is None else map(vocabulary.canonical, used_words))
        self._in_rows = np.array([tag in seen for tag in vocabulary.tags], bool)

    def __call__(self, sight):
        words = split(sight.words or "")
        silent = sight.words == "" and self._absence == "always"  # its row is there, and empty
        if not silent and not any(map(self.vocabulary.canonical, words)):
            return np.zeros(len(self.vocabulary), np.int8)
        values = self.vocabulary.encode(words)
        missing = self._independent & (values < 0)
        return np.where(missing & ~self._looked_for(sight.origin), np.int8(0), values)

    def _looked_for(self, origin):
        """The tags that would have been named if they held, bool `[len(vocabulary)]`."""
        if self._absence == "auto" and origin == "row":
            return self._in_rows
        return np.full(len(self.vocabulary), self._absence == "always" or (self._absence, origin) == ("auto", "board"))


def split(words):
    """The single tags of a row: separated by spaces (commas are understood)."""
    return [word for word in re.split(r"[\s,]+", words) if word]


TAGGERS = {"sidecar": SidecarTagger, "colours": ColourTagger, "tfanime": NetworkTagger, "onnx": OnnxTagger}


class Chain:
    """Asks several taggers in order; the first that knows a tag decides.

    - In an exclusive group the first tagger that knows anything decides all of it: two taggers never make two colours.
      If it named several tags (unknown among those, -1 elsewhere), a later tagger may decide between them, but
      it may not bring in another: what people said of a picture is narrowed, not overruled.
    - In an independent group each tag is decided by the first tagger that knows it.

    Args:
        vocabulary: The `TagVocabulary`; None for no tags.
        taggers: The taggers, in order.

    Attributes:
        vocabulary: The `TagVocabulary`, or None.
        taggers: The taggers as a tuple; empty for no tags.
    """

    def __init__(self, vocabulary, taggers):
        self.vocabulary = vocabulary
        self.taggers = tuple(taggers)
        self._independent = np.ones(len(vocabulary or ()), bool)
        self._exclusive = [where for group, where in vocabulary.slices if group.exclusive] if vocabulary else []
        for where in self._exclusive:
            self._independent[where] = False

    def __call__(self, sight):
        """Tags a face.

        Args:
            sight: The `Sight`.

        Returns:
            `(values, givers)`, each int8 `[len(vocabulary)]`: +1, -1 or 0 (not known), and the index in `taggers` of
            the one that gave the value, -1 if none did.
        """
        values = np.zeros(len(self._independent), np.int8)
        givers = np.full(len(self._independent), -1, np.int8)
        for index, tagger in enumerate(self.taggers):
            said = tagger(sight)
            new = self._independent & (values == 0) & (said != 0)
            for where in self._exclusive:
                new[where] = _newly_known(values[where], said[where])
            values[new], givers[new] = said[new], index
            if values.all():
                break  # all is known, so the next tagger, perhaps a large network, is not asked
        return values, givers


def _newly_known(known, said):
    """Which values of an exclusive group a later tagger may set, as bools: see `Chain`."""
    if not known.any():
        return said != 0
    open_between = (known == 0) & (said != 0)
    decides = not (known > 0).any() and (said[open_between] > 0).any()
    return open_between & decides


def make_tagger(vocabulary, settings, used_words):
    """The `Chain` of the taggers that `--tagger` names.

    Args:
        vocabulary: The `TagVocabulary`; None for no tags.
        settings: Anything with the fields of `TaggingSettings`.
        used_words: All words that occur in the tags file; None if there is no such file.

    Raises:
        ValueError: A tagger cannot work with these settings.
        ImportError: A package that a tagger needs is not installed.
    """
    names = tagger_names(settings.tagger)
    if vocabulary is None or names == ("none",):
        return Chain(None, ())
    return Chain(vocabulary, (TAGGERS[name](vocabulary, settings, used_words) for name in names))


def tagger_names(text):
    """The names in `--tagger`, such as `("sidecar", "colours")`, in order."""
    return tuple(name.strip() for name in text.split(","))


@dataclass(frozen=True, kw_only=True)
class TaggingSettings(OnnxTaggerSettings):
    """Tags of faces

    Args:
        tagger: Where tags come from, separated by commas; the first that knows a tag decides, docs/tags.md has the
            rules. `sidecar`: tags that people gave (the tags file, or a file beside each picture). `colours`: hair and
            eye colour measured in the crop. `tfanime`: hair colour, hair length and eye colour, predicted by the
            network that tfanime carries. `onnx`: a network of yours (the flags --tagger_...). `none`: no tags.
        vocabulary: The tags that are kept: `jin34`, `konachan26`, `none`, or a JSON or TOML file of a vocabulary.
        absence: When a missing tag of `sidecar` counts as absent. `auto`: on boards with complete tagging, and in a
            tags file for tags that some row has. `always`: if any word of the picture is understood, or its row is
            empty. `never`: missing tags are unknown.
    """

    tagger: str = "sidecar"
    vocabulary: str = "jin34"
    absence: Literal["auto", "always", "never"] = "auto"

    def rules(self):
        """Yields `(flag, whether its rule holds, the rule)`; raises ValueError or FileNotFoundError for wrong files."""
        names = tagger_names(self.tagger)
        known = self.tagger == "none" or (set(names) <= set(TAGGERS) and len(set(names)) == len(names))
        yield "tagger", known, f"none, or some of {', '.join(TAGGERS)}, each once, separated by commas"
        load_vocabulary(self.vocabulary)
        if "tagger_model" not in self.idle():
            yield from OnnxTaggerSettings.rules_of_files(self)

    def idle(self):
        """Yields the names of the fields that have no effect on the shards."""
        untagged = self.tagger == "none" or self.vocabulary == "none"
        if untagged:
            yield "vocabulary" if self.tagger == "none" else "tagger"
        if untagged or "sidecar" not in tagger_names(self.tagger):
            yield "absence"
        if untagged or "onnx" not in tagger_names(self.tagger):
            yield from (field.name for field in fields(OnnxTaggerSettings))


def load_vocabulary(value):
    """The `TagVocabulary` that `--vocabulary` names.

    Args:
        value: Name of a built-in vocabulary, `none`, or the path of a JSON or TOML file of `TagVocabulary.to_json`, or
            of one with `base` (the name of a built-in one) and additions to it: `aliases`, `priors`, a `name`.

    Returns:
        The vocabulary; None for `none`.

    Raises:
        ValueError: The vocabulary is unknown, or its file cannot be read as one.
    """
    if value == "none":
        return None
    if value in VOCABULARIES:
        return VOCABULARIES[value]
    path = Path(value)
    if not path.is_file():
        known = ", ".join(VOCABULARIES)
        raise ValueError(f"--vocabulary must be {known}, none, or a JSON or TOML file. Received: {value!r}")
    try:
        text = path.read_text(encoding="utf-8-sig")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        if "base" in values:
            return _extended(VOCABULARIES[values["base"]], values)
        return TagVocabulary.from_json(values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"--vocabulary must be a file with name and groups (each with name, exclusive and tags), or base. "
            f"Received: {value!r}: {type(error).__name__} {error}"
        ) from error


def _extended(base, values):
    """A built-in vocabulary with further aliases and priors."""
    more = {key: {**getattr(base, key), **values.get(key, {})} for key in ("aliases", "priors")}
    return TagVocabulary(values.get("name", base.name), base.groups, **more)
