import importlib.util
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from tfanime.command_line import parse, published_names, published_path
from tfanime.files import replacing
from tfanime.tfrecords.settings import BEAM_RUNNERS, MOST_NAME_BYTES, Settings

CARDS = ("tfanime.tfrecords", "cards")


def test_settings_have_defaults(tmp_path):
    settings = Settings("faces", str(tmp_path / "mine"))
    assert settings.name == "mine" and settings.workers >= 1 and settings.detector == "animeface"
    assert Settings("drawn", "out").detector == "none"


@pytest.mark.parametrize(
    ("wrong", "value"),
    [
        ("size", 7),
        ("quality", 0),
        ("threshold", 1.5),
        ("zoom", 0.0),
        ("frame", "0.1,0.1,0.9"),
        ("frame", "0.1,0.1,0.9,0.8"),
        ("frame", "0.5,0.5,1.5,1.5"),
        ("frame", "all"),
        ("shard_records", 0),
        ("workers", 0),
        ("count", 0),
        ("seed", -1),
        ("name", "a/b"),
        ("name", ".."),
        ("name", ".hidden"),
        ("name", "a\nb"),
        ("name", "\udcff"),
        ("name", "\u3042" * 64),
        ("runner", "Foo"),
        ("runner", "directrunner"),
        ("format", "webp"),
        ("faces", "worst"),
        ("tagger_channels", "GRB"),
        ("tagger_layout", "HWC"),
        ("size", "abc"),
        ("size", 96.5),
        ("workers", True),
        ("overwrite", 1),
        ("zoom", None),
        ("zoom", float("nan")),
        ("sharpness", float("inf")),
        ("name", 3),
        ("tagger_threshold", 2.0),
        ("tagger_mean", "dark"),
        ("detector", "eyes"),
        ("tagger", "me"),
        ("vocabulary", "words"),
        ("tags", "no.csv"),
        ("enlarge", 0.5),
        ("max_pixels", 10**12),
        ("sharpness", -1.0),
        ("chroma", -1.0),
        ("duplicates", 8),
        ("holdout", 0.6),
        ("beam_options", "--x"),
        ("detect_size", 8),
        ("exclude", "no.txt"),
        ("min_year", 3),
    ],
)
def test_settings_name_flag_and_value_of_a_broken_rule(wrong, value):
    with pytest.raises(ValueError, match=rf"--{wrong} must be .*Received: {re.escape(repr(value))}"):
        Settings("faces", "out", **{wrong: value})


def test_settings_name_the_choices():
    with pytest.raises(ValueError, match=r"^--format must be one of png, jpeg. Received: 'webp'$"):
        Settings("faces", "out", format="webp")
    with pytest.raises(ValueError, match=r"^--tagger_layout must be one of NHWC, NCHW or None. Received: 'X'$"):
        Settings("faces", "out", tagger_layout="X")
    with pytest.raises(ValueError, match=r"^SOURCE must be text. Received: 3$"):
        Settings(3, "out")


def test_card_does_not_depend_on_number_types():
    card = Settings("a/faces", "out", detector="animeface", zoom=2.0, size=32).card()
    other = Settings(Path("a/faces"), Path("out"), detector="animeface", zoom=2, size=np.int64(32)).card()
    assert json.dumps(other) == json.dumps(card)


