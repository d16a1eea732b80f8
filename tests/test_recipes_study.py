import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tfanime import files
from tfanime.recipes import dcgan
from tfanime.recipes.study import __main__ as study
from tfanime.recipes.study import plan as plans
from tfanime.recipes.study.folder import StudyFolder

ROOT = Path(__file__).resolve().parents[1]
TEXT = """
recipe = "dcgan"
[settings]
image_size = 16
channels = 1
latent_size = 4
batch_size = 4
precision = "float32"
steps = 4
epoch_steps = 2
[grid]
optimizer = ["adam", "sgd"]
"""


@pytest.fixture(autouse=True)
def mine(in_tmp, monkeypatch):
    """A study in the working folder, and processes that find tfanime from there."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    Path("mine.toml").write_text(TEXT)


@pytest.mark.slow
def test_study_is_trained_and_resumed(shards, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # a table has the columns that the terminal has room for
    folder = StudyFolder("runs/studies/mine", lambda began: plans.read("mine.toml", str(shards)))
    first, second = folder.plan.runs
    # As if killed during the first run, which is half done.
    folder.path.mkdir(parents=True)
    folder.note(first)
    assert dcgan.main([*first.arguments, "--steps=2", f"--run={folder.run(first).path}"]) == 0
    capsys.readouterr()

    assert study.main(["mine.toml"]) == 0
    printed = capsys.readouterr()
    assert re.search(
        r"^optimizer  state     step  seconds .*\nadam       finished  4 .*\nsgd        finished  4 ", printed.out
    )
    assert "tensorboard --logdir runs/studies/mine" in printed.out
    assert "run 1 of 2: optimizer=adam  25%" in printed.err and "run 2 of 2: optimizer=sgd 100%" in printed.err
    assert "resumed at step 2" in folder.log(first).read_text() and ", new -> " in folder.log(second).read_text()
    for planned, optimizer in ((first, "adam"), (second, "sgd")):
        run = folder.run(planned)
        assert run.load()["config"]["optimizer"] == optimizer and run.load()["data"]["count"] == 48
        assert len(list(run.tensorboard.glob("*.hparams"))) == 1
    rows = json.loads(folder.results_for_programs.read_text())["runs"]
    assert [row["metrics"] for row in rows] == [folder.run(each).read_metrics()[-1] for each in folder.plan.runs]
    assert rows[0]["metrics"]["step"] == 4 and "generator_loss" in rows[0]["metrics"]
    assert folder.results.is_file() and folder.sheets.is_file()

    # All is done: nothing is trained, and what the runs now say is shown.
    before = folder.log(second).read_bytes()
    folder.run(second).append_metrics({"step": 4, "seconds": 2.0, "fid": 12.5})
    assert study.main(["mine.toml", f"--data={shards}"]) == 0
    assert "fid" in capsys.readouterr().out and "12.5" in folder.results.read_text()
    assert folder.log(second).read_bytes() == before
    Path("mine.toml").write_text(TEXT.replace("steps = 4\n", "steps = 5\n", 1))
    with pytest.raises(ValueError, match=r"settings.steps must stay what it was .*, 4. Received: 5. Name a new folder"):
        study.main(["mine.toml"])


def test_study_dry_run_writes_nothing(capsys):
    assert study.main(["mine.toml", "--dry_run", "--data=faces", "--run=here"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(
        "2 runs of recipe dcgan -> here\n\noptimizer=adam (to do)\n  python -m tfanime.recipes.dcgan --"
    )
    assert f"--steps=4 --epoch_steps=2 --data={os.getcwd()}/faces --optimizer=sgd --run=here/optimizer=sgd\n" in text
    assert [path.name for path in Path().iterdir()] == ["mine.toml"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "study must be a TOML file or the name of a published one (artefacts, convolutions, "),
        (["mine.toml", "--dryrun"], "Did you mean --dry_run"),
        (["wrong.toml"], "wrong.toml: grid.optimizer must be a list of one value or more. Received: []"),
    ],
)
def test_study_bad_arguments_are_status_2(arguments, message):
    Path("wrong.toml").write_text(TEXT.replace('["adam", "sgd"]', "[]"))
    result = subprocess.run([sys.executable, "-m", "tfanime.recipes.study", *arguments], capture_output=True, text=True)
    assert result.returncode == 2 and result.stderr.count("\n") == 1 and message in result.stderr
    assert not Path("runs").exists()


RECIPE = """
import json, os, signal, sys, time
run = sys.argv[-1].partition("=")[2]
def begin(*steps):
    os.makedirs(run, exist_ok=True)
    json.dump({"format": 1}, open(run + "/run.json", "w"))
    open(run + "/metrics.jsonl", "a").writelines(json.dumps({"step": s, "seconds": 1.0}) + chr(10) for s in steps)
