"""In how many pictures the face cascade finds a face: the share that docs/results.md states.

python -m tfanime.generate RUN --seeds 0-999 --out avatars/
python benchmarks/faces_found.py avatars/ --cascade lbpcascade_animeface.xml
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tfanime import command_line
from tfanime.metrics.faces import cascade_finder


@dataclass(frozen=True)
class Config:
    """Count faces.

    Args:
        folder: Folder of PNG or JPEG pictures, one face each.
        cascade: nagadomi's lbpcascade_animeface.xml (needs OpenCV below 5).
        count: At most so many pictures, the first by name.
    """

    folder: str
    cascade: str
    count: int = 1000


def main(arguments=None):
    """Counts and prints the share."""
    config = command_line.parse(
        Config,
        program="python benchmarks/faces_found.py",
        description="Share of pictures in which the cascade finds a face.",
        positional=("folder",),
        arguments=arguments,
    )
    finder = cascade_finder(config.cascade)
    paths = sorted(path for path in Path(config.folder).glob("*") if path.suffix in (".png", ".jpg"))[: config.count]
    if not paths:
        raise ValueError(f"folder must hold PNG or JPEG pictures. Received: {config.folder!r}")
    found = sum(int(finder(np.asarray(Image.open(path).convert("RGB"))[None])[0]) for path in paths)
    print(f"a face in {found} of {len(paths)} pictures, {found / len(paths):.1%}")


if __name__ == "__main__":
    command_line.run(main)
