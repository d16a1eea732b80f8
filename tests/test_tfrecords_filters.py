import pickle

import numpy as np
import pytest
from PIL import Image, ImageFilter
from small_pictures import noise

from tfanime.drawn.avatars import draw
from tfanime.limits import broken
from tfanime.tfrecords.filters import REASONS, Dropped, FilterSettings, Measures, measure, require_quality


def test_reasons_are_explained():
    assert all(REASONS.values())
    with pytest.raises(ValueError, match="'whim'"):
        Dropped("whim")


def test_dropped_can_be_pickled():
    again = pickle.loads(pickle.dumps(Dropped("too_small", 3)))
    assert (again.reason, again.value) == ("too_small", 3)


def test_sharpness_is_the_variance_of_the_laplacian():
    # Columns 0 and 200 in turn: the Laplacian is +-400 everywhere, its variance 400^2.
    stripes = np.zeros((96, 96, 3), np.uint8)
    stripes[:, ::2] = 200
    inner = 400.0**2
    assert measure(Image.fromarray(stripes), False).sharpness == pytest.approx(inner, rel=0.02)
    assert measure(Image.new("RGB", (96, 96), "red"), False).sharpness == 0


def test_chroma_is_zero_for_grey_and_for_evenly_tinted_pictures():
    grey = noise(0, 96, 96).convert("L").convert("RGB")
    assert measure(grey, False).chroma < 0.1
    assert measure(Image.new("RGB", (96, 96), (255, 120, 0)), False).chroma < 0.1
    halves = Image.new("RGB", (96, 96), (255, 0, 0))
    halves.paste((0, 255, 0), (48, 0, 96, 96))
    # (a*, b*) of sRGB red is (80.1, 67.2) and of green (-86.2, 83.2): half their distance.
    assert measure(halves, False).chroma == pytest.approx(np.hypot(166.3, 16.0) / 2, abs=1)


def test_measures_do_not_depend_on_the_resolution():
    large, small = (measure(Image.fromarray(np.asarray(draw(5, size=size))), True) for size in (384, 192))
    assert small.sharpness == pytest.approx(large.sharpness, rel=0.2)
    assert small.chroma == pytest.approx(large.chroma, rel=0.05)
    assert (small.hash ^ large.hash).bit_count() <= 4


def test_hash_separates_faces_and_survives_recompression(tmp_path):
    first, second = (Image.fromarray(np.asarray(draw(seed, size=128))) for seed in (1, 2))
    first.save(tmp_path / "a.jpg", quality=50)
    hashes = [measure(image, True).hash for image in (first, second, Image.open(tmp_path / "a.jpg"))]
    assert all(0 <= hash < 2**64 for hash in hashes)
    assert (hashes[0] ^ hashes[2]).bit_count() <= 4 < (hashes[0] ^ hashes[1]).bit_count()
    assert measure(first, False).hash is None


def test_blurred_and_grey_faces_are_dropped():
    settings = FilterSettings()
    face = Image.fromarray(np.asarray(draw(3, size=128)))
    require_quality(measure(face, False), settings, face)
    for reason, spoiled in (("blurred", face.filter(ImageFilter.GaussianBlur(9))), ("grey", face.convert("L"))):
        spoiled = spoiled.convert("RGB")
        measures = measure(spoiled, False)
        with pytest.raises(Dropped) as drop:
            require_quality(measures, settings, spoiled)
        assert drop.value.reason == reason and drop.value.image is spoiled
        assert drop.value.value == (measures.sharpness if reason == "blurred" else measures.chroma)
    require_quality(Measures(0.0, 0.0, None), FilterSettings(sharpness=0, chroma=0), face)


@pytest.mark.parametrize(
    ("flag", "value"), [("sharpness", -1.0), ("chroma", -0.1), ("duplicates", 8), ("duplicates", -2)]
)
def test_filter_settings_name_the_flag_of_a_broken_rule(flag, value):
    assert [name for name, _ in broken(FilterSettings(**{flag: value}))] == [flag]
