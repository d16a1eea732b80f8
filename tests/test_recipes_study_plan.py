import re
import tomllib
from pathlib import Path

import pytest

from tfanime.command_line import UsageError, published_names, published_path
from tfanime.recipes import sngan
from tfanime.recipes.study import __main__ as study
from tfanime.recipes.study import plan as plans

GRID = """
recipe = "sngan"
[settings]
networks_of = "dcgan"
steps = 300
[grid]
beta_1 = [0.0, 0.5]
beta_2 = [0.9, 0.99, 0.999]
"""
TOGETHER = """
recipe = "dcgan"
[grid]
minibatch_stddev = [false, true]
[[combinations]]
optimizer = "adam"
learning_rate = 2e-4
[[combinations]]
optimizer = "sgd"
learning_rate = 0.02
"""


@pytest.fixture
def read(tmp_path):
    """Reads a study from its text."""

    def read(text, data=None):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return plans.read(path, data)

    return read


def test_plan_of_a_grid_has_every_combination(read):
    plan = read(GRID)
    assert (plan.name, plan.recipe, plan.columns) == ("mine", "sngan", 3)
    assert plan.settings == {"networks_of": "dcgan", "steps": 300}
    assert [run.name for run in plan.runs] == [
        f"beta_1={first},beta_2={second}" for first in (0.0, 0.5) for second in (0.9, 0.99, 0.999)
    ]
    assert plan.runs[1].varied == {"beta_1": 0.0, "beta_2": 0.99}
    assert plan.runs[1].flags == {"networks_of": "dcgan", "steps": 300, "beta_1": 0.0, "beta_2": 0.99}
    assert plan.runs[1].config == sngan.Config(networks_of="dcgan", steps=300, beta_1=0.0, beta_2=0.99)
    assert plan.runs[5].arguments == ["--networks_of=dcgan", "--steps=300", "--beta_1=0.5", "--beta_2=0.999"]


def test_plan_combines_combinations_with_the_grid(read):
    plan = read(TOGETHER)
    assert plan.columns == 2 and plan.settings == {}
    assert [run.arguments for run in plan.runs] == [
        ["--optimizer=adam", "--learning_rate=0.0002", "--minibatch_stddev=false"],
        ["--optimizer=adam", "--learning_rate=0.0002", "--minibatch_stddev=true"],
        ["--optimizer=sgd", "--learning_rate=0.02", "--minibatch_stddev=false"],
        ["--optimizer=sgd", "--learning_rate=0.02", "--minibatch_stddev=true"],
    ]
    alone = read(TOGETHER.replace("[grid]\nminibatch_stddev = [false, true]\n", ""))
    assert [run.name for run in alone.runs] == [
        "optimizer=adam,learning_rate=0.0002",
        "optimizer=sgd,learning_rate=0.02",
    ]
    assert alone.columns == 2


def test_plan_gives_data_to_every_run(read):
    plan = read(GRID, data="/faces")
    assert plan.settings["data"] == "/faces" and {run.config.data for run in plan.runs} == {"/faces"}
    assert plan.stated["data"] == "/faces"


def test_plan_names_are_single_folders(read):
    plan = read('recipe = "dcgan"\n[grid]\ndata = ["tfrecords/a b", "/c*"]\n')
    assert [run.name for run in plan.runs] == ["data=tfrecords-a-b", "data=-c-"]
    assert [run.config.data for run in plan.runs] == ["tfrecords/a b", "/c*"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"sngan"', '"gan"', "recipe must be one of cartoongan, dcgan, .*wgan_gp. Received: 'gan'"),
        ('recipe = "sngan"', "", "recipe must be one of .* Received: None"),
        ("[grid]", "[gird]", "keys must be recipe, settings, grid or combinations. Received: 'gird'"),
        ("[settings]", "[[settings]]", r"settings must be a table. Received: \[\{"),
        (
            "beta_1",
            "beta1",
            r"keys of a TOML file must be flags of `python -m tfanime.recipes.sngan`. Received: 'beta1'",
        ),
        ("[0.0, 0.5]", "[]", r"grid.beta_1 must be a list of one value or more. Received: \[\]"),
        ("[0.0, 0.5]", "0.5", r"grid.beta_1 must be a list of one value or more. Received: 0.5"),
        ("[0.0, 0.5]", '["high"]', r"grid.beta_1 must be float. Received: high \(in run beta_1=high,beta_2=0.9\)"),
        ("[0.0, 0.5]", "[0.0, 1.5]", r"grid.beta_1 must be from 0 to below 1. Received: 1.5 \(in run beta_1=1.5,"),
        ("steps = 300", "steps = 0.5", r"settings.steps must be int. Received: 0.5"),
        ("steps = 300", "steps = 1979-05-27", r"settings.steps must be int. Received: 1979-05-27"),
        ('networks_of = "dcgan"', "kernel_size = 5", r"settings.kernel_size must be left out with --networks_of sngan"),
        (
            "[0.0, 0.5]",
            "[0.0, 0]",
            r"runs must be different; one is beta_1=0.0,beta_2=0.9 already. Received: 'beta_1=0,",
        ),
        ("steps = 300", "beta_1 = 0.5", r"grid.beta_1 must be stated once. Received: 'settings.beta_1 too'"),
        ("steps = 300", 'run = "a"', r"settings.run must be left out, because every run has a folder of its own"),
        (
            GRID[GRID.index("[grid]") :],
            "",
            r"grid must be a table of one flag or more, where there are no ",
        ),
        (
            "[grid]",
            "[[combinations]]\n[grid]",
            r"combinations must be a list of tables, .*, none of them empty. Received",
        ),
        ("steps = 300", "data = 'a/b'", r"--data must be left out where the file has settings.data. Received: 'faces'"),
        (
            "[grid]",
            "[[combinations]]\nlatent_size = 8\n[[combinations]]\nchannels = 8\n[grid]",
            r"combinations must be tables of the same flags, latent_size. Received: \{'channels': 8\}",
        ),
        (
            "[0.0, 0.5]",
            '[0.5]\ndata = ["a b", "a/b"]',
            r"runs must be different; one is .*data=a-b,.* already",
        ),
        (
            "[0.0, 0.5]",
            f"[0.5]\ndata = ['{'a' * 200}']",
            "names of runs must be at most 200 characters long. Received: '",
        ),
    ],
)
def test_plan_refuses_wrong_files_in_one_line(read, old, new, message):
    text = GRID.replace(old, new)
    assert text != GRID
    with pytest.raises(UsageError, match=r"mine.toml: " + message) as raised:
        read(text, "faces" if "left out where" in message else None)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", published_names(study.PUBLISHED))
def test_published_studies_can_be_read(name):
    path = published_path(name, study.PUBLISHED, "study")
    text = Path(path).read_text()
    assert re.search(r"^#   python -m tfanime.recipes.study (\w+) ", text, re.MULTILINE)[1] == name
    plan = plans.read(path)
    assert len(plan.runs) > 1 and tomllib.loads(text) == plan.stated
    budgets = {(run.config.steps, run.config.minutes, run.config.batch_size) for run in plan.runs}
    assert len(budgets) == 1  # an equal one, which the head states
    steps, minutes, batch_size = budgets.pop()
    assert minutes is None and re.search(
        rf"^# Budget of each run: {steps} .*of {batch_size} pictures", text, re.MULTILINE
    )