def test_settings_take_any_folder_name(tmp_path):
    for folder, name in (
        (".hidden", "hidden"),
        ("x" * 255, "x" * MOST_NAME_BYTES),
        ("\u3042" * 85, "\u3042" * (MOST_NAME_BYTES // 3)),
        ("a\nb", "a_b"),
        ("a\udcff", "a\ufffd"),
        ("...", "pictures"),
    ):
        assert Settings("faces", str(tmp_path / folder)).name == name
        assert Settings("faces", "out", name=name).name == name


def test_settings_take_names_of_the_greatest_length(tmp_path):
    names = [f"{'x' * MOST_NAME_BYTES}-holdout-00000-of-99999.tfrecord"]
    names.append(f".{names[0]}.json")
    for name in names:
        with replacing(tmp_path / name) as temporary:
            temporary.with_name(temporary.name.replace(f".{os.getpid()}.", ".4194304.")).write_text("")
            temporary.write_text("")


def test_settings_find_beam_without_importing_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "apache_beam" else True)
    with pytest.raises(ImportError, match=r"--runner FlinkRunner needs apache-beam.*pip install 'tfanime\[beam\]'"):
        Settings("faces", "out", detector="none", runner="FlinkRunner")
    assert Settings("faces", "out", detector="none").runner == "local"


def test_runners_are_those_of_beam():
    options = pytest.importorskip("apache_beam.options.pipeline_options")
    assert set(BEAM_RUNNERS) <= set(options.StandardOptions.KNOWN_RUNNER_NAMES)


@pytest.mark.parametrize(
    ("flags", "notes"),
    [
        ({}, []),
        ({"workers": 3, "overwrite": True, "progress": False, "name": "x", "exclude": __file__}, []),
        ({"detector": "animeface", "cascade": "f"}, ["--cascade has no effect with --detector animeface"]),
        ({"detector": "lbpcascade", "cascade": __file__}, []),
        ({"detector": "onnx", "detector_model": __file__}, []),
        (
            {"detector": "none", "zoom": 3.0, "threshold": 0.5, "detector_model": "f"},
            [f"--{name} has no effect with --detector none" for name in ("threshold", "detector_model", "zoom")],
        ),
        ({"count": 7, "seed": 1}, [f"--{name} has no effect with a folder of pictures" for name in ("count", "seed")]),
        ({"source": "drawn", "count": 7}, []),
        (
            {"source": "drawn", "zoom": 3.0, "exclude": __file__, "chroma": 1.0},
            [f"--{name} has no effect with SOURCE drawn" for name in ("exclude", "zoom", "chroma")],
        ),
        ({"quality": 80}, ["--quality has no effect with --format png"]),
        ({"quality": 80, "format": "jpeg"}, []),
        ({"tagger_model": "f"}, ["--tagger_model has no effect with --tagger sidecar"]),
        ({"tagger": "none", "vocabulary": "konachan26"}, ["--vocabulary has no effect with --tagger none"]),
        ({"tagger": "none", "vocabulary": "none"}, []),
        (
            {"tagger": "onnx", "tagger_model": "f", "vocabulary": "none"},
            [f"--{name} has no effect with --vocabulary none" for name in ("tagger_model", "tagger")],
        ),
    ],
)
def test_settings_note_flags_without_effect(flags, notes):
    settings = Settings(**({"source": "faces", "out": "out"} | flags))
    assert sorted(settings.notes()) == sorted(notes)
    assert len(settings.unused()) == len(notes)


def test_settings_report_missing_files_as_usage_errors(tmp_path, capsys):
    for detector, flag in (("lbpcascade", "cascade"), ("onnx", "detector_model"), ("none", "tags")):
        arguments = ["faces", "out", "--detector", detector, f"--{flag}", str(tmp_path / "none")]
        with pytest.raises(SystemExit) as end:
            parse(Settings, program="tfrecords", positional=("source", "out"), arguments=arguments)
        lines = capsys.readouterr().err.splitlines()
        assert end.value.code == 2 and len(lines) == 1 and lines[0].startswith(f"error: --{flag} must")


def test_settings_show_the_form_of_beam_options(capsys):
    with pytest.raises(SystemExit):
        parse(Settings, program="tfrecords", positional=("source", "out"), arguments=["--help"])
    assert '--beam_options="--project=P' in capsys.readouterr().out


def test_card_has_settings_with_an_effect():
    flags = {"detector": "none", "workers": 3, "overwrite": True, "zoom": 2.0}
    card = Settings("/somewhere/faces", "out", **flags).card()
    assert card["source"] == "faces" and card["size"] == 96
    assert not {"out", "workers", "overwrite", "zoom", "count", "runner", "threshold", "tagger_model"} & set(card)
    assert Settings("faces", "out", detector="animeface", zoom=2.0).card()["zoom"] == 2.0
    assert Settings("drawn", "out", count=3).card()["count"] == 3
    assert "duplicates" in card and "duplicates" not in Settings("drawn", "out").card()
    assert json.loads(json.dumps(card)) == card


@pytest.mark.parametrize("name", published_names(CARDS))
def test_published_cards_can_be_read(name):
    settings = parse(
        Settings,
        program="tfrecords",
        published=CARDS,
        flag="--card",
        positional=("source", "out"),
        arguments=["faces", "out", "--card", name],
    )
    assert settings.name == name.replace("_", "-") and published_path(name, CARDS, "--card")
