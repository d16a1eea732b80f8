"""A conversion that is killed at any moment, or for which the disk is full, goes on to the very same files.

With the environment variable TFANIME_FUZZ set (`nox -s fuzz`) there are many more moments.
"""

import contextlib
import functools
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mutations
import numpy as np
import pytest
from PIL import Image

from tfanime.tfrecords.convert import convert
from tfanime.tfrecords.settings import Settings

THOROUGH = bool(os.environ.get("TFANIME_FUZZ"))
FLAGS = {"name": "x", "size": 48, "shard_records": 12, "holdout": 0.2, "threshold": 0.5, "tagger": "sidecar"}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """54 pictures with a face in most of them; every third repeats the one before, some are damaged."""
    folder = tmp_path_factory.mktemp("kill") / "pictures"
    folder.mkdir()
    generator = random.Random(0)
    for number in range(54):
        if number % 3 != 2:
            colours = np.random.default_rng(number).integers(0, 256, (3, 3, 3), np.uint8)
            image = Image.fromarray(colours).resize((160, 160), Image.Resampling.BICUBIC)
            if number % 5:
                face = mutations.faces(generator, generator.randrange(80, 120))
                image.paste(face, (generator.randrange(40), generator.randrange(40)))
        image.save(folder / f"{number:03d}.jpg", quality=95 - number % 3 * 10)
        if number % 10 == 0:
            (folder / f"{number:03d}.png").write_bytes(b"no picture")
        (folder / f"{number:03d}.txt").write_text("smile, blue hair" if number % 2 else "")
    return folder


def settings(source, out, detector="none", **flags):
    return Settings(str(source), str(out), detector=detector, **FLAGS | {"workers": 1} | flags)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def undisturbed(source, tmp_path_factory):
    """From a detector to the files of a conversion that nobody disturbs, by name."""

    @functools.cache
    def files(detector):
        out = tmp_path_factory.mktemp("undisturbed")
        manifest, _ = convert(settings(source, out, detector), progress=False)
        assert manifest.pictures["dropped_faces"]["duplicate"] > 5 and manifest.holdout["count"] > 0
        assert len(manifest.shards) > 3 and manifest.count > 15
        return contents(out)

    return files


CRASHES = """
import os, signal, sys
from tfanime.tfrecords import runners, shards
from tfanime.tfrecords import report
from tfanime.tfrecords.report import counts, records
from tfanime.tfrecords.report import page as report_page
from tfanime.tfrecords.convert import convert
from tfanime.tfrecords.settings import Settings

source, out, flags, thorough = sys.argv[1:]
calls, dies_at = [], 0

def counting(name):
    call = getattr(os, name)
    def counted(*arguments, **keywords):
        calls.append(f"{name} {os.path.basename(arguments[-1]) if name != 'fsync' else ''}")
        if len(calls) == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **keywords)
    setattr(os, name, counted)

for name in ("replace", "unlink", "fsync"):
    counting(name)

def child(number):
    # A process of its own: a copy of this one, which has loaded everything and started nothing.
    global dies_at
    if (process := os.fork()) == 0:
        dies_at = number
        convert(Settings(source, f"{out}/{number}", detector="none", workers=1, **eval(flags)), progress=False)
        open(f"{out}/calls", "w").write("\\n".join(calls))
        os._exit(0)
    _, status = os.waitpid(process, 0)
    assert status == 0 if number == 0 else os.WIFSIGNALED(status), status

child(0)
calls = open(f"{out}/calls").read().split("\\n")
last = ["replace dropped.csv", "replace manifest.json", "unlink conversion.json", "replace report.html"]
numbers = range(1, len(calls) + 1) if eval(thorough) else [len(calls) // 3, *(calls.index(call) + 1 for call in last)]
calls = []
for number in numbers:
    child(number)
"""


