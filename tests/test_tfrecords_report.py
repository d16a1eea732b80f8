import csv
import html.parser
import itertools
import re

import numpy as np
import pytest
from PIL import Image
from small_pictures import data_of, folder_of, noise

from tfanime.tags import JIN34
from tfanime.tfrecords import report
from tfanime.tfrecords.convert import convert
from tfanime.tfrecords.crop import face_square
from tfanime.tfrecords.example import serialize, serialize_drop
from tfanime.tfrecords.face import Face
from tfanime.tfrecords.filters import REASONS
from tfanime.tfrecords.manifest import Manifest
from tfanime.tfrecords.pictures import Drop
from tfanime.tfrecords.report import charts
from tfanime.tfrecords.report import counts as report_counts
from tfanime.tfrecords.report import page as report_page
from tfanime.tfrecords.report import records as report_records
from tfanime.tfrecords.report.__main__ import main as report_main
from tfanime.tfrecords.settings import Settings
from tfanime.tfrecords.shards import open_writer

CARD = {"size": 16, "zoom": 1.5, "enlarge": 2.0, "sharpness": 50.0, "chroma": 2.0, "threshold": 0.8, "duplicates": 4}
ODD = "<script>alert(1)</script>\"' & {{ 7*7 }}.jpg"


def face(number, id=None, words=("smile", "blonde_hair"), **values):
    box = (10.0, 20.0, 42.0 + number, 50.0)
    known = {"box": box, "score": 0.9, "points": ((1.0, 2.0),) * 5, "picture_size": (200, 300)}
    known |= {"sharpness": 60.0 + number, "chroma": 5.0 + number, "tags": tuple(JIN34.encode(words).tolist())}
    return Face(id or f"a/{number:03d}.jpg", data_of(noise(number, 16, 16)), **(known | values))


