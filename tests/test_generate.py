import re

import numpy as np
import pytest
import tiny_pictures
from PIL import Image

from tfanime import command_line, generate
from tfanime.generator import Generator
from tfanime.images import grid
from tfanime.tags import TagGroup, TagVocabulary


@pytest.fixture(scope="module")
def generator(run_folder):
    return generate.open_generator(run_folder)


def difference(first, second):
    return np.abs(first.astype(int) - second).max()


def test_generate_checks_the_output_before_opening_the_model(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "open_generator", None)
    with pytest.raises(ValueError, match=r"out must end in .png, or be a folder. Received: a.jpg"):
        generate.main([str(tmp_path), "--out=a.jpg"])


def test_generate_writes_a_sheet(generator, run_folder, tmp_path, capsys):
    out = tmp_path / "new" / "avatars.png"
    generate.main([str(run_folder), "--seeds=2,4-6", f"--out={out}", "--batch=3"])
    assert capsys.readouterr().out == f"wrote 4 avatars to {out}\n"
    assert difference(np.asarray(Image.open(out)), grid(generator.images([2, 4, 5, 6]))) <= 1


def test_generate_writes_single_pictures(generator, run_folder, tmp_path):
    generate.main([str(run_folder), "--seeds", "7,3", "--out", str(tmp_path / "avatars")])
    assert sorted(path.name for path in (tmp_path / "avatars").iterdir()) == ["seed-00000003.png", "seed-00000007.png"]
    picture = np.asarray(Image.open(tmp_path / "avatars" / "seed-00000007.png"))
    assert difference(picture, generator.images([7])[0]) <= 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "model"),
        (["runs/nowhere", "--batch=0"], 2, "--batch must be at least 1. Received: 0"),
        (["runs/nowhere", "--seed=3"], 2, r"Received: --seed=3. Did you mean --seeds\?"),
        (["runs/nowhere", "--seeds=3-x"], 2, "seeds must be whole numbers"),
        (["runs/nowhere", "--best_of=2"], 2, "--best_of must be 1 without --tags. Received: 2"),
        (
            ["a", "--tags=hat", "--best_of=4", f"--seeds={2**62}"],
            2,
            "--best_of must be at most 1 for these seeds. Received",
        ),
        (["runs/nowhere"], 1, "Received: 'runs/nowhere', which does not exist"),
    ],
)
def test_generate_errors_are_one_line_and_a_status(arguments, status, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as raised:
        command_line.run(lambda: generate.main(arguments))
    assert raised.value.code == status
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(message, error), error
    assert not list(tmp_path.iterdir())


class Reader:
    """A tagger that reads the logits of hair colours from a picture's first pixels."""

    name = "reader1"
    vocabulary = TagVocabulary("two", (TagGroup("hair_colour", ("red_hair", "blue_hair"), exclusive=True),))

    def predict(self, images):
        return None, images[:, 0, :2, 0].astype(np.float32)


def seeds_as_pictures(vocabulary=Reader.vocabulary):
    """A generator whose picture says how red and how blue a hair is: seed 7 as red as 7 * 7 mod 10."""

    def draw(seeds, wanted):
        red = seeds * 7 % 10
        pixels = np.stack([red, 9 - red], axis=1).astype(np.uint8)
        return np.repeat(pixels[:, None, :, None], 3, axis=3)

    return Generator(draw, vocabulary)


def test_best_of_several_keeps_the_likeliest_avatar_of_each_seed():
    found = list(
        generate.best_of_several(seeds_as_pictures(), [0, 5, 1], "red hair", count=4, tagger=Reader(), batch=8)
    )
    # Of 0, 1, 2, 3 the reds are 0, 7, 4, 1; of 20 to 23 the same; of 4 to 7 they are 8, 5, 2, 9.
    assert [seeds for seeds, _ in found] == [[1, 21], [7]]
    assert [images[:, 0, 0, 0].tolist() for _, images in found] == [[7, 7], [9]]
    (found,) = generate.best_of_several(seeds_as_pictures(), [0], "blue hair", count=4, tagger=Reader())
    assert found[0] == [0]


def test_best_of_several_needs_a_tag_that_the_tagger_sees():
    with pytest.raises(ValueError, match=r"tags must include one that reader1 predicts, for best_of. Received"):
        next(generate.best_of_several(seeds_as_pictures(), [0], "no red hair", count=4, tagger=Reader()))
    with pytest.raises(ValueError, match="tags must be left out for a generator that was trained without"):
        next(generate.best_of_several(seeds_as_pictures(None), [0], "red hair", count=4, tagger=Reader()))


@pytest.mark.slow
def test_kept_seeds_draw_the_same_avatars_without_best_of(tmp_path, capsys):
    flags = ["avatars64", "--tags=red hair", "--seeds=0-1"]
    generate.main([*flags, "--best_of=3", f"--out={tmp_path / 'best.png'}"])
    kept = re.search(r"kept --seeds ([\d,]+)", capsys.readouterr().out)[1]
    first, second = map(int, kept.split(","))
    assert first in range(3) and second in range(3, 6)
    generate.main([*flags, f"--seeds={kept}", f"--out={tmp_path / 'again.png'}"])
    sheets = [np.asarray(Image.open(tmp_path / name)) for name in ("best.png", "again.png")]
    assert difference(*sheets) <= 1


def test_generate_upscale_enlarges_avatars(run_folder, in_tmp):
    enlarger = tiny_pictures.write(in_tmp / "enlarger")
    generate.main([str(run_folder), "--seeds=3,5", f"--upscale={enlarger}", "--out=large", "--batch=1"])
    small = generate.open_generator(run_folder).images([3, 5])
    expected = generate.open_network(enlarger).images(small)
    for seed, image in zip((3, 5), expected, strict=True):
        made = np.asarray(Image.open(in_tmp / "large" / f"seed-{seed:08d}.png"))
        assert made.shape == (32, 32, 3) and np.abs(made.astype(int) - image).max() <= 1
    with pytest.raises(ValueError, match="model must be of kind upscale"):
        generate.main([str(run_folder), f"--upscale={run_folder}", "--out=a.png"])
    assert not (in_tmp / "a.png").exists()
