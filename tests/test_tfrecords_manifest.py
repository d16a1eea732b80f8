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
    vocabulary=JIN34,
    tag_counts={"smile": 2},
    detector={"name": "none", "version": "1"},
    tagger={"name": "sidecar", "version": "1"},
    pictures={"found": 3, "kept": 3, "dropped": {}},
    card={"size": 16},
    tfanime="0",
)


@pytest.mark.parametrize("manifest", [MANIFEST, dataclasses.replace(MANIFEST, vocabulary=None)])
def test_round_trip(tmp_path, manifest):
    manifest.save(tmp_path)
    assert Manifest.load(tmp_path) == manifest


def test_missing_folder_and_unfinished_conversion(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"existing folder.*nowhere"):
        Manifest.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"manifest\.json.*python -m tfanime\.tfrecords"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize("change", ["cut", "format", "key"])
def test_unreadable_manifests_are_named(tmp_path, change):
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
