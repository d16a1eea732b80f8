"""Near duplicates: faces whose perceptual hash differs in few bits from that of an earlier face.

Of the faces that passed all other filters, in their order, a face is a duplicate if any earlier one is within the
distance, whether that one is a duplicate itself or not. The rule therefore depends on no earlier decision, and gives
the same result face by face (`DuplicateIndex`) and by key on many machines (`bands`).
"""

import array
import itertools
from dataclasses import dataclass

import numpy as np

BITS = 64


def bands(hash, distance):
    """The keys of a hash: two hashes within the distance share at least one of them.

    A hash is cut into `distance + 1` pieces; if every piece differed, so would more than `distance` bits.

    Args:
        hash: 64 bits, as an int.
        distance: Most bits that may differ.

    Returns:
        A list of `(number of the piece, its bits)`.
    """
    bounds = [BITS * index // (distance + 1) for index in range(distance + 2)]
    return [
        (index, hash >> low & (1 << high - low) - 1) for index, (low, high) in enumerate(itertools.pairwise(bounds))
    ]


@dataclass(frozen=True)
class Duplicate:
    """The earliest face of which another one is a near duplicate.

    Args:
        id: Its id.
        distance: In how many bits the hashes differ.
    """

    id: str
    distance: int

    def __str__(self):
        return f"{self.id} ({self.distance})"


def earliest(hashes, distance):
    """For each hash, the first earlier one within the distance.

    Args:
        hashes: uint64 array `[count]`.
        distance: Most bits that may differ.

    Yields:
        `(index, earlier index, differing bits)` of each hash that has one.
    """
    hashes = np.asarray(hashes, np.uint64)
    for index in range(1, len(hashes)):
        differing = np.bitwise_count(hashes[:index] ^ hashes[index])
        near = np.flatnonzero(differing <= distance)
        if len(near):
            yield index, int(near[0]), int(differing[near[0]])


class DuplicateIndex:
    """Finds the duplicates in a stream of faces.

    Args:
        distance: Most bits that may differ, 0 to 7; below 0 nothing is a duplicate.
    """

    def __init__(self, distance):
        self.distance = distance
        self._ids = []
        self._hashes = array.array("Q")
        self._filed = {}

    def __len__(self):
        return len(self._ids)

    def add(self, id, hash):
        """Adds a face after all earlier ones.

        Args:
            id: Its id.
            hash: Its perceptual hash.

        Returns:
            The `Duplicate` with the earlier face that it repeats, or None.
        """
        if self.distance < 0:
            return None
        found, number = None, len(self._ids)
        for key in bands(hash, self.distance):
            filed = self._filed.setdefault(key, array.array("I"))
            if filed:
                candidates = np.array(filed)  # a copy, because an array that numpy refers to cannot grow
                differing = np.bitwise_count(self._view()[candidates] ^ np.uint64(hash))
                near = np.flatnonzero(differing <= self.distance)
                if len(near) and (found is None or candidates[near[0]] < found[0]):
                    found = int(candidates[near[0]]), int(differing[near[0]])
            filed.append(number)
        self._ids.append(id)
        self._hashes.append(hash)
        return found and Duplicate(self._ids[found[0]], found[1])

    def _view(self):
        """The hashes so far as uint64 `[count]`, without a copy."""
        return np.frombuffer(memoryview(self._hashes).toreadonly(), np.uint64)
