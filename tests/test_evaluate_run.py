"""The command as users type it."""

import json
import re
import shutil

import numpy as np
import pytest
import tiny_features
from PIL import Image

from tfanime import checkpoints, command_line, data, files, generate
from tfanime.callbacks import FID
from tfanime.evaluate import __main__ as command
from tfanime.generator import Generator
from tfanime.images import grid
from tfanime.metrics.faces import FaceFinder
from tfanime.metrics.features import open_network
from tfanime.recipes import dcgan
from tfanime.runs import RunFolder
from tfanime.tag_sampling import TagSampler
from tfanime.tags import KONACHAN26, TagGroup, TagVocabulary
from tfanime.tfrecords.convert import convert
from tfanime.tfrecords.settings import Settings


@pytest.fixture(scope="module")
def held_out_shards(tmp_path_factory):
    """Shards of 60 drawn avatars, of which some are held out."""
    folder = tmp_path_factory.mktemp("shards") / "held_out"
    convert(Settings("drawn", str(folder), count=60, size=16, holdout=0.3, workers=1), progress=False)
    return folder


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return tiny_features.write(tmp_path_factory.mktemp("features") / "tiny.keras")


@pytest.fixture(scope="module")
def evaluated(run_folder, held_out_shards, features, tmp_path_factory):
    """A folder with an evaluation of the run, and what was printed."""
    out = tmp_path_factory.mktemp("evaluation")
    flags = [str(run_folder), f"--data={held_out_shards}", f"--features={features}", "--samples=30", f"--out={out}"]
    with pytest.MonkeyPatch.context() as patch:
        lines = []
        # Not what libraries print to stderr, such as warnings' tracebacks.
        patch.setattr("builtins.print", lambda *words, file=None, **_: file or lines.append(" ".join(map(str, words))))
        command.main(flags)
    return out, flags, "\n".join(lines)


def values(out):
    return {row["name"]: row for row in json.loads((out / "evaluation.json").read_text())["rows"]}


def test_evaluate_prints_a_table_and_writes_file_and_page(evaluated, run_folder, features, held_out_shards):
    out, _, printed = evaluated
    rows, value = values(out), open_network(str(features)).value
    assert list(rows) == ["dcgan", "real, held out", "averages of 16 real"]
    names = [line.split("  ")[0] for line in printed.splitlines()]
    assert names[1:4] == list(rows) and printed.splitlines()[0].split()[1] == value
    counts = [row["samples"] for row in rows.values()]
    assert counts[0] == counts[2] == 30 > counts[1] > 6
    assert f"note: real, held out has {counts[1]} pictures and not 30" in printed
    assert f"page:    {out / 'evaluation.html'}" in printed
    distances = {name: row["values"]["distance"] for name, row in rows.items()}
    assert distances["real, held out"] < distances["dcgan"]
    page = (out / "evaluation.html").read_text()
    assert page.count("data:image/jpeg") == 6 and all(name in page for name in rows)
    sheet = np.asarray(Image.open(out / rows["dcgan"]["sheet"]))
    assert np.abs(sheet.astype(int) - grid(generate.open_generator(run_folder).images(range(30)))).max() <= 1
    details = json.loads((out / "evaluation.json").read_text())
    assert details["protocol"]["network"]["value"] == value and details["protocol"]["image_size"] == 16
    assert {"tfanime", "tensorflow", "reference", "first_seed"} <= set(details["provenance"])
    assert not [path for path in out.iterdir() if path.suffix == ".part"]


def test_evaluate_gives_the_number_of_the_callback(evaluated, run_folder, features, held_out_shards):
    run = RunFolder(run_folder)
    gan = dcgan.build(dcgan.Config(**run.load()["config"] | {"precision": "float32"}))
    checkpoints.load(checkpoints.find(run), gan=gan)
    callback = FID(data.load(held_out_shards, 16), every=1, samples=30, features=str(features))
    callback.set_model(gan)
    callback.on_train_begin()
    assert callback.compute() == pytest.approx(values(evaluated[0])["dcgan"]["values"]["distance"], rel=1e-3)


