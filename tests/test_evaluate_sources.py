import shutil

import numpy as np
import pytest
import tiny_features
import tiny_generator

from tfanime import generate
from tfanime.evaluate import sources


def test_open_models_draws_the_seeds_of_a_run(run_folder):
    (source,) = sources.open_models([run_folder], "newest", samples=9, seed=5)
    assert (source.name, source.count, source.size, source.generated) == ("dcgan", 9, 16, True)
    assert source.origin["recipe"] == "dcgan" and source.origin["step"] == 2 and source.origin["first_seed"] == 5
    expected = generate.open_generator(run_folder).images([5, 6, 13])
    np.testing.assert_array_equal(source.images(np.array([0, 1, 8])), expected)


def test_open_models_names_models_by_their_paths(run_folder, tmp_path):
    assert sources._names(["runs/a", "b/", "exports/a/3"]) == ["a", "b", "a/3"]
    assert sources._names(["runs/a", "more/a", "b"]) == ["runs/a", "more/a", "b"]
    with pytest.raises(ValueError, match=r"models must be given once each. Received twice: runs/a"):
        sources._names(["runs/a", "runs/a"])


def test_open_models_refuses_models_that_cannot_be_compared(run_folder, tmp_path, monkeypatch):
    tiny_generator.save(tmp_path / "tiny")
    with pytest.raises(ValueError, match=r"model must draw square pictures. Received: '.*tiny', 8 x 6"):
        sources.open_models([tmp_path / "tiny"], "newest", 9, 0)
    monkeypatch.setattr(tiny_generator, "WIDTH", 8)
    shutil.rmtree(tmp_path / "tiny")
    tiny_generator.save(tmp_path / "tiny")
    with pytest.raises(ValueError, match=r"must draw pictures of one size. Received: dcgan of 16 px, tiny of 8 px"):
        sources.open_models([run_folder, tmp_path / "tiny"], "newest", 9, 0)
    (source,) = sources.open_models([tmp_path / "tiny"], "best", 9, 0)  # a checkpoint is of runs
    assert source.images(np.arange(3)).shape == (3, 8, 8, 3)
    with pytest.raises(FileNotFoundError, match=r"checkpoint must be one of 2, newest in .* Received: 'best'"):
        sources.open_models([run_folder], "best", 9, 0)


def test_held_out_gives_real_faces(tmp_path):
    faces = tiny_features.faces(tmp_path, count=20)
    source = sources.held_out(faces, 30)
    assert (source.count, source.generated) == (20, False) and sources.held_out(faces, 7).count == 7
    np.testing.assert_array_equal(source.images(np.array([3, 19])), faces.images([3, 19]))


def test_averages_are_means_of_real_faces(tmp_path):
    faces = tiny_features.faces(tmp_path, count=200)
    source = sources.averages(faces, 40, seed=3)
    images = source.images(np.arange(40))
    assert images.dtype == np.uint8 and len({image.tobytes() for image in images}) == 40
    # Bytes vary with a standard deviation of 74, averages of 16 with a quarter of it.
    assert images.mean() == pytest.approx(127.5, abs=2) and images.std() == pytest.approx(74 / 4, rel=0.1)
    np.testing.assert_array_equal(source.images(np.array([7, 33])), images[[7, 33]])  # in any batch
    assert (sources.averages(faces, 40, seed=4).images(np.arange(40)) != images).any()
