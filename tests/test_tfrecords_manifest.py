import dataclasses
import json

import pytest

from tfanime.tags import JIN34
from tfanime.tfrecords.manifest import Manifest

MANIFEST = Manifest(
    name="x",
    image_size=16,
    count=3,
    shards=[{"file": "x-00000-of-00001.tfrecord", "count": 3, "bytes": 99}],
    fingerprint="ab",
    holdout={
        "count": 1,
        "shards": [{"file": "x-holdout-00000-of-00001.tfrecord"}],
        "fingerprint": "cd",
        "tag_counts": {},
    },
    vocabulary=JIN34,
    tag_counts={"smile": 2},
    detector={"name": "none", "version": "1"},
    taggers=[{"name": "sidecar", "version": "1", "holds": {}, "known": {}}],
    pictures={"found": 3, "kept": 3, "dropped": {}},
    card={"size": 16},
    tfanime="0",
)


@pytest.mark.parametrize("manifest", [MANIFEST, dataclasses.replace(MANIFEST, vocabulary=None)])
def test_manifest_round_trip(tmp_path, manifest):
    manifest.save(tmp_path)
    assert Manifest.load(tmp_path) == manifest


def test_manifest_has_splits():
    assert MANIFEST.split("train") is MANIFEST
    held_out = MANIFEST.split("holdout")
    assert (held_out.count, held_out.fingerprint, held_out.image_size) == (1, "cd", 16)
    assert held_out.shards == MANIFEST.holdout["shards"]
    for manifest, name in ((MANIFEST, "test"), (held_out, "holdout")):
        with pytest.raises(ValueError, match=f"split must be train.*'{name}'.*--holdout"):
            manifest.split(name)


def test_manifest_explains_missing_folders_and_unfinished_conversions(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"existing folder.*nowhere"):
        Manifest.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"manifest\.json.*python -m tfanime\.tfrecords"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize("change", ["cut", "format", "key"])
def test_manifest_names_unreadable_files(tmp_path, change):
    MANIFEST.save(tmp_path)
    path = tmp_path / "manifest.json"
    values = json.loads(path.read_text())
    if change == "cut":
        path.write_text(path.read_text()[:50])
    else:
        values |= {"format": 99} if change == "format" else {"strange": 1}
        path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"manifest\.json must be a manifest that tfanime wrote"):
        Manifest.load(tmp_path)
