import numpy as np
import pytest
import tiny_features

from tfanime.data import DECODING
from tfanime.evaluate.judge import BINS, Judge, histogram
from tfanime.evaluate.sources import Source, averages
from tfanime.evaluate.table import columns
from tfanime.metrics.faces import FaceFinder
from tfanime.metrics.frechet import frechet_distance
from tfanime.metrics.kernel import kernel_distance
from tfanime.metrics.metric import Metric, Number, digits
from tfanime.metrics.neighbours import density_coverage, precision_recall
from tfanime.metrics.reference import reference
from tfanime.metrics.registry import METRICS

SIDE = 8


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return tiny_features.faces(tmp_path_factory.mktemp("faces"), count=150, size=SIDE)


@pytest.fixture(scope="module")
def judge(faces):
    network = tiny_features.network()
    finder = FaceFinder("bright", "1", lambda image: image[96, 96, 0] > 127)
    return Judge(network, reference(network, faces, progress=False), 100, finder, progress=False)


def source(images, **options):
    return Source("a", len(images), lambda numbers: images[numbers], SIDE, **options)


def noise(count=100, seed=9):
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def test_row_has_the_numbers_of_the_metrics(judge, faces):
    images = noise()
    values = judge.row(source(images)).values
    real, fake = judge.network(faces.images(np.arange(150))), judge.network(images)
    some = real[judge.real_rows(100)]
    moments = [(rows.mean(axis=0), np.cov(rows, rowvar=False)) for rows in (real.astype(float), fake.astype(float))]
    assert values["distance"] == pytest.approx(frechet_distance(*moments[0], *moments[1]), rel=1e-5)
    assert (values["kernel"], values["kernel_deviation"]) == kernel_distance(some, fake, 100, 1000)
    assert (values["precision"], values["recall"]) == precision_recall(some, fake, 3)
    assert (values["density"], values["coverage"]) == density_coverage(some, fake, 5)
    distances = np.linalg.norm(fake[:, None].astype(float) - real, axis=2).min(axis=1)
    assert values["nearest"] == pytest.approx(np.median(distances) / judge.unit, rel=1e-5)
    assert values["distance_infinity"] is not None and judge.row(source(noise(23))).values["distance_infinity"] is None


def test_row_compares_neighbours_of_equally_many(judge, faces):
    images = noise(200)  # of which there are 150 real ones
    judge = Judge(judge.network, judge.reference, 200, None, progress=False)
    values = judge.row(source(images)).values
    real, fake = judge.network(faces.images(np.arange(150))), judge.network(images)
    assert (values["precision"], values["recall"]) == precision_recall(real, fake[:150], 3)
    assert (values["density"], values["coverage"]) == density_coverage(real, fake[:150], 5)
    assert values["distance"] == pytest.approx(judge.row(source(images[::-1])).values["distance"])  # of all


def test_row_counts_faces_of_the_detector(judge):
    images = np.full((10, SIDE, SIDE, 3), 50, np.uint8)
    images[:3] = 200
    images += np.arange(10, dtype=np.uint8)[:, None, None, None]
    assert judge.row(source(images)).values["faces"] == 0.3
    blind = Judge(judge.network, judge.reference, 100, None, progress=False)
    assert blind.row(source(images)).values["faces"] is None and blind.protocol["detector"] is None


def test_row_finds_copies_of_real_pictures(judge, faces):
    images = noise()
    images[::4] = faces.images(np.arange(25) * 3)
    row = judge.row(source(images))
    assert row.values["memorised"] >= 0.25
    assert [(own, real) for own, real, _ in row.pairs[:25]] == [(4 * number, 3 * number) for number in range(25)]
    assert row.pairs[24][2] < 1e-3 < row.pairs[25][2] and len(row.pairs) == 32
    fresh = judge.row(source(noise()))
    assert fresh.values["memorised"] < 0.1 and fresh.values["nearest"] == pytest.approx(1, abs=0.2)
    assert row.histogram[0] >= 0.25 > fresh.histogram[0] and row.histogram.sum() == pytest.approx(1)
    assert judge.real_histogram[0] < 0.1 and judge.real_histogram.sum() == pytest.approx(1)


