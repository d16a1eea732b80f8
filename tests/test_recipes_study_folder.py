import json

import pytest

from tfanime.recipes.study.folder import StudyFolder
from tfanime.recipes.study.plan import read

TEXT = """
recipe = "wgan"
[settings]
steps = 10
[grid]
critic_steps = [1, 2, 5]
"""


@pytest.fixture
def study(tmp_path):
    """Opens the study of a text in the folder `study`."""

    def study(text=TEXT, data=None):
        (tmp_path / "mine.toml").write_text(text)
        return StudyFolder(
            tmp_path / "study", lambda began: read(tmp_path / "mine.toml", began if data is None else data)
        )

    return study


def trained(folder, planned, *steps):
    """A run folder as a training leaves it."""
    run = folder.run(planned)
    run.start("wgan", planned.config, {}, planned.config.resumable)
    for step in steps:
        run.append_metrics({"step": step, "seconds": step * 6.0, "generator_loss": 0.5})


def test_study_folder_reports_the_state_of_runs(study):
    folder = study()
    folder.path.mkdir()
    folder.note()
    first, second, third = folder.plan.runs
    trained(folder, first, 5, 10)
    folder.note(first, "finished")
    trained(folder, second, 4)
    assert [folder.done(planned) for planned in folder.plan.runs] == [1.0, 0.4, 0.0]
    assert [row["state"] for row in study().rows()] == ["finished", "begun", "to do"]
    folder.note(second, "losses must be finite")
    rows = study().rows()  # as another process sees it
    assert rows[0] == {
        "name": "critic_steps=1",
        "state": "finished",
        "varied": {"critic_steps": 1},
        "metrics": {"step": 10, "seconds": 60.0, "generator_loss": 0.5},
    }
    assert rows[1]["state"] == "failed" and rows[1]["error"] == "losses must be finite"
    assert rows[2]["metrics"] == {} and "error" not in rows[2]
    assert folder.command(third)[:2] == ["-m", "tfanime.recipes.wgan"]
    assert folder.command(third)[2:] == ["--steps=10", "--critic_steps=5", f"--run={folder.path / 'critic_steps=5'}"]
    folder.run(first).details.unlink()  # thrown away by its owner
    assert not study().finished(first)


def test_study_folder_counts_minutes_as_a_budget(study):
    folder = study(TEXT.replace("steps = 10", "minutes = 2"))
    trained(folder, folder.plan.runs[0], 5)
    assert folder.done(folder.plan.runs[0]) == 0.25


def test_study_folder_takes_the_newest_sheet(study):
    folder = study()
    run = folder.run(folder.plan.runs[1])
    trained(folder, folder.plan.runs[1], 4, 8, 9)
    run.sample(4).parent.mkdir()
    for step in (4, 8):
        run.sample(step).touch()
    assert folder.newest_sheets() == [None, run.sample(8), None]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "steps = 10",
            "steps = 20",
            r"settings.steps must stay what it was when the study in '.*study' began, 10. Received: 20",
        ),
        (
            "steps = 10",
            "steps = 10\nbatch_size = 8",
            r"settings.batch_size must stay .*, None. Received: 8. Name a new folder",
        ),
        ("2, 5", "2", r"grid.critic_steps must stay .*, \[1, 2, 5\]. Received: \[1, 2\]"),
        ('"wgan"', '"wgan_gp"', r"recipe must stay .*, 'wgan'. Received: 'wgan_gp'"),
    ],
)
def test_study_folder_refuses_another_study(study, old, new, message):
    folder = study()
    trained(folder, folder.plan.runs[0])
    folder.note()
    before = (folder.path / "study.json").read_bytes()
    with pytest.raises(ValueError, match=message):
        study(TEXT.replace(old, new))
    assert (folder.path / "study.json").read_bytes() == before
    study("# what a comment says is free\n" + TEXT)


def test_study_folder_refuses_other_data(study):
    folder = study(data="/faces")
    trained(folder, folder.plan.runs[0])
    folder.note()
    assert study().plan.settings["data"] == "/faces"
    with pytest.raises(ValueError, match=r"data must stay .*, '/faces'. Received: '/others'"):
        study(data="/others")


def test_study_folder_refuses_other_folders(study, tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"--run must be a new or empty folder, or that of a study. Received: "):
        study()


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": 99, "stated": {}, "ends": {}}'])
def test_study_folder_names_a_damaged_study_json(study, tmp_path, text):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.json").write_text(text)
    with pytest.raises(ValueError, match=r"study.json must be a file that tfanime wrote: "):
        study()


def test_study_json_has_the_version(study):
    from tfanime import __version__

    folder = study()
    folder.path.mkdir()
    folder.note()
    assert json.loads((folder.path / "study.json").read_text())["tfanime"] == __version__
