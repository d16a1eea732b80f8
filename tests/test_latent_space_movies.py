import cv2
import numpy as np
import pytest
from PIL import Image

from tfanime.latent_space.movies import write_movie


def frames(count=6, height=32, width=48):
    """Grey, brighter from frame to frame, with a red left half."""
    for index in range(count):
        frame = np.full((height, width, 3), 30 * index + 20, np.uint8)
        frame[:, : width // 2] = (200, 0, 0)
        yield frame


def close(found, expected):
    return np.abs(found.astype(int) - np.asarray(expected)).mean() < 8  # both formats lose a little


def test_write_movie_writes_an_mp4(tmp_path):
    write_movie(tmp_path / "film.mp4", frames(), 25, scale=2)
    film = cv2.VideoCapture(str(tmp_path / "film.mp4"))
    assert film.get(cv2.CAP_PROP_FPS) == 25 and film.get(cv2.CAP_PROP_FRAME_COUNT) == 6
    for index in range(6):
        seen, frame = film.read()
        assert seen and frame.shape == (64, 96, 3)
        assert close(frame[8:-8, 4:40, ::-1], (200, 0, 0)) and close(frame[8:-8, 56:-8], 30 * index + 20)
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_write_movie_writes_a_gif(tmp_path):
    write_movie(tmp_path / "film.gif", frames(), 20)
    with Image.open(tmp_path / "film.gif") as film:
        assert (film.n_frames, film.size, film.info["loop"]) == (6, (48, 32), 0)
        for index in range(6):
            film.seek(index)
            assert film.info["duration"] == 50
            frame = np.asarray(film.convert("RGB"))
            assert close(frame[:, :24], (200, 0, 0)) and close(frame[:, 24:], 30 * index + 20)


def test_write_movie_crops_odd_sizes(tmp_path):
    write_movie(tmp_path / "film.mp4", frames(height=33, width=47), 25)
    assert cv2.VideoCapture(str(tmp_path / "film.mp4")).read()[1].shape == (32, 46, 3)


def test_write_movie_leaves_no_file_after_an_error(tmp_path):
    def broken():
        yield from frames(2)
        raise ValueError("broken")

    for name in ("film.mp4", "film.gif"):
        with pytest.raises(ValueError, match="broken"):
            write_movie(tmp_path / name, broken(), 25)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"a film must end in .mp4 or .gif. Received: film.avi"):
        write_movie("film.avi", frames(), 25)
