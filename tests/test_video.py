import re

import cv2
import numpy as np
import pytest
from PIL import Image

from tfanime import command_line, video


def shown(path):
    film = cv2.VideoCapture(str(path))
    found = []
    while (read := film.read())[0]:
        found.append(read[1][..., ::-1])
    return np.array(found)


def test_video_films_seeds(styled, styled_folder, tmp_path, capsys):
    out = tmp_path / "new" / "film.mp4"
    arguments = ["--avatars=1,2,3", "--tags=hat", "--frames=4", "--fps=10", "--scale=2", f"--out={out}"]
    video.main([str(styled_folder), *arguments])
    assert capsys.readouterr().out == f"wrote 12 frames, 1.2 s, to {out}\n"
    film = shown(out)
    assert film.shape == (12, 32, 32, 3)
    keys = styled.from_seeds([1, 2], "hat")
    expected = styled.images(_with_noise(keys[1:], keys.others["noise"][:1]))[0]
    small = cv2.resize(film[4], (16, 16), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(small.ravel(), expected.ravel())[0, 1] > 0.9  # a film loses colours of so small pictures


def test_video_films_one_avatar_with_several_tags(styled, styled_folder, in_tmp):
    tags = ["red, no hat, smile", "green, hat", "blue, hat"]
    video.main([str(styled_folder), "--avatars=4", f"--tags={'; '.join(tags)}", "--frames=1", "--out=film.gif"])
    with Image.open("film.gif") as film:
        assert film.n_frames == 3 and film.size == (64, 64)
        for index, each in enumerate(tags):
            film.seek(index)
            small = np.asarray(film.convert("RGB").resize((16, 16), Image.Resampling.BOX), float)
            keys = styled.from_seeds([4], each)
            noise = styled.from_seeds([4], tags[0]).others["noise"]
            expected = styled.images(keys)[0] if index == 0 else styled.images(_with_noise(keys, noise))[0]
            assert np.abs(small - expected).mean() < 12


def _with_noise(points, noise):
    return type(points)(points.codes, points.others | {"noise": noise})


@pytest.mark.slow
def test_video_films_a_network_without_styles(run_folder, in_tmp):
    video.main([str(run_folder), "--avatars=1-2", "--frames=2", "--out=film.mp4", "--scale=1"])
    assert shown("film.mp4").shape == (4, 16, 16, 3)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--avatars=3"], 2, "--avatars must be at least 2, or one with several sets of tags"),
        (["--avatars=1-3", "--tags=red; green"], 2, "--tags must be one set for all avatars, or as many sets"),
        (["--out=film.avi"], 2, "--out must be a file that ends in .mp4 or .gif"),
        (["--tags=wings"], 1, "tags must be in vocabulary 'tiny'"),
        (["--frames=0"], 2, "--frames must be at least 1"),
    ],
)
def test_video_errors_are_one_line_and_a_status(arguments, status, message, styled_folder, in_tmp, capsys):
    with pytest.raises(SystemExit) as raised:
        command_line.run(lambda: video.main([str(styled_folder), *arguments]))
    assert raised.value.code == status
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(message, error), error
    assert not list(in_tmp.iterdir())
