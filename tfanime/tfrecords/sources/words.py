"""Reads tags from text and JSON: lists of boards, prompts, lines of downloaders, scores of networks."""

import html
import re
from dataclasses import dataclass

from tfanime.tags import TagVocabulary

# Commas of all scripts; `;` and `|` only between words, because emoticons are tags: `;)`, `|_|`.
_SEPARATOR = re.compile(r"[,،、､，；。\r\n\t]+|(?<=\w)\s*[;|]\s*(?=\w\w|$)")
_MORE_THAN_SPACES = re.compile(r",\s|[،、､，；\r\n\t]")
_WEIGHTED = re.compile(r"\(([^()\\]{0,200}):\s*([-+]?\d*\.?\d+)\s*\)")  # (smile:1.2) of the WebUI
_NUMBERED = re.compile(r"([-+]?\d*\.?\d+)::(.{0,200}?)::", re.DOTALL)  # 1.2::smile:: of NovelAI
_OPEN = re.compile(r"<[^<>]{0,200}>|\[[^\[\]]{0,200}[:|][^\[\]]{0,200}\]")  # <lora:x:1>, [from:to:when], [a|b]
_NOT_ASKED = re.compile(r"^\s*(negative prompt\s*:|steps:\s*\d).*", re.IGNORECASE | re.MULTILINE | re.DOTALL)
_CATEGORY = re.compile(r"^(?:general|tags?|species):\s*", re.IGNORECASE)
_PREFIX = re.compile(r"^(rating|copyright|character|artist|meta):\s+", re.IGNORECASE)
_MOST_NESTED = 8

# A line with one of these is a sentence, or denies its words.
_SENTENCE = frozenset(
    [
        "a",
        "an",
        "the",
        "with",
        "without",
        "and",
        "or",
        "of",
        "in",
        "on",
        "no",
        "not",
        "never",
        "her",
        "his",
        "is",
        "are",
    ]
)
_NAMES = ("name", "translated_name", "tag", "label")
_SCORES = ("score", "confidence", "probability", "prob")


@dataclass(frozen=True)
class WordReader:
    """Reads tags from text and JSON.

    Args:
        vocabulary: The `TagVocabulary` that decides whether `twin tails` is one tag or two; None for none.
        threshold: The least score of a tag that comes with one, as a probability.
    """

    vocabulary: TagVocabulary | None = None
    threshold: float = 0.5

    def of_text(self, text):
        """The tags in a text: separated by commas or lines where it has any, else by spaces.

        In a line without commas, several words are one tag if the vocabulary has it. Brackets and weights of a prompt
        are taken off; what has a weight of 0 or less, and what stands behind `Negative prompt:`, is not there.

        Returns:
            A list of words.
        """
        text = _weighed(_OPEN.sub(" ", _NOT_ASKED.sub("", text)))
        lines = [line for line in text.splitlines() if line.strip()]
        commas = any(_SEPARATOR.search(line.strip()) for line in lines)
        return [
            word
            for line in lines
            for phrase in (_SEPARATOR.split(line) if commas else [line])
            for word in self._phrase(_bare(phrase), commas, len(lines) == 1 and not commas)
        ]

    def _phrase(self, phrase, commas, alone):
        """The words between two separators."""
        words = phrase.split()
        whole = "_".join(words)
        if len(words) < 2 or self._known(whole) or _SENTENCE & set(re.findall(r"\w+", phrase.lower())):
            return [whole]
        apart = alone or "_" in phrase or re.search(r"\w:\w", phrase)
        return words if apart or (not commas and any(map(self._known, words))) else [whole]

    def _known(self, word):
        return self.vocabulary is not None and self.vocabulary.canonical(word) is not None

    def of_json(self, value):
        """The tags in a string, a list or an object, as boards and networks write them.

        A list has strings, objects with a name, or pairs of name and score; an object has lists by category, or scores
        by name. Where some score is above 1 they are all per cent.

        Returns:
            A list of words.
        """
        if isinstance(value, str):
            # Boards separate by spaces, and a tag may hold a comma; what people wrote has a space behind it.
            board = "_" in value and re.search(r"\s", value) and not _MORE_THAN_SPACES.search(value)
            return value.split() if board else self.of_text(value)
        if isinstance(value, dict):
            scored = [(name, part) for name, part in value.items() if isinstance(part, (int, float))]
            named = [tag for part in value.values() if isinstance(part, (list, dict)) for tag in self.of_json(part)]
            return named + self._certain(scored)
        if not isinstance(value, list):
            return []
        if len(value) == 1 and isinstance(value[0], str):
            return self.of_json(value[0])
        plain = [word for item in value if isinstance(item, str) for word in self._item(item)]
        return plain + self._certain([pair for item in value for pair in _scored(item)])

    def _item(self, item):
        return self.of_text(item) if _MORE_THAN_SPACES.search(item) else [item]

    def _certain(self, scored):
        """The names whose score reaches the threshold."""
        scale = 100 if any(score > 1 for _, score in scored) else 1
        return [name for name, score in scored if score >= scale * self.threshold]


PLAIN = WordReader()


def join_tags(tags):
    """Tags as words separated by spaces, each once; spaces inside a tag become underscores. None for no tag."""
    text = (html.unescape(tag).encode(errors="replace").decode() for tag in tags)  # JSON may hold half a character
    words = dict.fromkeys("_".join(tag.split()) for tag in text)
    return " ".join(word for word in words if word) or None


def _weighed(text):
    """A prompt without its weights, and without what has none that is above 0."""
    text = _NUMBERED.sub(lambda match: f" {match[2]} " if float(match[1]) > 0 else " ", text)
    for _ in range(_MOST_NESTED):
        text, count = _WEIGHTED.subn(lambda match: f" {match[1]} " if float(match[2]) > 0 else " ", text)
        if not count:
            return text
    return ""  # no person nests so deep, and what holds is anybody's guess


def _bare(phrase):
    """A phrase without what prompts, hash tags and categories put around it."""
    phrase = phrase.strip().strip('"“”「」『』【】#').strip()
    if re.search(r"\w\w", phrase):  # :) is not a bracket
        if phrase[0] in "([{":
            phrase = phrase.lstrip("([{ ")
        while phrase.count(")") + phrase.count("]") + phrase.count("}") > sum(map(phrase.count, "([{")):
            if phrase[-1] not in ")]} ":
                break
            phrase = phrase[:-1]
    phrase = phrase.replace("\\(", "(").replace("\\)", ")")
    return _PREFIX.sub(lambda match: f"{match[1]}:", _CATEGORY.sub("", phrase.strip()))


def _scored(item):
    """Yields `(name, score)` of an item of a list that is not a string."""
    if isinstance(item, dict):
        score = next((item[key] for key in _SCORES if isinstance(item.get(key), (int, float))), 1)
        yield from ((item[key], score) for key in _NAMES if isinstance(item.get(key), str))
    elif isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], (int, float)):
        yield tuple(item)
