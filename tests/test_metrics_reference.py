import dataclasses
import os
import shutil
import signal

import numpy as np
import pytest
import tiny_features

from tfanime.data import DECODING
from tfanime.metrics import features
from tfanime.metrics.frechet import Gaussian
from tfanime.metrics.reference import chosen, reference


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "references"


def test_reference_has_features_of_all_real_pictures(tmp_path):
    faces, network = tiny_features.faces(tmp_path), tiny_features.network()
    real = reference(network, faces)
    expected = network(faces.images(np.arange(60)))
    np.testing.assert_array_equal(real.features, expected)
    expected = Gaussian(expected.mean(axis=0), np.cov(expected, rowvar=False))
    np.testing.assert_allclose(real.gaussian.mean, expected.mean, rtol=1e-5)
    np.testing.assert_allclose(real.gaussian.covariance, expected.covariance, rtol=1e-5)
    np.testing.assert_allclose(real.gaussian.factor @ real.gaussian.factor.T, expected.covariance, rtol=1e-5)
    assert real.details["count"] == real.details["of"] == 60


def test_reference_takes_some_of_many_pictures(tmp_path):
    faces, network = tiny_features.faces(tmp_path), tiny_features.network()
    real = reference(network, faces, count=20)
    assert len(set(real.indices)) == 20 and list(real.indices) == sorted(real.indices)
    assert real.indices[-1] > 30  # not the first ones
    np.testing.assert_array_equal(real.features, network(faces.images(real.indices)))
    np.testing.assert_array_equal(chosen(20, 60), real.indices)


def test_reference_is_cached_by_everything_that_it_depends_on(tmp_path, empty_cache, monkeypatch):
    calls = []
    faces, network = tiny_features.faces(tmp_path / "a"), tiny_features.network(calls=calls)
    first = reference(network, faces)
    assert sum(calls) == 60
    again = reference(network, faces)
    assert sum(calls) == 60 and again.digest == first.digest and again.folder == first.folder
    larger = tiny_features.faces(tmp_path / "c", size=5)
    others = [
        reference(network, dataclasses.replace(faces, fingerprint="f" * 64)),
        reference(network, dataclasses.replace(larger, stored_size=faces.stored_size)),
        reference(network, dataclasses.replace(faces, stored_size=9)),
        reference(network, faces, count=59),
        *(
            reference(dataclasses.replace(network, **{name: other}), faces)
            for name, other in (("value", "fd_a"), ("weights", "1" * 64), ("resize", "nearest"), ("size", 8))
        ),
    ]
    monkeypatch.setattr("tfanime.metrics.reference.DECODING", DECODING + 1)
    others.append(reference(network, faces))
    assert len({each.digest for each in (first, *others)}) == len(list(empty_cache.iterdir())) == 10


def test_reference_is_not_cached_after_an_interruption(tmp_path, empty_cache, monkeypatch):
    faces, network = tiny_features.faces(tmp_path, count=200), tiny_features.network()

    def interrupted(*arguments):
        for number, batch in enumerate(features.in_batches(*arguments)):
            if number == 2:
                raise KeyboardInterrupt
            yield batch

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("tfanime.metrics.reference.in_batches", interrupted)
        reference(network, faces)
    assert not list(empty_cache.iterdir())
    assert len(reference(network, faces).features) == 200


def test_reference_is_not_cached_after_a_kill(tmp_path, empty_cache):
    faces, network = tiny_features.faces(tmp_path, count=200), tiny_features.network()
    child = os.fork()
    if not child:

        def killed(images):
            if len(images) < features.BATCH:  # the last ones
                os.kill(os.getpid(), signal.SIGKILL)
            return network.compute(images)

        try:
            reference(dataclasses.replace(network, compute=killed), faces, progress=False)
        finally:
            os._exit(0)  # not a second pytest
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    left = [path.name for path in empty_cache.iterdir()]
    assert len(left) == 1 and left[0].startswith(".") and left[0].endswith(".part")
    np.testing.assert_array_equal(reference(network, faces).features, network(faces.images(np.arange(200))))


@pytest.mark.parametrize("name", ["features.npy", "gaussian.npz"])
def test_reference_names_a_damaged_cache_and_is_made_again(tmp_path, name):
    faces, network = tiny_features.faces(tmp_path), tiny_features.network()
    path = reference(network, faces).folder / name
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 2])
    damaged = reference(network, faces)
    with pytest.raises(ValueError, match=r"references/fd_tiny0-\w+ is damaged. Remove the folder"):
        _ = damaged.features, damaged.gaussian
    shutil.rmtree(path.parent)
    assert len(reference(network, faces).features) == 60


def test_reference_refuses_unusable_pictures(tmp_path, empty_cache):
    with pytest.raises(ValueError, match=r"a reference must have at least 2 pictures. Received: 1"):
        reference(tiny_features.network(), tiny_features.faces(tmp_path, count=1))
    with pytest.raises(ValueError, match=r"'tiny' must give finite features. Received: \d+ of 60 pictures"):
        reference(tiny_features.network(broken=True), tiny_features.faces(tmp_path))
    assert not list(empty_cache.iterdir())
