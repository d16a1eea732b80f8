import numpy as np
import pytest

from tfanime.metrics.kernel import kernel_distance, squared_discrepancy


def test_kernel_distance_equals_hand_computation():
    # One dimension, k(x, y) = (x y + 1)^3. Within {0, 1}: k = 1 both ways; within {1, 2}: 27. Between: 1, 1, 8, 27.
    assert squared_discrepancy(np.array([[0.0], [1]]), np.array([[1.0], [2]])) == pytest.approx(1 + 27 - 2 * 37 / 4)
    # Two dimensions: the product is divided by two.
    first, second = np.array([[2.0, 0], [0, 2]]), np.array([[2.0, 0], [2, 0]])
    assert squared_discrepancy(first, second) == pytest.approx(1 + 27 - 2 * (27 + 27 + 1 + 1) / 4)


def test_kernel_distance_without_subsets_is_the_estimate():
    first, second = np.random.default_rng(0).normal(size=(2, 30, 5))
    mean, deviation = kernel_distance(first, second, subsets=3, subset_size=1000, largest_share=1)
    assert mean == pytest.approx(squared_discrepancy(first, second)) and deviation == pytest.approx(0)


def test_kernel_distance_of_few_rows_has_a_deviation():
    """The deviation tells what other rows would give, also where there are fewer than a subset is to have."""
    rows = np.random.default_rng(2).normal(size=(60, 400, 4))
    _, deviation = kernel_distance(rows[0], rows[1])
    others = np.std([squared_discrepancy(*rows[[first, 59 - first], :200]) for first in range(30)])
    assert 0.5 * others < deviation < 2 * others
    assert kernel_distance(rows[0, :2], rows[1, :3])[0] == pytest.approx(
        squared_discrepancy(rows[0, :2], rows[1, :2]), abs=1
    )


def test_kernel_distance_is_unbiased():
    rows = np.random.default_rng(1).normal(size=(4000, 8))
    for size in (20, 200):
        mean, deviation = kernel_distance(rows[:2000], rows[2000:], subsets=300, subset_size=size)
        assert abs(mean) < 4 * deviation / np.sqrt(300) + 0.01
    far, deviation = kernel_distance(rows[:2000], rows[2000:] + 0.5, subset_size=200)
    assert far > 5 * deviation > 0
    assert kernel_distance(rows, rows + 0.5, subset_size=50, seed=1) != kernel_distance(
        rows, rows + 0.5, subset_size=50
    )
    assert kernel_distance(rows, rows + 0.5, subset_size=50) == kernel_distance(rows, rows + 0.5, subset_size=50)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            np.zeros((5, 2)),
            np.zeros((5, 3)),
            "features_1 and features_2 must have the same dimensions. Received: 2 and 3",
        ),
        (np.zeros((1, 2)), np.zeros((5, 2)), r"features_1 must have at least 2 rows. Received: 1"),
        (np.zeros((5, 2)), np.full((5, 2), np.nan), r"features_2 must be finite. Received: 5 rows"),
        (np.zeros(5), np.zeros((5, 2)), r"features_1 must be an array \[count, dimensions\]. Received: shape \(5,\)"),
    ],
)
def test_kernel_distance_refuses_wrong_features(first, second, message):
    with pytest.raises(ValueError, match=message):
        kernel_distance(first, second)


def test_kernel_distance_refuses_wrong_subsets():
    with pytest.raises(ValueError, match=r"subsets must be at least 1, subset_size at least 2. Received: 0, 1"):
        kernel_distance(np.zeros((5, 2)), np.zeros((5, 2)), subsets=0, subset_size=1)
    for share in (0, 1.5):
        with pytest.raises(ValueError, match=rf"largest_share must be above 0 and at most 1. Received: {share}"):
            kernel_distance(np.zeros((5, 2)), np.zeros((5, 2)), largest_share=share)
