import numpy as np
import pytest

from tfanime.metrics import neighbours
from tfanime.metrics.neighbours import density_coverage, nearest, precision_recall, radii

REAL = np.array([[0.0], [1], [3], [10]])


@pytest.fixture(params=[1024, 3])
def _blocks(request, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", request.param)
    monkeypatch.setattr(neighbours, "MANY", request.param - 1)


pytestmark = pytest.mark.usefixtures("_blocks")


def test_radii_are_distances_to_the_kth_neighbour():
    assert radii(REAL, 1).tolist() == [1, 1, 2, 7]
    assert radii(REAL, 2).tolist() == [3, 2, 3, 9]
    assert radii([[5.0], [5], [7]], 1).tolist() == [0, 0, 2]  # a twin is a neighbour, one is not one's own


def test_precision_recall_equals_hand_computation():
    # Balls of real ones, k = 1: [-1, 1], [0, 2], [1, 5], [3, 17]. Of fakes: radii 0.5, 0.5, 17.5: [1.5, 2.5], [2, 3],
    # [2.5, 37.5].
    fake = np.array([[2.0], [2.5], [20]])
    assert precision_recall(REAL, fake, k=1) == (2 / 3, 2 / 4)


def test_density_coverage_equals_hand_computation():
    # 0.5 lies in two balls of real ones, 4 in two, 20 in none; the first three real ones and the last have one.
    fake = np.array([[0.5], [4.0], [20]])
    density, coverage = density_coverage(REAL, fake, k=1)
    assert (density, coverage) == (4 / 3, 1.0)
    density, coverage = density_coverage(REAL, np.array([[0.5], [0.5], [20.0]]), k=1)
    assert (density, coverage) == (4 / 3, 2 / 4)


def test_precision_recall_of_equal_and_other_distributions():
    random = np.random.default_rng(0)
    real, same = random.normal(size=(2, 400, 4))
    precision, recall = precision_recall(real, same)
    density, coverage = density_coverage(real, same)
    assert precision > 0.8 and recall > 0.8 and abs(density - 1) < 0.2 and coverage > 0.9
    narrow = same * 0.2  # all fakes look real, but few kinds of them
    precision, recall = precision_recall(real, narrow)
    assert precision > 0.95 and recall < 0.2 and density_coverage(real, narrow)[1] < 0.6
    assert precision_recall(real, same + 50) == (0, 0) and density_coverage(real, same + 50) == (0, 0)


def test_nearest_finds_the_nearest_rows():
    indices, distances = nearest([[0.9], [6.0], [9]], REAL)
    assert indices.tolist() == [1, 2, 3]
    np.testing.assert_allclose(distances, [0.1, 3, 1])
    indices, distances = nearest(REAL, REAL, skip=np.arange(4))
    assert indices.tolist() == [1, 0, 1, 2] and distances.tolist() == [1, 1, 2, 7]
    indices, distances = nearest(REAL[[3, 1]], REAL.astype(np.float32), skip=[3, 1])
    assert indices.tolist() == [2, 0] and distances.tolist() == [7, 1]
    for others, skip in ((REAL[:0], None), (REAL[:1], [0, 0, 0, 0])):
        with pytest.raises(ValueError, match=r"others must have a row to be the nearest of. Received: \d rows"):
            nearest(REAL, others, skip)


@pytest.mark.parametrize("function", [precision_recall, density_coverage])
def test_neighbours_refuse_too_few_rows(function):
    with pytest.raises(ValueError, match=r"fake_features must have at least 6 rows. Received: 5"):
        function(np.zeros((9, 2)), np.zeros((5, 2)), k=5)
