import numpy as np
import pytest

from tfanime.generator import open_generator
from tfanime.latent_space.directions import Direction, moved, write_directions
from tfanime.latent_space.edits import edited, edited_generator
from tfanime.tagger.files import open_tagger

STEP = np.linspace(-1, 1, 10).astype(np.float32)
SEEDS = [4, 2]


def difference(first, second):
    return np.abs(first.astype(int) - second).max()


@pytest.fixture
def file(styled, tmp_path):
    path = tmp_path / "directions.npz"
    write_directions(path, styled, [Direction("long_hair", STEP, 1.0), Direction("pca1", -STEP, 1.0)])
    return path


def test_edited_adds_edits(styled):
    points = styled.from_seeds(SEEDS)
    directions = {"a": Direction("a", STEP, 1.0), "b": Direction("b", 2 * STEP, 1.0)}
    both = edited(styled, points, directions, [("a", None, 3.0), ("b", "0-1", -1.0)])
    change = both.codes.numpy() - points.codes
    np.testing.assert_allclose(change[:, 0], np.tile(STEP, (2, 1)), atol=1e-5)
    np.testing.assert_allclose(change[:, 5], np.tile(3 * STEP, (2, 1)), atol=1e-5)
    with pytest.raises(ValueError, match=r"direction must be one of a, b. Received: 'c'"):
        edited(styled, points, directions, [("c", None, 1.0)])
    with pytest.raises(ValueError, match=r"layers must be numbers from 0 to 5"):
        edited(styled, points, directions, [("a", "6", 1.0)])


def test_edited_generator_draws_changed_avatars(styled, styled_folder, file):
    generator = edited_generator(styled_folder, open_generator(styled_folder), [("long_hair", None, 2.0)], file, 0.5)
    points = styled.truncated(styled.from_seeds(SEEDS, "green"), 0.5)
    expected = styled.images(moved(points, STEP, 2))
    assert difference(generator.images(SEEDS, "green"), expected) <= 1
    assert difference(styled.images(points), expected) > 1


def test_edited_generator_finds_directions_in_the_folder_or_by_flag(styled_folder):
    with pytest.raises(FileNotFoundError, match=r"--directions must name a file that `python -m tfanime.directions"):
        edited_generator(styled_folder, open_generator(styled_folder), [("pca1", None, 2.0)])


@pytest.mark.slow
def test_own_file_of_avatars64_exists():
    tagger = open_tagger()
    place = tagger.vocabulary.tags.index("blue_eyes")
    whole = open_generator("avatars64")
    answers = [
        tagger.predict(generator.images(range(4), "red eyes"))[1][:, place].mean()
        for generator in (whole, edited_generator("avatars64", whole, [("blue_eyes", None, 4.0)]))
    ]
    assert answers[1] > answers[0] + 2  # logits
