import re

import numpy as np
import pytest
from PIL import Image

from tfanime import command_line, mix
from tfanime.images import grid
from tfanime.latent_space.mixing import mixing_grid


def test_mix_writes_a_sheet(styled, styled_folder, tmp_path, capsys):
    out = tmp_path / "new" / "mixed.png"
    mix.main([str(styled_folder), "--rows=1,2", "--columns=3-5", "--layers=1", "--tags=hat", f"--out={out}"])
    assert capsys.readouterr().out == f"wrote 6 mixtures to {out}\n"
    expected = mixing_grid(styled, styled.from_seeds([1, 2], "hat"), styled.from_seeds([3, 4, 5], "hat"), [1])
    assert np.abs(np.asarray(Image.open(out), int) - grid(expected, 4)).max() <= 1


def test_mix_with_psi_0_draws_equal_mixtures(styled_folder, tmp_path):
    out = tmp_path / "mixed.png"
    mix.main([str(styled_folder), "--rows=1", "--columns=3", "--tags=green, hat, smile", "--psi=0", f"--out={out}"])
    sheet = np.asarray(Image.open(out), int)
    row, mixture = sheet[20:36, 2:18], sheet[20:36, 20:36]  # of the same mean w and the row's noise
    assert np.abs(row - mixture).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--layers=4-6"], 1, r"layers must be numbers from 0 to 5, .* Received: '4-6'"),
        (["--rows=nobody.npz"], 2, "rows must be seeds, or files that exist"),
        (["--rows=0-x"], 2, "rows, if it is not a file of points"),
        (["--rows=0-999", "--columns=0-99"], 2, "--rows must be few enough"),
        (["--tags=wings"], 1, "tags must be in vocabulary 'tiny'. Received: 'wings'"),
        (["--out=mixed.jpg"], 2, "--out must be a file that ends in .png"),
        (["--psi=1.5"], 2, "--psi must be from 0 to 1"),
    ],
)
def test_mix_errors_are_one_line_and_a_status(arguments, status, message, styled_folder, in_tmp, capsys):
    with pytest.raises(SystemExit) as raised:
        command_line.run(lambda: mix.main([str(styled_folder), *arguments]))
    assert raised.value.code == status
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(message, error), error
    assert not list(in_tmp.iterdir())


def test_mix_refuses_a_network_without_styles(run_folder, in_tmp):
    with pytest.raises(ValueError, match="mixing needs a network with styles"):
        mix.main([str(run_folder)])
