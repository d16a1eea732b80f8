"""A study's TOML file: one recipe, the settings of all its runs, and the settings in which the runs differ.

    recipe = "dcgan"

    [settings]                            # flags of the recipe, the same in every run
    image_size = 32
    steps = 800

    [grid]                                # flag = list of values; every combination of them is a run
    beta_1 = [0.0, 0.5]
    beta_2 = [0.9, 0.999]

Values that belong together are a list of tables, each with the same flags. It stands instead of the grid, or beside it:
then each of its tables is combined with the whole grid.

    [[combinations]]
    optimizer = "adam"
    learning_rate = 2e-4

    [[combinations]]
    optimizer = "sgd"
    learning_rate = 0.02

A flag may be in one of the three places only. `run` may be in none: every run of a study has its own folder.
"""

import importlib
import itertools
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tfanime.command_line import UsageError, from_values
from tfanime.recipes import RECIPES

LONGEST_NAME = 200  # a file system takes 255 bytes


@dataclass(frozen=True)
class StudyRun:
    """One training of a study.

    Args:
        name: Its folder's name, such as `beta_1=0.5,beta_2=0.9`.
        varied: The values that make it differ from the others, by flag.
        flags: All flags that it is trained with, by name.
        config: The recipe's `Config` of them.
    """

    name: str
    varied: dict
    flags: dict
    config: object

    @property
    def arguments(self):
        """The recipe's arguments, a list."""
        return [f"--{name}={text(value)}" for name, value in self.flags.items()]


@dataclass(frozen=True)
class Plan:
    """A study that could be read.

    Args:
        name: Name of the file without its suffix.
        recipe: Name of the recipe.
        stated: The content of the file, as `tomllib` reads it, with the data of the command line under `data`.
        runs: Its `StudyRun`s, in the order of the file; the grid's last flag changes fastest.
        columns: Number of values of the grid's last flag: runs so far apart differ in nothing else.
    """

    name: str
    recipe: str
    stated: dict
    runs: tuple
    columns: int

    @property
    def settings(self):
        """The flags that all runs share, by name."""
        return {name: value for name, value in self.runs[0].flags.items() if name not in self.runs[0].varied}


def text(value):
    """A value in the form of the command line."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def read(path, data=None):
    """Reads a study.

    Args:
        path: The TOML file.
        data: Folder of shards for all runs; None if the file names it, or none is wanted.

    Returns:
        A `Plan`.

    Raises:
        UsageError: Something in it is wrong; the message names the file, the key, the rule and the value.
    """
    stated = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    try:
        _check_form(stated)
        places = _places(stated)
        if data is not None:
            _require("data" not in places, "--data", f"left out where the file has {places.get('data')}", data)
            stated["data"] = data
        runs = _runs(stated, places)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    axes = [*([stated["combinations"]] if "combinations" in stated else []), *stated.get("grid", {}).values()]
    return Plan(Path(path).stem, stated["recipe"], stated, runs, len(axes[-1]))


def _require(holds, key, rule, received):
    if not holds:
        raise UsageError(f"{key} must be {rule}. Received: {received!r}")


def _check_form(stated):
    """Refuses files that are not studies, before the recipe's flags are checked."""
    known = ("recipe", "settings", "grid", "combinations")
    for key in stated:
        _require(key in known, "keys", f"{', '.join(known[:-1])} or {known[-1]}", key)
    recipe = stated.get("recipe")
    _require(isinstance(recipe, str) and recipe in RECIPES, "recipe", f"one of {', '.join(RECIPES)}", recipe)
    for key in ("settings", "grid"):
        _require(isinstance(stated.get(key, {}), dict), key, "a table", stated.get(key))
    for name, values in stated.get("grid", {}).items():
        _require(isinstance(values, list) and values, f"grid.{name}", "a list of one value or more", values)
    if "combinations" in stated:
        tables = stated["combinations"]
        form = isinstance(tables, list) and tables and all(isinstance(table, dict) and table for table in tables)
        _require(form, "combinations", "a list of tables, [[combinations]], none of them empty", tables)
        for table in tables:
            rule = f"tables of the same flags, {', '.join(tables[0])}"
            _require(set(table) == set(tables[0]), "combinations", rule, table)
    grid = stated.get("grid")
    _require(
        grid or "combinations" in stated, "grid", "a table of one flag or more, where there are no combinations", grid
    )


def _places(stated):
    """The place of each flag by name, such as `grid.steps`."""
    places = {}
    for section in ("settings", "grid", "combinations"):
        table = stated.get(section, {})
        for name in table[0] if section == "combinations" and table else table:
            key = f"{section}.{name}"
            _require(name != "run", key, "left out, because every run has a folder of its own", name)
            _require(name not in places, key, "stated once", f"{places.get(name)} too")
            places[name] = key
    return places


def _runs(stated, places):
    common = stated.get("settings", {}) | ({"data": stated["data"]} if "data" in stated else {})
    grid = stated.get("grid", {})
    program = f"python -m tfanime.recipes.{stated['recipe']}"
    recipe = importlib.import_module(f"tfanime.recipes.{stated['recipe']}")
    runs = []
    for table, values in itertools.product(stated.get("combinations", [{}]), list(itertools.product(*grid.values()))):
        varied = table | dict(zip(grid, values, strict=True))
        name = ",".join(f"{flag}={text(value)}" for flag, value in varied.items())
        try:
            config = from_values(recipe.Config, common | varied, program=program)
        except UsageError as error:
            # The place in the file replaces the flag in the message.
            message = re.sub(r"^--(\w+)", lambda match: places.get(match[1], match[0]), str(error))
            raise UsageError(f"{message} (in run {name})") from error
        runs.append(StudyRun(re.sub(r"[^A-Za-z0-9_.,+=-]", "-", name), varied, common | varied, config))
    for first, second in itertools.combinations(runs, 2):
        same = first.config == second.config or first.name == second.name
        _require(not same, "runs", f"different; one is {first.name} already", second.name)
    for run in runs:
        _require(len(run.name) <= LONGEST_NAME, "names of runs", f"at most {LONGEST_NAME} characters long", run.name)
    return tuple(runs)
