import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tfanime.tfrecords import workers
from tfanime.tfrecords.pictures import Outcome
from tfanime.tfrecords.workers import AHEAD, CHUNK, KILLED, outcomes


def who(id, words):
    time.sleep(0.02 if id % 7 == 0 else 0)
    return id, os.getpid(), words


def who_with_others(id, words):
    count, folder = words
    Path(folder, str(os.getpid())).touch()
    deadline = time.monotonic() + 60
    while len(os.listdir(folder)) < count and time.monotonic() < deadline:  # on a busy machine one starts much later
        time.sleep(0.01)
    return who(id, words)


def die(id, words):
    os._exit(9)


def die_of_some(id, words):
    if id in (5, 6, 30):
        os._exit(9)
    if id in words and not os.path.exists(words[id]):
        open(words[id], "w").close()
        os._exit(9)
    return Outcome(id, (), ())


def has_tensorflow(id, words):
    import sys

    return "tensorflow" in sys.modules


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_keep_the_order_and_share_the_work(workers, tmp_path):
    words = workers, str(tmp_path)
    results = list(outcomes(who_with_others, ((id, words) for id in range(60)), workers))
    assert [(id, given) for id, _, given in results] == [(id, words) for id in range(60)]
    processes = {process for _, process, _ in results}
    assert len(processes) == workers and (os.getpid() in processes) is (workers == 1)


def test_workers_read_few_tasks_ahead():
    read = itertools.count()
    stream = outcomes(who, ((next(read), "") for _ in range(10_000)), 2)
    next(stream)
    assert next(read) <= 2 * (AHEAD + 1) * CHUNK
    stream.close()


def test_workers_do_not_load_tensorflow():
    assert list(outcomes(has_tensorflow, [(0, "")], 2)) == [False]


def test_workers_survive_a_picture_that_kills_its_process(tmp_path):
    once = {13: str(tmp_path / "13")}  # kills one process only: somebody else did
    results = list(outcomes(die_of_some, ((id, once) for id in range(45)), 2))
    assert [outcome.id for outcome in results] == list(range(45))
    drops = [(drop.id, drop.reason, drop.value) for outcome in results for drop in outcome.drops]
    assert drops == [(id, "unreadable", KILLED) for id in (5, 6, 30)]


def test_workers_that_always_die_are_one_error():
    with pytest.raises(OSError, match=r"killed one after another.*--workers below 2"):
        list(outcomes(die, ((id, "") for id in range(9)), 2))


@pytest.mark.parametrize("guarded", [True, False])
def test_workers_explain_a_missing_main_guard(guarded, tmp_path):
    lines = ["outcomes = workers.outcomes(divmod, ((7, id + 1) for id in range(9)), 2)", "print(len(list(outcomes)))"]
    if guarded:
        lines = ['if __name__ == "__main__":', *("    " + line for line in lines)]
    script = tmp_path / "script.py"
    script.write_text("\n".join(["from tfanime.tfrecords import workers", *lines]) + "\n")
    environment = {**os.environ, "PYTHONPATH": str(Path(workers.__file__).parents[2])}
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, env=environment)
    if guarded:
        assert (ended.returncode, ended.stdout) == (0, "9\n")
    else:
        assert ended.returncode == 1 and ended.stdout == ""
        assert f"OSError: {workers.UNGUARDED}" in ended.stderr  # the children have their say too
        assert 'if __name__ == "__main__":' in workers.UNGUARDED
