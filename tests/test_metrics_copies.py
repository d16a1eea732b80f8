import numpy as np
import pytest

from tfanime.metrics.copies import DUPLICATES, NEAREST, unit


def test_duplicates_are_counted_by_hashes():
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    images[3] = images[1]
    assert DUPLICATES.compute(DUPLICATES.look(images)) == {"duplicates": 0.25}


def test_nearest_and_memorised_equal_hand_computation():
    real_distances = np.arange(1.0, 102.0)  # the median is 51, the first percentile 2
    found = NEAREST.compute((None, np.array([1.9, 2.0, 2.1, 100.0])), real_distances)
    assert unit(real_distances) == 51 and found["memorised"] == 0.5
    assert found["nearest"] == pytest.approx(2.05 / 51)


def test_memorised_finds_copies_in_repeated_data():
    real_distances = np.array([0.0] * 40 + [1.0] * 60)
    assert NEAREST.compute((None, np.array([1e-4, 0.5])), real_distances)["memorised"] == 0.5
    assert unit(np.zeros(9)) == 1.0