"""


@pytest.fixture
def pretend(monkeypatch):
    """Runs a few lines of Python instead of a recipe: `begin(*steps)` does what a recipe does to a run folder."""
    command = StudyFolder.command

    def pretend(code):
        lines = RECIPE + code
        monkeypatch.setattr(StudyFolder, "command", lambda *of: ["-c", lines, *command(*of)[2:]])

    return pretend


def test_study_continues_after_a_failed_run(pretend, capsys):
    pretend("""
begin(2)
if "sgd" in run: begin(4)
else: sys.exit("  7%| |\\rerror: losses must be finite\\n\\nbye")
""")
    assert study.main(["mine.toml", "--run=a"]) == 1
    text = capsys.readouterr().out
    assert "adam       failed    2" in text and "optimizer=adam failed: losses must be finite\n" in text
    assert "sgd        finished  4" in text


def test_study_retries_a_failed_run(pretend, capsys):
    pretend("begin(2)\nif 'sgd' not in run: os.kill(os.getpid(), signal.SIGKILL)")
    assert study.main(["mine.toml", "--run=a"]) == 1
    assert "optimizer=adam failed: ended by signal 9" in capsys.readouterr().out
    for code, complaint in (
        ("sys.exit('error: no room')", "no room"),
        ("sys.exit('bye')", "bye"),
        ("sys.exit(3)", "status 3"),
    ):
        pretend(code)  # not what was said the time before
        assert study.main(["mine.toml", "--run=a"]) == 1
        assert f"optimizer=adam failed: {complaint}\n" in capsys.readouterr().out
    pretend("begin(4)")
    assert study.main(["mine.toml", "--run=a"]) == 0
    assert re.search(r"adam +finished  4 .*\nsgd +finished  2 ", capsys.readouterr().out)


def test_study_ends_if_no_run_can_start(pretend):
    pretend("sys.exit('error: data must be there')")
    message = r"run optimizer=adam could not begin: data must be there \(its whole output: a/logs/optimizer=adam.txt\)"
    with pytest.raises(ValueError, match=message):
        study.main(["mine.toml", "--run=a", "--data=nowhere"])
    assert [path.name for path in Path("a/logs").iterdir()] == ["optimizer=adam.txt"]
    pretend("begin(4)")  # nothing binds what has not begun
    assert study.main(["mine.toml", "--run=a", "--data=others"]) == 0
    assert study.main(["mine.toml", "--run=a"]) == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_study_interrupted_lets_its_run_end(pretend, capsys, number, status):
    pretend(f"""
begin(2)
def end(*_):
    begin(3)
    sys.exit({status})
signal.signal(signal.SIGTERM, end)
os.kill(os.getppid(), {int(number)})
time.sleep(60)
""")
    assert study.main(["mine.toml", "--run=a"]) == status
    assert "stopped: the same command resumes" in capsys.readouterr().out
    rows = json.loads(Path("a/results.json").read_text())["runs"]
    assert [(row["state"], row["metrics"].get("step")) for row in rows] == [("begun", 3), ("to do", None)]
    assert signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL)


def test_study_second_ctrl_c_leaves_no_process(pretend):
    pretend("""
begin(2)
signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getppid(), signal.SIGINT))
open("pid", "w").write(str(os.getpid()))
os.kill(os.getppid(), signal.SIGINT)
time.sleep(60)
""")
    with contextlib.suppress(KeyboardInterrupt):
        study.main(["mine.toml", "--run=a"])
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path("pid").read_text()), 0)


def test_study_stops_with_an_interrupted_run(pretend):
    pretend("begin(2)\nsys.exit(130)")
    assert study.main(["mine.toml", "--run=a"]) == 130
    assert not Path("a/optimizer=sgd").exists()


def test_study_in_use_is_refused(pretend):
    Path("a").mkdir()
    with files.locked("a", "run"), pytest.raises(OSError, match=r"run must not be in use. Received: 'a'"):
        study.main(["mine.toml", "--run=a"])
