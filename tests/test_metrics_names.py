import pytest

from tfanime.metrics.names import is_frechet


@pytest.mark.parametrize("name", ["fid", "fid_clean", "fd_tagger1", "fd_inception_keras", "fd_mine_1a2b3c4d"])
def test_is_frechet_recognises_names(name):
    assert is_frechet(name)


@pytest.mark.parametrize("name", ["generator_loss", "fidelity", "fd", "kid", "discriminator_fid", ""])
def test_is_frechet_rejects_other_metrics(name):
    assert not is_frechet(name)
