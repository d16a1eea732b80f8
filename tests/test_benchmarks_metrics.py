"""The benchmark of judging: that every part prints its table, and that numbers move as they must."""

import metrics
import pytest
import rounds
import tiny_features


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return tiny_features.write(tmp_path_factory.mktemp("features") / "tiny.keras", dimensions=4)


def rows(capsys, flags, features, shards):
    metrics.main(f"{flags} --features={features} --data={shards} --image_size=16 --seconds=0.1 --rounds=2".split())
    lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1:] for cells in lines}


@pytest.mark.slow
def test_extraction_is_compared_with_predict(capsys, features, shards, monkeypatch):
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 0.01)
    for network in (features, "tagger"):
        found = rows(capsys, "--parts=extraction", network, shards)
        assert float(found["extract"][0]) > 0 and found["predict"][1] == "1.00 (1.00-1.00)"


def test_extraction_works_for_networks_outside_keras(capsys, shards, monkeypatch):
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 0.01)
    monkeypatch.setattr("tfanime.metrics.features.open_network", lambda text: tiny_features.network())
    found = rows(capsys, "--parts=extraction", "hed_vgg16", shards)
    assert "predict" not in found and min(float(found["extract"][place]) for place in (0, 2)) > 0


def test_frechet_distance_is_compared_with_sqrtm(capsys, features, shards, monkeypatch):
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 0.01)
    found = rows(capsys, "--parts=frechet --dimensions=32", features, shards)
    assert {"sqrtm", "frechet_distance", "root cached"} < set(found)  # the head is there too
    assert float(found["frechet_distance"][2]) < 1e-6 > float(found["root cached"][2])


def test_callback_is_timed(capsys, features, shards):
    found = rows(capsys, "--parts=callback --samples=70", features, shards)
    assert found["real ones, at first use"][0] == "48" and found["a value"][0] == "70"
    assert float(found["a value"][1]) >= 0


def test_moves_lists_all_numbers(capsys, features, shards):
    found = rows(capsys, "--parts=moves --samples=24", features, shards)
    distances = {name: float(cells[0]) for name, cells in found.items() if name in metrics.DISTORTIONS}
    assert list(distances) == list(metrics.DISTORTIONS)
    assert max(distances["real"], distances["blurred, sigma 1 px"]) < distances["blurred, sigma 2 px"]
    assert "half of the classes" in found
    assert float(found["each twice"][-3].rstrip("%")) >= 50 and found["the others themselves"][-1] == "100.0%"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--parts=frechet,taste", "--parts must be some of extraction, frechet, callback, moves. Received: 'taste'"),
        ("--rounds=1", "--rounds must be at least 2. Received: 1"),
        ("--samples=5", "--samples must be at least 6. Received: 5"),
    ],
)
def test_bad_flags_are_refused(capsys, flags, message):
    with pytest.raises(SystemExit):
        metrics.main(flags.split())
    assert message in capsys.readouterr().err