def test_beside_adds_rows_of_the_same_protocol(evaluated, run_folder, tmp_path, capsys):
    before, flags, _ = evaluated
    other = shutil.copytree(run_folder, tmp_path / "other")
    flags = [str(other), *flags[1:-1], f"--out={tmp_path / 'both'}", f"--beside={before}", "--seed=100"]
    command.main([*flags, "--baselines=false"])
    rows = values(tmp_path / "both")
    assert list(rows) == ["dcgan", "other", "real, held out", "averages of 16 real"]
    assert rows["dcgan"]["values"] == values(before)["dcgan"]["values"] != rows["other"]["values"]
    assert rows["dcgan"]["provenance"]["first_seed"] == 0 and "provenance" not in rows["other"]
    for name, row in rows.items():
        if name != "other":
            earlier = before / values(before)[name]["sheet"]
            assert (tmp_path / "both" / row["sheet"]).read_bytes() == earlier.read_bytes()
    assert "*" in capsys.readouterr().out
    # What is judged again replaces what was there.
    command.main([f"{run_folder}/", *flags[1:3], "--samples=30", flags[-3], f"--beside={tmp_path / 'both'}"])
    assert list(values(tmp_path / "both"))[:2] == ["dcgan", "other"]

    with pytest.raises(ValueError, match=r"must have one protocol. Received: .*, in which samples is 30 and not 20"):
        command.main([*flags, "--samples=20", "--baselines=false"])


def test_also_ppl_computes_the_path_length(evaluated, features, tmp_path, capsys):
    before, flags, _ = evaluated
    flags = [*flags[:-1], "--baselines=false", f"--out={tmp_path}"]
    command.main([*flags, "--also", "ppl:pairs=8"])
    row, value = values(tmp_path)["dcgan"], open_network(str(features)).value
    assert capsys.readouterr().out.splitlines()[0].split().count(f"ppl_{value.removeprefix('fd_')}") == 1
    assert row["values"]["path_length"] > 0
    earlier = values(before)["dcgan"]["values"]
    assert {key: number for key, number in row["values"].items() if key != "path_length"} == earlier
    protocol = json.loads((tmp_path / "evaluation.json").read_text())["protocol"]
    assert protocol["ppl"] == {"pairs": 8, "sampling": "full", "epsilon": 1e-4}
    with pytest.raises(ValueError, match=r"must have one protocol. Received: .*, in which ppl is None and not {'pairs"):
        command.main([*flags, "--also=ppl:pairs=8", f"--beside={before}"])


def test_features_of_two_networks_stand_side_by_side(evaluated, features, tmp_path, monkeypatch, capsys):
    before, flags, _ = evaluated
    other = tiny_features.write(tmp_path / "other.keras", seed=2)
    both = f"--features={features},{other}:scale=255,mean=0"
    flags = [flags[0], flags[1], both, "--samples=30", "--baselines=false", f"--out={tmp_path / 'both'}"]
    monkeypatch.setattr("tfanime.evaluate.run.disagreements", lambda evaluation: ["a and b disagree."])
    command.main(flags)
    row, printed = values(tmp_path / "both")["dcgan"]["values"], capsys.readouterr().out
    assert {key: value for key, value in row.items() if not key.startswith("second_")} == (
        values(before)["dcgan"]["values"]
    )
    alone = f"{other}:scale=255,mean=0"
    network = open_network(alone)
    command.main([*flags[:2], f"--features={alone}", *flags[3:-1], f"--out={tmp_path / 'one'}"])
    alone = values(tmp_path / "one")["dcgan"]["values"]
    for key in ("distance", "kernel", "kernel_deviation"):
        assert row[f"second_{key}"] == pytest.approx(alone[key], rel=1e-6), key
    page = (tmp_path / "both" / "evaluation.html").read_text()
    for text in (printed, page):
        assert network.value in text and "KID x1000 (other)" in text and "a and b disagree." in text
    assert network.weights in page
    with pytest.raises(ValueError, match=r"one protocol. Received: .*, in which second is None and not {'name': 'o"):
        command.main([*flags, f"--beside={before}"])


def test_also_refuses_metrics_that_no_model_allows(features, held_out_shards, tmp_path, monkeypatch):
    """A SavedModel gives bytes, of which there is no path length; nothing is drawn then."""

    def draw(seeds):
        assert len(seeds) == 1  # to know the size
        return np.zeros((1, 16, 16, 3), np.uint8)

    monkeypatch.setattr("tfanime.generator.open_generator", lambda path, checkpoint: Generator(draw))
    flags = ["a", f"--data={held_out_shards}", f"--features={features}", "--samples=6", f"--out={tmp_path}"]
    with pytest.raises(ValueError, match=r"the metric ppl must have .* Received: none with latent_generator \(a gener"):
        command.main([*flags, "--also=ppl"])


