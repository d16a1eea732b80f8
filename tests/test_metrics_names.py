import pytest

from tfanime.metrics.names import is_frechet


@pytest.mark.parametrize("name", ["fid", "fid_clean", "fd_tagger1", "fd_inception_keras", "fd_mine_1a2b3c4d"])
def test_frechet_distances(name):
    assert is_frechet(name)


@pytest.mark.parametrize("name", ["generator_loss", "fidelity", "fd", "kid", "discriminator_fid", ""])
def test_other_metrics(name):
    assert not is_frechet(name)
