"""The benchmark of alignment: its spread, and the way from pictures to it, with a stand-in for both networks."""

import alignment
import marked_faces
import numpy as np
import pytest

from tfanime.tfrecords.alignment import PLACES, Aligner

NETWORK = marked_faces.Network()


class Mesh:
    """Finds the marks of a face."""

    def both(self, image):
        return NETWORK.predict([image])[0] * NETWORK.image_size / len(image), 0.0, 1.0


def test_spread_is_of_every_place_by_itself():
    moved = np.array([[[0.0, 0.03]], [[0.0, -0.03]]])
    assert alignment.spread(PLACES + moved) == pytest.approx((3, 3, 0))
    moved = np.stack([PLACES, PLACES + np.array([(0, 0), (0, 0.362), (0, 0), (0, 0)])])
    assert alignment.spread(moved) == pytest.approx((9.05, 0, 22.5))


def test_alignment_of_turned_photos_is_measured():
    photo = marked_faces.picture((200, 200), marked_faces.places_of((100, 100), 180, 0))
    photos = [alignment.turned(photo, degrees) for degrees in (-20, 5, 25)]
    before, after, counts, _ = alignment.measure(photos, None, Aligner(network=NETWORK), Mesh())
    assert counts == [3, 3, 3, 3] and before[2] > 15
    assert max(after) < 0.5
