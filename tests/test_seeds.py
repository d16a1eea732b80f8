import numpy as np
import pytest
from PIL import Image

from tfanime.seeds import MAX_SEEDS, MAX_SHEET, parse_seeds, require_writable_out, write_avatars


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("7", [7]),
        ("0-3", [0, 1, 2, 3]),
        ("3,5,8-10", [3, 5, 8, 9, 10]),
        (" 3 , 5 - 6 ", [3, 5, 6]),
        ("5-5", [5]),
        ("9,1,9", [9, 1, 9]),
        ("9223372036854775807", [2**63 - 1]),
    ],
)
def test_parse_seeds_reads_numbers_and_ranges(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "whole numbers"),
        ("1,,2", "whole numbers"),
        ("a", "Received: 'a'"),
        ("-3", "Received: '-3'"),
        ("1.5", "whole numbers"),
        ("1-2-3", "whole numbers"),
        ("٣", "whole numbers"),
        ("9-3", "run upwards, such as 3-9"),
        ("9223372036854775808", "9223372036854775807"),
        ("0-" + "9" * 5000, "9223372036854775807"),
        ("0-1000000", "1,000,000"),
        ("0-9,0-999995", "1,000,000"),
        ("0-9223372036854775807", "1,000,000"),
    ],
)
def test_parse_seeds_refuses_other_text(text, message):
    with pytest.raises(ValueError, match=message):
        parse_seeds(text)


def test_parse_seeds_allows_the_limit_itself():
    assert len(parse_seeds(f"1-{MAX_SEEDS}")) == MAX_SEEDS


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3)).astype(np.uint8)


def test_write_avatars_as_a_sheet(images, tmp_path):
    out = tmp_path / "new" / "avatars.PNG"
    assert write_avatars(images, [3, 4, 5], out) == [out]
    sheet = np.asarray(Image.open(out))
    assert sheet.shape == (2 * 6 + 2, 2 * 7 + 2, 3)
    np.testing.assert_array_equal(sheet[2:6, 2:7], images[0])
    np.testing.assert_array_equal(sheet[8:12, 2:7], images[2])


def test_write_avatars_into_a_folder(images, tmp_path):
    out = tmp_path / "avatars"
    paths = write_avatars(images, [12, 2**63 - 1, 0], out)
    assert [path.name for path in paths] == ["seed-00000012.png", f"seed-{2**63 - 1}.png", "seed-00000000.png"]
    assert sorted(out.iterdir()) == sorted(paths)
    for path, image in zip(paths, images, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), image)


def test_write_avatars_refuses_unequal_lengths(images, tmp_path):
    with pytest.raises(ValueError, match="3 and 2"):
        write_avatars(images, [1, 2], tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_require_writable_out_checks_the_path(tmp_path):
    require_writable_out(tmp_path / "folder", MAX_SEEDS)
    require_writable_out(tmp_path / "sheet.png", MAX_SHEET)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    with pytest.raises(ValueError, match="must be a folder for more than 10,000"):
        require_writable_out(tmp_path / "sheet.png", MAX_SHEET + 1)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(IsADirectoryError, match=r"folder\.png"):
        require_writable_out(tmp_path / "folder.png", 1)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="out must be a folder"):
        require_writable_out(tmp_path / "file", 1)
