import json

import pytest

from tfanime.evaluate.results import Evaluation, differences


def evaluation(**protocol):
    network = {"value": "fd_a", "weights": "12"}
    return Evaluation({"network": network, "samples": 9} | protocol, {"seed": 0}, [1.0], [{"name": "a"}])


def test_evaluation_round_trip(tmp_path):
    path = evaluation().save(tmp_path)
    assert path == tmp_path / "evaluation.json" and [each.name for each in tmp_path.iterdir()] == ["evaluation.json"]
    assert Evaluation.load(path) == Evaluation.load(tmp_path) == evaluation()


def test_differences_lists_nested_values():
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4}) == [("a.c", 2, 3), ("d", None, 4)]
    assert differences({"a": None}, {"a": {"b": 1}}) == [("a", None, {"b": 1})]
    assert differences({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}) == []


def test_require_same_protocol_refuses_another_protocol():
    other = evaluation(samples=10, network={"value": "fd_a", "weights": "34"})
    message = r"must have one protocol. Received: x.json, in which network.weights is '34' and not '12', samples is 10"
    with pytest.raises(ValueError, match=message):
        evaluation().require_same_protocol(other, "x.json")
    other = evaluation()
    other.provenance = {"seed": 7}
    evaluation().require_same_protocol(other, "x.json")


def test_load_refuses_other_files(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"must be an evaluation.json or its folder. Received: '.*evaluation.json'"
    ):
        Evaluation.load(tmp_path)
    path = evaluation().save(tmp_path)
    good = path.read_text()
    for text in ("{", "[]", good.replace('"format": 1', '"format": 9'), json.dumps({"format": 1, "rows": []})):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"evaluation.json must be a file that this version of tfanime wrote: "):
            Evaluation.load(path)
