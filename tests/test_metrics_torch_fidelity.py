"""The numbers are those of torch-fidelity on the same features; `nox -s fidelity` has it installed."""

import numpy as np
import pytest

from tfanime.metrics.frechet import frechet_distance
from tfanime.metrics.kernel import kernel_distance

torch = pytest.importorskip("torch")
metric_fid = pytest.importorskip("torch_fidelity.metric_fid")
metric_kid = pytest.importorskip("torch_fidelity.metric_kid")


@pytest.fixture(scope="module")
def features():
    """Two sets of features, correlated and of different covariances."""
    random = np.random.default_rng(0)
    mixing = random.normal(size=(2, 64, 64)) / 8
    return [random.normal(size=(1000, 64)) @ mixing[index] + 0.3 * index for index in range(2)]


def test_frechet_distance(features):
    statistics = [metric_fid.fid_features_to_statistics(torch.from_numpy(rows)) for rows in features]
    expected = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    moments = [(rows.mean(axis=0), np.cov(rows, rowvar=False)) for rows in features]
    assert frechet_distance(*moments[0], *moments[1]) == pytest.approx(expected, rel=1e-6)


def test_kernel_distance(features):
    options = {"kid_subsets": 1, "kid_subset_size": 1000, "rng_seed": 0, "verbose": False}
    rows = [torch.from_numpy(each) for each in features]
    expected = metric_kid.kid_features_to_metric(*rows, **options)
    mean, _ = kernel_distance(*features, subsets=1)
    assert mean == pytest.approx(expected["kernel_inception_distance_mean"], rel=1e-6)
