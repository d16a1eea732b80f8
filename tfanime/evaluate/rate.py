"""Lets a person rate pictures of several models, blind and in random order. Run as
`python -m tfanime.evaluate.rate MODEL ...`."""

import json
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tfanime import command_line
from tfanime.limits import SEED, Checked, at_least, between


@dataclass(frozen=True)
class Config(Checked):
    """Rate pictures.

    Args:
        models: Run folders, generators' folders (with card.json), SavedModels, folders of SavedModels by version, names
            of pretrained generators, or folders of PNGs; all of one size.
        real: Folder of shards whose faces are rated too, held-out ones if there are any. Default: none.
        out: Folder for answers.jsonl, pictures.npz and results.json. An interrupted rating is resumed there, with the
            same pictures.
        count: Pictures of each model.
        seed: Seed of each generator's first picture, of the choice among a folder's pictures, and of the order.
        checkpoint: Checkpoint of run folders: newest, best, or a step.
        port: Port of the page on this machine; 0 for any free one.
    """

    models: list[str]
    real: str | None = None
    out: str = "rating"
    count: Annotated[int, at_least(1)] = 100
    seed: Annotated[int, SEED] = 0
    checkpoint: str = "newest"
    port: Annotated[int, between(0, 65535)] = 0


def open_pictures(path, count, seed=0, checkpoint="newest"):
    """Pictures of a model.

    Args:
        path: One of `--models`.
        count: Number of pictures.
        seed: The first seed of a generator; the seed of the choice among the pictures of a folder.
        checkpoint: Of a run folder.

    Returns:
        A `tfanime.evaluate.rating.Pictures`, named as the path.

    Raises:
        FileNotFoundError: The model does not exist.
        ValueError: A folder has too few pictures, or some of another size.
    """
    import numpy as np
    from PIL import Image

    from tfanime.evaluate.rating import Pictures

    files = sorted(Path(path).glob("*.png"))
    if not files:
        command_line.load_tensorflow()  # not for folders, which do not need it
        from tfanime.generator import open_generator

        is_run = (Path(path) / "run.json").is_file()
        generator = open_generator(path, checkpoint if is_run else "newest")
        return Pictures(str(path), generator.images(range(seed, seed + count)))
    if len(files) < count:
        raise ValueError(f"--count must be at most the pictures in {str(path)!r}, {len(files)}. Received: {count}")
    images = []
    for index in np.sort(np.random.default_rng(seed).choice(len(files), count, replace=False)):
        with Image.open(files[index]) as image:
            images.append(np.asarray(image.convert("RGB")))
        if images[-1].shape != images[0].shape:
            raise ValueError(
                f"pictures must have one size. Received: {files[index]} of {images[-1].shape[:2]}, others of "
                f"{images[0].shape[:2]}"
            )
    return Pictures(str(path), np.stack(images))


def open_real(shards, size, count, seed=0):
    """Real faces, held-out ones if the shards have any.

    Args:
        shards: Folder of shards.
        size: Their height and width in pixels.
        count: Number of pictures.
        seed: Seed of the choice.

    Returns:
        A `tfanime.evaluate.rating.Pictures`.

    Raises:
        FileNotFoundError: The shards do not exist.
        ValueError: There are too few of them.
    """
    import numpy as np

    command_line.load_tensorflow()
    from tfanime import data
    from tfanime.evaluate.rating import Pictures
    from tfanime.tfrecords.manifest import Manifest

    holdout = Manifest.load(shards).holdout
    faces = data.load(shards, size, split="holdout" if holdout and holdout["count"] else "train")
    if faces.count < count:
        raise ValueError(f"--count must be at most the real faces in {shards!r}, {faces.count}. Received: {count}")
    chosen = np.sort(np.random.default_rng(seed).choice(faces.count, count, replace=False))
    return Pictures("real faces", faces.images(chosen))


