import pytest

from tfanime.metrics.metric import NEEDS, Metric, Number, digits, percent


def test_number_formats_cells():
    assert Number("a", "a", "less", digits(3), "").text({"a": 12.345}) == "12.3"
    assert Number("a", "a", "less", percent, "").text({"a": 0.1234}) == "12.3%"
    assert Number("a", "a", "less", digits(2), "", deviation="b").text({"a": 1.0, "b": 0.25}) == "1 ± 0.25"
    assert [Number("a", "a", "less", digits(3), "", "b").text(values) for values in ({"a": None, "b": None}, {})] == [
        "–",
        "–",
    ]


@pytest.mark.parametrize(("better", "best"), [("less", {1}), ("more", {0, 2}), (None, set())])
def test_number_best_is_a_generated_row(better, best):
    rows = [{"generated": number < 4, "values": {"a": value}} for number, value in enumerate((3, 1, 3, None, 0, 9))]
    number = Number("a", "a", better, digits(3), "")
    assert number.best_of(rows) == best
    assert number.best_of(rows[1:2]) == number.best_of([*rows[1:2], {"generated": True, "values": {}}]) == set()


def test_number_said_follows_the_protocol():
    number = Number("a", lambda protocol: f"a_{protocol['b']}", "less", digits(3), "Fixed.").said({"b": "c"})
    assert (number.heading, number.meaning) == ("a_c", "Fixed.")


def test_metric_needs_are_its_parameters():
    metric = Metric("m", (), lambda seen, fakes, size: {}, lambda images, finder: [], options={"size": 3})
    assert metric.needs == {"seen", "fakes", "images", "finder"} <= set(NEEDS)


def test_metric_is_asked_follows_the_protocol():
    always = Metric("a", (), dict)
    faces = Metric("b", (), dict, asked="detector")
    optional = Metric("c", (), dict, options={})
    protocol = {"detector": None, "c": {}}
    assert [metric.is_asked(protocol) for metric in (always, faces, optional)] == [True, False, True]
    assert not optional.is_asked({}) and faces.is_asked({"detector": {"name": "x"}})
