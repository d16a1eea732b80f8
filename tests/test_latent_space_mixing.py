import numpy as np
import pytest

from tfanime.latent_space.mixing import mix, mixing_grid
from tfanime.latent_space.space import LatentSpace


def test_mix_takes_the_given_layers(styled):
    first, second = styled.from_seeds([1, 2]), styled.from_seeds([3, 4])
    mixed = mix(styled, first, second, [0, 5])
    np.testing.assert_array_equal(mixed.codes.numpy()[:, [0, 5]], second.codes.numpy()[:, [0, 5]])
    np.testing.assert_array_equal(mixed.codes[:, 1:5], first.codes[:, 1:5])
    assert mixed.others is first.others


def test_mixing_grid_has_avatars_at_its_edges_and_mixtures_inside(styled):
    rows, columns = styled.from_seeds([1, 2]), styled.from_seeds([3, 4, 5])
    images = mixing_grid(styled, rows, columns, [2, 3], batch=4).reshape(3, 4, 16, 16, 3)

    def same(found, expected):
        assert np.abs(found.astype(int) - expected).max() <= 1

    assert (images[0, 0] == 255).all()
    same(images[1:, 0], styled.images(rows))
    same(images[0, 1:], styled.images(columns))
    same(images[2, 3], styled.images(mix(styled, rows[1:], columns[2:], [2, 3]))[0])


def test_mix_refuses_a_network_without_styles(tagged):
    space = LatentSpace(tagged)
    points = space.from_seeds([0])
    with pytest.raises(ValueError, match="mixing needs a network with styles"):
        mix(space, points, points, [0])