def test_evaluate_refuses_two_models_of_one_name(evaluated, run_folder, tmp_path):
    before, flags, _ = evaluated
    twin = shutil.copytree(run_folder, tmp_path / "elsewhere" / run_folder.name)
    with pytest.raises(ValueError, match=rf"different names. Received: {run_folder.name} of .* and of {twin}"):
        command.main([str(twin), *flags[1:-1], f"--out={tmp_path / 'b'}", f"--beside={before}"])


def test_faces_are_shown_with_averages_always(evaluated, tmp_path, monkeypatch):
    _, flags, _ = evaluated
    finder = FaceFinder("none", "1", lambda image: False)
    monkeypatch.setattr("tfanime.metrics.faces.animeface_finder", lambda: finder)
    command.main([*flags[:-1], f"--out={tmp_path}", "--detector=animeface", "--baselines=false"])
    assert [row["values"]["faces"] for row in values(tmp_path).values()] == [0.0, 0.0]
    assert list(values(tmp_path))[1] == "averages of 16 real"


def test_damaged_held_out_faces_are_an_error(run_folder, held_out_shards, features, tmp_path, monkeypatch):
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path / "cache"))
    shards = shutil.copytree(held_out_shards, tmp_path / "shards")
    (held_out,) = shards.glob("*holdout*.tfrecord")
    held_out.write_bytes(held_out.read_bytes()[:-9])
    with pytest.raises(ValueError, match="holdout"):
        command.main([str(run_folder), f"--data={shards}", f"--features={features}", f"--out={tmp_path / 'a'}"])


def test_missing_held_out_faces_are_noted(shards, run_folder, features, tmp_path, capsys):
    flags = [str(run_folder), f"--data={shards}", f"--features={features}", "--samples=6", f"--out={tmp_path}"]
    command.main(flags)
    assert list(values(tmp_path)) == ["dcgan", "averages of 16 real"]
    assert re.search(r"note: .* holds no faces out \(--holdout of the conv.*no row of real", capsys.readouterr().out)


def test_too_few_held_out_faces_are_noted(run_folder, features, tmp_path, capsys):
    convert(Settings("drawn", str(tmp_path / "shards"), count=60, size=16, holdout=0.05, workers=1), progress=False)
    arguments = [str(run_folder), f"--data={tmp_path / 'shards'}", f"--features={features}", "--samples=6"]
    command.main([*arguments, f"--out={tmp_path / 'out'}"])
    assert list(values(tmp_path / "out")) == ["dcgan", "averages of 16 real"]
    assert re.search(r"note: .* holds only [1-5] faces out, and 6 are needed", capsys.readouterr().out)


