"""The benchmark of enlargers: its rows, its filters, and that it goes on where it was."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_pictures
import upscaling
from PIL import Image


def test_cells_have_the_range_of_several_values():
    assert upscaling.cell([0.5], "{:.2f}") == "0.50"
    assert upscaling.cell([1.0, 2.0, 6.0], "{:.0f}") == "3 (1 to 6)"
    assert upscaling.cell([0.5, 0.25], "{:.1%}") == "37.5 (25.0 to 50.0) %"
    assert upscaling.cell([0.5, 0.5001], "{:.1%}") == "50.0 %"


def test_rows_are_the_filters_and_the_networks(tmp_path):
    first, second = (str(tiny_pictures.write(tmp_path / name)) for name in "ab")
    rows = upscaling.rows_of(SimpleNamespace(peers=False, networks=[f"ours={first},{second}", first]))
    assert list(rows) == ["bicubic", "Lanczos", "bicubic + unsharp", "ours", first]
    assert [len(opened) for opened in rows.values()] == [1, 1, 1, 2, 1]
    images = tiny_pictures.pictures(2, 8, 8)
    made = {name: opened[0]() for name, opened in rows.items()}
    assert all(upscaling.in_batches(enlarge, images).shape == (2, 16, 16, 3) for enlarge in made.values())
    flat = np.full((1, 8, 8, 3), 90, np.uint8)
    assert all((made[name](flat) == 90).all() for name in ("bicubic", "Lanczos", "bicubic + unsharp"))


def test_results_are_kept_between_calls(tmp_path, capsys):
    folder, images = upscaling.Folder(tmp_path), tiny_pictures.pictures(8, 8, 8)
    for row, values in (("a", [1.0]), ("b: 2", [2.0, 4.0])):
        folder.add(row, {"PSNR": values, "tags unchanged": [1.0]}, faces=images, avatars=images)
    again = upscaling.Folder(tmp_path)
    assert again.rows == json.loads((tmp_path / "rows.json").read_text()) == folder.rows
    again.finish(["b: 2", "a"], images)
    lines = ["| | PSNR | tags unchanged |", "|---|---|---|", "| b: 2 | 3.00 (2.00 to 4.00) | 100.0 % |"]
    assert capsys.readouterr().out.splitlines() == [*lines, "| a | 1.00 | 100.0 % |"]
    heights = [Image.open(tmp_path / f"{name}.png").height for name in ("faces", "avatars")]
    assert heights[0] == pytest.approx(1.5 * heights[1], abs=4)  # the truth is below them
