import pytest
from scipy import stats

from tfanime.metrics.intervals import wilson


@pytest.mark.parametrize(("successes", "count"), [(0, 20), (1, 20), (13, 20), (20, 20), (1, 1), (350, 1000)])
def test_wilson_equals_scipy(successes, count):
    expected = stats.binomtest(successes, count).proportion_ci(method="wilson")
    assert wilson(successes, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_has_exact_ends_and_none_without_counts():
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 7)[0] == 0.0 and wilson(7, 7)[1] == 1.0


@pytest.mark.parametrize(("successes", "count"), [(3, 2), (-1, 2)])
def test_wilson_refuses_wrong_counts(successes, count):
    with pytest.raises(ValueError, match=f"successes must be from 0 to count, 2. Received: {successes}"):
        wilson(successes, count)
