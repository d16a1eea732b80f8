"""Avatars drawn by rule: the data set that tfanime carries with it, with tags that are true because they come first.

    image = draw(seed=7, tags=["blonde_hair", "twin_tails", "smile"], size=128)

A picture is a pure function of (seed, tags, size): the seed gives face, pose, light, clothes and background, the tags
what they say. The same seed with other tags is the same person, for example with a hat (and drawn smaller, to fit the
hat in).
"""

import contextlib
import csv
import io
import multiprocessing
from collections.abc import Iterable

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from tfanime.drawn import dress, hair, head
from tfanime.drawn.canvas import Canvas
from tfanime.drawn.look import Chance, decide, numbers
from tfanime.files import replacing, require_writable_folder
from tfanime.tags import JIN34

VERSION = 1  # of the style: to be raised with every change that changes a picture
VOCABULARY = JIN34
SMALLEST_SIZE = 16

_INDEPENDENT = {  # how often each tag holds
    "twin_tails": 0.16,
    "drill_hair": 0.1,
    "ponytail": 0.14,
    "blush": 0.4,
    "smile": 0.45,
    "open_mouth": 0.3,
    "hat": 0.1,
    "ribbon": 0.25,
    "glasses": 0.1,
}


def drawn_tags(seed):
    """The tags of avatar `seed` if none are specified.

    Hair is long, short or between, never both; hair is tied up in one way at most.

    Args:
        seed: Whole number from 0 to 2**64 - 1.

    Returns:
        int8 array `[34]` of +1 and -1 in the order of `tfanime.tags.JIN34`, with one hair and one eye colour.

    Raises:
        ValueError: `seed` is out of range.
    """
    random = Chance(numbers(_check_seed(seed), 1)[0])
    found = set()
    for group in VOCABULARY.groups:
        if group.exclusive:
            found.add(random.pick(group.tags))
    found.add(random.pick(("long_hair", "short_hair", None), (0.45, 0.3, 0.25)))
    found |= {tag for tag, share in _INDEPENDENT.items() if random.random() < share}
    if "twin_tails" in found:
        found.discard("ponytail")
    return np.array([1 if tag in found else -1 for tag in VOCABULARY.tags], np.int8)


def draw(seed, tags=None, size=64):
    """Draws one avatar.

    Args:
        seed: Whole number from 0 to 2**64 - 1; decides everything that the tags do not.
        tags: Names of tags of `tfanime.tags.JIN34` (aliases are understood), or its values `[34]`, of which the
            positive ones hold. A colour of hair or eyes that is not given is chosen by the seed. Default:
            `drawn_tags(seed)`.
        size: Side of the picture in pixels, at least 16. The same avatar is drawn at every size.

    Returns:
        uint8 array `[size, size, 3]`, RGB.

    Raises:
        ValueError: A tag is not in the vocabulary, two colours exclude each other, or `seed` or `size` is unfit.
    """
    seed = _check_seed(seed)
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < SMALLEST_SIZE:
        raise ValueError(f"size must be a whole number of pixels, at least {SMALLEST_SIZE}. Received: {size!r}")
    look = decide(seed, frozenset(_complete(seed, tags)))
    canvas = Canvas(int(size))
    dress.draw_background(canvas, look)
    hair.draw_tails(canvas, look)
    hair.draw_back_hair(canvas, look)
    dress.draw_body(canvas, look)
    face = head.draw_head(canvas, look)
    head.draw_blush(canvas, look, face)
    head.draw_nose(canvas, look)
    head.draw_mouth(canvas, look)
    head.draw_eyes(canvas, look)
    head.draw_brows(canvas, look, 0.9)
    hair.draw_fringe(canvas, look, face)
    head.draw_brows(canvas, look, 0.35)
    head.draw_glasses(canvas, look)
    hair.draw_side_locks(canvas, look)
    hair.draw_drills(canvas, look)
    dress.draw_hat(canvas, look)
    dress.draw_ribbon(canvas, look)
    dress.draw_light(canvas, look)
    return canvas.finish()