def open_sources(config):
    """The pictures of all models, and real ones if wanted.

    Args:
        config: A `Config`.

    Returns:
        A list of `tfanime.evaluate.rating.Pictures`.

    Raises:
        FileNotFoundError, ValueError: See `open_pictures` and `open_real`.
    """
    sources = [open_pictures(path, config.count, config.seed, config.checkpoint) for path in config.models]
    if config.real:
        sources.append(open_real(config.real, sources[0].images.shape[1], config.count, config.seed))
    return sources


def saved_sources(config, path):
    """The pictures that `save_sources` wrote when the rating began; None if there are none, or of other settings.

    A resumed rating has the same pictures, even if a run has been trained further, or another device rounds
    differently.

    Args:
        config: A `Config`.
        path: The file.

    Returns:
        A list of `tfanime.evaluate.rating.Pictures`, or None.

    Raises:
        ValueError: The file is damaged.
    """
    import numpy as np

    from tfanime.evaluate.rating import Pictures

    if not path.is_file():
        return None
    try:
        with np.load(path) as file:
            head = json.loads(str(file["head"]))
            if head["settings"] != _deciding(config):
                return None
            return [Pictures(name, file[str(number)]) for number, name in enumerate(head["names"])]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} must be a file that tfanime wrote. Received: {error}") from error


def save_sources(config, sources, path):
    """Writes pictures for `saved_sources`.

    Args:
        config: A `Config`.
        sources: From `open_sources`.
        path: The file.

    Raises:
        OSError: It cannot be written.
    """
    import numpy as np

    from tfanime.files import replacing

    head = {"settings": _deciding(config), "names": [source.name for source in sources]}
    arrays = {str(number): source.images for number, source in enumerate(sources)}
    with replacing(path) as temporary, open(temporary, "wb") as file:  # `savez` would add a suffix to a path
        np.savez(file, head=json.dumps(head), **arrays)


def _deciding(config):
    """The settings on which the rated pictures depend."""
    return {name: getattr(config, name) for name in ("models", "real", "count", "seed", "checkpoint")}


def main(arguments=None):
    """Serves the page until all pictures are rated; `--help` lists the flags."""
    config = command_line.parse(
        Config,
        program="python -m tfanime.evaluate.rate",
        description="Rate pictures of several models as good or poor, blind and in random order, in a browser.",
        epilog="""examples:
  python -m tfanime.evaluate.rate runs/dcgan runs/wgan --real tfrecords/faces --out rating
  python -m tfanime.evaluate.rate exports/faces pictures/of/another --count 50

The page's keys: G or the right arrow for good, P or the left arrow for poor, U to take an answer back.
""",
        positional=("models",),
        arguments=arguments,
    )
    from tfanime.evaluate.rating import Rating, as_text
    from tfanime.evaluate.rating_server import RatingServer
    from tfanime.files import locked, require_writable_folder, write_text

    folder = require_writable_folder(config.out, "out")
    with locked(folder, "out"):
        answers, pictures = folder / "answers.jsonl", folder / "pictures.npz"
        begun = answers.is_file()
        sources = saved_sources(config, pictures) if begun else None
        sources = sources or open_sources(config)
        if not begun:  # before the first line of answers names the pictures
            save_sources(config, sources, pictures)
        rating = Rating(answers, sources, config.seed)
        with RatingServer(rating, config.port) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            print(f"{rating.count} pictures, {len(rating.answers)} rated: {server.address}", flush=True)
            try:
                if not rating.finished:
                    server.finished.wait()
            except KeyboardInterrupt as interrupt:
                left = rating.count - len(rating.answers)
                raise KeyboardInterrupt(f"{left} pictures are left; the same command goes on with them") from interrupt
            finally:
                server.shutdown()
        results = rating.results()
        write_text(folder / "results.json", json.dumps(results, indent=1) + "\n")
        print(as_text(results))
    return 0


if __name__ == "__main__":
    command_line.run(main)
