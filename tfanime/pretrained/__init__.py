"""Trained generators by name: one `NAME.toml` here for each.

It says where a generator's folder (see `tfanime.generator`) is: `folder`, a path beside the TOML file, or `url` and
`sha256` of an archive (.zip, .tar.gz) that holds one, which is downloaded into the cache folder at first use.
"""

import re
import tomllib
from pathlib import Path

from tfanime.files import downloaded

FOLDER = Path(__file__).parent
CARD = "card.json"  # of a generator's folder


def names():
    """The names that there are, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def folder_of(name):
    """The folder of a named generator.

    Args:
        name: One of `names()`.

    Returns:
        Its `pathlib.Path`.

    Raises:
        OSError: It cannot be downloaded.
        ValueError: The TOML file says something else than this module's text, or the archive holds no generator.
    """
    path = FOLDER / f"{name}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be a file in TOML: {error}") from error
    if set(values) == {"folder"}:
        return FOLDER / values["folder"]
    if set(values) != {"url", "sha256"} or not re.fullmatch("[0-9a-f]{64}", values["sha256"]):
        raise ValueError(
            f"{path} must say either folder, or url and sha256, 64 hexadecimal digits in lower case. Received: {values}"
        )
    found = [card.parent for card in downloaded(f"pretrained/{values['sha256']}", **values).rglob(CARD)]
    if len(found) != 1:
        raise ValueError(
            f"url of {path} must be an archive with one {CARD}. Received: {values['url']} with {len(found)}"
        )
    return found[0]
