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


def test_detector_none_takes_the_middle_square():
    detector = DETECTORS["none"](DetectSettings())
    assert detector.find is None and detector.version


def test_detect_settings_defaults_are_valid():
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
def test_detect_settings_name_the_flag_of_a_broken_rule(flag, value):
    assert broken(**{flag: value}) == [flag]


def test_detect_settings_require_the_detectors_files(monkeypatch, tmp_path):
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


def test_detect_settings_list_fields_without_effect():
    assert set(DetectSettings(detector="none").idle()) == {
        "cascade",
        "detector_model",
        "faces",
        "threshold",
        "detect_size",
    }
    assert set(DetectSettings(detector="animeface").idle()) == {"cascade", "detector_model"}


def test_default_detector_depends_on_the_source(monkeypatch):
    monkeypatch.setitem(sys.modules, "animeface", SimpleNamespace(__spec__=importlib.util.find_spec("json")))
    assert detector_name(sourced()) == "animeface"
    assert detector_name(sourced("drawn")) == "none"
    assert detector_name(sourced("drawn", detector="onnx")) == "onnx"


def test_default_detector_without_animeface_explains_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "animeface", None)
    with pytest.raises(ImportError, match=r"tfanime\[faces\]'.*--detector lbpcascade --cascade.*--detector none"):
        detector_name(sourced())
    assert detector_name(sourced("drawn")) == "none"
    assert detector_name(sourced(detector="lbpcascade")) == "lbpcascade"
