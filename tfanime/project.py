"""Finds the avatar most like a picture. Run as `python -m tfanime.project me.png avatars64 --out projected`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tfanime import command_line
from tfanime.files import require_writable_folder
from tfanime.generator import open_generator
from tfanime.limits import SHARE, Checked, above, at_least, between
from tfanime.tfrecords.detectors.registry import DetectSettings

ZOOM = {"lbpcascade": 1.17}  # its box includes the hair
FRAMES = 120  # of a film, at most


@dataclass(frozen=True)
class Config(Checked):
    """Project a picture.

    Args:
        picture: A picture, or a folder of pictures; the best face of each is used.
        model: A run folder, a generator's folder (with card.json), or the name of a pretrained generator.
        out: The folder for NAME.npz, the point, which `tfanime.mix` and `tfanime.video` take in place of a seed;
            NAME.png, the picture and its avatar; and NAME.mp4, a film of the search.
        space: For a StyleGAN2 w+ (a w for each layer, nearer to the picture) or w (one for all layers, which edits
            change as they change other avatars). For all other networks z. Default: w+, or z.
        distance: The network that compares picture and avatar: tagger, which tfanime carries (sensitive to what tags
            describe), or hed_vgg16 (lines and colours; needs the extra judge, and more time).
        steps: Steps of the search.
        batch: Number of pictures that are projected at once; fewer take less memory.
        tags: What the picture shows, such as "blonde hair, blue eyes", if the generator was trained with tags.
            Default: those that the tagger predicts.
        no_crop: Use the square in the middle of each picture, for faces that are already cropped.
        detector: The face detector: animeface (needs the extra faces), lbpcascade (needs --cascade) or onnx (needs
            --detector_model).
        cascade: The file of lbpcascade: nagadomi's lbpcascade_animeface.xml. Default: the environment variable
            TFANIME_CASCADE.
        detector_model: The file of onnx: a face detector of YOLO's form, as an ONNX file.
        threshold: Smallest score of a face, on the detector's own scale.
        zoom: Side of the crop, relative to the detector's box. Default: 1.5, with lbpcascade 1.17.
        film: Whether to write NAME.mp4.
        scale: Factor by which the film's frames are enlarged.
        checkpoint: Checkpoint of a run: newest, best, or the step of one that is there.
    """

    picture: str
    model: str
    out: str = "projected"
    space: Literal["w", "w+", "z"] | None = None
    distance: Literal["tagger", "hed_vgg16"] = "tagger"
    steps: Annotated[int, at_least(1)] = 1000
    batch: Annotated[int, at_least(1)] = 16
    tags: str = ""
    no_crop: bool = False
    detector: Literal["animeface", "lbpcascade", "onnx"] = "animeface"
    cascade: str | None = None
    detector_model: str | None = None
    threshold: Annotated[float, SHARE] = 0.5
    zoom: Annotated[float | None, above(0, most=10)] = None
    film: bool = True
    scale: Annotated[int, between(1, 16)] = 4
    checkpoint: str = "newest"


def main(arguments=None):
    """Projects; `--help` lists the flags."""
    config = command_line.parse(
        Config,
        program="python -m tfanime.project",
        description="Find the point of a latent space whose avatar is most like a picture.",
        epilog="""examples:
  python -m tfanime.project me.png avatars64
  python -m tfanime.project faces/ avatars64 --no_crop --space w --out projected
  python -m tfanime.mix avatars64 --rows projected/me.npz --columns 0-7 --out mixed.png
