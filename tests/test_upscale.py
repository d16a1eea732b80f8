import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny_pictures
from PIL import Image
from recipe_runs import environment

from tfanime import command_line, upscale
from tfanime.generator import open_generator, open_network
from tfanime.generator.enlarging import Enlarger, bicubic
from tfanime.picture_files import Picture
from tfanime.picture_folders import picture_paths


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_pictures.write(tmp_path_factory.mktemp("networks") / "enlarger")


@pytest.fixture(scope="module")
def network(folder):
    return open_network(folder)


def write(path, height=20, width=30, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    (pixels,) = tiny_pictures.pictures(1, height, width, seed)
    Image.fromarray(pixels).save(path)
    return pixels


def read(path):
    return np.asarray(Image.open(path))


def difference(first, second):
    return np.abs(np.asarray(first).astype(int) - second).max()


def test_upscale_enlarges_a_picture(folder, network, in_tmp, capsys):
    pixels = write(in_tmp / "a.png", 50, 70)
    assert upscale.main(["a.png", f"--with={folder}", "--out=b.png", "--tile=32"]) == 0
    assert capsys.readouterr().out == "wrote b.png\n"
    assert difference(read("b.png"), network.images(pixels[None])[0]) <= 1
    assert upscale.main(["a.png", f"--with={folder}", "--out=c.png", "--scale=4"]) == 0
    twice = network.images(network.images(pixels[None]))[0]
    assert difference(read("c.png"), twice) <= 1


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16", "1 x N"])
def test_upscale_takes_pictures_of_all_kinds(folder, in_tmp, mode, capsys):
    pixels = tiny_pictures.pictures(1, 1 if mode == "1 x N" else 20, 30)[0]
    image = Image.fromarray(pixels)
    if mode == "I;16":
        image = Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100)
    elif mode == "RGBA":
        image.putalpha(Image.fromarray(np.tile(np.arange(30, dtype=np.uint8) * 8, (20, 1))))
    elif mode in ("L", "P"):
        image = image.convert(mode)
    image.save("a.png")
    assert upscale.main(["a.png", f"--with={folder}", "--out=b.webp"]) == 0
    made = Image.open("b.webp")
    assert made.size == (60, 40 if mode != "1 x N" else 2) and made.mode == ("RGBA" if mode == "RGBA" else "RGB")


def test_upscale_applies_strength_and_flips(network):
    picture = Picture(tiny_pictures.pictures(1, 20, 30)[0])
    whole, none = Enlarger(network)(picture).pixels, Enlarger(network, strength=0)(picture).pixels
    np.testing.assert_array_equal(none, bicubic(picture.pixels, 2))
    half = Enlarger(network, strength=0.5)(picture).pixels
    assert difference(half, (whole.astype(float) + none) / 2) <= 1
    flips = Enlarger(network, flips=True)(picture).pixels
    assert difference(flips, whole) > 1
    turned = Enlarger(network, flips=True)(Picture(np.rot90(picture.pixels))).pixels
    assert difference(np.rot90(turned, -1), flips) <= 1  # as good from all sides
    ways = [(turns, step) for turns in range(4) for step in (1, -1)]
    images = [np.rot90(picture.pixels, turns)[:, ::step] for turns, step in ways]
    made = [network.images(np.ascontiguousarray(image)[None])[0] for image in images]
    back = [np.rot90(image[:, ::step], -turns) for image, (turns, step) in zip(made, ways, strict=True)]
    assert difference(flips, np.mean(back, axis=0)) <= 1


def test_upscale_keeps_a_folders_names_and_resumes(folder, network, in_tmp, capsys):
    pixels = {
        name: write(in_tmp / "in" / name, seed=i) for i, name in enumerate(("a.png", "b/c.bmp", "d.png", "d.bmp"))
    }
    write(in_tmp / "in" / ".hidden" / "e.png")
    (in_tmp / "in" / "words.txt").touch()
    frames = [Image.fromarray(np.full((8, 8, 3), grey, np.uint8)) for grey in (40, 200)]
    frames[0].save(in_tmp / "in" / "f.gif", save_all=True, append_images=frames[1:])
    arguments = ["in", f"--with={folder}", "--out=out"]
    assert upscale.main(arguments) == 0
    names = ["a.png", "b/c.png", "d.bmp.png", "d.png.png", "f.png"]
    assert [str(path) for path in picture_paths("out", "elsewhere")] == names
    for name, source in (("b/c.png", "b/c.bmp"), ("d.bmp.png", "d.bmp")):
        assert difference(read(in_tmp / "out" / name), network.images(pixels[source][None])[0]) <= 1
    captured = capsys.readouterr()
    assert "wrote 5 pictures to out\n" in captured.out and "f.gif: the first frame of an animation" in captured.err
    (in_tmp / "out" / "a.png").unlink()
    times = {name: os.stat(in_tmp / "out" / name).st_mtime_ns for name in names[1:]}
    (in_tmp / "in" / "bad.png").write_bytes(b"no picture")
    assert upscale.main(arguments) == 1
    captured = capsys.readouterr()
    assert "wrote 1 picture to out, 4 were there already, 1 left out" in captured.out
    assert "left out: bad.png: a picture must be a PNG" in captured.err
    assert times == {name: os.stat(in_tmp / "out" / name).st_mtime_ns for name in names[1:]}


