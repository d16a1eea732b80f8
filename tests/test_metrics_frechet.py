import numpy as np
import pytest
from scipy import linalg

from tfanime.metrics.frechet import Gaussian, Moments, frechet_distance, frechet_infinity, too_few


def samples(count, dimensions, seed=0):
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(dimensions, dimensions))
    return random.normal(size=(count, dimensions)) @ mixing + random.normal(size=dimensions)


def test_frechet_distance_equals_hand_computation():
    # In one dimension it is (m - m')^2 + (s - s')^2.
    assert frechet_distance([1.0], [[4.0]], [3.0], [[9.0]]) == pytest.approx(4 + 1)
    # Diagonal covariances: the sum of that over the axes.
    assert frechet_distance([0, 1], np.diag([1.0, 4]), [2, 1], np.diag([16.0, 0])) == pytest.approx(4 + 9 + 4)
    # Covariances that do not commute: C = diag(4, 1), C' = [[2, 1], [1, 2]]; C C' has trace 10 and determinant 12, so
    # that the trace of its root is sqrt(10 + 2 sqrt(12)).
    expected = 5 + 4 - 2 * np.sqrt(10 + 2 * np.sqrt(12))
    assert frechet_distance([0, 0], np.diag([4.0, 1]), [0, 0], [[2, 1], [1, 2]]) == pytest.approx(expected)


@pytest.mark.parametrize("count", [200, 12])  # 12 samples of 20 dimensions: singular covariances
def test_frechet_distance_equals_the_matrix_root(count):
    first, second = samples(count, 20), samples(count, 20, 1)
    moments = [(rows.mean(axis=0), np.cov(rows, rowvar=False)) for rows in (first, second)]
    (mean, covariance), (other_mean, other_covariance) = moments
    if count > 20:
        root_trace = np.trace(linalg.sqrtm(covariance @ other_covariance)).real
    else:  # sqrtm is of no use there: the singular values of the product of factors
        factors = [(rows - rows.mean(axis=0)) / np.sqrt(count - 1) for rows in (first, second)]
        root_trace = linalg.svdvals(factors[0] @ factors[1].T).sum()
    expected = np.sum((mean - other_mean) ** 2) + np.trace(covariance) + np.trace(other_covariance) - 2 * root_trace
    assert frechet_distance(*moments[0], *moments[1]) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(*moments[1], *moments[0]) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_to_itself_is_smallest():
    moments = Moments(20)
    moments.update(samples(300, 20))
    assert 0 <= moments.gaussian.distance(moments.gaussian) < 1e-9 * np.trace(moments.covariance)


def test_moments_do_not_depend_on_batches():
    rows = samples(97, 7) + 1e4  # far from zero, where sums of squares would lose digits
    moments = Moments(7)
    for begin in range(0, 97, 10):
        moments.update(rows[begin : begin + 10].astype(np.float64))
    assert moments.count == 97
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(rows, rowvar=False), rtol=1e-9)


def test_frechet_distance_uses_a_known_factor():
    covariance = np.cov(samples(50, 4), rowvar=False)
    root = linalg.sqrtm(covariance).real
    other = Gaussian(np.zeros(4), np.eye(4))
    expected = Gaussian(np.ones(4), covariance).distance(other)
    assert Gaussian(np.ones(4), covariance, root).distance(other) == pytest.approx(expected)
    assert Gaussian(np.ones(4), covariance, 2 * root).distance(other) < expected - 1  # it is really read


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0], [[1.0]], [0, 0], np.eye(2)), r"both Gaussians must have the same dimensions. Received: 1 and 2"),
        (([0.0], [1.0], [0], [[1]]), r"Received: \(1,\) and \(1,\)"),
        (([np.nan], [[1.0]], [0], [[1]]), r"mean and covariance must be finite"),
    ],
)
def test_frechet_distance_refuses_wrong_moments(arguments, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(*arguments)


def test_moments_refuse_wrong_features():
    moments = Moments(3)
    with pytest.raises(ValueError, match=r"features must have 3 dimensions. Received: 2"):
        moments.update(np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"features must be finite. Received: 1 rows that are not, the first is 2"):
        moments.update(np.array([[0, 0, 0], [1, 1, 1], [0, np.inf, 0]]))
    moments.update(np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"a covariance needs at least 2 samples. Received: 1"):
        _ = moments.covariance
    with pytest.raises(ValueError, match=r"dimensions must be at least 1. Received: 0"):
        Moments(0)


def test_too_few_warns_of_few_samples():
    assert too_few(10_240, 2048) is None
    assert "needs more than 2,048 samples, and 10,240 to be trusted. Received: 10,239: its bias is large" in too_few(
        10_239, 2048
    )
    assert "its covariance is singular" in too_few(2048, 2048) and "singular" not in too_few(2049, 2048)


def test_frechet_infinity_extrapolates():
    random = np.random.default_rng(0)
    mixing = random.normal(size=(16, 16)) / 4
    covariance = np.eye(16) / 2 + mixing @ mixing.T / 2
    real = Gaussian(np.zeros(16), np.eye(16))
    true = real.distance(Gaussian(np.full(16, 0.1), covariance))
    root = np.linalg.cholesky(covariance)
    rows = [random.normal(size=(128, 16)) @ root.T + 0.1 for _ in range(20)]
    plain = [real.distance(Gaussian(each.mean(axis=0), np.cov(each, rowvar=False))) for each in rows]
    endless = [frechet_infinity(each, real) for each in rows]
    assert np.mean(plain) - true > 0.5
    assert abs(np.mean(endless) - true) < 0.15
    assert frechet_infinity(rows[0], real) == endless[0] != frechet_infinity(rows[0], real, seed=1)


def test_frechet_infinity_refuses_few_samples():
    real = Gaussian(np.zeros(16), np.eye(16))
    with pytest.raises(ValueError, match=r"features must have at least 4 x 16 rows. Received: 63"):
        frechet_infinity(np.zeros((63, 16)), real)
    with pytest.raises(ValueError, match=r"points must be at least 2. Received: 1"):
        frechet_infinity(np.zeros((64, 16)), real, points=1)
