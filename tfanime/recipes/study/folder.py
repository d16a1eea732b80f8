"""A study's folder: the state of its runs, and the only module that knows its paths.

FLAG=VALUE,...   an ordinary run folder for each run, made by the recipe in a process of its own
logs/            what those processes printed
study.json       what the study's file said when it began, and how the runs ended
results.md       the table of the runs and their last metrics; results.json has it for programs
sheets.png       the runs' newest sheets side by side
"""

import json
from pathlib import Path

from tfanime import __version__
from tfanime.files import write_text
from tfanime.runs import RunFolder

FORMAT = 1


class StudyFolder:
    """A study's folder, new or to be resumed.

    Args:
        path: The folder.
        plan: Called with the data that the study in it began with (None if it is new), returns the
            `tfanime.recipes.study.plan.Plan`.

    Raises:
        ValueError: The folder holds no study, or another one.
    """

    def __init__(self, path, plan):
        self.path = Path(path)
        if not self._details.is_file():
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise ValueError(f"--run must be a new or empty folder, or that of a study. Received: {str(path)!r}")
            self.plan, self._ends = plan(None), {}
            return
        try:
            details = json.loads(self._details.read_text(encoding="utf-8"))
            if details["format"] != FORMAT:
                raise ValueError(f"its format is {details['format']}, this version of tfanime reads {FORMAT}")
            began, self._ends = details["stated"], details["ends"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self._details} must be a file that tfanime wrote: {error}") from error
        if not self.begun():  # no run has begun, so nothing can be resumed
            self.plan = plan(None)
            return
        self.plan = plan(began.get("data"))
        old, new = _flat(began), _flat(self.plan.stated)
        for key in [*old, *new]:
            if old.get(key) != new.get(key):
                raise ValueError(
                    f"{key} must stay what it was when the study in {str(path)!r} began, {old.get(key)!r}. "
                    f"Received: {new.get(key)!r}. Name a new folder with --run"
                )

    _details = property(lambda self: self.path / "study.json")
    results = property(lambda self: self.path / "results.md")
    results_for_programs = property(lambda self: self.path / "results.json")
    sheets = property(lambda self: self.path / "sheets.png")

    def begun(self):
        """Whether a run has begun."""
        return any(self.path.glob("*/run.json"))

    def run(self, planned):
        """The `RunFolder` of a `StudyRun`."""
        return RunFolder(self.path / planned.name)

    def log(self, planned):
        """The file for the output of its process."""
        return self.path / "logs" / f"{planned.name}.txt"

    def command(self, planned):
        """The arguments of Python that train it, a list."""
        return ["-m", f"tfanime.recipes.{self.plan.recipe}", *planned.arguments, f"--run={self.run(planned).path}"]

    def finished(self, planned):
        """Whether it was trained to its end."""
        return self._ends.get(planned.name) == "finished" and self.run(planned).details.is_file()

    def done(self, planned):
        """The share of its budget that is spent, 0 to 1."""
        lines = self.run(planned).read_metrics()
        if self.finished(planned) or not lines:
            return float(self.finished(planned))
        budget = planned.config.minutes
        minutes = lines[-1]["seconds"] / 60 / budget if budget else 0.0
        return min(1.0, max(minutes, lines[-1]["step"] / planned.config.steps))

    def note(self, planned=None, end=None):
        """Writes `study.json`, with the end of a run's process.

        Args:
            planned: The `StudyRun`; None to write all known ones.
            end: `"finished"`, or its error; None if it runs or was only interrupted.
        """
        if planned is not None:
            self._ends = {**self._ends, planned.name: end}
        details = {"format": FORMAT, "tfanime": __version__, "stated": self.plan.stated, "ends": self._ends}
        write_text(self._details, json.dumps(details, indent=1) + "\n")

    def rows(self):
        """The state of every run.

        Returns:
            A dictionary for each: `name`, `state` (to do, begun, finished or failed), `varied` (its settings by flag),
            `metrics` (the last line of its `metrics.jsonl`, empty without one), and `error` if it failed.
        """
        rows = []
        for planned in self.plan.runs:
            lines, end = self.run(planned).read_metrics(), self._ends.get(planned.name)
            state = "finished" if self.finished(planned) else "failed" if end else "begun" if lines else "to do"
            row = {"name": planned.name, "state": state, "varied": planned.varied}
            row["metrics"] = lines[-1] if lines else {}
            rows.append(row | ({"error": end} if state == "failed" else {}))
        return rows

    def newest_sheets(self):
        """The sheet that each run drew last, a path or None."""
        paths = []
        for planned in self.plan.runs:
            steps = [line["step"] for line in self.run(planned).read_metrics()]
            drawn = [self.run(planned).sample(step) for step in reversed(steps)]
            paths.append(next((path for path in drawn if path.is_file()), None))
        return paths


def _flat(stated):
    """The values of a file by their place in it, such as `grid.steps`."""
    tables = ("settings", "grid")
    flat = {key: value for key, value in stated.items() if key not in tables}
    return flat | {f"{table}.{name}": value for table in tables for name, value in stated.get(table, {}).items()}
