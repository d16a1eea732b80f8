"""The tables of docs/studies.md: each run's losses, and the share of its avatars in which the cascade finds a face.

python -m tfanime.recipes.study optimizers --data tfrecords/anime-faces
python benchmarks/study_faces.py runs/studies --cascade lbpcascade_animeface.xml
"""

import contextlib
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
from faces_found import has_face

from tfanime import command_line, generate
from tfanime.recipes.study_results import columns_of, markdown_table

SHOWN = ("step", "generator_loss", "discriminator_loss", "real_logits", "fake_logits")


@dataclass(frozen=True)
class Config:
    """Count the faces of studies.

    Args:
        studies: The folder of a study, or the folder that holds those of several.
        cascade: nagadomi's lbpcascade_animeface.xml (needs OpenCV below 5).
        count: Avatars drawn of each run, seeds 0 and up.
    """

    studies: str
    cascade: str
    count: int = 512


def share(run, cascade, count):
    """The share of a run's avatars with a face, as text; empty for a run without a checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                generate.main([str(run), "--seeds", f"0-{count - 1}", "--out", folder])
        except FileNotFoundError:
            return ""
        paths = sorted(Path(folder).glob("*.png"))
        assert len(paths) == count
        return f"{sum(has_face(cascade, path) for path in paths) / count:.1%}"


def main(arguments=None):
    """Counts and prints a table for each study."""
    config = command_line.parse(
        Config,
        program="python benchmarks/study_faces.py",
        description="Tables of studies with the share of avatars in which the cascade finds a face.",
        positional=("studies",),
        arguments=arguments,
    )
    folders = [path.parent for path in sorted(Path(config.studies).glob("**/results.json"))]
    if not folders:
        raise ValueError(f"studies must hold a results.json. Received: {config.studies!r}")
    if not Path(config.cascade).is_file():
        raise ValueError(f"--cascade must be an existing XML file. Received: {config.cascade!r}")
    cascade = cv2.CascadeClassifier(config.cascade)
    for folder in folders:
        study = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        rows = study["runs"]
        faces = {row["name"]: share(folder / row["name"], cascade, config.count) for row in rows}
        shown = [column for column in columns_of(rows) if column[0] in (*rows[0]["varied"], *SHOWN)]
        table = markdown_table([*shown, ("face found", lambda row, faces=faces: faces[row["name"]])], rows)
        print(f"\n## {study['study']}\n\n{table}", flush=True)


if __name__ == "__main__":
    command_line.run(main)
