"""Whatever lies beside a picture: no traceback, and no -1 that nobody said.

The environment variable TFANIME_FUZZ says how many times (default: 300): `TFANIME_FUZZ=5000 pytest` with this file.
"""

import json
import os

import numpy as np
import pytest
from small_pictures import noise

from tfanime.tags import JIN34
from tfanime.tfrecords.filters import Dropped
from tfanime.tfrecords.sources.sources import FolderSource
from tfanime.tfrecords.sources.words import WordReader
from tfanime.tfrecords.taggers.tagging import SidecarTagger, Sight

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("TFANIME_FUZZ") or 300)
SEED = 15
# What is read of these, if it is understood at all, holds.
WORDS = [
    "smile",
    "twin tails",
    "blue_hair",
    "Red Eyes",
    "笑顔",
    "眼鏡",
    "女の子",
    "1girl",
    ":)",
    "Brille",
    "schön",
    "\ud800",
]
WORDS += [
    "(hat:1.2)",
    "(hat:-1)",
    "[a:b:0.5]",
    "<lora:smile:1>",
    "rating:safe",
    "no hat",
    "explicit",
    "&#39;",
    "\x00",
    "",
]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp932", "gb18030", "cp1252", "latin-1"]
SEPARATORS = [
    ",",
    ", ",
    " ",
    "\n",
    "\r\n",
    "、",
    "，",
    ";",
    "|",
    "\t",
    "(",
    ")",
    "[",
    ":1)",
    "::",
    "\nNegative prompt: ",
]
KEYS = [
    "tags",
    "tag_string",
    "rating",
    "general",
    "name",
    "score",
    "safety",
    "created_at",
    "x_restrict",
    "is_mature",
    "smile",
]
CATEGORIES = [None, "pixiv", "newgrounds", "konachan", "mine"]
NAMES = ["a.png.json", "a.json", "a.png.txt", "a.TXT", "a.caption", "info.json"]


def value(random, depth):
    """A random piece of JSON."""
    kind = int(random.integers(9 if depth else 6))
    if kind < 3:
        return WORDS[random.integers(len(WORDS))]
    if kind == 3:
        return text(random)
    if kind == 4:
        return [True, False, None, float("nan"), 1e999, -1, 10**400][random.integers(7)]
    if kind == 5:
        return float(random.random())
    if kind == 6:
        return {(KEYS + WORDS)[random.integers(len(KEYS + WORDS))]: value(random, depth - 1) for _ in range(3)}
    return [value(random, depth - 1) for _ in range(int(random.integers(4)))]


def text(random):
    some = random.integers(len(WORDS), size=random.integers(6))
    return "".join(WORDS[word] + SEPARATORS[random.integers(len(SEPARATORS))] for word in some)


def sidecar(random, name, damaged):
    """The bytes of a random sidecar."""
    content = text(random)
    if name.lower().endswith("json"):
        post = value(random, 3)
        if random.random() < 0.6:
            category = CATEGORIES[random.integers(len(CATEGORIES))]
            post = {KEYS[random.integers(len(KEYS))]: value(random, 3) for _ in range(4)} | {"category": category}
        content = json.dumps(post, ensure_ascii=bool(random.integers(2)))
    data = content.encode(ENCODINGS[random.integers(len(ENCODINGS))], "replace")
    if damaged:
        place = int(random.integers(len(data) + 1))
        data = data[:place] + random.bytes(int(random.integers(4))) + data[place + int(random.integers(3)) :]
    return data


@pytest.mark.parametrize("seed", [SEED])
def test_random_tag_files_give_no_unjustified_minus_one(tmp_path, seed):
    random = np.random.Generator(np.random.Philox(seed))
    noise().save(tmp_path / "a.png")
    independent = np.concatenate([np.full(len(group.tags), not group.exclusive) for group, _ in JIN34.slices])
    tagger = SidecarTagger(JIN34)
    read = unread = known = 0
    for number in range(COUNT):
        names = {NAMES[index] for index in random.integers(len(NAMES), size=2)}
        for name in names:
            (tmp_path / name).write_bytes(sidecar(random, name, number % 5 == 0))
        opener = FolderSource(tmp_path, ratings="any", reader=WordReader(JIN34)).opener()
        rated = FolderSource(tmp_path, reader=WordReader(JIN34)).opener()
        try:
            rated("a.png", None)
        except Dropped as dropped:
            assert dropped.reason == "rating", number
        picture = opener("a.png", None)
        values = tagger(Sight(picture.image, None, picture.words, origin=picture.origin))
        assert picture.origin == "file" and not (values[independent] < 0).any(), (number, picture.words)
        contents = b"".join((tmp_path / name).read_bytes().replace(b"\0", b"") for name in names)
        if number % 5 and b"hat:1.2" not in contents:  # `no hat` and `(hat:-1)` are not hats, unless they are damaged
            assert values[JIN34.tags.index("hat")] == 0, (number, picture.words)
        (picture.words or "").encode()
        read, unread, known = read + bool(picture.words), unread + bool(picture.unread), known + values.any()
        for name in names:
            (tmp_path / name).unlink()
    assert read > COUNT // 4 and unread > COUNT // 50 and known > COUNT // 10, (read, unread, known)