def _check_seed(seed):
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise ValueError(f"seed must be a whole number from 0 to 2**64 - 1. Received: {seed!r}")
    return int(seed)


def _complete(seed, tags):
    """The names of the tags that hold, with a colour of hair and of eyes."""
    own = VOCABULARY.decode(drawn_tags(seed))
    if tags is None:
        return own
    if isinstance(tags, str):
        raise ValueError(f"tags must be a list of names or {len(VOCABULARY)} values. Received the text: {tags!r}")
    if not isinstance(tags, Iterable):
        raise ValueError(f"tags must be a list of names or {len(VOCABULARY)} values. Received: {tags!r}")
    tags = list(tags)
    texts = [isinstance(tag, str) for tag in tags]
    if tags and not any(texts):
        tags = VOCABULARY.decode(tags)
    elif not all(texts):
        raise ValueError(f"tags must be names or values, not both. Received: {tags!r}")
    found = set(VOCABULARY.parse(",".join(tags)))
    for group in VOCABULARY.groups:
        if group.exclusive and not found.intersection(group.tags):
            found |= set(own).intersection(group.tags)
    return tuple(tag for tag in VOCABULARY.tags if tag in found)


def draw_folder(folder, count, size=64, seed=0, workers=2, progress=True):
    """Draws `count` avatars into a folder of pictures with a table of their tags, `tags.csv`.

    A picture is named after its seed, `00000000.png` and on. Pictures that are there already are kept, so an
    interrupted call is taken up where it was, and a folder can be made larger; `tags.csv` (columns `file` and `tags`,
    the latter separated by spaces) is written last. A script that calls this with `workers` > 0 needs
    `if __name__ == "__main__":`.

    Args:
        folder: The folder; it is created.
        count: How many avatars, >= 1.
        size: Side of a picture in pixels.
        seed: Seed of the first one.
        workers: Processes that draw; 0 draws in this one.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: `count`, `size`, `seed` or `workers` is unfit, or the folder has pictures of another size.
        OSError: The folder cannot be written.
    """
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise ValueError(f"count must be a whole number of pictures, at least 1. Received: {count!r}")
    if isinstance(workers, bool) or not isinstance(workers, (int, np.integer)) or workers < 0:
        raise ValueError(f"workers must be a whole number of processes, 0 for none. Received: {workers!r}")
    _check_seed(seed)
    _check_seed(seed + count - 1)
    draw(seed, size=size)  # an unfit size shall not be found by a worker
    folder = require_writable_folder(folder, "folder")
    seeds = range(seed, seed + count)
    jobs = [(folder / _name(one), one, size) for one in seeds if not _is_drawn(folder / _name(one), size)]
    with _mapper(min(workers, len(jobs))) as mapper:
        for _ in tqdm(mapper(draw_file, jobs), total=len(jobs), unit="picture", disable=not progress):
            pass
    _write_table(folder / "tags.csv", seeds)


def _name(seed):
    return f"{seed:08d}.png"


def _is_drawn(path, size):
    if not path.exists():
        return False
    with Image.open(path) as image:
        if image.size != (size, size):
            raise ValueError(
                f"size must be that of the pictures in the folder. Received: {size}, and {path}: {image.size}"
            )
    return True


@contextlib.contextmanager
def _mapper(workers):
    if not workers:
        yield map
        return
    # Forked children of a process with threads (TensorFlow) may hang: they are started afresh.
    with multiprocessing.get_context("spawn").Pool(workers, initializer=prepare_worker) as pool:
        yield lambda function, jobs: pool.imap_unordered(function, jobs, chunksize=32)


def prepare_worker():
    """Keeps OpenCV in a worker to one thread, because the workers are the threads."""
    cv2.setNumThreads(1)


def draw_file(job):
    """Draws one avatar into a file; `job` is (path, seed, size)."""
    path, seed, size = job
    buffer = io.BytesIO()
    Image.fromarray(draw(seed, size=size)).save(buffer, format="png")
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def _write_table(path, seeds):
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "tags"])
        for seed in seeds:
            writer.writerow([_name(seed), " ".join(VOCABULARY.decode(drawn_tags(seed)))])
