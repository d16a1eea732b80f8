import base64
import io
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from tfanime.evaluate import tags
from tfanime.generator import Generator
from tfanime.metrics.attributes import Obeyed, Share
from tfanime.metrics.intervals import wilson
from tfanime.tag_sampling import TagSampler
from tfanime.tagger import files as tagger_files
from tfanime.tagger.network import tagger
from tfanime.tags import KONACHAN26, TagGroup, TagVocabulary

SMALL = {"image_size": 8, "channels": [3], "blocks": 1}
VOCABULARY = TagVocabulary(
    "own",
    (TagGroup("hair", ("red_hair", "grey_hair"), exclusive=True), TagGroup("more", ("smile",), exclusive=False)),
    {"gray_hair": "grey_hair"},
)


@pytest.fixture
def network(tmp_path):
    """A tagger that sees red hair in what is red, grey hair elsewhere."""
    model = tagger(len(KONACHAN26), **SMALL)
    model.get_layer("stem_conv").kernel.assign(np.zeros((3, 3, 3, 3)))
    kernel = np.zeros((3, 3, 3, 3))
    kernel[1, 1, 0, 0] = 1  # the first feature is how red the picture is
    model.get_layer("stem_conv").kernel.assign(kernel)
    head = model.get_layer("tag_logits")
    weights, bias = np.zeros((3, 26)), np.full(26, -1.0)
    weights[0, KONACHAN26.tags.index("red_hair")] = 9
    bias[KONACHAN26.tags.index("gray_hair")] = 1
    head.kernel.assign(weights)
    head.bias.assign(bias)
    path = tmp_path / "network" / "mine"
    scores = {"tags": [{"tag": "gray_hair", "recall": 0.5}, {"tag": "red_hair", "recall": None}]}
    tagger_files.save(path, "mine1", SMALL, KONACHAN26, tagger_files.to_arrays(model), holdout=scores)
    return path


def painter(red_always):
    """Red pictures for red hair, else blue ones; some paint everything red."""

    def draw(seeds, wanted):
        drawn = TagSampler(VOCABULARY).from_seeds(seeds, wanted).numpy()
        images = np.zeros((len(seeds), 8, 8, 3), np.uint8)
        red = (drawn[:, 0] > 0) | red_always
        images[red, ..., 0], images[~red, ..., 2] = 255, 255
        return images

    return Generator(draw, VOCABULARY)


@pytest.fixture
def models(monkeypatch):
    known = {"good": painter(False), "bad": painter(True), "untagged": Generator(None)}
    monkeypatch.setattr("tfanime.generator.open_generator", lambda path, checkpoint: known[path])


@pytest.mark.slow
def test_tags_command_compares_models(network, models, in_tmp, capsys):
    assert tags.main(["good", "bad", f"--network={network}", "--count=25", "--seed=7", "--out=here"]) == 0
    values = json.loads((in_tmp / "here" / "tags.json").read_text())
    shown = {model: {row["tag"]: row["shown"].get("mine1") for row in rows} for model, rows in values["models"].items()}
    assert shown["good"] == {"red_hair": {"yes": 25, "count": 25}, "grey_hair": {"yes": 25, "count": 25}, "smile": None}
    assert shown["bad"]["grey_hair"] == {"yes": 0, "count": 25}
    unasked = {row["tag"]: row["unasked"]["mine1"] for row in values["models"]["bad"] if "mine1" in row["unasked"]}
    assert unasked["red_hair"]["yes"] == unasked["red_hair"]["count"] > 25
    assert values["count"] == 25 and values["first_seed"] == 7
    assert values["judges"]["mine1"] == tagger_files.open_tagger(network).card["sha256"]
    assert values["recall_of_real_faces"] == {"mine1": {"grey_hair": 0.5}}
    printed = capsys.readouterr().out
    assert "100 % (87 to 100)" in printed and "smile" not in printed.split("colours")[0]
    mean = next(line for line in printed.splitlines() if line.startswith("mean"))
    assert mean.split() == ["mean", "100", "%", "50", "%"]
    page = (in_tmp / "here" / "tags.html").read_text()
    strips = re.findall(r"<td>(\w+ \w+)</td><td class=\"n\">(\d+ of \d+)</td><td><img src=\"data:image/jpeg", page)
    assert strips == [
        ("red hair", "10 of 10"),
        ("grey hair", "10 of 10"),
        ("red hair", "10 of 10"),
        ("grey hair", "0 of 10"),
    ]
    assert "! 0 %" in page and "! 100 %" not in page
    assert page.count("<svg") > 4 and "Seen by mine1" in page and "http" not in page.replace("http-equiv", "")


def test_strips_mark_pictures_that_show_the_tag():
    strips = tags.Strips()
    strips("hat", np.zeros((12, 24, 24, 3), np.uint8), np.array([1, -1, 0] * 4))
    strips("smile", np.zeros((12, 24, 24, 3), np.uint8), np.zeros(12))  # of which the judge has no opinion
    (row,) = strips.rows
    assert (row["tag"], row["seen"], row["count"]) == ("hat", 4, 10)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(row["strip"].split(",")[1]))).convert("RGB")).astype(
        int
    )
    assert picture.shape == (26, 240, 3)
    np.testing.assert_allclose(
        picture[-1, 12::24].mean(axis=-1)[:4], [np.mean(tags.BAR), 255, 255, np.mean(tags.BAR)], atol=25
    )