def test_upscale_enlarges_avatars_of_seeds(folder, network, run_folder, in_tmp, capsys):
    arguments = [str(run_folder), "--seeds=3,5", f"--with={folder}", "--out=out"]
    assert upscale.main(arguments) == 0
    expected = network.images(open_generator(run_folder).images([3, 5]))
    for seed, image in zip((3, 5), expected, strict=True):
        assert difference(read(f"out/seed-{seed:08d}.png"), image) <= 1
    assert upscale.main([*arguments, "--seeds=3-6"]) == 0
    assert "wrote 2 avatars to out, 2 were there already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png", "--with={folder}", "--out=b"], "--out must end in one of .png"),
        (["a.png", "--with={folder}", "--out=b.png", "--scale=3"], "scale must be 2 or a power of it"),
        (
            ["a.png", "--with={folder}", "--out=b.png", "--scale=1024"],
            "an enlarged picture must have at most 200,000,000 pixels. Received: 30 x 20, to become 1024 times larger",
        ),
        (["huge.png", "--with={folder}", "--out=b.png"], "it has 10000 x 10000 pixels, more than 50,000,000"),
        (["a.png", "--with={folder}", "--out=b.png", "--scale=1"], "scale must be 2 or a power of it"),
        (
            ["a.png", "--with={folder}", "--out=b.png", "--strength=1.5"],
            "--strength must be from 0 to 1",
        ),
        (["a.png", "--with=avatars64", "--out=b.png"], "model must be of kind upscale. Received: 'avatars64'"),
        (["a.png", "--with=nowhere", "--out=b.png"], "model must be a run folder"),
        (["a.png", "--out=b.png"], "with"),
        (["bad.png", "--with={folder}", "--out=b.png"], "a picture must be a PNG"),
        (["empty", "--with={folder}", "--out=b"], "pictures must be a folder with .png"),
        (["in", "--with={folder}", "--out=in"], "--out must be another folder"),
        (["a.png", "--with={folder}", "--out=b.png", "--seeds=1"], "--seeds must be left out for pictures"),
        (["nowhere", "--with={folder}", "--out=b"], "model must be a run folder"),
        (["{folder}", "--with={folder}", "--out=b"], "model must be of kind seeds"),
    ],
)
def test_upscale_errors_are_one_line(folder, in_tmp, arguments, message, capsys):
    write(in_tmp / "a.png")
    write(in_tmp / "in" / "a.png")
    (in_tmp / "empty").mkdir()
    (in_tmp / "bad.png").write_bytes(b"no picture")
    if "huge.png" in arguments:
        Image.new("1", (10_000, 10_000)).save(in_tmp / "huge.png")
    with pytest.raises(SystemExit) as end:
        command_line.run(lambda: upscale.main([argument.format(folder=folder) for argument in arguments]))
    error = capsys.readouterr().err
    assert end.value.code in (1, 2) and error.count("\n") == 1 and message in error, error
    assert not (in_tmp / "b.png").exists() and not list(in_tmp.glob("b/*"))


@pytest.mark.kill
def test_upscale_resumes_a_killed_folder_job(folder, in_tmp):
    for i in range(40):
        write(in_tmp / "in" / f"{i:02d}.png", 90, 90, seed=i)
    command = [sys.executable, "-m", "tfanime.upscale", "in", f"--with={folder}", "--out=out", "--tile=16"]
    for least in (1, 12, 25):
        process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while len(list((in_tmp / "out").glob("*.png"))) < least and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for path in (in_tmp / "out").glob("*.png"):
            assert read(path).shape == (180, 180, 3)
    assert subprocess.run(command, env=environment(), check=True, capture_output=True, text=True).stdout.startswith(
        "wrote"
    )
    assert len(list((in_tmp / "out").glob("*.png"))) == 40
