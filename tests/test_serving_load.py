import asyncio
import io
import re
import threading
import time
from collections import Counter

import numpy as np
import pytest
from dying_process import die
from PIL import Image
from rest_server import RestServer

from tfanime.command_line import run
from tfanime.serving import load as load_module
from tfanime.serving.client import ServerError
from tfanime.serving.load import Config, Result, main, measure
from tfanime.serving.server.models import Models, load
from tfanime.serving.server.server import Server


def png(grey, size=2):
    file = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), grey, np.uint8)).save(file, "png")
    return file.getvalue()


KNOWN = [png(10 * seed) for seed in range(16)]


def asked(fetch, seconds=0.3, batch=1, row=None, clients=1):
    """What clients see whose requests `fetch(seeds, row)` answers."""
    result, counts = Result(), []

    async def ask():
        end = time.monotonic() + seconds
        clients_ = (load_module._ask(fetch, batch, row, KNOWN, end, result, counts.append) for _ in range(clients))
        await asyncio.gather(*clients_)

    asyncio.run(ask())
    assert sum(counts) == result.avatars
    return result


async def right(seeds, row):
    await asyncio.sleep(0.001)
    return [KNOWN[seed] if seed < 16 else b"" for seed in seeds]


def test_load_counts_answers_and_checks_seeds():
    result = asked(right, batch=3)
    assert result.avatars == 3 * len(result.latencies) > 100 and not result.errors
    assert 0 < result.checked < len(result.latencies) and result.wrong == 0
    assert all(0.001 <= latency < 0.3 for latency in result.latencies)


def test_load_detects_wrong_avatars():
    async def swapped(seeds, row):
        pngs = await right(seeds, row)
        return pngs[1:] + pngs[:1]

    result = asked(swapped, batch=2)
    assert result.wrong == result.checked > 0

    async def beside(seeds, row):
        await asyncio.sleep(0.001)
        return [png(min(255, 10 * seed + 1)) if seed < 16 else b"" for seed in seeds]

    result = asked(beside)
    assert result.wrong == 0 < result.checked  # one grey level is no other avatar


def test_load_counts_errors_by_code_and_pauses():
    async def refused(seeds, row):
        error = ConnectionError("full")
        error.code = "UNAVAILABLE"
        raise error

    result = asked(refused, seconds=0.3, clients=2)
    assert set(result.errors) == {"UNAVAILABLE"} and 2 <= result.errors["UNAVAILABLE"] <= 2 * 0.3 / 0.02 + 2
    assert not result.latencies and not result.avatars


def test_load_results_add_up():
    first = Result(2.0, 10, [0.001] * 98 + [0.2], Counter(INTERNAL=1), 3, 0)
    both = first + Result(4.0, 30, [0.1], Counter(INTERNAL=1, UNAVAILABLE=1200), 1, 1)
    assert both.rate == 10.0 and len(both.latencies) == 100
    assert str(both).splitlines() == [
        "avatars/s   10.0",
        "latency ms  p50 1.0, p90 1.0, p99 101.0, max 200.0",
        "answers     100 (4 avatars checked by seed, 1 wrong)",
        "errors      INTERNAL 2, UNAVAILABLE 1,200",
    ]
    assert "p50 nan" in str(Result()) and "errors      none" in str(Result())


def test_load_spreads_clients_over_processes():
    assert Config(clients=7, processes=3).shares == [3, 2, 2]
    assert Config(clients=2, processes=8).shares == [1, 1]
    assert sum(Config(clients=33).shares) == 33


def test_load_measures_rest(tagged_export):
    with RestServer(tagged_export) as server:
        config = Config(server.address, rest=True, clients=3, processes=2, seconds=1.0, batch=2, tags="green")
        result = measure(config, progress=False)
        bodies = [body for _, body in server.requests]
    assert result.avatars == 2 * len(result.latencies) > 0 and not result.errors and result.wrong == 0
    assert result.seconds >= 1.0
    # The card, the known avatars one by one, and the load.
    assert len(bodies) == 1 + 16 + len(result.latencies)
    assert all(b"generate_with_tags" in body for body in bodies[1:])


@pytest.mark.slow
def test_load_measures_grpc(tagged_export, capsys):
    with Server(Models([load("tfanime", 1, tagged_export)]), port=0) as server:
        main(["--server", server.address, "--clients", "4", "--processes", "1", "--seconds", "1"])
    address, printed = server.address, capsys.readouterr().out
    head, rate, latency, answers, errors = printed.splitlines()
    assert head.startswith(f"4 clients in 1 process, 1 avatar a request, gRPC to {address}, ")
    assert float(rate.split()[1].replace(",", "")) > 0
    times = [float(value) for value in re.findall(r"(?:p\d\d|max) ([\d.]+)", latency)]
    assert len(times) == 4 and times == sorted(times) and times[0] > 0
    assert re.fullmatch(r"answers +[\d,]+ \([1-9][\d,]* avatars checked by seed, 0 wrong\)", answers)
    assert errors.split() == ["errors", "none"]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (Result(1.0, 0, [], Counter(UNAVAILABLE=3)), r"must answer under load. Received: {'UNAVAILABLE': 3}"),
        (Result(1.0, 9, [0.1], Counter(), 4, 2), r"must send each avatar to its seed. Received: 2 others"),
    ],
)
def test_load_fails_after_the_report_if_an_answer_was_wrong(monkeypatch, capsys, result, message):
    monkeypatch.setattr(load_module, "measure", lambda config: result)
    with pytest.raises(ServerError, match=message):
        main(["--rest"])
    assert "avatars/s" in capsys.readouterr().out


def test_load_processes_end_with_their_parent(monkeypatch):
    class Dead:
        def is_alive(self):
            return False

    monkeypatch.setattr(load_module.multiprocessing, "parent_process", Dead)
    monkeypatch.setattr(load_module, "_shared", ([0], [0], threading.Event()))  # which nobody sets
    config = Config("127.0.0.1:1", rest=True, clients=1)
    assert load_module._work(config, 0, 1, None, KNOWN) == Result()


def test_load_reports_a_process_that_died(tagged_export, monkeypatch):
    monkeypatch.setattr(load_module, "_work", die)
    with RestServer(tagged_export) as server, pytest.raises(ChildProcessError, match="must live to the end"):
        measure(Config(server.address, rest=True, clients=1, seconds=60.0), progress=False)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--clients", "0"], 2, "--clients must be from 1"),
        (["--seconds", "0"], 2, "--seconds must be above 0"),
        (["--batch", "0"], 2, "--batch must be from 1"),
        (["--processes", "0"], 2, "--processes must be from 1"),
        (["--rest", "--server", "127.0.0.1:1", "--timeout", "0.3"], 1, "UNAVAILABLE"),
    ],
)
def test_load_errors_are_one_line_and_a_status(arguments, code, message, capsys):
    with pytest.raises(SystemExit) as raised:
        run(lambda: main(arguments))
    error = capsys.readouterr().err
    assert raised.value.code == code and error.count("\n") == 1 and message in error
