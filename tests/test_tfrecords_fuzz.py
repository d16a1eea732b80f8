"""Whatever a folder holds, the converter neither crashes nor hangs, and accounts for all of it.

The environment variable TFANIME_FUZZ says how many damaged files are made (default: 150, on top of some hundred files
of other kinds): `TFANIME_FUZZ=5000 pytest tests/test_tfrecords_fuzz.py`, or `nox -s fuzz`. The seed is in the test's
name; `mutations.write_files` gives the same files for it again.
"""

import collections
import contextlib
import csv
import importlib.util
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import mutations
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small_pictures import data_of

from tfanime import data
from tfanime.tfrecords.convert import convert
from tfanime.tfrecords.crop import decode
from tfanime.tfrecords.example import parse
from tfanime.tfrecords.settings import Settings
from tfanime.tfrecords.sources.folders import list_pictures
from tfanime.tfrecords.workers import KILLED

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("TFANIME_FUZZ") or 150)
SEED = 20
SIZE = 64
TAGGER = "sidecar,colours"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
CASCADE = Path(os.environ.get("TFANIME_CASCADE") or SHARED / "lbpcascade_animeface.xml")
NEEDED = {
    "none": True,
    "animeface": importlib.util.find_spec("animeface") is not None,
    "lbpcascade": CASCADE.is_file() and hasattr(cv2, "CascadeClassifier"),
}


@pytest.fixture(scope="module", params=[SEED], ids=lambda seed: f"seed{seed}")
def source(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / "pictures"
    mutations.write_files(folder, COUNT, request.param, SIZE)
    return folder


@contextlib.contextmanager
def no_longer_than(seconds):
    """Ends what hangs, workers included."""

    def end(*_):
        for process in multiprocessing.active_children():
            process.kill()
        raise TimeoutError(f"not done after {seconds} s: something hangs")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def written(id):
    """An id as files in UTF-8 have it."""
    return id.encode(errors="replace").decode()


def picture_of(face_id, pictures):
    """The picture's id of a face's."""
    return face_id if face_id in pictures else re.sub(r"#\d+\Z", "", face_id)


def records(folder, manifest):
    """Yields `(id, encoded picture)` of both splits."""
    for shard in [*manifest.shards, *manifest.holdout["shards"]]:
        for record in tf.data.TFRecordDataset(str(folder / shard["file"])).as_numpy_iterator():
            values = parse([record], len(manifest.vocabulary or ()), ("id", "image"))
            yield values["id"].numpy()[0].decode(), values["image"].numpy()[0]


@pytest.mark.parametrize("detector", NEEDED)
def test_mutated_files_are_kept_or_accounted_for(source, detector, tmp_path):
    if not NEEDED[detector]:
        pytest.skip(f"needs what {detector} needs")
    cascade = str(CASCADE) if detector == "lbpcascade" else None
    settings = Settings(
        str(source),
        str(tmp_path / "out"),
        name="fuzz",
        size=SIZE,
        detector=detector,
        cascade=cascade,
        threshold=0.5,
        tagger=TAGGER,
        duplicates=-1,  # all faces are variants of one
        holdout=0.2,
        shard_records=200,
        workers=2,
    )
    with no_longer_than(120 + COUNT // 10):
        manifest, _ = convert(settings, progress=False)
    ids = list_pictures(str(source)).ids
    with open(tmp_path / "out" / "dropped.csv", encoding="utf-8", newline="") as file:
        dropped = [tuple(row) for row in csv.reader(file)][1:]
    assert all(len(row) == 3 for row in dropped)
    assert not [row for row in dropped if row[2] == KILLED]
    kept = list(records(tmp_path / "out", manifest))
    faces = collections.Counter([id for id, _ in kept] + [id for id, _, _ in dropped])
    pictures = {written(id) for id in ids}
    # Names that are no UTF-8 may be the same in a text file; nothing else is there twice.
    for id, count in faces.items():
        assert count == 1 or count <= sum(written(other) == id for other in ids), id
    assert {picture_of(id, pictures) for id in faces} == pictures
    if detector == "none":
        assert sum(faces.values()) == len(ids) == manifest.pictures["found"]
    assert collections.Counter(reason for _, reason, _ in dropped) == manifest.pictures["dropped_faces"]
    assert sum(manifest.pictures["dropped"].values()) + manifest.pictures["kept"] == len(ids)
    _require_that_training_reads(kept)
    loaded = data.load(tmp_path / "out", progress=False)
    assert loaded.count == manifest.count > 0
    print(f"{detector}: {len(ids)} files, {len(kept)} faces kept, dropped {manifest.pictures['dropped_faces']}")
    if detector == "none":
        names = {id for id, _ in kept}
        assert {f"whole_0/{name}" for name in ("rgb.png", "plain.jpg", "palette.gif", "animated.webp")} <= names
        assert {"names/line\nbreak.png", "names/both\r\n.png"} <= names


def _require_that_training_reads(kept):
    """What `tfanime.data` reads them with shows the picture that Pillow shows."""
    for id, image in kept:
        decoded = tf.io.decode_jpeg(image, channels=3, dct_method="INTEGER_ACCURATE").numpy()
        assert decoded.shape == (SIZE, SIZE, 3), id
        assert np.abs(decoded.astype(int) - np.asarray(decode(image)[0])).mean() < 2, id


MEASURE = """
import sys
from tfanime.tfrecords.crop import centre_square, decode, resize, thumbnail
from tfanime.tfrecords.filters import measure

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

before = peak()
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        region = centre_square(decode(file.read())[0])
    resize(region, 64, 1)
    measure(region.image, True)
    thumbnail(region.image)
    del region
    print(path, peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs /proc")
def test_large_pictures_take_little_memory(tmp_path):
    """At most 18 bytes a pixel, hence 1.9 GB for the most that --max_pixels lets pass by default."""
    side = 10_000 if COUNT >= 1000 else 2_500
    for bits, colour in ((8, 0), (8, 2), (8, 3), (8, 4), (8, 6), (16, 0), (16, 2)):
        (tmp_path / f"{bits}_{colour}.png").write_bytes(mutations.plain_png(side, side, bits, colour))
    image, palette = Image.new("RGB", (side, side)), Image.new("P", (side, side))
    (tmp_path / "plain.jpg").write_bytes(data_of(image, "jpeg", exif=mutations.exif(6)))
    (tmp_path / "progressive.jpg").write_bytes(data_of(image, "jpeg", progressive=True))
    (tmp_path / "cmyk.jpg").write_bytes(data_of(Image.new("CMYK", (side, side)), "jpeg"))
    frames = {"save_all": True, "append_images": [Image.new("P", (side, side), 3)]}
    (tmp_path / "transparent.gif").write_bytes(data_of(palette, "gif", transparency=0, **frames))
    (tmp_path / "rgba.webp").write_bytes(data_of(Image.new("RGBA", (side, side)), "webp"))
    command = [sys.executable, "-c", MEASURE, *map(str, sorted(tmp_path.iterdir()))]
    peaks = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(peaks.split()[-1]) * 1024 < 18 * side**2 + (64 << 20), peaks
