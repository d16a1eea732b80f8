import re

import cv2
import numpy as np
import pytest
from PIL import Image

from tfanime import command_line, mix, project
from tfanime.latent_space.points import read_points

FAST = ["--steps=3", "--scale=1"]


@pytest.fixture
def faces(styled, in_tmp):
    (in_tmp / "faces").mkdir()
    for seed, image in zip("ab", styled.images(styled.from_seeds([1, 2])), strict=True):
        Image.fromarray(image).resize((20, 20)).save(in_tmp / "faces" / f"{seed}.png")
    return in_tmp / "faces"


def test_project_writes_points_that_other_commands_take(faces, styled, styled_folder, in_tmp, capsys):
    project.main(["faces", str(styled_folder), "--no_crop", "--tags=green", "--out=found", *FAST])
    printed = capsys.readouterr().out
    assert re.search(r"^a: tagger1 [0-9.]+\nb: tagger1 [0-9.]+\nwrote 2 points of w\+ to found$", printed, re.MULTILINE)
    assert {path.name for path in (in_tmp / "found").iterdir()} == {
        f"{name}.{ending}" for name in "ab" for ending in ("npz", "png", "mp4")
    }
    points = read_points("found/b.npz", styled)
    assert styled.vocabulary.decode(points.others["tags"][0])[0] == "green"
    sheet = np.asarray(Image.open("found/b.png"))
    assert np.abs(sheet[2:18, 20:36].astype(int) - styled.images(points)[0]).max() <= 1
    film = cv2.VideoCapture("found/b.mp4")
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 3 and film.read()[1].shape == (16, 32, 3)
    mix.main([str(styled_folder), "--rows=found/a.npz,found/b.npz", "--columns=3"])
    assert (in_tmp / "mixed.png").is_file()


@pytest.mark.slow
def test_project_without_tags_asks_the_tagger(faces, run_folder, styled_folder, in_tmp, capsys):
    project.main(["faces/a.png", str(styled_folder), "--no_crop", "--film=false", "--space=w", *FAST])
    assert capsys.readouterr().out.startswith("tags seen: ")
    project.main(["faces/a.png", str(run_folder), "--no_crop", "--out=z", *FAST])
    assert "wrote 1 point of z to z" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--detector=lbpcascade", "--cascade=nowhere.xml"], 1, "--cascade must name an existing XML file"),
        (["--no_crop", "--tags=wings"], 1, "tags must be in vocabulary 'tiny'"),
        (["--no_crop", "--space=z"], 1, r"space must be one of w, w\+"),
        (["--steps=0"], 2, "--steps must be at least 1"),
        (["--distance=lpips"], 2, "--distance must be one of 'tagger', 'hed_vgg16'"),
    ],
)
def test_project_errors_are_one_line_and_a_status(arguments, status, message, faces, styled_folder, capsys):
    with pytest.raises(SystemExit) as raised:
        command_line.run(lambda: project.main(["faces", str(styled_folder), "--film=false", *arguments]))
    assert raised.value.code == status
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(message, error), error


def test_project_names_a_picture_without_a_face(faces, styled_folder, capsys):
    pytest.importorskip("animeface")
    with pytest.raises(
        ValueError, match=r"picture must show a face that animeface finds.*a.png'; if it is cropped .* use --no_crop"
    ):
        project.main(["faces/a.png", str(styled_folder)])


@pytest.mark.slow
def test_project_leaves_out_pictures_that_it_cannot_read(faces, styled_folder, in_tmp, capsys):
    (faces / "c.png").write_text("no picture")
    assert project.main(["faces", str(styled_folder), "--no_crop", "--batch=1", "--film=false", *FAST]) == 1
    printed, errors = capsys.readouterr()
    assert (
        printed.endswith("wrote 2 points of w+ to projected, 1 pictures left out\n") and "left out: c.png: " in errors
    )
    assert len(list((in_tmp / "projected").glob("*.npz"))) == 2
    with pytest.raises(ValueError, match=r"--out must be another folder than that of the pictures. Received: 'faces'"):
        project.main(["faces/a.png", str(styled_folder), "--out=faces"])
