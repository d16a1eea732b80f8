"""The report of a folder of shards: one HTML page to look at before training.

The converter writes it at its end. It is made from what lies in the folder alone: manifest.json, the shards,
dropped.csv and dropped.tfrecord. `python -m tfanime.tfrecords.report` makes it again.
"""

from pathlib import Path

from tqdm import tqdm

from tfanime.command_line import quiet
from tfanime.tfrecords.manifest import Manifest

FILE_NAME = "report.html"


def write(folder, out=None, *, faces=240, suspects=48, drops=24, seed=0, progress=False):
    """Writes the report of a folder of shards. Equal folders give equal pages.

    Args:
        folder: The folder, with its manifest.
        out: Path of the page; default: `report.html` in the folder.
        faces: Size of the random sheet.
        suspects: Size of each sheet of the blurriest, smallest, greyest and least certain faces.
        drops: How many of those left out are shown for each reason, at most.
        seed: Which faces are on the random sheet.
        progress: Whether to show a progress bar on stderr.

    Returns:
        The page's path.

    Raises:
        FileNotFoundError: The folder, its manifest or a shard is missing.
        ValueError: The manifest or a shard is damaged.
        OSError: The page cannot be written.
    """
    folder = Path(folder)
    manifest = Manifest.load(folder)
    with quiet():
        from tfanime.pages import template
        from tfanime.tfrecords.report import counts, page, records  # loads TensorFlow

    zoom = manifest.card.get("zoom", 1.0)
    survey = counts.Survey(manifest.vocabulary, page.paired_tags(manifest), zoom, faces, suspects, seed)
    lost = records.lost_sample(folder, drops)
    survey.wanted = {one.earlier: None for sample in lost.values() for one in sample if one.earlier}
    for _, reason, value in records.lost_rows(folder):
        survey.add_lost(reason, value)
    total = manifest.count + (manifest.holdout["count"] if manifest.holdout else 0)
    stream = records.faces(folder, manifest)
    for face in tqdm(stream, total=total, desc="report", unit=" faces", disable=not progress):
        survey.add(face)
    survey.finish()
    path = Path(out) if out else folder / FILE_NAME
    template.write(path, page.render(manifest, survey, lost))
    return path
