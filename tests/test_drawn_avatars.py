"""The drawn avatars: pure functions of (seed, tags, size), with tags that can be seen, and faces that are found."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tfanime.drawn import avatars, dress, hair
from tfanime.drawn.avatars import draw, draw_folder, drawn_tags
from tfanime.drawn.look import EYE_COLOURS, HAIR_COLOURS
from tfanime.tags import JIN34

COLOURS = [group.tags for group in JIN34.groups if group.exclusive]
INDEPENDENT = [tag for group in JIN34.groups if not group.exclusive for tag in group.tags]
PLAIN = ("brown_hair", "blue_eyes")


def test_draw_returns_rgb_of_the_given_size():
    for size in (16, 32, 64, 100, 256):
        image = draw(3, size=size)
        assert image.shape == (size, size, 3)
        assert image.dtype == np.uint8


def test_draw_is_a_function_of_seed_tags_and_size():
    first = {seed: draw(seed, size=64) for seed in range(4)}
    draw(9, ["hat", "glasses"], 32)
    np.random.seed(1)
    for seed in reversed(range(4)):
        np.testing.assert_array_equal(draw(seed, size=64), first[seed])


def test_draw_is_the_same_in_another_process():
    code = (
        "import sys; from tfanime.drawn.avatars import draw; sys.stdout.buffer.write(draw(5).tobytes());"
        "assert 'tensorflow' not in sys.modules, 'workers would start slowly'"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    assert output == draw(5).tobytes()


def test_draw_gives_the_same_avatar_at_every_size():
    for seed in range(6):
        large = cv2.resize(draw(seed, size=256), (64, 64), interpolation=cv2.INTER_AREA).astype(float)
        same = np.abs(large - draw(seed, size=64)).mean()
        other = np.abs(large - draw(seed + 1, size=64)).mean()
        assert same < 8
        assert same < other / 3


def test_draw_takes_tags_in_any_form():
    names = ("blonde_hair", "twin_tails", "smile", "red_eyes")
    image = draw(1, names)
    np.testing.assert_array_equal(draw(1, JIN34.encode(names)), image)
    np.testing.assert_array_equal(draw(1, JIN34.encode(names).tolist()), image)
    np.testing.assert_array_equal(draw(1, ["Red Eyes", "smile", "blond hair", "twintails"]), image)
    np.testing.assert_array_equal(draw(1, drawn_tags(1)), draw(1))


def test_draw_without_a_colour_takes_the_seeds_colour():
    own = [tag for tag in JIN34.decode(drawn_tags(8)) if tag.endswith(("_hair", "_eyes")) and tag in sum(COLOURS, ())]
    np.testing.assert_array_equal(draw(8, []), draw(8, own))


def test_drawn_tags_have_one_of_each_group_and_make_sense():
    values = np.stack([drawn_tags(seed) for seed in range(1500)])
    assert values.shape == (1500, 34)
    assert values.dtype == np.int8
    assert set(np.unique(values)) == {-1, 1}
    share = dict(zip(JIN34.tags, (values > 0).mean(axis=0), strict=True))
    for tags in COLOURS:
        held = (values[:, [JIN34.tags.index(tag) for tag in tags]] > 0).sum(axis=1)
        assert (held == 1).all()
        assert all(0.6 / len(tags) < share[tag] < 1.5 / len(tags) for tag in tags)
    assert all(0.04 < share[tag] < 0.6 for tag in INDEPENDENT)
    held = {tag: values[:, JIN34.tags.index(tag)] > 0 for tag in JIN34.tags}
    assert not (held["long_hair"] & held["short_hair"]).any()
    assert not (held["twin_tails"] & held["ponytail"]).any()


@pytest.mark.parametrize("tag", INDEPENDENT)
def test_independent_tags_change_the_picture(tag):
    # The mouth is small; what is on or around the head is not.
    least = {"smile": 0.005, "open_mouth": 0.005, "glasses": 0.02, "blush": 0.02}.get(tag, 0.03)
    for seed in range(5):
        without, with_tag = draw(seed, PLAIN).astype(int), draw(seed, (*PLAIN, tag)).astype(int)
        changed = (np.abs(with_tag - without).max(axis=2) > 24).mean()
        assert least < changed < 0.9, seed


@pytest.mark.parametrize(
    ("tag", "module", "part"),
    [
        ("hat", dress, "draw_hat"),
        ("ribbon", dress, "draw_ribbon"),
        ("twin_tails", hair, "draw_tails"),
        ("ponytail", hair, "draw_tails"),
        ("drill_hair", hair, "draw_drills"),
    ],
)
def test_shapes_around_the_head_are_visible(tag, module, part, monkeypatch):
    # These also make the head a little smaller, which alone would pass the test above.
    images = [draw(seed, (*PLAIN, tag)).astype(int) for seed in range(5)]
    monkeypatch.setattr(module, part, lambda canvas, look: None)
    for seed, image in enumerate(images):
        changed = (np.abs(image - draw(seed, (*PLAIN, tag))).max(axis=2) > 24).mean()
        assert changed > 0.03, seed


def test_tags_change_only_their_part():
    for tag in ("smile", "open_mouth", "blush", "glasses"):
        changed = np.abs(draw(2, (*PLAIN, tag)).astype(int) - draw(2, PLAIN)).max(axis=2) > 0
        assert changed[:20].mean() == 0, "the hair stays as it is"


def test_hair_has_the_colour_of_its_tag():
    _assert_colours_are_told_apart("hair", HAIR_COLOURS, least=0.9)


def test_eyes_have_the_colour_of_their_tag():
    _assert_colours_are_told_apart("eyes", EYE_COLOURS, least=0.9)


def _assert_colours_are_told_apart(part, palette, least):
    """The pixels that change with a part's colour must be nearest to the palette's entry for the tag that is drawn."""
    other = {"hair": "green_eyes", "eyes": "brown_hair"}[part]
    right = []
    for seed in range(3):
        images = {name: draw(seed, [f"{name}_{part}", other], 128).astype(float) for name in palette}
        stack = np.stack(list(images.values()))
        where = stack.std(axis=0).max(axis=2) > 35
        assert 0.004 < where.mean() < 0.9
        for name in palette:
            seen = np.median(images[name][where], axis=0)
            # Lines and shadows darken all colours alike: hue and relative brightness tell.
            distances = {key: np.abs(seen - np.median(images[key][where], axis=0)).sum() for key in palette}
            assert sorted(distances.values())[1] > 8, f"{name} looks like another colour"
            nearest = min(palette, key=lambda key: np.square(seen - np.array(palette[key]) * 0.88).sum())
            right.append(nearest == name)
    assert np.mean(right) >= least


def test_seeds_give_different_avatars():
    imagehash = pytest.importorskip("imagehash")
    hashes = {str(imagehash.phash(Image.fromarray(draw(seed)), hash_size=16)) for seed in range(300)}
    assert len(hashes) == 300


def test_animeface_finds_the_faces():
    animeface = pytest.importorskip("animeface")
    if int(Image.__version__.split(".")[0]) >= 12:
        pytest.skip("animeface finds nothing with Pillow 12")
    found = [bool(animeface.detect(Image.fromarray(draw(seed, size=128)))) for seed in range(40)]
    assert np.mean(found) >= 0.8


def test_cascade_finds_the_faces():
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "lbpcascade_animeface.xml"
    path = Path(os.environ.get("TFANIME_CASCADE") or default)
    if not path.exists() or not hasattr(cv2, "CascadeClassifier"):
        pytest.skip("no cascade: set TFANIME_CASCADE to lbpcascade_animeface.xml")
    cascade = cv2.CascadeClassifier(str(path))
    found = []
    for seed in range(60):
        image = cv2.copyMakeBorder(draw(seed, size=96), 48, 48, 48, 48, cv2.BORDER_REPLICATE)
        grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        found.append(len(cascade.detectMultiScale(grey, 1.1, 5, minSize=(48, 48))) > 0)
    assert np.mean(found) >= 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, r"seed must be .* Received: -1"),
        ({"seed": 1.5}, r"seed must be .* Received: 1.5"),
        ({"seed": 2**64}, r"seed must be"),
        ({"seed": 0, "size": 15}, r"size must be .* at least 16. Received: 15"),
        ({"seed": 0, "size": "64"}, r"size must be .* Received: '64'"),
        ({"seed": 0, "tags": ["twin_tail"]}, r"Received: 'twin_tail'. Did you mean twin_tails"),
        ({"seed": 0, "tags": ["red_hair", "blue_hair"]}, r"'hair_colour'. Received: blue_hair, red_hair"),
        ({"seed": 0, "tags": "smile"}, r"tags must be a list .* Received the text: 'smile'"),
        ({"seed": 0, "tags": np.ones(33)}, r"shape \(34,\). Received: \(33,\)"),
        ({"seed": 0, "tags": np.ones(34)}, r"one tag of group 'hair_colour'"),
        ({"seed": 0, "tags": 5}, r"tags must be a list .* Received: 5"),
        ({"seed": 0, "tags": ["smile", 5]}, r"tags must be .* Received"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw(**arguments)


def test_draw_folder_writes_pictures_and_their_tags(tmp_path):
    folder = tmp_path / "faces"
    draw_folder(folder, 6, size=32, seed=40, workers=2, progress=False)
    assert sorted(path.name for path in folder.iterdir()) == [*(f"{i:08d}.png" for i in range(40, 46)), "tags.csv"]
    with open(folder / "tags.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [f"{i:08d}.png" for i in range(40, 46)]
    for i, row in enumerate(rows):
        np.testing.assert_array_equal(np.asarray(Image.open(folder / row["file"])), draw(40 + i, size=32))
        np.testing.assert_array_equal(JIN34.encode(row["tags"].split()), drawn_tags(40 + i))


def test_draw_folder_resumes(tmp_path, monkeypatch):
    draw_folder(tmp_path, 2, size=32, workers=0, progress=False)
    before = (tmp_path / "00000001.png").stat().st_mtime_ns
    calls = []
    monkeypatch.setattr(avatars, "draw_file", lambda job: calls.append(job[1]))
    draw_folder(tmp_path, 4, size=32, workers=0, progress=False)
    assert calls == [2, 3]
    with pytest.raises(ValueError, match="size must be that of the pictures"):
        draw_folder(tmp_path, 4, size=64, workers=0, progress=False)
    assert (tmp_path / "00000001.png").stat().st_mtime_ns == before


def test_draw_folder_refuses_bad_arguments_before_it_writes(tmp_path):
    for arguments, name in (
        ({"count": 0}, "count"),
        ({"count": 1, "size": 8}, "size"),
        ({"count": 1, "workers": -1}, "workers"),
    ):
        with pytest.raises(ValueError, match=f"{name} must be"):
            draw_folder(tmp_path / "none", **arguments)
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="folder"):
        draw_folder(tmp_path / "file", 1)
