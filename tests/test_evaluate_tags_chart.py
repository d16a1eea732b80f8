import re
import xml.etree.ElementTree as ET

import pytest

from tfanime.evaluate.tags_chart import WIDTH, plot, section
from tfanime.metrics.attributes import Obeyed, Share
from tfanime.metrics.intervals import wilson


def row(tag, yes, group="hair_colour", unasked=2, judge="one"):
    return Obeyed(tag, group, {judge: Share(yes, 20)}, {judge: Share(unasked, 40)})


MODELS = {
    "runs/<a>": [row("red_hair", 15), row("blue_hair", 0), row("hat", 5, "face"), row("smile", 1, "face", judge="two")],
    "b": [row("red_hair", 20), row("blue_hair", 1), row("hat", 6, "face"), row("smile", 1, "face", judge="two")],
}


def parsed(html):
    return ET.fromstring(f"<page>{html}</page>")


def texts(element):
    return ["".join(cell.itertext()) for cell in element]


def test_the_table_has_every_tag_that_the_judge_knows():
    page = parsed(section(MODELS, "one", {"red_hair": 0.8}))
    lines = page.findall(".//tbody/tr")
    assert [texts(line)[0] for line in lines] == ["hair colour", "red hair", "blue hair", "face", "hat"]
    red = texts(lines[1])
    low, high = (round(100 * end) for end in wilson(15, 20))
    assert red[:6] == [
        "red hair",
        "20",
        "75 %",
        f"{low} to {high}",
        "100 %",
        f"{round(100 * wilson(20, 20)[0])} to 100",
    ]
    assert red[6] == "80 %" and texts(lines[2])[6] == "–"
    heads = texts(page.findall(".//thead/tr/th"))
    assert [head.strip() for head in heads[:5]] == ["tag", "pictures", "runs/<a>", "b", "of real faces"]
    # as many columns in every line
    spans = [sum(int(cell.get("colspan", 1)) for cell in line) for line in page.findall(".//tr")]
    assert len(set(spans)) == 1


def test_a_plot_shows_shares_intervals_and_what_is_seen_unasked():
    svg = ET.fromstring(plot([row("red_hair", 15, unasked=10), row("red_hair", 0)], "one", 0.5))
    full = [float(circle.get("cx")) for circle in svg.iter("circle") if circle.get("fill") != "none"]
    rings = [float(circle.get("cx")) for circle in svg.iter("circle") if circle.get("fill") == "none"]
    assert full == [0.75 * WIDTH, 0.0] and rings == [0.25 * WIDTH, 0.05 * WIDTH]
    lines = re.findall(r"M([\d.]+) [\d.]+H([\d.]+)", "".join(path.get("d") + "\n" for path in svg.iter("path")))
    expected = [[round(end * WIDTH, 1) for end in wilson(yes, 20)] for yes in (15, 0)]
    assert [[float(end) for end in line] for line in lines] == expected
    assert any(path.get("d").startswith(f"M{WIDTH / 2} ") and path.get("stroke-dasharray") for path in svg.iter("path"))
    assert svg.find("title").text == "15 of 20, unasked 25 %; 0 of 20, unasked 5 %"
    assert len({circle.get("cy") for circle in svg.iter("circle")}) == 2


def test_a_judge_without_an_opinion():
    undecided = {"a": [Obeyed("red_hair", "hair", {"one": Share(0, 0)}, {"one": Share(3, 9)}), row("blue_hair", 3)]}
    lines = parsed(section(undecided, "one")).findall(".//tbody/tr")
    assert texts(lines[1])[1:4] == ["0", "–", ""]
    assert section(MODELS, "nobody") == ""


def test_models_of_different_tags_are_refused():
    with pytest.raises(ValueError, match=r"models in one table must have the same tags. Received: a, b"):
        section({"a": [row("red_hair", 1)], "b": [row("blue_hair", 1)]}, "one")
