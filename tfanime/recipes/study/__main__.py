"""`python -m tfanime.recipes.study FILE.toml`: a recipe with many settings, one run after the other."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from tfanime import command_line
from tfanime.files import locked, require_writable_folder
from tfanime.recipes.study import plan as plans
from tfanime.recipes.study.folder import StudyFolder

PUBLISHED = ("tfanime.recipes", "published/studies")


@dataclass(frozen=True)
class Config:
    """Train a grid of settings.

    Args:
        study: The study's TOML file, by path or by the name of a published one.
        run: The study's folder. One that exists is continued: finished runs are skipped, others resumed.
            Default: runs/studies/ and the file's name.
        data: Folder of shards for all runs. Default: the study's own, else drawn avatars; a resumed study keeps its
            data.
        dry_run: List the runs and their commands, and train nothing.
    """

    study: str
    run: str | None = None
    data: str | None = None
    dry_run: bool = False


def train(folder):
    """Trains the runs of a study that are not finished.

    Args:
        folder: The `StudyFolder`, locked.

    Returns:
        The exit status of the command: 0, 1 if a run failed, 130 after Ctrl-C (143 after SIGTERM), which loses nothing.

    Raises:
        ValueError: The first run could not begin.
    """
    from tfanime.recipes.study import results

    runs = folder.plan.runs
    bar = tqdm(
        total=len(runs),
        initial=sum(folder.done(planned) for planned in runs),
        smoothing=0,  # the time left is that of an average run
        dynamic_ncols=True,
        bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
    )
    with contextlib.closing(bar):
        for number, planned in enumerate(runs, 1):
            if folder.finished(planned):
                continue
            folder.note(planned)
            bar.set_description_str(f"run {number} of {len(runs)}: {planned.name}", refresh=False)
            others = sum(folder.done(other) for other in runs if other is not planned)

            def show(planned=planned, others=others):
                bar.update(max(0.0, others + folder.done(planned) - bar.n))
                bar.refresh()

            log, began = folder.log(planned), time.time()
            said_before = log.stat().st_size if log.is_file() else 0  # by earlier attempts
            status, signals = _process([sys.executable, *folder.command(planned)], log, show)
            if signals or status in (130, 143):
                results.write(folder)
                return 128 + signals[0] if signals else status
            complaint = _complaint(status, log, said_before) if status else None
            if status and not folder.begun():
                raise ValueError(f"run {planned.name} could not begin: {complaint} (its whole output: {log})")
            folder.note(planned, complaint if status else "finished")
            if folder.run(planned).tensorboard.is_dir():
                results.write_hparams(folder.run(planned), folder.plan.name, planned, status == 0, began)
            results.write(folder)
            show()
    results.write(folder)
    return 0 if all(folder.finished(planned) for planned in runs) else 1


def _process(command, log, show):
    """Runs a process, which writes its checkpoint and ends after Ctrl-C or SIGTERM; calls `show()` every second.

    Returns:
        Its exit status, and the signals that came.
    """
    log.parent.mkdir(exist_ok=True)
    process, received = None, []

    def stop(number, frame):
        received.append(number)
        signal.signal(number, before[number])  # a second signal has its usual effect
        if process is not None:
            process.terminate()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with open(log, "ab") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        if received:  # while it was being started
            process.terminate()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=1), received
            show()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()


def _complaint(status, log, begin):
    """The last lines of a failed process, from byte `begin` of its log on."""
    if status < 0:
        return f"ended by signal {-status}"
    text = log.read_bytes()[begin:].decode("utf-8", errors="replace")
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    said = [line for line in lines if line]
    errors = [line for line in said if line.startswith("error: ")]
    return (errors or said or [f"status {status}"])[-1].removeprefix("error: ")


def _list(folder):
    """The output of `--dry_run`."""
    lines = [f"{len(folder.plan.runs)} runs of recipe {folder.plan.recipe} -> {folder.path}"]
    for planned, row in zip(folder.plan.runs, folder.rows(), strict=True):
        lines.append(f"\n{planned.name} ({row['state']})\n  {shlex.join(['python', *folder.command(planned)])}")
    return "\n".join(lines)


def _report(folder):
    """The report that is printed at the end."""
    from tfanime.recipes.study.results import terminal_table

    rows = folder.rows()
    return "\n".join(
        [
            terminal_table(rows, shutil.get_terminal_size((120, 24)).columns),
            *(f"{row['name']} failed: {row['error']}" for row in rows if "error" in row),
            f"all metrics: {folder.results}",
            f"sheets:      {folder.sheets}",
            f"tensorboard: tensorboard --logdir {shlex.quote(str(folder.path))}",
        ]
    )


def main(arguments=None):
    """Trains a study; `--help` lists the flags."""
    program = "python -m tfanime.recipes.study"
    config = command_line.parse(
        Config,
        program=program,
        description="Train a recipe with a grid of settings and compare the runs.",
        epilog=f"""published studies: {", ".join(command_line.published_names(PUBLISHED))}

examples:
  {program} optimizers --dry_run                     what would be trained
  {program} optimizers --data tfrecords/faces
  {program} mine.toml --run runs/mine                [settings] and [grid] in mine.toml, see docs/studies.md
  tensorboard --logdir runs/studies                  the HParams page compares the runs
""",
        positional=("study",),
        arguments=arguments,
    )
    path = command_line.published_path(config.study, PUBLISHED, "study")
    data = None if config.data is None else os.path.abspath(config.data)
    folder = StudyFolder(
        config.run or f"runs/studies/{Path(path).stem}",
        lambda began: plans.read(path, began if data is None else data),
    )
    if config.dry_run:
        print(_list(folder))
        return 0
    with locked(require_writable_folder(folder.path, "run"), "run"):
        folder.note()
        status = train(folder)
    if status in (0, 1):
        print(_report(folder))
    else:
        print(f"stopped: the same command resumes the runs in {folder.path}")
    return status


if __name__ == "__main__":
    command_line.run(main)
