"""Tags: the words that describe a face, their groups, and their encoding as numbers."""

import dataclasses
import difflib
import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfanime.tag_words import EYE_COLOURS, HAIR_COLOURS, HAIR_LENGTHS, JAPANESE_EYES, JAPANESE_HAIR

HEAVIEST = 3
"""The largest weight of a wanted tag; networks were trained with 1."""


@dataclass(frozen=True)
class TagGroup:
    """Tags that belong together.

    Args:
        name: Name of the group, such as `hair_colour`.
        tags: Its tags, in order, in lower case with underscores.
        exclusive: Whether a face has exactly one of them (its hair colour) or any number (hat, glasses).
    """

    name: str
    tags: tuple[str, ...]
    exclusive: bool


@dataclass(frozen=True)
class TagVocabulary:
    """An ordered list of tags in groups; the only place that turns tags into numbers and back.

    A face is described by one value a tag: +1 the tag holds, -1 it does not, 0 it is not known. In an exclusive
    group exactly one tag holds, so a face without a tag there is unknown in the whole group (0 everywhere), and a
    face with several is unknown among those several and -1 elsewhere. In an independent group a missing tag is -1.

    Args:
        name: Name of the vocabulary, kept in manifests, run folders and exports.
        groups: The `TagGroup`s; their tags in order are the vector's components.
        aliases: Other words, each with its tag.
        priors: The probability of some tags to be drawn if they are not specified (`tfanime.tag_sampling`). Default:
            uniform inside an exclusive group, `0.25` for independent tags (Jin et al. 2017, section 3.3).
        untrained: Tags that no face had which the generator of this vocabulary was trained on.
    """

    name: str
    groups: tuple[TagGroup, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    priors: Mapping[str, float] = field(default_factory=dict)
    untrained: tuple[str, ...] = ()

    def __post_init__(self):
        spellings = [_spelling(tag) for tag in self.tags]
        duplicates = sorted({tag for tag in self.tags if spellings.count(_spelling(tag)) > 1})
        if duplicates:
            raise ValueError(f"groups must not share a tag. Received in vocabulary {self.name!r}: {duplicates}")
        named = (("aliases", self.aliases.values()), ("priors", self.priors), ("untrained", self.untrained))
        for mapping, targets in named:
            strangers = sorted(set(targets) - set(self.tags))
            if strangers:
                raise ValueError(f"{mapping} must refer to tags of vocabulary {self.name!r}. Received: {strangers}")
        taken = sorted(
            alias
            for alias, tag in self.aliases.items()
            if _spelling(alias) in spellings and _spelling(alias) != _spelling(tag)
        )
        if taken:
            raise ValueError(f"aliases must not be other tags of vocabulary {self.name!r}. Received: {taken}")

    @functools.cached_property
    def tags(self) -> tuple[str, ...]:
        """All tags, in order, as a tuple of strings."""
        return tuple(tag for group in self.groups for tag in group.tags)

    @functools.cached_property
    def slices(self) -> tuple[tuple[TagGroup, slice], ...]:
        """Where each group's tags are in the vector: pairs `(TagGroup, slice)`, in order, as a tuple."""
        ends = itertools.accumulate(len(group.tags) for group in self.groups)
        return tuple((group, slice(end - len(group.tags), end)) for group, end in zip(self.groups, ends, strict=True))

    def __len__(self) -> int:
        return len(self.tags)

    def canonical(self, text: str) -> str | None:
        """The tag that `text` means ("Twin Tails" -> `twin_tails`), or None if the vocabulary does not have it."""
        position = self._positions.get(_spelling(text))
        return None if position is None else self.tags[position]

    @functools.cached_property
    def _positions(self):
        """From the spelling of each tag and alias to the tag's place in the vector."""
        positions = {_spelling(tag): position for position, tag in enumerate(self.tags)}
        return positions | {_spelling(alias): positions[_spelling(tag)] for alias, tag in self.aliases.items()}

    @functools.cached_property
    def _group_numbers(self):
        """For each place in the vector, which group it belongs to."""
        return [number for number, group in enumerate(self.groups) for _ in group.tags]

    @functools.cached_property
    def _wordless(self):
        """What `encode` makes of no words at all."""
        return np.array([0 if group.exclusive else -1 for group in self.groups for _ in group.tags], np.int8)

    def parse(self, text: str) -> tuple[str, ...]:
        """Parses typed tags, separated by commas, such as `"blonde hair, twin tails, smile"`.

        Args:
            text: The tags. Case, spaces, hyphens and underscores do not matter; aliases are understood.

        Returns:
            The tags' names, in the vocabulary's order, each once.

        Raises:
            ValueError: A word is not a tag, or two tags of one exclusive group are given.
        """
        found = set()
        for word in filter(None, (word.strip() for word in text.split(","))):
            tag = self.canonical(word)
            if tag is None:
                near = difflib.get_close_matches(word.lower().replace(" ", "_"), self.tags, n=3)
                hint = f"Did you mean {', '.join(near)}?" if near else f"It has: {', '.join(self.tags)}."
                raise ValueError(f"tags must be in vocabulary {self.name!r}. Received: {word!r}. {hint}")
            found.add(tag)
        for group in self.groups:
            several = [tag for tag in group.tags if tag in found]
            if group.exclusive and len(several) > 1:
                raise ValueError(f"a face has one tag of group {group.name!r}. Received: {', '.join(several)}")
        return tuple(tag for tag in self.tags if tag in found)

    def wanted(self, text: str, allow_untrained: bool = False) -> np.ndarray:
        """Parses wanted and refused tags, such as `"blonde hair:1.5, smile, no hat"`.

        Args:
            text: Tags separated by commas as in `parse`, each one to be avoided after the word "no", each with or
                without a weight after a colon: a generator shows a tag more clearly with a weight above 1, and less
                clearly with one below.
            allow_untrained: Whether tags may be wanted that no training face had.

        Returns:
            float32 array `[len(self)]`: +1 times the weight for tags that must hold, -1 times it for those that must
            not (-1 for the others of an exclusive group too), 0 for tags that the seed decides.

        Raises:
            ValueError: See `parse`; a weight is out of range; a tag is wanted and not wanted; or no training face had
                it.
        """
        wanted, avoided = {}, {}
        for word in filter(None, (word.strip() for word in text.split(","))):
            name, weight = (word, 1.0) if self.canonical(word) else _weighed(word)
            no = self.canonical(name) is None and re.match(r"(?i)no[ _]", name)
            for tag in self.parse(name[3:] if no else name):
                (avoided if no else wanted)[tag] = weight
        self.parse(",".join(wanted))  # one of each exclusive group
        unseen = [tag for tag in self.tags if tag in wanted and tag in self.untrained]
        if unseen and not allow_untrained:
            raise ValueError(
                f"tags must be ones that a training face had. Received: {', '.join(unseen)}, which the generator was "
                "never shown; --allow_untrained_tags draws it anyway"
            )
        both = [tag for tag in wanted if tag in avoided]
        if both:
            raise ValueError(f"tags must not be wanted and avoided at once. Received: {both[0]!r} both ways")
        values = np.zeros(len(self), np.float32)
        for group, where in self.slices:
            if group.exclusive and set(group.tags) & set(wanted):
                values[where] = -1.0
        for tag, weight in (*wanted.items(), *((tag, -weight) for tag, weight in avoided.items())):
            values[self.tags.index(tag)] = weight
        return values

    def encode(self, tags: Iterable[str]) -> np.ndarray:
        """Turns the tags of a picture into values.

        Args:
            tags: Names of tags or aliases; words that the vocabulary does not have are passed over, because boards
                give many more tags than a vocabulary has (`parse` is the strict reading).

        Returns:
            int8 array `[len(self)]` of +1, -1 and 0, see the class.
        """
        named: dict[int, set[int]] = {}
        for word in tags:
            position = self._positions.get(_spelling(word))
            if position is not None:
                named.setdefault(self._group_numbers[position], set()).add(position)
        values = self._wordless.copy()
        for number, positions in named.items():
            group, where = self.slices[number]
            values[where] = -1
            values[list(positions)] = 0 if group.exclusive and len(positions) > 1 else 1
        return values

    def from_probabilities(self, places, probabilities, threshold):
        """Turns a network's probabilities into tag values.

        Args:
            places: For each of its numbers the tag's place in `tags`, int `[count]`; several may share one.
            probabilities: float `[count]`; of those that share a place the largest counts.
            threshold: Probability from which on a tag holds.

        Returns:
            int8 array `[len(self)]`: +1 for tags that hold, -1 for the others, 0 for those that the network does not
            have. Of an exclusive group the likeliest tag holds; all are 0 if none reaches the threshold.
        """
        likeliest = np.full(len(self), -1.0)  # below any threshold: the network has no such tag
        np.maximum.at(likeliest, places, probabilities)
        holds = likeliest >= threshold
        values = np.where(holds, 1, np.where(likeliest < 0, 0, -1)).astype(np.int8)
        for group, where in self.slices:
            if group.exclusive:
                values[where] = -1 if holds[where].any() else 0
                if holds[where].any():
                    values[where.start + np.argmax(likeliest[where])] = 1
        return values

    def decode(self, values: Any) -> tuple[str, ...]:
        """The names of the tags whose value in `values` (`[len(self)]`) is positive."""
        values = np.asarray(values)
        if values.shape != (len(self),):
            raise ValueError(f"values must have shape ({len(self)},). Received: {values.shape}")
        return tuple(tag for tag, value in zip(self.tags, values, strict=True) if value > 0)

    @functools.cached_property
    def probabilities(self) -> dict[str, float]:
        """The probability of each tag to be drawn if it is not specified: its prior or default, see the class."""
        return {
            tag: self.priors.get(tag, 1 / len(group.tags) if group.exclusive else 0.25)
            for group in self.groups
            for tag in group.tags
        }

    def with_frequencies(self, values: Any) -> "TagVocabulary":
        """The same vocabulary with the frequencies of described faces as its priors.

        Args:
            values: int8 array `[count, len(self)]` of +1, -1 and 0. Only faces of which a tag is known count for it:
                with an exclusive group, those of which one of its tags is known to hold.

        Returns:
            A `TagVocabulary`. Tags of which nothing is known have no prior.
        """
        values = np.asarray(values)
        priors: dict[str, float] = {}
        for group, where in self.slices:
            known = values[:, where]
            if group.exclusive:
                known = known[(known > 0).any(axis=1)]
            count = np.sum(known != 0, axis=0)
            holds = np.sum(known > 0, axis=0)
            priors |= {
                tag: float(held / seen) for tag, held, seen in zip(group.tags, holds, count, strict=True) if seen
            }
        return dataclasses.replace(self, priors=priors)

    def of_groups(self, names: Iterable[str]) -> "TagVocabulary":
        """The same vocabulary with some of its groups only, in its own order."""
        groups = tuple(group for group in self.groups if group.name in names)
        kept = {tag for group in groups for tag in group.tags}
        return dataclasses.replace(
            self,
            groups=groups,
            aliases={alias: tag for alias, tag in self.aliases.items() if tag in kept},
            priors={tag: prior for tag, prior in self.priors.items() if tag in kept},
            untrained=tuple(tag for tag in self.untrained if tag in kept),
        )

    def unseen(self, values: Any) -> tuple[str, ...]:
        """The tags that none of the described faces has; `values` is `[count, len(self)]` of +1, -1 and 0."""
        holds = (np.asarray(values) > 0).any(axis=0)
        return tuple(tag for tag, seen in zip(self.tags, holds, strict=True) if not seen)

    def to_json(self) -> dict[str, Any]:
        """The vocabulary as plain dictionaries and lists, for manifests and model cards."""
        values = {
            "name": self.name,
            "groups": [
                {"name": group.name, "exclusive": group.exclusive, "tags": list(group.tags)} for group in self.groups
            ],
            "aliases": dict(self.aliases),
            "priors": dict(self.priors),
        }
        # Left out if there are none, because resumed conversions compare their vocabulary with an older one.
        return values | ({"untrained": list(self.untrained)} if self.untrained else {})

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "TagVocabulary":
        """The inverse of `to_json`."""
        groups = tuple(TagGroup(group["name"], tuple(group["tags"]), group["exclusive"]) for group in values["groups"])
        untrained = tuple(values.get("untrained", ()))
        return cls(values["name"], groups, values.get("aliases", {}), values.get("priors", {}), untrained)


def _weighed(word):
    """`"smile:1.5"` -> the tag's name and its weight, 1 if none is given."""
    name, _, number = word.rpartition(":")
    if not name or not re.fullmatch(r"\s*[-+.\d]+\s*", number):
        return word, 1.0
    weight = float(number) if re.fullmatch(r"\s*\d*\.?\d+\s*", number) else 0.0
    if not 0 < weight <= HEAVIEST:
        raise ValueError(f"the weight of a tag must be above 0 and at most {HEAVIEST}. Received: {word!r}")
    return name.strip(), weight


@functools.lru_cache(maxsize=16_384)  # boards repeat a few thousand words for ever
def _spelling(text):
    """The normal form of a word: lower case, one underscore for every run of spaces, hyphens and underscores.

    Full-width letters, half-width katakana and decomposed accents are the common ones (Unicode NFKC).
    """
    return re.sub(r"[\s_\-]+", "_", unicodedata.normalize("NFKC", text).strip().lower())


def _colours(names, part):
    return tuple(f"{name}_{part}" for name in names.split())


def _aliases(*tables, **words):
    """A dictionary of aliases, from the aliases of each tag, separated by spaces."""
    return {alias: tag for table in (*tables, words) for tag, aliases in table.items() for alias in aliases.split()}


JIN34 = TagVocabulary(
    # Jin et al. 2017 (arXiv 1708.05509), table 1: 34 tags, in the authors' order.
    "jin34",
    (
        TagGroup(
            "hair_colour",
            _colours("blonde brown black blue pink purple green red silver white orange aqua grey", "hair"),
            exclusive=True,
        ),
        TagGroup("hair_style", ("long_hair", "short_hair", "twin_tails", "drill_hair", "ponytail"), exclusive=False),
        TagGroup("face", ("blush", "smile", "open_mouth", "hat", "ribbon", "glasses"), exclusive=False),
        TagGroup(
            "eye_colour",
            _colours("blue red brown green purple yellow pink aqua black orange", "eyes"),
            exclusive=True,
        ),
    ),
    aliases=_aliases(
        HAIR_COLOURS,
        HAIR_LENGTHS,
        EYE_COLOURS,
        JAPANESE_HAIR,
        JAPANESE_EYES,
        grey_hair="gray_hair 灰髪 灰色の髪",
        silver_hair="銀髪",
        twin_tails="twintails twintail pigtails low_twintails short_twintails ツインテール ツインテ",
        drill_hair="twin_drills drills drill 縦ロール",
        ponytail="high_ponytail low_ponytail side_ponytail short_ponytail long_ponytail braided_ponytail "
        "folded_ponytail ポニーテール ポニテ サイドポニー サイドポニーテール",
        blush="blushing light_blush nose_blush full-face_blush 赤面",
        smile="smiling light_smile slight_smile faint_smile grin grinning smirk :) :d ;) ;d 笑顔 微笑み 微笑 笑み",
        open_mouth="mouth_open :o 開口",
        hat="beret witch_hat mob_cap baseball_cap peaked_cap military_hat sailor_hat cabbie_hat nurse_cap beanie "
        "santa_hat straw_hat sun_hat top_hat mini_hat tokin_hat black_hat white_hat red_hat blue_hat green_hat "
        "brown_hat 帽子 ベレー帽 麦わら帽子",
        ribbon="hair_ribbon neck_ribbon tress_ribbon black_ribbon white_ribbon red_ribbon blue_ribbon green_ribbon "
        "pink_ribbon purple_ribbon yellow_ribbon リボン",
        glasses="megane bespectacled semi-rimless_eyewear under-rim_eyewear semi-rimless_glasses under-rim_glasses "
        "round_glasses black-framed_glasses red-framed_glasses 眼鏡 メガネ めがね 眼鏡っ娘",
    ),
)

KONACHAN26 = TagVocabulary(
    # The 26 tags of the "hair and eyes" course data sets cropped from image boards.
    "konachan26",
    (
        TagGroup(
            "hair_colour",
            _colours("aqua black blonde blue brown gray green orange pink purple red white", "hair"),
            exclusive=True,
        ),
        TagGroup("hair_length", ("long_hair", "short_hair"), exclusive=True),
        TagGroup(
            "eye_colour",
            _colours("aqua bicolored black blue brown gray green orange pink purple red yellow", "eyes"),
            exclusive=True,
        ),
    ),
    aliases=_aliases(
        HAIR_COLOURS,
        HAIR_LENGTHS,
        EYE_COLOURS,
        JAPANESE_HAIR,
        JAPANESE_EYES,
        gray_hair="grey_hair silver_hair 灰髪 灰色の髪 銀髪",
        gray_eyes="grey_eyes silver_eyes",
        bicolored_eyes="heterochromia odd_eye オッドアイ",
    ),
)

VOCABULARIES = {vocabulary.name: vocabulary for vocabulary in (JIN34, KONACHAN26)}
