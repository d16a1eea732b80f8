import re

import numpy as np
import pytest
from PIL import Image
from test_evaluate_table import PROTOCOL, VALUES

from tfanime.evaluate import page
from tfanime.evaluate.judge import BINS
from tfanime.evaluate.results import Evaluation


def shares(*numbers):
    values = np.zeros(BINS)
    values[list(numbers)] = 1 / len(numbers)
    return values.tolist()


@pytest.fixture
def text(tmp_path):
    for name, colour in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (12, 12), colour).save(tmp_path / f"{name}.png")
    rows = [
        {
            "name": name,
            "generated": True,
            "samples": 2048,
            "origin": {"path": f"runs/{name}", "step": 7},
            "values": VALUES | {"recall": recall},
            "histogram": shares(number, number + 1),
            "pairs": [],
            "sheet": f"{file}.png",
            "closest": f"{file}.png",
        }
        for number, (name, file, recall) in enumerate((("<b>first</b>", "a", 0.3), ("second", "b", 0.6)))
    ]
    network = {"value": "fd_a", "name": "a", "dimensions": 6, "weights": "12ab", "resize": "none"}
    protocol = PROTOCOL | {"network": network, "samples": 2048, "image_size": 64}
    protocol |= {"reference": {"fingerprint": "34cd", "stored_size": 96, "count": 50_000, "of": 60_000}}
    evaluation = Evaluation(protocol, {"tfanime": "0.1.0"}, shares(20), rows)
    path = page.write(evaluation, tmp_path, ["Few pictures."])
    assert path == tmp_path / "evaluation.html"
    return path.read_text()


def test_page_loads_nothing_from_a_network(text):
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", text) and "url(" not in text
    assert "default-src 'none'" in text and "<script" not in text
    assert len(re.findall(r'<img src="data:image/jpeg;base64,[\w+/=]{100,}"', text)) == 4


def test_page_escapes_names(text):
    assert "<b>first</b>" not in text and "&lt;b&gt;first&lt;/b&gt;" in text


def test_page_shows_numbers_and_protocol(text):
    for words in (
        "12ab",
        "34cd",
        "50,000",
        "60,000",
        "no detector",
        "Few pictures.",
        "path runs/second, step 7",
        "0.1.0",
    ):
        assert words in text
    assert re.findall(r'<td class="n best">([^<]+)</td>', text).count("60.0%") == 1
    assert '<td class="n best">30.0%</td>' not in text


def test_chart_has_bars_outline_and_ticks():
    drawn = page.chart(shares(0, 10), shares(59))
    width = page.SIZE[0] / BINS
    assert [bar[0] for bar in drawn["bars"]] == [0, 10 * width]
    assert [bar[3] for bar in drawn["bars"]] == [60, 60]  # half of the real ones' bar, which fills the height
    assert drawn["bars"][1][4] == "0.50 to 0.55: 50.00%; real 0.00%"
    assert drawn["path"].startswith("M0 120V120.0H7.0") and drawn["path"].endswith("V0.0H420.0V120")
    assert drawn["ticks"][:2] == [(0, "0"), (70, "0.5")]