def test_row_finds_copies_in_repeated_data(tmp_path, monkeypatch):
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path))
    faces = tiny_features.faces(tmp_path / "faces", count=150, size=SIDE)
    pictures = np.memmap(faces.path, np.uint8, "r+", shape=(faces.count, SIDE, SIDE, 3))
    pictures[1 : faces.count // 4] = pictures[0]
    network = tiny_features.network()
    judge = Judge(network, reference(network, faces), 100, None, progress=False)
    assert judge.row(source(faces.images(np.arange(100) % 40 + 100))).values["memorised"] == 1.0
    assert judge.row(source(noise())).values["memorised"] < 0.1


def test_row_counts_repeated_pictures_as_duplicates(judge):
    images = noise()
    images[50:] = images[:50]
    assert judge.row(source(images)).values["duplicates"] == 0.5
    assert judge.row(source(noise())).values["duplicates"] == 0.0


def test_row_of_averages_has_low_recall(judge, faces):
    values = judge.row(averages(faces, 100, 0)).values
    real = judge.row(source(noise())).values
    assert values["recall"] < 0.2 < 0.6 < real["recall"]
    assert values["distance"] > 2 * real["distance"]


def test_new_metric_is_one_object(judge, faces, monkeypatch):
    """It sees each picture while they are drawn, and gets what the names of its parameters say."""

    def compute(seen, fakes, seed):
        return {"brightness": float(np.mean(seen)) + seed, "many": None, "details": {"dimensions": fakes.shape[1]}}

    def look(images, finder):
        return images.mean(axis=(1, 2, 3)) * finder(images)

    numbers = (Number("brightness", "bright", "more", digits(3), ""), Number("many", "many", None, digits(3), ""))
    new = Metric("new", numbers, compute, look, asked="detector")
    for module in ("judge", "table"):
        monkeypatch.setattr(f"tfanime.evaluate.{module}.METRICS", (*METRICS, new))
    images = noise()
    row = judge.row(source(images))
    seen = images.mean(axis=(1, 2, 3))[judge.finder(images)]
    assert row.values["brightness"] == pytest.approx(seen.sum() / len(images)) and row.values["many"] is None
    assert row.details == {"new": {"dimensions": tiny_features.DIMENSIONS}}
    cells = {column.heading: column.text(row.values) for column in columns(judge.protocol)}
    assert cells["bright"] == f"{row.values['brightness']:.3g}" and cells["many"] == "–"
    blind = Judge(judge.network, judge.reference, 100, None, progress=False)
    assert blind.row(source(images)).values["brightness"] is None
    assert "bright" not in [column.heading for column in columns(blind.protocol)]


def test_histogram_counts_shares_in_bins():
    shares = histogram([0.0, 0.049, 0.06, 99.0])
    assert (shares[0], shares[1], shares[-1], len(shares)) == (0.5, 0.25, 0.25, BINS)


def test_protocol_has_everything_that_numbers_depend_on(judge, faces):
    assert judge.protocol["samples"] == 100 and judge.protocol["detector"] == {"name": "bright", "version": "1"}
    assert judge.protocol["network"] == judge.network.protocol
    expected = {"fingerprint": faces.fingerprint, "stored_size": 8, "decoding": DECODING, "count": 150, "of": 150}
    assert judge.protocol["reference"] == expected


def test_judge_refuses_a_metric_given_twice(judge):
    with pytest.raises(ValueError, match=r"also must name a metric once. Received: ppl, ppl:pairs=9"):
        Judge(judge.network, judge.reference, 100, progress=False, also=["ppl", "ppl:pairs=9"])


def test_judge_refuses_too_few_pictures(judge, faces, tmp_path):
    with pytest.raises(ValueError, match=r"samples must be at least 6. Received: 5"):
        Judge(judge.network, judge.reference, 5)
    with pytest.raises(ValueError, match=r"a must have at least 6 pictures. Received: 5"):
        judge.row(source(noise(5)))
    few = reference(judge.network, tiny_features.faces(tmp_path, count=5, size=SIDE), progress=False)
    with pytest.raises(ValueError, match=r"data must have at least 6 pictures. Received: 5"):
        Judge(judge.network, few, 100)