def folder_of_shards(folder, faces, held_out=(), drops=(), rows=None, **values):
    """What the converter writes, without a conversion."""
    folder.mkdir(parents=True, exist_ok=True)

    def shard(name, faces):
        with open_writer(str(folder / name)) as writer:
            for one in faces:
                writer.write(serialize(one))
        return {"file": name, "count": len(faces), "bytes": (folder / name).stat().st_size, "sha256": ""}

    with open_writer(str(folder / "dropped.tfrecord")) as writer:
        for drop in drops:
            if drop.thumbnail:
                writer.write(serialize_drop(drop))
    with open(folder / "dropped.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "reason", "value"))
        writer.writerows(rows or [(drop.id, drop.reason, drop.value) for drop in drops])
    shards = [shard("x-00000-of-00002.tfrecord", faces[::2]), shard("x-00001-of-00002.tfrecord", faces[1::2])]
    holdout = {"shards": [shard("x-holdout-00000-of-00001.tfrecord", held_out)], "count": len(held_out)}
    reasons = {}
    for drop in drops:
        reasons[drop.reason] = reasons.get(drop.reason, 0) + 1
    counts = {tag: sum(one.tags[index] > 0 for one in faces if one.tags) for index, tag in enumerate(JIN34.tags)}
    tagger = {"name": "sidecar", "version": "1", "known": dict.fromkeys(JIN34.tags, 7), "holds": counts}
    manifest = {
        "name": "x",
        "image_size": 16,
        "count": len(faces),
        "shards": shards,
        "fingerprint": "f" * 64,
        "holdout": holdout | {"fingerprint": "", "tag_counts": counts} if held_out else None,
        "vocabulary": JIN34,
        "tag_counts": counts,
        "detector": {"name": "animeface", "version": "2.0.3"},
        "taggers": [tagger],
        "pictures": {"found": 50, "kept": len(faces), "dropped": reasons, "dropped_faces": reasons},
        "card": CARD,
        "tfanime": "0",
    }
    Manifest(**(manifest | values)).save(folder)
    return folder


class Page(html.parser.HTMLParser):
    """A page as a browser takes it apart."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.sheets, self._section = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        if tag == "section":
            self._section = attributes["id"]
        if tag == "input" and "data-id" in attributes:
            self.sheets.setdefault(self._section, []).append(attributes["data-id"])

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def written(folder, **flags):
    text = report.write(folder, **flags).read_text(encoding="utf-8")
    return text, Page(text)


def test_report_sheets_have_the_faces_of_their_titles(tmp_path):
    random = np.random.default_rng(0).permutation(30)
    faces = [face(int(number), score=0.8 + number / 200, chroma=99.0 - number) for number in random]
    folder = folder_of_shards(tmp_path / "x", faces, held_out=[face(40, "h.jpg", sharpness=1.0)])
    _, page = written(folder, faces=12, suspects=3)
    assert page.sheets["sharpness"] == ["h.jpg", "a/000.jpg", "a/001.jpg"]
    assert page.sheets["score"] == page.sheets["side"] == ["a/000.jpg", "a/001.jpg", "a/002.jpg"]
    assert page.sheets["chroma"] == ["h.jpg", "a/029.jpg", "a/028.jpg"]
    assert len(set(page.sheets["random"])) == 12
    _, other = written(folder, faces=12, suspects=0, seed=1, out=tmp_path / "other.html")
    assert list(other.sheets) == ["random"] and other.sheets["random"] != page.sheets["random"]
    everything = {one.id for one in faces} | {"h.jpg"}
    assert set(written(folder, faces=100)[1].sheets["random"]) == everything


def test_report_is_a_function_of_its_folder_and_loads_nothing(tmp_path):
    folder = folder_of_shards(tmp_path / "x", [face(number) for number in range(9)])
    text, page = written(folder)
    assert text == written(folder)[0]
    for tag, attributes in page.elements:
        for name in ("src", "href", "action", "srcset", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:image/")), (tag, attributes)
    assert "url(" not in text and "@import" not in text
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';") and "script-src 'sha256-" in policy


def test_report_escapes_file_names(tmp_path):
    drops = [Drop(ODD, "blurred", ODD, data_of(noise(1, 8, 8))), Drop(ODD, "duplicate", f"{ODD} (3)", b"\xff\xd8 no")]
    folder = folder_of_shards(
        tmp_path / "x",
        [face(0, ODD), face(1, "new\nline.jpg"), face(2, "# x.jpg")],
        drops=drops,
        name=ODD,
        card=CARD | {"source": ODD, "exclude": "SURROGATE.txt"},
        pictures={"found": 3, "kept": 3, "dropped": {ODD: 1}, "dropped_faces": {ODD: 1}, "unknown_words": {ODD: 2}},
    )
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("SURROGATE", "\\udcff"), encoding="utf-8")
    text, page = written(folder)
    assert len(page.all("script")) == 1 and "<script>alert" not in text and "49.jpg" not in text
    assert ODD in page.sheets["random"] and len(text.split("</body>")) == 2
    disabled = {each["data-id"] for each in page.all("input") if "data-id" in each and "disabled" in each}
    assert disabled == {"new\nline.jpg", "# x.jpg"}  # an exclude list cannot name these


def test_report_click_excludes_one_face(tmp_path):
    # The faces of a picture lie in one shard, one after the other; folder_of_shards puts every second there.
    ids = ["alone.jpg", "", "two.jpg", "", "two.jpg#2", "", "lost.jpg#1", "", "two.jpg.png"]
    faces = [face(number, id or f"other/{number}.jpg") for number, id in enumerate(ids)]
    _, page = written(folder_of_shards(tmp_path / "x", faces))
    listed = {"alone.jpg", "two.jpg#0", "two.jpg#2", "lost.jpg#1", "two.jpg.png"}
    assert set(page.sheets["random"]) == listed | {f"other/{number}.jpg" for number in range(1, 8, 2)}
    pictures = {each["data-id"]: each["data-picture"] for each in page.all("input") if "data-id" in each}
    assert pictures["two.jpg#0"] == pictures["two.jpg#2"] == "two.jpg" and pictures["alone.jpg"] == "alone.jpg"


def test_report_handles_names_in_other_encodings(tmp_path):
    folder = folder_of_shards(tmp_path / "x", [face(0)], drops=[Drop("bad\udcff.jpg", "blurred", "3", b"")], rows=[()])
    (folder / "dropped.csv").write_bytes(b"id,reason,value\nbad\xff.jpg,unreadable,not one of JPEG\n")
    text, _ = written(folder)
    assert "bad\ufffd.jpg" in text and "not one of JPEG" in text


def test_report_explains_drops_and_shows_twins(tmp_path):
    picture = data_of(noise(3, 40, 40))
    drops = [Drop(f"b/{number}.jpg", "blurred", "12.5", picture) for number in range(5)]
    drops += [Drop("twin.jpg", "duplicate", "a/001.jpg (2)", picture), Drop("u.jpg", "unreadable", "cut short")]
    folder = folder_of_shards(tmp_path / "x", [face(number) for number in range(3)], drops=drops)
    text, page = written(folder, drops=2)
    assert REASONS["blurred"].split(":")[0] in text and "<code>--sharpness 50.0</code>" in text
    assert "<code>--duplicates 4</code>" in text
    assert "b/1.jpg" in text and "b/2.jpg" not in text and "cut short" in text
    shown = {each["title"]: each["src"] for each in page.all("img") if each.get("alt") == "the earlier face"}
    kept = next(one.image for one in map(face, range(3)) if one.id == "a/001.jpg")
    assert shown == {"a/001.jpg": report_page.thumbnail(kept)}
    assert "dropped for this" in text  # the blurred ones are in the histogram of sharpness


def test_report_counts_tags_by_tagger(tmp_path):
    faces = [face(0), face(1), face(2, words=("black_hair",)), face(3, words=("hat",))]
    folder = folder_of_shards(tmp_path / "x", faces)
    manifest = Manifest.load(folder)
    survey = report_counts.Survey(JIN34, report_page.paired_tags(manifest), 1.5, 9, 9, 0)
    for one in report_records.faces(folder, manifest):
        survey.add(one)
    survey.finish()
    groups = {group["name"]: group for group in report_page.groups_of(JIN34, survey.tags, manifest.taggers)}
    hair = groups["hair_colour"]
    assert hair["exclusive"] and hair["known"] == 3
    assert hair["rows"][0] == {"tag": "blonde_hair", "holds": 2, "known": 3, "given": [(7, 2)], "width": 100.0}
    heat = report_page.heat_map(JIN34, survey.tags, survey.paired)
    assert heat["tags"] == ["blonde_hair", "black_hair", "smile", "hat"]
    cells = {(row, column): cell for row, line in heat["rows"] for column, cell in zip(heat["tags"], line, strict=True)}
    assert cells["blonde_hair", "black_hair"] is None and cells["smile", "smile"] is None
    assert cells["smile", "blonde_hair"]["share"] == 100 and cells["smile", "blonde_hair"]["lift"] > 0
    assert cells["hat", "blonde_hair"] is None  # nobody knows that one's hair
    assert cells["black_hair", "smile"]["text"] == "smile given black_hair: 0 % (0 of 1); of all: 50.0 %"
    assert cells["black_hair", "smile"]["lift"] < 0


def test_report_pairs_equal_numpy():
    values = np.random.default_rng(0).integers(-1, 2, (2500, 5)).astype(np.int8)
    counts = report_counts.TagCounts(5, [0, 2, 4])
    for row in values:
        counts.add(row)
    counts.finish()
    assert counts.holds.tolist() == (values > 0).sum(0).tolist()
    assert counts.known.tolist() == (values != 0).sum(0).tolist()
    assert counts.together[0, 2] == ((values[:, 0] > 0) & (values[:, 4] > 0)).sum()
    assert counts.given[2, 1] == ((values[:, 4] > 0) & (values[:, 2] != 0)).sum()


@pytest.mark.parametrize("histogram", [report_counts.Histogram(step=0.25), report_counts.Histogram(octave=12)])
def test_report_histograms_count_every_value(histogram):
    values = np.exp(np.random.default_rng(0).normal(4, 1, 1000)).tolist()
    for value in [*values, None, float("nan")]:
        histogram.add(value)
    histogram.add(3.0, lost=True)
    bins = histogram.bins(20)
    assert len(bins) <= 20 and sum(kept for *_, kept, _ in bins) == 1000 and sum(lost for *_, lost in bins) == 1
    for start, end, kept, _ in bins:
        assert kept == sum(start - 1e-6 <= value < end - 1e-6 for value in values)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(bins))
    assert histogram.median() == pytest.approx(np.median(values), rel=0.03)


@pytest.mark.parametrize("values", [(), (4.0, 5.0), (0.0, 0.001), (1.0, 1e9), (0.998, 0.999)])
@pytest.mark.parametrize("flags", [{"step": 0.25}, {"octave": 12}])
def test_report_charts_handle_extreme_values(values, flags):
    histogram = report_counts.Histogram(**flags)
    for value in values:
        histogram.add(value)
    chart = charts.chart_of(histogram, charts.Axis("x", "px", marks=((2.0, "least"),), crowded=True))
    if not values:
        assert chart is None
        return
    assert chart["only"] is None
    width, height = charts.SIZE
    for bar in chart["bars"]:
        assert -0.01 <= bar["x"] <= width and 0 <= bar["top"] <= bar["middle"] <= height
    assert all(-0.01 <= x <= width + 0.01 for x, _ in chart["ticks"] + chart["marks"]) and len(chart["ticks"]) <= 14


@pytest.mark.parametrize("box", [(30, 40, 60, 66), (0, 0, 20, 24), (70, 80, 99, 119), (5, 5, 95, 115)])
def test_report_overlay_is_at_the_box(box):
    image = Image.new("RGB", (100, 120), "black")
    image.paste((255, 0, 0), box)
    kept = report_records.Kept.parse(serialize(face(0, box=box, picture_size=image.size, points=())))
    region = np.asarray(face_square(image, box, 1.5).image)
    rows, columns = np.nonzero(region[..., 0])
    side = len(region)
    left, top, width, height = (value * side / 100 for value in report_page.overlay(kept, 1.5)["box"])
    # Where the picture ends inside the square its edge is repeated, hence the red of a box at the edge runs on.
    inside = (max(0, left), max(0, top), min(side, left + width), min(side, top + height))
    assert columns.min() <= inside[0] + 0.2 and rows.min() <= inside[1] + 0.2
    if box[0] > 10:
        assert columns.min() == pytest.approx(left, abs=0.2) and rows.min() == pytest.approx(top, abs=0.2)
    if box[2] < 70:
        assert columns.max() + 1 == pytest.approx(left + width, abs=0.2)
        assert rows.max() + 1 == pytest.approx(top + height, abs=0.2)


def test_report_works_without_detector_and_tags(tmp_path):
    bare = [face(number, tags=(), box=(), score=None, points=(), picture_size=(16, 16)) for number in range(4)]
    none = {"name": "none", "version": "1"}
    nothing = {"vocabulary": None, "tag_counts": {}, "taggers": [], "detector": none}
    card = {"size": 16, "sharpness": 0.0}
    text, page = written(folder_of_shards(tmp_path / "x", bare, card=card, **nothing))
    assert set(page.sheets) == {"random", "sharpness", "chroma"}  # no detector, hence no score; all of one size
    assert 'id="heat"' not in text and 'id="boxes"' not in text and "no tags" in text


def test_report_omits_charts_of_one_value():
    histogram = report_counts.Histogram(octave=48)
    for _ in range(3):
        histogram.add(96)
    assert charts.chart_of(histogram, charts.Axis("x", "px"))["only"] == 96 == histogram.median()


def test_report_shrinks_large_pictures():
    uri = report_page.thumbnail(data_of(noise(0, 512, 512)))
    assert uri.startswith("data:image/jpeg;base64,") and len(uri) < 2.5 * report_page.THUMBNAIL_BYTES
    small = data_of(noise(0, 16, 16))
    assert len(small) < report_page.THUMBNAIL_BYTES and report_page.thumbnail(small).startswith(
        "data:image/png;base64,"
    )
    assert report_page.thumbnail(b"no picture") is None and report_page.thumbnail(b"") is None


def test_report_names_damaged_and_missing_shards(tmp_path):
    folder = folder_of_shards(tmp_path / "x", [face(number) for number in range(4)])
    shard = folder / "x-00001-of-00002.tfrecord"
    data = shard.read_bytes()
    shard.write_bytes(data[:-7])
    with pytest.raises(ValueError, match=r"x-00001-of-00002.tfrecord must be a whole TFRecord file"):
        report.write(folder)
    shard.write_bytes(data[:12] + b"\xff" * 40 + data[52:])
    with pytest.raises(ValueError, match=r"x-00001-of-00002.tfrecord must hold faces that tfanime wrote"):
        report.write(folder)
    shard.unlink()
    with pytest.raises(FileNotFoundError, match="x-00001-of-00002"):
        report.write(folder)
    assert not (folder / "report.html").exists()


def test_report_command_writes_the_page(tmp_path, capsys):
    folder = folder_of_shards(tmp_path / "x", [face(number) for number in range(4)])
    out = tmp_path / "page.html"
    report_main([str(folder), "--out", str(out), "--faces", "2", "--progress", "false"])
    assert re.fullmatch(rf"written  {re.escape(str(out))}, 0.\d MB\n", capsys.readouterr().out)
    assert len(Page(out.read_text(encoding="utf-8")).sheets["random"]) == 2
    for arguments, complaint in (
        ([str(folder), "--faces", "-1"], "--faces must be at least 0. Received: -1"),
        ([str(folder), "--face", "1"], "--faces"),
    ):
        with pytest.raises(SystemExit) as end:
            report_main(arguments)
        assert end.value.code == 2 and complaint in capsys.readouterr().err
    with pytest.raises(FileNotFoundError):
        report_main([str(tmp_path / "none")])


def test_report_of_drawn_avatars_is_written(shards):
    text, page = written(shards, out=shards.parent / "drawn.html")
    manifest = Manifest.load(shards)
    assert len(page.sheets["random"]) == manifest.count == 48 and manifest.fingerprint in text


def test_conversion_writes_its_report_and_reads_its_exclude_list(tmp_path):
    source = folder_of(tmp_path / "source", 12)
    (source / "twin.png").write_bytes((source / "0003.png").read_bytes())
    noise(1).convert("L").convert("RGB").save(source / "manga.png")
    flags = {"size": 16, "workers": 1, "holdout": 0.3, "name": "x", "detector": "none"}
    manifest, _ = convert(Settings(str(source), str(tmp_path / "one"), **flags), progress=False)
    assert manifest.pictures["dropped"] == {"duplicate": 1, "grey": 1} and manifest.holdout["count"]
    text = (tmp_path / "one" / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.sheets["random"]) == 12 and "held out" in text and "manga.png" in text
    assert [each["title"] for each in page.all("img") if each.get("alt")] in (["0003.png"], ["twin.png"])
    ticked = page.sheets["sharpness"]
    (tmp_path / "exclude.txt").write_text("".join(f"{id}\n" for id in ticked), encoding="utf-8")
    again = Settings(str(source), str(tmp_path / "two"), exclude=str(tmp_path / "exclude.txt"), **flags)
    assert convert(again, progress=False)[0].pictures["dropped"]["excluded"] == len(ticked)
    page = Page((tmp_path / "two" / "report.html").read_text(encoding="utf-8"))
    assert ticked and not set(ticked) & set(page.sheets["random"])


def test_report_has_a_column_for_each_tagger(tmp_path):
    faces = [face(0), face(1)]
    one, _ = written(folder_of_shards(tmp_path / "one", faces))
    said = [{"name": name, "version": "1", "known": dict.fromkeys(JIN34.tags, 5)} for name in ("people", "network")]
    taggers = [each | {"holds": dict.fromkeys(JIN34.tags, number)} for number, each in enumerate(said, start=812)]
    two, _ = written(folder_of_shards(tmp_path / "two", faces, taggers=taggers))
    cells = re.findall(r'title="said yes or no of 5">(\d+)<', two)
    assert cells == ["812", "813"] * len(JIN34) and "said yes or no" not in one
    assert two.count(">network</th>") == len(JIN34.groups)
