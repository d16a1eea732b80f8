"""Parses flags on latent spaces: avatars `0-5,me.npz`, layers `0-3`, edits `blue eyes=2`."""

import re
from pathlib import Path

from tfanime.seeds import MAX_SHEET, parse_seeds

SUFFIX = ".npz"  # of a file of points


def parse_points(text, argument="avatars"):
    """Parses a list of avatars.

    Args:
        text: Seeds and ranges of seeds, see `tfanime.seeds.parse_seeds`, and paths of files of points (.npz), separated
            by commas.
        argument: The name of the argument, for the message.

    Returns:
        A list of ints and of `pathlib.Path`s, in order.

    Raises:
        ValueError: A part is neither, or there are more than `tfanime.seeds.MAX_SHEET`.
        FileNotFoundError: There is no such file.
    """
    found = []
    for part in (part.strip() for part in text.split(",")):
        if part.endswith(SUFFIX):
            if not Path(part).is_file():
                raise FileNotFoundError(f"{argument} must be seeds, or files that exist. Received: {part!r}")
            found.append(Path(part))
            continue
        try:
            found += parse_seeds(part)
        except ValueError as error:
            raise ValueError(f"{argument}, if it is not a file of points (.npz): {error}") from error
        if len(found) > MAX_SHEET:
            raise ValueError(f"{argument} must be at most {MAX_SHEET:,}. Received more with: {part!r}")
    return found


def parse_layers(text, count):
    """Parses a list of layers.

    Args:
        text: Numbers and ranges from 0 on, separated by commas, such as `0-3`.
        count: Number of layers of the network.

    Returns:
        A sorted list of ints.

    Raises:
        ValueError: A part is no such number or range, or is out of the network's range.
    """
    found = set()
    for part in (part.strip() for part in text.split(",")):
        match = re.fullmatch(r"([0-9]{1,4})(?:\s*-\s*([0-9]{1,4}))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < count:
            raise ValueError(
                f"layers must be numbers from 0 to {count - 1}, the layers of this network, or ranges such as "
                f"0-{min(3, count - 1)}. Received: {part!r}"
            )
        found.update(range(first, last + 1))
    return sorted(found)


def parse_edits(text):
    """Parses a list of edits.

    Args:
        text: Pairs of a direction's name and an amount, separated by commas or semicolons, with the layers behind an @
            if not all are moved: `blue eyes=2; pca1@0-3=-4`. Use semicolons if layers contain commas.

    Returns:
        A list of `(name, layers as text or None, amount)`.

    Raises:
        ValueError: A part is no such pair.
    """
    found = []
    for part in filter(None, (part.strip() for part in re.split(";" if ";" in text else ",", text))):
        match = re.fullmatch(r"([\w -]+?)\s*(?:@\s*([0-9, -]+?))?\s*=\s*([+-]?(?:\d+\.?\d*|\.\d+))", part)
        if not match:
            raise ValueError(
                "direction must be names and amounts, such as blue_eyes=2, or for some layers only pca1@0-3=-4. "
                f"Received: {part!r}"
            )
        found.append((re.sub(r"[ -]+", "_", match[1]).lower(), match[2], float(match[3])))
    return found
