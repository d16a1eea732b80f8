"""The benchmark of training: its statistics, and that every part but PyTorch's prints its table."""

import re
from types import SimpleNamespace

import pytest
import rounds
import startup
import training

SMALL = "--image_size 16 --batch_size 4 --seconds 0.1 --rounds 2 --starts 1"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 0.01)
    monkeypatch.setattr(training, "FIRST_MEMORY_STEP", 2)


def rows(output):
    """The cells of all rows below the tables' heads."""
    lines = [line.strip("| ").split(" | ") for line in output.splitlines() if line.startswith("| ")]
    return [cells for cells in lines if cells[0] in training.GAMES]


def run(capsys, flags):
    training.main(f"{SMALL} {flags}".split())
    return rows(capsys.readouterr().out)


def test_ratios_are_taken_within_pairs():
    # The machine was ten times as slow for one round; the one before and the one after it know nothing of that.
    times = rounds.Rounds({"old": [2.0, 20.0, 2.0, 2.0], "new": [1.0, 10.0, 1.0, 0.5]}, calls=2)
    assert format(times.speedup("new", "old"), ".1f") == "2.0 (2.0-2.5)"
    assert times.seconds("old") == 1.0
    assert len(times) == 4


def test_functions_alternate_for_the_given_time(monkeypatch):
    order = []
    result = rounds.compare({name: lambda name=name: order.append(name) for name in "ab"}, 0.0, least=3, multiple=1)
    assert len(result) == 3
    calls = result.calls
    assert "".join(order) == "ab" + "a" + calls * "a" + 2 * calls * "b" + 2 * calls * "a" + calls * "b"
    now = [100.0]
    monkeypatch.setattr(rounds, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    result = rounds.compare({"slow": lambda: now.append(now.pop() + 0.004)}, 0.19, least=1, multiple=2)
    assert result.calls == 2  # 0.01 s a round
    assert len(result) == 24
    assert result.seconds("slow") == pytest.approx(0.004)


@pytest.mark.slow
def test_fit_is_compared_with_the_bare_step(capsys, shards):
    (cells,) = run(capsys, f"--parts fit --recipes dcgan --data {shards}")
    pace, share, overall, seconds, waiting, count = cells[1:]
    assert float(pace) > 0
    assert 0.1 < float(share.split()[0]) < 2
    assert float(overall) <= float(share.split()[0]) + 1e-3
    assert len(seconds.split(", ")) == 3
    assert 0 <= float(waiting.rstrip("%")) < 100
    assert int(count) >= 2


@pytest.mark.slow
def test_cost_table_has_a_cell_for_each_size(capsys):
    cells = run(capsys, "--parts cost --recipes dcgan --image_sizes [16,32] --batch_sizes [2,4]")
    assert [row[:2] for row in cells] == [["dcgan", "16"], ["dcgan", "32"]]
    assert all(float(pace) > 0 for row in cells for pace in row[2:])
    assert [len(row) for row in cells] == [4, 4]


@pytest.mark.slow
def test_precisions_are_compared_with_and_without_xla(capsys, monkeypatch):
    monkeypatch.setattr(training, "PRECISIONS", ("float32",))
    cells = run(capsys, "--parts precision")
    assert [row[1] for row in cells] == ["float32", "float32, XLA"]
    assert cells[0][3] == "1.00 (1.00-1.00)"


@pytest.mark.slow
def test_layers_are_compared_with_keras(capsys, monkeypatch):
    monkeypatch.setattr(training, "PRECISIONS", ("mixed_bfloat16",))
    seen = []
    bare_step = training.Game.bare_step
    monkeypatch.setattr(training.Game, "bare_step", lambda game: seen.append(game.gan.generator) or bare_step(game))
    cells = run(capsys, "--parts layers --recipes wgan")
    assert [row[1] for row in cells] == [
        "mixed_bfloat16, Keras' layers",
        "mixed_bfloat16, fused batch norm",
        "mixed_bfloat16, both",
    ]
    modules = [[type(layer).__module__.partition(".")[0] for layer in network.layers] for network in seen]
    assert [(names.count("tfanime"), "keras" in names) for names in modules] == [(0, True), (2, True), (4, True)]


@pytest.mark.slow
def test_memory_is_measured_twice(shards):
    config = training.Config(data=str(shards), memory_steps=4)
    first, last = training.memory_of("dcgan", config)
    assert 100 < first <= last + 100


@pytest.mark.slow
def test_start_up_is_measured_in_parts(shards, tmp_path):
    flags = f"--data={shards} --run={tmp_path / 'run'} --image_size=16 --channels=4 --batch_size=4 --seed=7".split()
    seconds = startup.measure("dcgan", flags)
    assert tuple(seconds) == startup.PARTS
    assert all(value >= 0 for value in seconds.values())
    assert seconds["imports"] > 0.1
    assert seconds["tracing"] > 0.1
    with pytest.raises(ChildProcessError, match="--channels must be at least 1"):
        startup.measure("dcgan", ["--channels=0"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--parts fit,taste", "--parts must be some of fit, torch, .* Received: 'taste'"),
        ("--recipes dcgan,stylegan", "--recipes must be some of dcgan, .* Received: 'stylegan'"),
        ("--memory_steps 2", "--memory_steps must be above 2. Received: 2"),
        ("--rounds 1", "--rounds must be at least 2. Received: 1"),
        ("--starts 0", "--starts must be at least 1. Received: 0"),
    ],
)
def test_bad_flags_are_refused(capsys, flags, message):
    with pytest.raises(SystemExit):
        training.main(flags.split())
    error = capsys.readouterr().err
    assert re.search(message, error), error
