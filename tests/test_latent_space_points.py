import shutil
from pathlib import Path

import numpy as np
import pytest

from tfanime.latent_space.points import points_of, read_points, write_points
from tfanime.latent_space.space import LatentSpace


def test_write_points_round_trip(styled, in_tmp):
    written = styled.from_seeds([5])
    write_points(Path("me.npz"), styled, written, {"picture": "me.png"})
    points = points_of(styled, [3, Path("me.npz"), 4], "green")
    expected = styled.images(styled.from_seeds([3, 4], "green"))
    images = styled.images(points)
    assert np.abs(images[[0, 2]].astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(points.codes[1:2], written.codes)
    np.testing.assert_array_equal(points.others["tags"][1:2], written.others["tags"])
    assert len(points_of(styled, [Path("me.npz")])) == 1
    with pytest.raises(ValueError, match="tags must be in vocabulary"):
        points_of(styled, [Path("me.npz")], "wings")


def test_read_points_refuses_other_files(styled, tagged, in_tmp):
    write_points(Path("me.npz"), styled, styled.from_seeds([5]), {})
    with pytest.raises(ValueError, match=r"me.npz must have been made with the same network"):
        read_points("me.npz", LatentSpace(tagged))
    shutil.copy("me.npz", "half.npz")
    with open("half.npz", "r+b") as file:
        file.truncate(500)
    with pytest.raises(ValueError, match=r"half.npz must be a file of points"):
        read_points("half.npz", styled)
    np.savez("other.npz", a=np.zeros(2))
    with pytest.raises(ValueError, match=r"other.npz must be a file of points.* without codes, network"):
        read_points("other.npz", styled)
