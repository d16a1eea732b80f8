"""The tables of docs/studies.md: each run's losses, and the share of its avatars in which the cascade finds a face.

python -m tfanime.recipes.study optimizers --data tfrecords/anime-faces
python benchmarks/study_faces.py runs/studies/optimizers --cascade lbpcascade_animeface.xml
"""

import json
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
    """Count the faces of a study.

    Args:
        study: The folder of a study.
        cascade: nagadomi's lbpcascade_animeface.xml (needs OpenCV below 5).
        count: Avatars drawn of each run, seeds 0 and up.
    """

    study: str
    cascade: str
    count: int = 512


def share(run, cascade, count):
    """The share of a run's avatars with a face, as text; empty for a run without a checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            generate.main([str(run), "--seeds", f"0-{count - 1}", "--out", folder])
        except FileNotFoundError:
            return ""
        paths = sorted(Path(folder).glob("*.png"))
        assert len(paths) == count
        return f"{sum(has_face(cascade, path) for path in paths) / count:.1%}"


def main(arguments=None):
    """Counts and prints the table."""
    config = command_line.parse(
        Config,
        program="python benchmarks/study_faces.py",
        description="Table of a study with the share of avatars in which the cascade finds a face.",
        positional=("study",),
        arguments=arguments,
    )
    results = Path(config.study) / "results.json"
    for path, argument in ((config.cascade, "--cascade"), (results, "results.json in study")):
        if not Path(path).is_file():
            raise ValueError(f"{argument} must be an existing file. Received: {str(path)!r}")
    cascade = cv2.CascadeClassifier(config.cascade)
    study = json.loads(results.read_text(encoding="utf-8"))
    faces = {row["name"]: share(results.parent / row["name"], cascade, config.count) for row in study["runs"]}
    columns = [
        (title, of) for title, of in columns_of(study["runs"]) if title in SHOWN or title in study["runs"][0]["varied"]
    ]
    print(f"\n## {study['study']}\n")
    print(markdown_table([*columns, ("face found", lambda row: faces[row["name"]])], study["runs"]))


if __name__ == "__main__":
    command_line.run(main)
