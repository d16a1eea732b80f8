import re

import numpy as np
import pytest
from PIL import Image

from tfanime import command_line, directions, generate
from tfanime.latent_space.directions import moved, read_directions


@pytest.mark.slow
def test_directions_of_the_command_change_avatars(styled, styled_folder, in_tmp, capsys):
    flags = "--sefa=2 --pca=1 --pictures=256 --avatars=1,2,3 --steps=-1,2 --out=found"
    directions.main([str(styled_folder), *flags.split()])
    printed = capsys.readouterr().out
    assert re.search(r"^sefa1 +[0-9.]+%$", printed, re.MULTILINE)
    assert re.search(r"wrote \d+ directions to found/directions.npz, and a sheet of each beside it", printed)
    found = read_directions("found/directions.npz", styled)
    assert list(found)[:3] == ["sefa1", "sefa2", "pca1"]
    assert sorted(path.stem for path in (in_tmp / "found").glob("*.png")) == sorted(found)
    sheet = np.asarray(Image.open("found/sefa1.png"))
    assert sheet.shape[0] == 2 * 18 + 2
    expected = styled.images(moved(styled.from_seeds([1, 2, 3]), found["sefa1"].step, 2))
    assert np.abs(sheet[20:36, -18:-2].astype(int) - expected[2]).max() <= 1

    flags = ["--show=sefa1", "--directions=found/directions.npz", "--avatars=1-3", "--steps=-1,2", "--out=shown"]
    directions.main([str(styled_folder), *flags])
    assert [path.name for path in (in_tmp / "shown").iterdir()] == ["sefa1.png"]
    np.testing.assert_array_equal(np.asarray(Image.open("shown/sefa1.png")), sheet)
    with pytest.raises(ValueError, match=r"show must be names of sefa1, .* Received: 'wings'"):
        directions.main([str(styled_folder), "--show=sefa1, wings", "--directions=found/directions.npz"])

    flags = ["--seeds=1-3", "--direction=sefa1=2", "--directions=found/directions.npz", "--out=changed"]
    generate.main([str(styled_folder), *flags])
    changed = np.asarray(Image.open("changed/seed-00000003.png"))
    assert np.abs(changed.astype(int) - expected[2]).max() <= 1


def test_directions_of_latents_have_no_pca(run_folder, in_tmp, capsys):
    directions.main([str(run_folder), "--sefa=2", "--pictures=0", "--avatars=1", "--steps=1"])
    printed = capsys.readouterr().out
    assert "no pca: this network has no w" in printed and "wrote 2 directions" in printed


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--pictures=10"], 2, "--pictures must be 0, or at least 256"),
        (["--pictures=0", "--sefa=0", "--pca=0"], 2, "--pictures must be above 0 where"),
        (["--avatars=a"], 2, "avatars, if it is not a file of points"),
        (["--directions=a.npz"], 2, "--directions must be left out without --show"),
        (["--show=a"], 1, "--directions must name a file"),
        (["--steps="], 2, "--steps must be numbers separated by commas, such as -3,0,3. Received: ''"),
        (["--steps=1,nan"], 2, "--steps must be numbers separated by commas"),
        (["--tagger=nowhere"], 1, "a tagger must have the files"),
    ],
)
def test_directions_errors_are_one_line_and_a_status(arguments, status, message, styled_folder, in_tmp, capsys):
    with pytest.raises(SystemExit) as raised:
        command_line.run(lambda: directions.main([str(styled_folder), *arguments]))
    assert raised.value.code == status
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(message, error), error


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--direction=smile"], 2, "direction must be names and amounts"),
        (["--directions=a.npz"], 2, "--directions must be left out without --direction"),
        (["--direction=a=1"], 1, "--directions must name a file"),
    ],
)
def test_generate_with_wrong_directions_fails_in_one_line(arguments, status, message, styled_folder, in_tmp, capsys):
    with pytest.raises(SystemExit) as raised:
        command_line.run(lambda: generate.main([str(styled_folder), *arguments]))
    assert raised.value.code == status
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(message, error), error
