import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tfanime.tfrecords.detectors import cascade as detect_cascade
from tfanime.tfrecords.detectors.registry import DetectSettings

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
CASCADE = Path(os.environ.get("TFANIME_CASCADE") or SHARED / "lbpcascade_animeface.xml")
there = pytest.mark.skipif(not CASCADE.is_file(), reason="needs TFANIME_CASCADE")

needs_cascades = pytest.mark.skipif(not hasattr(cv2, "CascadeClassifier"), reason="needs OpenCV below 5")
# A cascade of one stage that takes a window whose middle is brighter than each of the eight fields around it.
BRIGHT_MIDDLE = """<?xml version="1.0"?>
<opencv_storage><cascade type_id="opencv-cascade-classifier"><stageType>BOOST</stageType><featureType>LBP</featureType>
<height>24</height><width>24</width>
<stageParams><maxWeakCount>1</maxWeakCount></stageParams>
<featureParams><maxCatCount>256</maxCatCount></featureParams>
<stageNum>1</stageNum>
<stages><_><maxWeakCount>1</maxWeakCount><stageThreshold>0.5</stageThreshold>
<weakClassifiers><_><internalNodes>0 -1 0 1 0 0 0 0 0 0 0</internalNodes><leafValues>2. -1.</leafValues></_>
</weakClassifiers></_></stages>
<features><_><rect>0 0 8 8</rect></_></features>
</cascade></opencv_storage>
"""


@pytest.fixture
def cascade(tmp_path):
    path = tmp_path / "cascade.xml"
    path.write_text(BRIGHT_MIDDLE)
    return str(path)


def test_cascade_file_comes_from_flag_or_environment(monkeypatch, cascade, tmp_path):
    monkeypatch.setenv("TFANIME_CASCADE", cascade)
    assert str(detect_cascade.cascade_path(DetectSettings())) == cascade
    other = tmp_path / "other.xml"
    other.write_text("other")
    assert detect_cascade.cascade_path(DetectSettings(cascade=str(other))) == other
    monkeypatch.setenv("TFANIME_CASCADE", str(tmp_path / "absent.xml"))
    with pytest.raises(FileNotFoundError, match=r"variable TFANIME_CASCADE must name an existing .*absent"):
        detect_cascade.cascade_path(DetectSettings())


def test_cascade_refuses_opencv_5(monkeypatch, cascade):
    monkeypatch.delattr(cv2, "CascadeClassifier", raising=False)
    with pytest.raises(ImportError, match=r"OpenCV below 5.*'opencv-python<5'"):
        detect_cascade.lbpcascade(DetectSettings(cascade=cascade))


@needs_cascades
@pytest.mark.parametrize("text", ["", "hello", "<?xml version='1.0'?><opencv_storage></opencv_storage>"])
def test_cascade_refuses_other_files(tmp_path, text):
    path = tmp_path / "x.xml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"--cascade must be .*x\.xml"):
        detect_cascade.lbpcascade(DetectSettings(cascade=str(path)))


def test_cascade_score_grows_with_the_weight():
    scores = [detect_cascade.likelihood(weight) for weight in (-3, 0, 1, 2, 4, 1000)]
    assert scores == sorted(scores) and scores[0] >= 0 and scores[-1] <= 1
    # The default threshold drops the weights below 1.1, a third of the wrong boxes and 3 % of the right ones.
    assert detect_cascade.likelihood(1.0) < DetectSettings().threshold < detect_cascade.likelihood(1.2)


@needs_cascades
def test_cascade_boxes_are_squares_around_the_face(cascade):
    scene = np.full((200, 300, 3), 100, np.uint8)
    scene[80:112, 120:152] = 250
    large = Image.fromarray(scene).resize((900, 600), Image.Resampling.NEAREST)
    for picture, scale in ((Image.fromarray(scene), 1), (large, 3)):
        (face,) = detect_cascade.lbpcascade(DetectSettings(cascade=cascade, detect_size=300)).find(picture)
        left, top, right, bottom = face.box
        assert right - left == pytest.approx(bottom - top)
        assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((136 * scale, 96 * scale), abs=6 * scale)
        assert face.score == detect_cascade.likelihood(2.0) and type(left) is float
        assert face.points == face.colours == ()


@needs_cascades
@there
def test_cascade_finds_a_face_at_its_place():
    paths = sorted((SHARED / "anime-faces" / "images").glob("*.jpg"))[:20]
    if not paths:
        pytest.skip("needs the faces")
    find = detect_cascade.lbpcascade(DetectSettings(cascade=str(CASCADE))).find
    found = []
    for path in paths:
        scene = Image.new("RGB", (300, 200), (180, 180, 180))
        scene.paste(Image.open(path).convert("RGB"), (150, 60))
        found += [face for face in find(scene) if face.score > 0.5]
    assert len(found) >= 12
    centres = np.array(
        [[(left + right) / 2, (top + bottom) / 2] for left, top, right, bottom in (f.box for f in found)]
    )
    assert np.abs(np.median(centres, axis=0) - (198, 108)).max() < 12


@needs_cascades
def test_cascade_version_covers_file_and_opencv(cascade):
    version = detect_cascade.lbpcascade(DetectSettings(cascade=cascade)).version
    assert version == f"{detect_cascade.file_version(cascade)}, OpenCV {cv2.__version__}"