""",
        positional=("picture", "model"),
        arguments=arguments,
    )
    command_line.load_tensorflow()
    import numpy as np

    from tfanime.latent_space.distances import DISTANCES
    from tfanime.latent_space.portraits import pictures_in
    from tfanime.latent_space.space import LatentSpace

    files = pictures_in(config.picture)
    if any(file.parent.resolve() == Path(config.out).resolve() for file in files):
        raise ValueError(f"--out must be another folder than that of the pictures. Received: {config.out!r}")
    out = require_writable_folder(config.out, "out")
    distance = DISTANCES[config.distance]()
    space = LatentSpace(open_generator(config.model, config.checkpoint))
    faces, failed = _faces(config, files, space.network.output_shape[1])
    if failed and len(files) == 1:
        raise ValueError(failed[files[0].name])
    kind = config.space or ("w+" if space.has_styles else "z")
    for begin in range(0, len(faces), config.batch):
        part = list(faces)[begin : begin + config.batch]
        _project(config, space, kind, distance, part, np.stack([faces[file] for file in part]), out)
    for name, cause in failed.items():
        print(f"left out: {name}: {cause}", file=sys.stderr)
    left_out = f", {len(failed):,} pictures left out" if failed else ""
    print(f"wrote {len(faces):,} point{'' if len(faces) == 1 else 's'} of {kind} to {out}{left_out}")
    return 1 if failed else 0


def _project(config, space, kind, distance, files, faces, out):
    """Projects faces, uint8 `[count, size, size, 3]`, all at once, and writes the files of each."""
    import numpy as np
    from tqdm import tqdm

    from tfanime.images import grid, to_uint8, write_png
    from tfanime.latent_space.movies import write_movie
    from tfanime.latent_space.points import write_points
    from tfanime.latent_space.projection import Projector

    projector = Projector(space, distance, _start(config, space, faces), faces, config.steps, kind)
    films, every = [], -(-config.steps // FRAMES)
    with tqdm(total=config.steps, desc=f"projecting by {distance.name}", unit=" steps", disable=None) as bar:

        def on_step(step, images):
            bar.update()
            if config.film and (step % every == 1 % every or step == config.steps):
                films.append(to_uint8(images).numpy())

        points = projector.run(on_step)
    avatars = space.images(points)
    for place, file in enumerate(files):
        about = {"picture": file.name, "space": kind, "distance": distance.name, "steps": config.steps}
        found = float(projector.distances[place])
        write_points(out / f"{file.stem}.npz", space, points[place : place + 1], about | {"value": found})
        write_png(out / f"{file.stem}.png", grid(np.stack([faces[place], avatars[place]]), 2))
        if config.film:
            frames = (np.concatenate([faces[place], film[place]], axis=1) for film in films)
            write_movie(out / f"{file.stem}.mp4", frames, 30, config.scale)
        print(f"{file.stem}: {distance.name} {found:.3f}")


def _faces(config, files, size):
    """The faces of pictures by file, uint8 `[size, size, 3]`, and what is wrong with others by their names."""
    from tfanime.latent_space.portraits import portrait
    from tfanime.tfrecords.detectors.registry import DETECTORS

    found, failed, likely, zoom = {}, {}, None, 1.5
    if not config.no_crop:
        settings = DetectSettings(
            detector=config.detector,
            threshold=config.threshold,
            cascade=config.cascade,
            detector_model=config.detector_model,
        )
        find = DETECTORS[config.detector](settings).find
        zoom = config.zoom or ZOOM.get(config.detector, 1.5)

        def likely(image):
            return [face for face in find(image) if face.score >= config.threshold]

    for file in files:
        try:
            found[file] = portrait(file, size, likely, config.detector, zoom)
        except (ValueError, OSError) as error:
            failed[file.name] = str(error)
    return found, failed


def _start(config, space, faces):
    """Where the search begins: the pictures' tags, and noise of seed 0."""
    import numpy as np

    from tfanime.latent_space.portraits import tags_of
    from tfanime.tagger.files import open_tagger

    seeds = np.zeros(len(faces), np.int64)
    if config.tags or not space.vocabulary:
        return space.from_seeds(seeds, config.tags)
    seen = tags_of(space.vocabulary, open_tagger(), faces)
    names = [", ".join(space.vocabulary.decode(row)).replace("_", " ") or "none" for row in seen]
    print(f"tags seen: {'; '.join(names)}")
    return space.from_wanted(seeds, seen.astype(np.float32))


if __name__ == "__main__":
    command_line.run(main)
