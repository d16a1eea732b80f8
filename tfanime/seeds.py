"""Seeds on the command line: the text that names avatars, and the files that they are written to.

One place, because `tfanime.generate` and `tfanime.serving.client` must understand the same text and leave the same
files: the avatar of seed 12 is `seed-00000012.png`, from a run or from a server.
"""

import re
from pathlib import Path

import numpy as np

from tfanime.files import require_writable_folder

MAX_SEEDS = 1_000_000
MAX_SHEET = 10_000
LARGEST_SEED = 2**63 - 1  # seeds are int64 in the SavedModel and on the wire

_PART = re.compile(r"([0-9]+)(?:\s*-\s*([0-9]+))?")


def parse_seeds(text):
    """Reads seeds and ranges of seeds separated by commas: `"7"`, `"0-15"`, `"3,5,8-10"`.

    Args:
        text: The seeds. A range includes both ends. Spaces do not matter; order and repetitions are kept.

    Returns:
        A list of ints in 0..2**63 - 1, at least one and at most `MAX_SEEDS` (1,000,000).

    Raises:
        ValueError: A part is neither a seed nor a range, a seed is negative or above 2**63 - 1, a range runs
            backwards, or there are too many seeds.
    """
    seeds = []
    for part in (part.strip() for part in text.split(",")):
        match = _PART.fullmatch(part)
        if not match:
            raise ValueError(
                "seeds must be whole numbers >= 0 or ranges of them, separated by commas, such as 0-15 or 3,5,8-10. "
                f"Received: {part!r} in {text!r}"
            )
        if max(len(number or "") for number in match.groups()) > 19 or int(match[2] or match[1]) > LARGEST_SEED:
            raise ValueError(f"seeds must be at most {LARGEST_SEED} (2**63 - 1). Received: {part[:60]!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"a range of seeds must run upwards, such as {last}-{first}. Received: {part!r}")
        if len(seeds) + last - first + 1 > MAX_SEEDS:
            raise ValueError(f"seeds must be at most {MAX_SEEDS:,} at once. Received more with: {part!r}")
        seeds.extend(range(first, last + 1))
    return seeds


def is_sheet(out):
    """Whether `out` names one picture with all avatars (its suffix is `.png`) and not a folder of single PNGs."""
    return Path(out).suffix.lower() == ".png"


def avatar_path(folder, seed):
    """The file of one avatar below `folder`: `seed-00000012.png` for seed 12."""
    return Path(folder) / f"seed-{seed:08d}.png"


def require_writable_out(out, count):
    """Checks `out` before any avatar is drawn, so that a bad one costs no work.

    Args:
        out: See `write_avatars`. Its folder is created.
        count: How many avatars there will be.

    Raises:
        ValueError: More avatars than a sheet holds (`MAX_SHEET`), or another kind of picture than PNG.
        OSError: `out` cannot be written.
    """
    out = Path(out)
    if out.suffix.lower() in (".jpg", ".jpeg", ".webp", ".gif", ".bmp"):
        raise ValueError(f"out must end in .png, or be a folder. Received: {out}")
    if not is_sheet(out):
        require_writable_folder(out, "out")
        return
    if count > MAX_SHEET:
        raise ValueError(
            f"out must be a folder for more than {MAX_SHEET:,} avatars (a name without .png). "
            f"Received: {out} for {count:,}"
        )
    if out.is_dir():
        raise IsADirectoryError(f"out must be a file if its name ends in .png. Received the folder: {out}")
    require_writable_folder(out.parent, "the folder of out")


def write_avatars(images, seeds, out):
    """Writes avatars as one sheet or as single PNGs.

    Args:
        images: uint8 array `[count, height, width, 3]`, count >= 1.
        seeds: The `count` seeds that they were drawn from.
        out: A path that ends in `.png` becomes a sheet, the first avatar at the top left; any other is a folder
            (created if need be), into which each avatar goes by its seed, see `avatar_path`. A folder can be filled
            by several calls.

    Returns:
        The paths written, a list of `pathlib.Path`.

    Raises:
        ValueError: `images` is not a batch of RGB pictures, or its length is not that of `seeds`.
        OSError: `out` cannot be written.
    """
    from tfanime.images import grid, write_png  # here, because it loads Pillow and reading seeds should not

    images = np.asarray(images)
    if len(images) != len(seeds):
        raise ValueError(f"images and seeds must have the same length. Received: {len(images)} and {len(seeds)}")
    if is_sheet(out):
        write_png(out, grid(images))
        return [Path(out)]
    folder = require_writable_folder(out, "out")
    paths = [avatar_path(folder, seed) for seed in seeds]
    for path, image in zip(paths, images, strict=True):
        write_png(path, image)
    return paths


def write_in_batches(batches, count, out):
    """Writes avatars from an iterator, with a progress bar; a folder keeps the files of an interrupted call.

    Args:
        batches: Iterable of `(seeds, images)`, some at a time.
        count: How many avatars there will be.
        out: As for `write_avatars`. A sheet is written at the end.

    Returns:
        All seeds, in order, a list.
    """
    from tqdm import tqdm

    seeds, sheet = [], []
    with tqdm(total=count, unit=" avatars", disable=None if count > 64 else True) as bar:
        for part, images in batches:
            if is_sheet(out):
                sheet.append(images)
            else:
                write_avatars(images, part, out)
            seeds += part
            bar.update(len(part))
    if sheet:
        write_avatars(np.concatenate(sheet), seeds, out)
    return seeds
