"""Words that the glossary replaces are used nowhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"
SUFFIXES = {".py", ".pyi", ".md", ".js", ".html", ".jinja", ".toml"}


def replaced_words():
    """The words in the last column of every table."""
    rows = re.findall(r"^\|.*\|([^|]*)\|$", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    return [word for cell in rows for word in re.findall(r"`([^`]+)`", cell)]


def texts():
    """Pairs of path and text of all that a reader of the project sees, without what others wrote."""
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    paths += [path for folder in ("docs", "tfanime") for path in sorted((ROOT / folder).rglob("*"))]
    for path in paths:
        if path.suffix in SUFFIXES and "vendor" not in path.parts and path != GLOSSARY:
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "tests").glob("test_*.py")):  # names of tests as sentences, on their own lines
        lines = path.read_text(encoding="utf-8").splitlines()
        yield path.relative_to(ROOT), "\n".join(line.replace("_", " ") if "def test_" in line else "" for line in lines)


def test_glossary_lists_replaced_words_once():
    words = replaced_words()
    assert len(words) > 10 and len(words) == len(set(words))


@pytest.mark.parametrize("word", replaced_words())
def test_glossary_replaced_word_is_not_used(word):
    phrase = re.compile(r"\b" + r"\s+".join(map(re.escape, word.split())) + r"\b", re.IGNORECASE)
    found = [
        f"{path}:{text.count(chr(10), 0, hit.start()) + 1}" for path, text in texts() for hit in phrase.finditer(text)
    ]
    assert found == []
