import subprocess
import sys
from pathlib import Path

import pytest

from tfanime.latent_space.text import parse_edits, parse_layers, parse_points


def test_parse_points_reads_seeds_and_files(in_tmp):
    Path("me.npz").touch()
    assert parse_points("0-2, me.npz,7") == [0, 1, 2, Path("me.npz"), 7]
    with pytest.raises(FileNotFoundError, match=r"rows must be seeds, or files that exist. Received: 'you.npz'"):
        parse_points("0,you.npz", "rows")
    with pytest.raises(ValueError, match=r"rows, if it is not a file of points .* Received: 'me.png'"):
        parse_points("me.png", "rows")
    with pytest.raises(ValueError, match="rows must be at most 10,000"):
        parse_points("0-9998,5,6", "rows")


def test_parse_layers_reads_numbers_and_ranges():
    assert parse_layers("3, 0-1,1", 6) == [0, 1, 3]
    for text in ("6", "0-6", "3-2", "", "x", "-1"):
        with pytest.raises(ValueError, match=r"layers must be numbers from 0 to 5, .* Received: '.*'"):
            parse_layers(text, 6)


def test_parse_edits_reads_names_layers_and_amounts():
    assert parse_edits("Blue Eyes=2,pca1 @ 0-3 = -4.5") == [("blue_eyes", None, 2.0), ("pca1", "0-3", -4.5)]
    assert parse_edits("pca1@0,2=+.5; long-hair=1;") == [("pca1", "0,2", 0.5), ("long_hair", None, 1.0)]
    assert parse_edits("") == []
    for text in ("smile", "smile=", "=2", "smile=x", "smile@=2", "a=1 b=2"):
        with pytest.raises(ValueError, match=r"direction must be names and amounts, .* Received: '.*'"):
            parse_edits(text)


def test_parsing_does_not_load_tensorflow():
    code = "import sys, tfanime.latent_space.text; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
