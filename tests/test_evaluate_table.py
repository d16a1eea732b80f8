from pathlib import Path

from tfanime.evaluate.results import Evaluation
from tfanime.evaluate.table import columns, table
from tfanime.metrics.registry import SETTINGS

GOLDEN = Path(__file__).parent / "golden"
PROTOCOL = {"network": {"value": "fd_a"}, "settings": SETTINGS, "detector": None}
VALUES = {
    "distance": 12.345,
    "distance_infinity": None,
    "kernel": 0.0123,
    "kernel_deviation": 0.001,
    "precision": 0.5,
    "recall": 0.25,
    "density": 0.75,
    "coverage": 1.0,
    "faces": 0.9,
    "duplicates": 0.0,
    "nearest": 1.1,
    "memorised": 0.02,
}


def rows():
    models = [("a", {}), ("longer name", {"distance": 9.0, "recall": 0.2})]
    result = [{"name": name, "generated": True, "samples": 2048, "values": VALUES | more} for name, more in models]
    baseline = {"name": "real", "generated": False, "samples": 740, "values": VALUES | {"distance": 0.1}}
    return [*result, baseline]


def test_table_aligns_rows_and_marks_the_best():
    lines = table(Evaluation(PROTOCOL, {}, [], rows()))
    heads = "pictures  fd_a  fd_a inf  KID x1000  precision  recall  density  coverage  duplicates  nearest  memorised"
    assert lines[0].split() == heads.split()
    assert lines[1].startswith("a               2,048  12.35")
    assert lines[2].startswith("longer name     2,048      9*")
    assert "25.0%*" in lines[1] and "20.0% " in lines[2] and "25.0%*" not in lines[3]
    assert lines[3].startswith("real              740    0.1 ")  # the best, but no model
    assert "12.30 ± 1.00" in lines[1] and "–" in lines[1]
    ends = {line.index("%") for line in lines[1:]}
    assert len(ends) == 1


def test_table_does_not_mark_a_single_model():
    assert "*" not in "".join(table(Evaluation(PROTOCOL, {}, [], rows()[1:])))


def test_table_has_faces_if_there_was_a_detector():
    detector = {"name": "lbpcascade", "version": "1"}
    headings = [column.heading for column in columns(PROTOCOL | {"detector": detector})]
    assert headings.index("recall") < headings.index("faces") == headings.index("duplicates") - 1
    assert "faces" not in [column.heading for column in columns(PROTOCOL)]
    assert all(column.meaning for column in columns(PROTOCOL))


def test_table_has_tags_if_they_were_counted():
    (column,) = [column for column in columns(PROTOCOL | {"tags": {"pictures": 20}}) if column.heading == "tags"]
    assert "Of 20 pictures" in column.meaning
    assert column.text(VALUES | {"tags": 0.25}) == "25.0%" and column.text(VALUES | {"tags": None}) == "–"
    assert "tags" not in [column.heading for column in columns(PROTOCOL | {"tags": None})]


def test_table_of_version_0_1_is_unchanged():
    """golden/evaluation.json and the table that its version printed: two models with tags, and a detector."""
    golden = Evaluation.load(GOLDEN / "evaluation.json")
    assert "\n".join(table(golden)) + "\n" == (GOLDEN / "evaluation.txt").read_text(encoding="utf-8")
    assert golden.protocol["settings"] == SETTINGS  # new rows may stand beside it