def test_failing_model_does_not_stop_the_others(features, held_out_shards, tmp_path, monkeypatch):
    def painter(level):
        def draw(seeds):
            if seeds[0] >= level:
                raise ValueError("the features are not finite")
            return np.random.default_rng(int(seeds[0])).integers(0, 256, (len(seeds), 16, 16, 3), np.uint8)

        return Generator(draw)

    models = {"good": painter(100), "bad": painter(64)}
    monkeypatch.setattr("tfanime.generator.open_generator", lambda path, checkpoint: models[path])
    flags = [f"--data={held_out_shards}", f"--features={features}", "--samples=70", f"--out={tmp_path}"]
    with pytest.raises(ValueError, match=r"the others' rows are in .* Received: bad: the features are not finite"):
        command.main(["bad", "good", *flags])
    assert list(values(tmp_path)) == ["good", "real, held out", "averages of 16 real"]
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=r"^the features are not finite"):
        command.main(["bad", *flags])
    # Nor does anything begin while another evaluation has the folder.
    with files.locked(tmp_path, "out"), pytest.raises(BlockingIOError, match="out must not be in use"):
        command.main(["good", *flags])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_tags_obeyed_are_counted(features, held_out_shards, tmp_path, monkeypatch, capsys):
    """Red and blue pictures by a generator that does what it is told, and by one that does not."""
    hair = TagVocabulary("hair", (TagGroup("hair_colour", ("red_hair", "blue_hair"), exclusive=True),))

    def painter(obeys):
        def draw(seeds, wanted):
            red = TagSampler(hair).from_seeds(seeds, wanted).numpy()[:, 0] > 0
            noise = np.random.default_rng(int(seeds[0])).integers(0, 60, (len(seeds), 16, 16, 3), np.uint8)
            noise[red if obeys else ~red, ..., 0] += 190
            noise[~red if obeys else red, ..., 2] += 190
            return noise

        return Generator(draw, hair)

    class Judge:
        """Tells red from blue."""

        name, vocabulary = "tagger1", hair

        def __call__(self, images):
            red = images[..., 0].mean(axis=(1, 2)) > images[..., 2].mean(axis=(1, 2))
            return np.where(np.stack([red, ~red], axis=1), 1, -1).astype(np.int8)

    models = {"good": painter(True), "bad": painter(False)}
    monkeypatch.setattr("tfanime.generator.open_generator", lambda path, checkpoint: models[path])
    monkeypatch.setattr("tfanime.metrics.attributes.NetworkJudge", lambda network: Judge())
    flags = ["good", "bad", f"--data={held_out_shards}", f"--features={features}", "--samples=6", f"--out={tmp_path}"]
    command.main(flags)
    rows = values(tmp_path)
    assert [rows[name]["values"]["tags"] for name in ("good", "bad", "real, held out")] == [1.0, 0.0, None]
    shown = rows["good"]["tags"]["rows"][0]
    assert (shown["tag"], shown["shown"]["tagger1"]) == ("red_hair", {"yes": 20, "count": 20})
    assert {"tagger1", "colours"} <= set(rows["good"]["tags"]["judges"])
    page = (tmp_path / "evaluation.html").read_text()
    assert "Seen by tagger1" in page and "red hair" in page and "20 of 20" in page and "0 of 20" in page
    assert "100.0%*" in capsys.readouterr().out

    # Tags counted by another network, or none, do not stand beside these.
    before = json.loads((tmp_path / "evaluation.json").read_text())
    before["protocol"]["tags"]["tagger"] = "0" * 64
    other = tmp_path / "other"
    other.mkdir()
    (other / "evaluation.json").write_text(json.dumps(before))
    with pytest.raises(ValueError, match=r"must have one protocol. Received: .*, in which tags.tagger is '0000"):
        command.main([*flags, f"--beside={other}"])

    before["protocol"]["tags"]["tagger"] = json.loads((tmp_path / "evaluation.json").read_text())["protocol"]["tags"][
        "tagger"
    ]
    before["rows"][0]["tags"]["judges"]["colours"] = "0"
    (other / "evaluation.json").write_text(json.dumps(before))
    with pytest.raises(ValueError, match=r"seen by one version of colours, .* Received: 0 for good, .* for bad"):
        command.main(["bad", *flags[2:], f"--beside={other}"])

    models["other"] = Generator(lambda seeds, _: np.zeros((len(seeds), 16, 16, 3), np.uint8), KONACHAN26)
    with pytest.raises(ValueError, match=r"must have the same tags, .* Received: good with 2 tags, other with 26 tags"):
        command.main(["good", "other", *flags[2:]])

    command.main([*flags, "--tag_pictures=0"])
    assert values(tmp_path)["good"]["tags"] is None
    assert "Tags obeyed" not in (tmp_path / "evaluation.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--data=x"], 2, "models"),
        (["a"], 2, "data"),
        (["a", "--data=x", "--samples=5"], 2, r"--samples must be at least 6. Received: 5"),
        (["a", "--data=x", "--tag_pictures=9"], 2, r"--tag_pictures must be at least 20, or 0. Received: 9"),
        (["a", "--data=x", "--also=ppl", "--also=fid"], 2, r"must be one of ppl, psnr, ssim. Received: 'fid'"),
        (["a", "--data=x", "--seed=-1"], 2, r"--seed must be from 0"),
        (["a", "--data=x", "--features=a.onnx,b.onnx,tagger"], 2, r"at most 2 feature networks. Received: 'a.onnx,b"),
        (["a", "--data=x", "--features=i2v"], 2, r"a feature network must be one of tagger, .* Received: 'i2v'"),
        (
            ["a", "--data=x", "--detector=animeface", "--cascade=b"],
            2,
            r"--cascade must be left out with --detector anim",
        ),
        (["a", "--data=x", "--cascade=nowhere"], 1, r"--cascade must name an existing XML file. Received: 'nowhere'"),
        (["a", "--data=x", "--beside=nowhere"], 1, r"an earlier evaluation must be an evaluation.json"),
        (["a", "--data=x"], 1, r"Received: 'a', which does not exist"),
    ],
)
def test_evaluate_errors_are_one_line_and_a_status(arguments, status, message, in_tmp, capsys):
    with pytest.raises(SystemExit) as raised:
        command_line.run(lambda: command.main(arguments))
    error = capsys.readouterr().err
    assert raised.value.code == status and error.count("\n") == 1 and re.search(message, error), error