def test_tags_command_refuses_models_without_tags(network, models, in_tmp):
    with pytest.raises(ValueError, match=r"models must be trained with tags. Received: 'untagged'"):
        tags.main(["good", "untagged", f"--network={network}"])
    with pytest.raises(FileNotFoundError, match="a tagger must have the files"):
        tags.main(["good", "--network=nothing"])
    assert not (in_tmp / "tags" / "tags.json").exists()


def test_tags_command_refuses_a_tagger_of_other_tags(network, monkeypatch, in_tmp):
    smiles = TagVocabulary("smiles", (TagGroup("more", ("smile",), exclusive=False),))
    monkeypatch.setattr("tfanime.generator.open_generator", lambda path, checkpoint: Generator(None, smiles))
    with pytest.raises(ValueError, match=r"--network must know a tag of the models \(smile ...\). Received: mine1"):
        tags.main(["a", f"--network={network}"])


def test_tags_command_refuses_models_of_different_tags(network, models, monkeypatch, in_tmp):
    other = {"good": painter(False), "other": Generator(None, KONACHAN26)}
    monkeypatch.setattr("tfanime.generator.open_generator", lambda path, checkpoint: other[path])
    with pytest.raises(ValueError, match=r"models must have the same tags. Received: good, other"):
        tags.main(["good", "other", f"--network={network}"])


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--count=19", "--count must be at least 20. Received: 19"),
        ("--seed=-1", "--seed must be from 0 to below 2**62"),
    ],
)
def test_tags_command_refuses_bad_flags_in_one_line(flag, message, capsys):
    with pytest.raises(SystemExit) as end:
        tags.main(["a", flag])
    assert end.value.code == 2 and message in capsys.readouterr().err


WIDTH = 260  # pixels of 0 to 100 % in a plot


def row(tag, yes, group="hair_colour", unasked=2, judge="one"):
    return Obeyed(tag, group, {judge: Share(yes, 20)}, {judge: Share(unasked, 40)})


MODELS = {
    "runs/<a>": [row("red_hair", 15), row("blue_hair", 0), row("hat", 5, "face"), row("smile", 1, "face", judge="two")],
    "b": [row("red_hair", 20), row("blue_hair", 1), row("hat", 6, "face"), row("smile", 1, "face", judge="two")],
}


def parsed(models, judge, recall=None):
    """The table in a page, the one of a judge."""
    page = tags.page(models, [judge], {judge: recall}, {})
    return ET.fromstring(re.search(r"<table.*</table>", page, re.DOTALL)[0])


def texts(element):
    return ["".join(cell.itertext()) for cell in element]


def test_table_of_has_every_tag_that_the_judge_knows():
    page = parsed(MODELS, "one", {"red_hair": 0.8})
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


def test_page_plots_shares_intervals_and_unasked_shares():
    models = {"a": [row("red_hair", 15, unasked=10)], "b": [row("red_hair", 0)]}
    svg = parsed(models, "one", {"red_hair": 0.5}).find(".//tbody//svg")
    full = [float(circle.get("cx")) for circle in svg.iter("circle") if circle.get("fill") != "none"]
    rings = [float(circle.get("cx")) for circle in svg.iter("circle") if circle.get("fill") == "none"]
    assert full == [0.75 * WIDTH, 0.0] and rings == [0.25 * WIDTH, 0.05 * WIDTH]
    lines = re.findall(r"M([\d.]+) [\d.]+H([\d.]+)", "".join(path.get("d") + "\n" for path in svg.iter("path")))
    expected = [[round(end * WIDTH, 1) for end in wilson(yes, 20)] for yes in (15, 0)]
    assert [[float(end) for end in line] for line in lines] == expected
    assert any(path.get("d").startswith(f"M{WIDTH / 2} ") and path.get("stroke-dasharray") for path in svg.iter("path"))
    assert svg.find("title").text == "15 of 20, unasked 25 %; 0 of 20, unasked 5 %"
    assert len({circle.get("cy") for circle in svg.iter("circle")}) == 2


def test_table_of_handles_a_judge_without_an_opinion():
    undecided = {"a": [Obeyed("red_hair", "hair", {"one": Share(0, 0)}, {"one": Share(3, 9)}), row("blue_hair", 3)]}
    lines = parsed(undecided, "one").findall(".//tbody/tr")
    assert texts(lines[1])[1:4] == ["0", "–", ""]
    assert "<table" not in tags.page(MODELS, ["nobody"], {}, {})


def test_table_of_refuses_models_of_different_tags():
    with pytest.raises(ValueError, match=r"models in one table must have the same tags. Received: a, b"):
        tags.page({"a": [row("red_hair", 1)], "b": [row("blue_hair", 1)]}, ["one"], {}, {})
