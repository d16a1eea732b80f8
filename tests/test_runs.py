import dataclasses
import json
import tomllib
from dataclasses import dataclass

import pytest

from tfanime.runs import RunFolder

DATA = {"fingerprint": "abc", "count": 5}


@dataclass(frozen=True)
class Config:
    run: str = "runs/a"
    rate: float = 2e-4
    steps: int = 100
    minutes: float | None = None
    norm: str = "batch"


def start(path, config=None, recipe="wgan", data=DATA):
    run = RunFolder(path)
    run.start(recipe, config or Config(), data, {"run", "steps", "minutes"})
    return run


def test_run_folder_new_writes_settings_and_details(tmp_path):
    run = start(tmp_path / "runs" / "new")
    details = run.load()
    assert details["recipe"] == "wgan" and details["data"] == DATA
    assert details["config"] == dataclasses.asdict(Config())
    assert tomllib.loads(run.config.read_text()) == {"rate": 2e-4, "steps": 100, "norm": "batch"}
    assert run.config.read_text().startswith("# python -m tfanime.recipes.wgan --config config.toml\n")


def test_run_folder_writes_none_if_it_is_not_the_default(tmp_path):
    @dataclass(frozen=True)
    class Other:
        weight: float | None = 1.0
        limit: float | None = None

    for weight, expected in ((None, {"weight": "null"}), (2.0, {"weight": 2.0})):
        assert tomllib.loads(start(tmp_path / str(weight), Other(weight)).config.read_text()) == expected


def test_run_folder_resumes_with_a_new_budget(tmp_path):
    start(tmp_path)
    run = start(tmp_path, Config(steps=200, minutes=3.0, run="elsewhere"))
    assert run.load()["config"]["steps"] == 200
    assert tomllib.loads(run.config.read_text())["minutes"] == 3.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"recipe": "dcgan"}, r"run must be a run folder of recipe 'dcgan' or a new one. .* a run of 'wgan'"),
        ({"config": Config(rate=1e-3)}, r"--rate must stay .* 0.0002. Received: 0.001. Name a new folder with --run"),
        ({"config": Config(norm="none")}, r"--norm must stay .* 'batch'. Received: 'none'"),
        ({"data": DATA | {"fingerprint": "xyz"}}, r"data's fingerprint must stay .* 'abc'. Received: 'xyz'"),
    ],
)
def test_run_folder_refuses_another_run_unchanged(tmp_path, changed, message):
    run = start(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=message):
        start(tmp_path, **changed)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert run.load()["recipe"] == "wgan"


def test_run_folder_of_an_older_version_is_resumed(tmp_path):
    run = start(tmp_path)
    details = run.load()
    del details["config"]["norm"], details["data"]["count"]
    run.details.write_text(json.dumps(details))
    run.check("wgan", Config(), DATA, {"run"})
    with pytest.raises(ValueError, match=r"--norm must stay .* 'batch'. Received: 'none'"):
        run.check("wgan", Config(norm="none"), DATA, {"run"})


def test_run_folder_refuses_other_folders(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"run must be a new or empty folder, or a run folder. Received: "):
        start(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_run_folder_refuses_paths_that_cannot_be_folders(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match="run must be a folder that can be written"):
            start(path)


def test_load_refuses_a_folder_without_a_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a run folder must hold run.json. Received: "):
        RunFolder(tmp_path).load()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"recipe": "wgan"}', '{"format": 99}'])
def test_load_names_a_damaged_run_json(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"run.json must be a file that tfanime wrote: "):
        RunFolder(tmp_path).load()


def test_metrics_ignore_an_incomplete_line(tmp_path):
    run = RunFolder(tmp_path)
    assert run.read_metrics() == []
    entries = [{"step": step, "loss": step / 3} for step in (2, 4, 6)]
    for entry in entries:
        run.append_metrics(entry)
    assert run.read_metrics() == entries
    run.metrics.write_text(run.metrics.read_text()[:-9])
    assert run.read_metrics() == entries[:2]
    run.forget_after(6)
    run.append_metrics(entries[2])
    assert run.read_metrics() == entries


def test_run_folder_removes_results_after_the_checkpoint(tmp_path):
    run = RunFolder(tmp_path)
    run.sample(2).parent.mkdir()
    for step in (2, 4, 6):
        run.append_metrics({"step": step})
        run.sample(step).touch()
        run.sample(step, "tags").touch()
    others = [run.sample(2).with_name(name) for name in ("step-best.png", "notes.txt")]
    for path in others:
        path.touch()
    run.forget_after(4)
    assert [entry["step"] for entry in run.read_metrics()] == [2, 4]
    assert {path.name for path in run.sample(2).parent.iterdir()} == {
        "step-00000002.png",
        "step-00000004.png",
        "step-00000002-tags.png",
        "step-00000004-tags.png",
        "step-best.png",
        "notes.txt",
    }
    run.forget_after(0)
    assert run.read_metrics() == []
