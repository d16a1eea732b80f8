import pickle

import pytest

from tfanime.tfrecords.filters import REASONS, Dropped, require_faces, require_size


def test_size_limit_is_twice():
    require_size(32, 64)
    with pytest.raises(Dropped) as drop:
        require_size(31, 64)
    assert (drop.value.reason, drop.value.value) == ("too_small", 31)


def test_no_face():
    require_faces([object()])
    with pytest.raises(Dropped) as drop:
        require_faces([])
    assert drop.value.reason == "no_face"


def test_reasons_are_explained_and_closed():
    assert all(REASONS.values())
    with pytest.raises(ValueError, match="'whim'"):
        Dropped("whim")


def test_a_drop_crosses_processes():
    again = pickle.loads(pickle.dumps(Dropped("too_small", 3)))
    assert (again.reason, again.value) == ("too_small", 3)
