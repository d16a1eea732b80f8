"""In how many pictures the face cascade finds a face: the share that docs/results.md states.

python -m tfanime.generate RUN --seeds 0-999 --out avatars/
python benchmarks/faces_found.py avatars/ --cascade lbpcascade_animeface.xml
"""

from dataclasses import dataclass
from pathlib import Path

import cv2

from tfanime import command_line

SIDE, BORDER = 96, 48


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


def has_face(cascade, path):
    """Whether the cascade finds a face: at 96 px, with a replicated border of 48 px, histogram equalised."""
    image = cv2.resize(cv2.imread(str(path)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    image = cv2.copyMakeBorder(image, BORDER, BORDER, BORDER, BORDER, cv2.BORDER_REPLICATE)
    grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    return len(cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=(48, 48))) > 0


def main(arguments=None):
    """Counts and prints the share."""
    config = command_line.parse(
        Config,
        program="python benchmarks/faces_found.py",
        description="Share of pictures in which the cascade finds a face.",
        positional=("folder",),
        arguments=arguments,
    )
    if not Path(config.cascade).is_file():
        raise ValueError(f"--cascade must be an existing XML file. Received: {config.cascade!r}")
    paths = sorted(path for path in Path(config.folder).glob("*") if path.suffix in (".png", ".jpg"))[: config.count]
    if not paths:
        raise ValueError(f"folder must hold PNG or JPEG pictures. Received: {config.folder!r}")
    cascade = cv2.CascadeClassifier(config.cascade)
    found = sum(has_face(cascade, path) for path in paths)
    print(f"a face in {found} of {len(paths)} pictures, {found / len(paths):.1%}")


if __name__ == "__main__":
    command_line.run(main)
