import numpy as np
import pytest

from tfanime.tfrecords.duplicates import Duplicate, DuplicateIndex, bands, earliest


def hashes_near_each_other(count, seed=0):
    """Hashes of which many differ in a few bits."""
    random = np.random.default_rng(seed)
    centres = random.integers(0, 2**64, count // 10, np.uint64)
    flips = random.integers(0, 64, (count, 6), np.uint64)
    keep = random.random((count, 6)) < 0.5
    bits = np.bitwise_xor.reduce(np.where(keep, np.uint64(1) << flips, np.uint64(0)), axis=1)
    return [int(hash) for hash in random.choice(centres, count) ^ bits]


@pytest.mark.parametrize("distance", range(8))
def test_near_hashes_share_a_band(distance):
    random = np.random.default_rng(distance)
    assert len(bands(0, distance)) == distance + 1
    for _ in range(200):
        hash = int(random.integers(0, 2**64, dtype=np.uint64))
        near = hash
        for bit in random.choice(64, distance, replace=False):
            near ^= 1 << int(bit)
        assert set(bands(hash, distance)) & set(bands(near, distance))
    widths = [bits.bit_length() for _, bits in bands(2**64 - 1, distance)]
    assert sum(widths) == 64


@pytest.mark.parametrize("distance", [0, 3, 4, 7])
def test_index_finds_hashes_within_the_distance(distance):
    hashes = hashes_near_each_other(600)
    index = DuplicateIndex(distance)
    found = [index.add(str(number), hash) for number, hash in enumerate(hashes)]
    for number, hash in enumerate(hashes):
        earlier = [(other, (hash ^ hashes[other]).bit_count()) for other in range(number)]
        near = [(other, bits) for other, bits in earlier if bits <= distance]
        assert found[number] == (Duplicate(str(near[0][0]), near[0][1]) if near else None)
    assert any(found) and not all(found) and len(index) == 600
    assert {n: (first, bits) for n, first, bits in earliest(hashes, distance)} == {
        n: (int(duplicate.id), duplicate.distance) for n, duplicate in enumerate(found) if duplicate
    }


def test_index_below_zero_finds_nothing():
    index = DuplicateIndex(-1)
    assert index.add("a", 1) is None and index.add("b", 1) is None and len(index) == 0


def test_duplicate_text_round_trip():
    assert str(Duplicate("a/b.jpg#1", 4)) == "a/b.jpg#1 (4)"