@pytest.mark.kill
def test_conversion_killed_before_a_file_change_resumes_exactly(source, undisturbed, tmp_path):
    """A rename, removal or flush is what the process does not do any more: with `TFANIME_FUZZ` each of them."""
    command = [sys.executable, "-c", CRASHES, str(source), str(tmp_path), repr(FLAGS), str(THOROUGH)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    assert contents(tmp_path / "0") == undisturbed("none")  # that one was not killed
    folders = sorted((path for path in tmp_path.iterdir() if path.is_dir()), key=lambda path: int(path.name))[1:]
    assert len(folders) == (len((tmp_path / "calls").read_text().split("\n")) if THOROUGH else 5)
    seen = set()
    for folder in folders:
        seen.add(
            tuple(name for name in ("conversion.json", "manifest.json", "report.html") if (folder / name).exists())
        )
        convert(settings(source, folder), progress=False)
        assert contents(folder) == undisturbed("none"), folder.name
    assert {("conversion.json",), ("conversion.json", "manifest.json"), ("manifest.json",)} <= seen


def command(source, out, detector, workers):
    flags = [f"--{name}={value}" for name, value in FLAGS.items()]
    flags += [f"--detector={detector}", f"--workers={workers}", "--progress=false"]
    return [sys.executable, "-m", "tfanime.tfrecords", str(source), str(out), *flags]


def processes_of(session):
    """The processes of a session that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, its_session = path.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.append(int(path.parent.name))
    return found


def wait_for(moment, process, out, generator):
    """Waits for a moment in the life of a process; it may end before."""

    def is_there():
        shards = [path.name for path in out.glob("*.tfrecord")]
        accounts = [path.name for path in out.glob(".*.tfrecord.json")]
        return {
            "start": True,
            "conversion": (out / "conversion.json").exists(),
            "part": any(out.glob(".*.tfrecord.*.part")) and len(accounts) >= wanted,
            "shard": len(shards) > wanted,
            "account": any(out.glob(".*.json.*.part")),
            "manifest": (out / "manifest.json").exists(),
        }[moment]

    wanted = generator.randrange(4)
    while process.poll() is None and not is_there():
        time.sleep(0.001)
    time.sleep({"start": 4, "conversion": 1}.get(moment, 0) * generator.random())


# Who is killed, and when: the parent alone, its whole group, or all by SIGINT, as a terminal sends it.
KILLS = [("none", 2, ("parent part", "group shard", "interrupt part"))]
WHO = ("parent", "group", "interrupt")
MOMENTS = ("start", "conversion", "part", "shard", "part", "account", "part", "manifest")
MANY_KILLS = [
    (detector, workers, tuple(f"{WHO[(number + turn) % 3]} {moment}" for number, moment in enumerate(MOMENTS)))
    for turn, (detector, workers) in enumerate(itertools.product(("none", "animeface"), (1, 2)))
]


@pytest.mark.kill
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs /proc")
@pytest.mark.parametrize(("detector", "workers", "kills"), MANY_KILLS if THOROUGH else KILLS)
def test_conversion_killed_at_any_moment_resumes_exactly(detector, workers, kills, source, undisturbed, tmp_path):
    if detector == "animeface":
        pytest.importorskip("animeface")
    generator, out = random.Random(f"{detector} {workers}"), tmp_path / "out"
    for kill in kills:
        who, moment = kill.split()
        process = subprocess.Popen(
            command(source, out, detector, workers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        wait_for(moment, process, out, generator)
        with contextlib.suppress(ProcessLookupError):
            if who == "parent":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL if who == "group" else signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode in ((0, 130, -2) if who == "interrupt" else (0, -9)), (kill, errors)
        if who == "interrupt" and moment not in ("start", "conversion"):
            assert "Traceback" not in errors, errors
        deadline = time.monotonic() + 30
        while left := processes_of(process.pid):
            assert time.monotonic() < deadline, f"{kill} left {left}"
            time.sleep(0.05)
    convert(settings(source, out, detector), progress=False)
    assert contents(out) == undisturbed(detector)


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own; only root may have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("needs the right to mount a disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_conversion_on_a_full_disk_resumes_exactly(disk, source, undisturbed):
    """From no room at all to nearly enough: it runs out in a shard, an account, dropped.csv, the report."""
    files = undisturbed("none")
    page, out = os.sysconf("SC_PAGE_SIZE"), disk / "out"
    needed = sum(-(-len(content) // page) for content in files.values())
    stages = set()
    for spare in range(1, needed + 40, 5 if THOROUGH else 29):
        free = os.statvfs(disk).f_bavail
        (disk / "filler").write_bytes(bytes(max(0, free - spare) * page))
        try:
            convert(settings(source, out), progress=False)
        except OSError as error:
            assert re.search(
                r"(no space left on the device that holds OUT|OUT must be writable).*free some space", str(error)
            ), error
            stages.add(len(list(out.glob("*.tfrecord"))))
            assert not list(out.glob(".*.part"))
        (disk / "filler").unlink()
        if (out / "manifest.json").exists() and (out / "report.html").exists():
            assert contents(out) == files
            shutil.rmtree(out)
    assert len(stages) > 2
    convert(settings(source, out), progress=False)
    assert contents(out) == files
