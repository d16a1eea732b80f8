import hashlib
import shutil

import numpy as np
import pytest

from tfanime import pretrained
from tfanime.generator import open_discriminator, open_generator, open_network, read_card
from tfanime.generator.enlarging import bicubic
from tfanime.training.degradation import shrunk

DIGEST = "0" * 64


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of names, and an empty cache."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "names")
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path / "cache"))
    (tmp_path / "names").mkdir()
    return tmp_path / "names"


def packed(tmp_path, cards=("faces/card.json",), kind="zip"):
    """An archive of cards, its address and its hash."""
    for card in cards:
        (tmp_path / "content" / card).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "content" / card).write_text("{}")
    path = shutil.make_archive(str(tmp_path / "faces"), kind, tmp_path / "content")
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    return f"file://{path}", digest


def test_pretrained_names_can_be_opened():
    for name in pretrained.names():
        values = (pretrained.FOLDER / f"{name}.toml").read_text()
        assert "folder" in values or "sha256" in values


def test_avatars64_is_small_and_has_both_players():
    folder = pretrained.folder_of("avatars64")
    card = read_card(folder)
    assert card["vocabulary"]["name"] == "konachan26" and card["image_size"] == [64, 64]
    files = [folder / card["file"], folder / card["discriminator"]["file"]]
    assert all(file.stat().st_size <= 8 * 2**20 for file in files)
    assert open_discriminator("avatars64").input_shape == [(None, 64, 64, 3), (None, 26)]


@pytest.mark.slow
def test_avatars64_obeys_tags():
    generator, seeds = open_generator("avatars64"), range(16)

    def hue(tags):
        """The colour of the upper third, where hair is, as means of red, green and blue."""
        return generator.images(seeds, tags)[:, :20].mean((0, 1, 2))

    red, green, blue = hue("red hair"), hue("green hair"), hue("blue hair")
    assert red[0] - red[1:].max() > 20 and green[1] - max(green[0], green[2]) > 10 and blue[2] - blue[0] > 20
    assert generator.images(seeds, "black hair").mean() < generator.images(seeds, "blonde hair").mean() - 40
    np.testing.assert_array_equal(generator.images([5]), open_generator("avatars64").images([5]))


def test_avatars64_x2_enlarges_avatars64():
    enlarger, avatars = open_network("avatars64_x2", kinds=["upscale"]), open_generator("avatars64").images(range(4))
    folder = pretrained.folder_of("avatars64_x2")
    assert (folder / read_card(folder)["file"]).stat().st_size <= 4 * 2**20 and enlarger.form.scale == 2
    large = enlarger.images(avatars)
    small = np.stack([shrunk(image, 2) for image in large])
    assert np.abs(small.astype(int) - avatars).mean() < 3
    plain = np.stack([bicubic(image, 2) for image in avatars])

    def edges(images):
        return np.abs(np.diff(images.astype(int), axis=1)).mean()

    assert edges(large) > 1.05 * edges(plain)


def test_names_lists_files_and_folder_of_reads_them(folder):
    assert pretrained.names() == []
    for name in ("b", "a"):
        (folder / f"{name}.toml").write_text(f'folder = "{name}-64"')
    assert pretrained.names() == ["a", "b"] and pretrained.folder_of("b") == folder / "b-64"


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_pretrained_archive_is_downloaded_once(folder, tmp_path, kind):
    url, digest = packed(tmp_path, kind=kind)
    (folder / "faces.toml").write_text(f'url = "{url}"\nsha256 = "{digest}"\n')
    found = pretrained.folder_of("faces")
    assert found.is_relative_to(tmp_path / "cache" / "pretrained" / digest) and (found / "card.json").is_file()
    for archive in tmp_path.glob("faces.*"):
        archive.unlink()
    assert pretrained.folder_of("faces") == found


def test_pretrained_errors_name_the_cause(folder, tmp_path):
    url, digest = packed(tmp_path, ("a/card.json", "b/card.json"))
    for text, error, message in (
        (
            f'url = "{url}"\nsha256 = "{digest}"',
            ValueError,
            "must be an archive with one card.json. Received: .* with 2",
        ),
        (f'url = "{url}"\nsha256 = "{DIGEST}"', OSError, "url must be reachable, and what lies there have sha256"),
        (f'url = "{url}"\nsha256 = "short"', ValueError, "must say either folder, or url and sha256, 64 hexa"),
        ('folder = "a"\nurl = "b"', ValueError, "faces.toml must say either folder, or url and sha256"),
        ("folder =", ValueError, "faces.toml must be a file in TOML"),
    ):
        (folder / "faces.toml").write_text(text)
        with pytest.raises(error, match=message):
            pretrained.folder_of("faces")
