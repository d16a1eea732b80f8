import dataclasses
import importlib.util
import sys
from types import SimpleNamespace

import pytest

from tfanime import limits
from tfanime.tfrecords.detectors.registry import DETECTORS, DetectSettings, detector_name


def broken(**values):
    return [flag for flag, _ in limits.broken(DetectSettings(**values))]


def sourced(source="faces", **values):
    return SimpleNamespace(source=source, **dataclasses.asdict(DetectSettings(**values)))


def test_none_takes_every_picture_for_a_face():
    detector = DETECTORS["none"](DetectSettings())
    assert detector.find is None and detector.version


def test_the_defaults_keep_all_rules():
    assert broken() == []


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("detector", "eyes"),
        ("faces", "some"),
        ("threshold", 1.1),
        ("threshold", float("nan")),
        ("detect_size", -1),
        ("detect_size", 31),
    ],
)
def test_each_rule_names_its_flag(flag, value):
    assert broken(**{flag: value}) == [flag]


def test_the_files_of_the_chosen_detector_must_be_there(monkeypatch, tmp_path):
    monkeypatch.delenv("TFANIME_CASCADE", raising=False)
    with pytest.raises(ValueError, match=r"--cascade .*TFANIME_CASCADE.*neither.*nagadomi"):
        broken(detector="lbpcascade")
    with pytest.raises(FileNotFoundError, match=r"--cascade must name an existing .*absent"):
        broken(detector="lbpcascade", cascade=str(tmp_path / "absent.xml"))
    with pytest.raises(ValueError, match="--detector_model must name"):
        broken(detector="onnx")
    with pytest.raises(FileNotFoundError, match=r"--detector_model must be an existing .*absent"):
        broken(detector="onnx", detector_model=str(tmp_path / "absent.onnx"))
    assert broken(cascade="absent.xml", detector_model="absent.onnx") == []  # nobody asks for them


def test_idle_fields_are_those_without_effect():
    assert set(DetectSettings(detector="none").idle()) == {
        "cascade",
        "detector_model",
        "faces",
        "threshold",
        "detect_size",
    }
    assert set(DetectSettings(detector="animeface").idle()) == {"cascade", "detector_model"}


def test_the_default_is_animeface_and_none_for_drawn_avatars(monkeypatch):
    monkeypatch.setitem(sys.modules, "animeface", SimpleNamespace(__spec__=importlib.util.find_spec("json")))
    assert detector_name(sourced()) == "animeface"
    assert detector_name(sourced("drawn")) == "none"
    assert detector_name(sourced("drawn", detector="onnx")) == "onnx"


def test_without_animeface_the_default_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "animeface", None)
    with pytest.raises(ImportError, match=r"tfanime\[faces\]'.*--detector lbpcascade --cascade.*--detector none"):
        detector_name(sourced())
    assert detector_name(sourced("drawn")) == "none"
    assert detector_name(sourced(detector="lbpcascade")) == "lbpcascade"
