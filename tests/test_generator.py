import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_generator
import tiny_networks
import tiny_stylegan2
from PIL import Image
from recipe_runs import environment

from tfanime import generate, pretrained
from tfanime.generator import folder as folder_module
from tfanime.generator import open_discriminator, open_generator, opening, read_card, write_generator
from tfanime.images import to_uint8
from tfanime.inputs import Inputs
from tfanime.latents import Latents
from tfanime.models import dcgan, sngan, srresnet

SEEDS = [3, 0, 12, 2**40, 7, 5]
TAGGED = Inputs(Latents(3, "uniform"), tiny_networks.VOCABULARY)


@pytest.fixture(scope="module")
def generator(run_folder):
    return open_generator(run_folder)


def written(folder, seed=1, provenance=None):
    """A generator's folder with tags."""
    write_generator(folder, tiny_networks.generator(seed, tags=5), TAGGED, provenance or {"step": seed})
    return folder


def difference(first, second):
    return np.abs(first.astype(int) - second).max()


def test_open_generator_of_a_run_draws_with_the_average_in_float32(generator, run_folder):
    images = generator.images(SEEDS)
    assert images.shape == (6, 16, 16, 3) and images.dtype == np.uint8
    assert generator.latents == Latents(5, "uniform") and generator.card["step"] == 2
    assert {layer.compute_dtype for layer in generator.network.layers} == {"float32"}
    expected = to_uint8(generator.network(generator.latents.from_seeds(SEEDS), training=False)).numpy()
    assert difference(images, expected) <= 1
    reader = tf.train.load_checkpoint(str(run_folder / "checkpoints"))
    stored = [name for name in reader.get_variable_to_shape_map() if "ema_generator" in name and "kernel" in name]
    kernels = {weight.shape: weight.numpy() for weight in generator.network.weights if weight.name == "kernel"}
    assert len(stored) == len(kernels) == 3
    for name in stored:
        value = reader.get_tensor(name)
        np.testing.assert_array_equal(kernels[value.shape], value)


def test_images_of_a_seed_are_the_same_in_any_batch(generator):
    images = generator.images(SEEDS)
    assert len({image.tobytes() for image in images}) == 6
    for batch in (1, 4):
        assert difference(generator.images(SEEDS, batch=batch), images) <= 1
    assert difference(generator.images(SEEDS[::-1])[::-1], images) <= 1


@pytest.mark.slow
def test_images_of_a_stylegan2_use_the_seeds_noise(tmp_path):
    network = tiny_stylegan2.generator()
    inputs = Inputs.of_network(network, Latents(tiny_stylegan2.Z), tiny_networks.VOCABULARY)
    write_generator(tmp_path, network, inputs, {"step": 1})
    generator = open_generator(tmp_path)
    assert generator.inputs == inputs
    images = generator.images(SEEDS, "green, no hat")
    wanted = np.tile(generator.vocabulary.wanted("green, no hat"), (6, 1))
    expected = to_uint8(network(inputs.from_seeds(SEEDS, wanted), training=False)).numpy()
    assert (
        difference(images, expected) <= 1 and difference(generator.images(SEEDS[:1], "green, no hat"), images[:1]) <= 1
    )
    assert (
        generate.main([str(tmp_path), "--seeds", "3", "--tags", "green, no hat", "--out", str(tmp_path / "a.png")])
        is None
    )
    assert difference(np.asarray(Image.open(tmp_path / "a.png"))[2:-2, 2:-2], images[0]) <= 1
    latents, tags, _, noise = inputs.from_seeds(SEEDS)
    without = to_uint8(network(inputs.of(latents, tags, 0 * noise), training=False)).numpy()
    assert difference(generator.images(SEEDS), without) > 1


@pytest.mark.slow
def test_truncated_avatars_are_nearer_to_the_mean_of_their_tags(tmp_path):
    network = tiny_stylegan2.generator()
    inputs = Inputs.of_network(network, Latents(tiny_stylegan2.Z), tiny_networks.VOCABULARY)
    write_generator(tmp_path, network, inputs, {})
    whole = open_generator(tmp_path)
    wanted = np.tile(whole.vocabulary.wanted("green, no hat"), (6, 1))
    latents, tags, noise = inputs.latents.from_seeds(SEEDS), *inputs.beside_latents(SEEDS, wanted)
    # The centre as it is defined: the mean w of many latents under the row's tags.
    many = tf.random.stateless_normal([256, tiny_stylegan2.Z], [0, 0], alg="philox")
    mapping, synthesis = network.get_layer("mapping"), network.get_layer("synthesis")
    nothing = tf.zeros([256, tiny_stylegan2.W])
    centres = tf.stack([tf.reduce_mean(mapping([many, tf.repeat(row[None], 256, 0), nothing]), 0) for row in tags])
    w = mapping([latents, tags, nothing[:6]])
    for psi in (0.0, 0.5):
        styles = tf.repeat((centres + psi * (w - centres))[:, None], synthesis.inputs[0].shape[1], axis=1)
        expected = to_uint8(synthesis([styles, noise])).numpy()
        assert difference(whole.truncated(psi).images(SEEDS, "green, no hat"), expected) <= 1
    assert difference(whole.truncated(1.0).images(SEEDS), whole.images(SEEDS)) <= 1
    with pytest.raises(ValueError, match="psi must be 1 for a generator without styles"):
        open_generator(written(tmp_path / "dcgan")).truncated(0.5)


def test_open_generator_opens_a_moved_run(generator, run_folder, tmp_path):
    moved = shutil.copytree(run_folder, tmp_path / "moved")
    np.testing.assert_array_equal(open_generator(moved).images(SEEDS), generator.images(SEEDS))


def test_open_generator_takes_the_highest_version(tmp_path):
    for version, seed in (("9", 1), ("10", 2)):
        tiny_generator.save(tmp_path / version, seed)
    (tmp_path / "11").mkdir()  # empty
    (tmp_path / "latest").mkdir()
    newest = open_generator(tmp_path).images(SEEDS)
    assert newest.shape == (6, tiny_generator.HEIGHT, tiny_generator.WIDTH, 3)
    np.testing.assert_array_equal(open_generator(tmp_path / "10").images(SEEDS, batch=2), newest)
    assert difference(open_generator(tmp_path / "9").images(SEEDS), newest) > 1


def test_open_generator_refuses_wrong_paths(tmp_path, run_folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"Received: '.*nowhere', which does not exist"):
        open_generator(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"Received: '.*empty', which is none of these"):
        open_generator(tmp_path / "empty")
    shutil.copytree(run_folder, tmp_path / "fresh")
    for written in ("checkpoints", "generator"):
        shutil.rmtree(tmp_path / "fresh" / written)
    with pytest.raises(FileNotFoundError, match=r"a run must have a checkpoint. Received: .*fresh', which has none"):
        open_generator(tmp_path / "fresh")
    other = tf.Module()
    other.add = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec([None], tf.int64, name="x")])
    tf.saved_model.save(other, str(tmp_path / "other"), signatures={"add": other.add})
    with pytest.raises(ValueError, match=r"must have the signature 'images'. Received: .*other' with \['add'\]"):
        open_generator(tmp_path / "other")


def test_open_generator_refuses_runs_of_other_games(run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    for written in ("checkpoints", "generator"):
        shutil.rmtree(tmp_path / "run" / written)
    checkpoint = tf.train.Checkpoint(weight=tf.Variable(1.0))
    tf.train.CheckpointManager(checkpoint, str(tmp_path / "run" / "checkpoints"), 1).save()
    with pytest.raises(ValueError, match=r"ckpt-1 must be a whole checkpoint of this run's networks: "):
        open_generator(tmp_path / "run")


def test_open_generator_names_a_run_of_another_version(tmp_path):
    details = {"format": 1, "tfanime": "9.8", "recipe": "dcgan", "config": {"steps": 2, "waves": 3, "tides": 4}}
    (tmp_path / "run.json").write_text(json.dumps(details))
    with pytest.raises(ValueError, match=r"model must be a run whose .* made by tfanime 9.8, with tides, waves$"):
        open_generator(tmp_path)


def test_generator_folder_draws_as_the_recipe(generator, run_folder, tmp_path, monkeypatch):
    older = shutil.copytree(run_folder, tmp_path / "older")
    shutil.rmtree(older / "generator")  # as a version before this folder left it
    by_recipe = open_generator(older)
    np.testing.assert_array_equal(generator.images(SEEDS), by_recipe.images(SEEDS))
    assert generator.card == by_recipe.card and generator.card["recipe"] == "dcgan" and generator.card["data"]["count"]
    np.testing.assert_array_equal(open_generator(run_folder, "2").images(SEEDS), generator.images(SEEDS))
    monkeypatch.setattr(opening, "load_game", None)
    folder = shutil.copytree(run_folder / "generator", tmp_path / "elsewhere")
    np.testing.assert_array_equal(open_generator(folder).images(SEEDS), generator.images(SEEDS))
    with pytest.raises(ValueError, match=r"checkpoint must be left out unless model is a run folder. Received: 'best'"):
        open_generator(folder, "best")


@pytest.mark.parametrize(
    "make",
    [
        lambda: dcgan.generator(16, 3, 2, norm="spectral", tag_count=5),
        lambda: sngan.generator(32, 3, tag_count=5),
        lambda: srresnet.generator(32, 3, 4, blocks=1, tag_count=5, spectral_norm=True),
    ],
    ids=["dcgan", "sngan", "srresnet"],
)
def test_generator_folder_of_every_network_draws_the_same(make, tmp_path):
    network = make()
    write_generator(tmp_path, network, TAGGED, {})
    opened = open_generator(tmp_path)
    assert opened.vocabulary == TAGGED.vocabulary and opened.inputs == TAGGED
    wanted = np.tile(TAGGED.vocabulary.wanted("green, no hat"), (6, 1))
    expected = tf.function(lambda: to_uint8(network(TAGGED.from_seeds(SEEDS, wanted), training=False)))()
    assert difference(opened.images(SEEDS, "green, no hat"), expected.numpy()) <= 1


def test_generator_folder_of_low_precision_draws_in_float32(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = dcgan.generator(16, 3, 2, norm="spectral")
    finally:
        keras.config.set_dtype_policy("float32")
    write_generator(tmp_path, network, Inputs(Latents(3)), {})
    opened = open_generator(tmp_path).network
    assert {layer.compute_dtype for layer in opened._flatten_layers()} == {"float32"}
    for before, after in zip(network.weights, opened.weights, strict=True):
        np.testing.assert_array_equal(before, after)


def test_write_generator_half_rounds_to_float16(tmp_path):
    network = srresnet.generator(32, 3, 16, blocks=2, tag_count=5)
    for name, half in (("whole", False), ("half", True)):
        write_generator(tmp_path / name, network, TAGGED, {}, half=half)
    opened = open_generator(tmp_path / "half").network
    assert {str(weight.dtype) for weight in opened.weights if "seed" not in weight.name} == {"float32"}
    for before, after in zip(network.weights, opened.weights, strict=True):
        np.testing.assert_array_equal(before.numpy().astype(np.float16), after.numpy())
    sizes = [next((tmp_path / name).glob("*.keras")).stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.6 * sizes[0]


def test_write_generator_keeps_the_discriminator(tmp_path):
    network, discriminator = tiny_networks.generator(1, tags=5), dcgan.discriminator(16, 2, norm="none", tag_count=5)
    write_generator(tmp_path, network, TAGGED, {}, half=True, discriminator=discriminator)
    assert len(list(tmp_path.glob("*.keras"))) == 2 and open_generator(tmp_path).vocabulary == TAGGED.vocabulary
    found = open_discriminator(tmp_path)
    for before, after in zip(discriminator.weights, found.weights, strict=True):
        np.testing.assert_array_equal(before.numpy().astype(np.float16), after.numpy())
    file = tmp_path / read_card(tmp_path)["discriminator"]["file"]
    file.write_bytes(b"other")
    with pytest.raises(ValueError, match="must have the SHA-256"):
        open_discriminator(tmp_path)
    file.unlink()
    with pytest.raises(FileNotFoundError, match="without discriminator-"):
        open_discriminator(tmp_path)
    changed(tmp_path, discriminator={"file": "../other.keras", "sha256": ""})
    with pytest.raises(ValueError, match="must lie beside it"):
        open_discriminator(tmp_path)
    written(tmp_path)
    assert open_discriminator(tmp_path) is None and len(list(tmp_path.glob("*.keras"))) == 1


def test_card_describes_the_generator(tmp_path, run_folder):
    card = read_card(written(tmp_path))
    (file,) = tmp_path.glob("*.keras")
    assert card["file"] == file.name and card["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (card["format"], card["kind"], card["image_size"]) == (1, "seeds", [4, 4])
    assert card["latents"] == {"size": 3, "distribution": "uniform"} and card["vocabulary"]["name"] == "tiny"
    assert "licences of the pictures" in card["licence"]
    of_run = read_card(run_folder / "generator")
    details = json.loads((run_folder / "run.json").read_text())
    assert of_run["vocabulary"] is None and of_run["provenance"]["step"] == 2
    assert {name: of_run["provenance"][name] for name in ("tfanime", "recipe", "data")} == {
        name: details[name] for name in ("tfanime", "recipe", "data")
    }
    assert of_run["provenance"]["data_set"] == "drawn" and str(run_folder.parent) not in json.dumps(of_run)


def test_write_generator_killed_keeps_the_previous_one(tmp_path, monkeypatch):
    expected = open_generator(written(tmp_path)).images(SEEDS)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):

        def full(path, text):
            raise OSError(28, "No space left on device")

        patch.setattr(folder_module, "write_text", full)  # the new network is there, its card is not
        written(tmp_path, 2)
    (tmp_path / ".generator-12.keras.77.ab.part").touch()
    assert len(list(tmp_path.glob("*.keras"))) == 2
    np.testing.assert_array_equal(open_generator(tmp_path).images(SEEDS), expected)
    assert difference(open_generator(written(tmp_path, 2)).images(SEEDS), expected) > 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.json", read_card(tmp_path)["file"]]


def test_card_and_network_rereads_after_a_replacement(tmp_path, monkeypatch):
    old = read_card(written(tmp_path))
    new = open_generator(written(tmp_path, 2)).images(SEEDS)
    cards = iter([old])
    monkeypatch.setattr(folder_module, "read_card", lambda folder: next(cards, None) or read_card(folder))
    np.testing.assert_array_equal(open_generator(tmp_path).images(SEEDS), new)


WRITER = """
import sys, tiny_networks
from tfanime.generator import write_generator
from tfanime.inputs import Inputs
from tfanime.latents import Latents
networks = [tiny_networks.generator(seed) for seed in (1, 2)]
step = 0
while True:
    step += 1
    write_generator(sys.argv[1], networks[step % 2], Inputs(Latents(3)), {"step": step})
"""


@pytest.mark.kill
def test_write_generator_is_complete_at_any_moment(tmp_path):
    folder = tmp_path / "generator"
    tests = os.path.dirname(__file__)
    further = environment(PYTHONPATH=os.pathsep.join([environment()["PYTHONPATH"], tests]))
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], env=further, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not (folder / "card.json").is_file():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        steps = set()
        while len(steps) < 8:
            assert process.poll() is None and time.monotonic() < deadline
            card, content = folder_module.card_and_network(folder)
            assert hashlib.sha256(content).hexdigest() == card["sha256"]
            steps.add(card["provenance"]["step"])
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert open_generator(folder).images([1]).shape == (1, 4, 4, 3)


def changed(folder, **values):
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({name: each for name, each in (card | values).items() if each != ...}))


def unsafe(folder):
    inputs = keras.Input((3,))
    outputs = keras.layers.Reshape((4, 4, 3))(keras.layers.Dense(48)(keras.layers.Lambda(lambda x: x + 1)(inputs)))
    write_generator(folder, keras.Model(inputs, outputs), Inputs(Latents(3)), {})


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "card.json").unlink(), "must hold card.json, .*: copy the whole folder. Received: "),
        (lambda folder: (folder / "card.json").write_text("{"), "card.json must be a card that tfanime .* can read: "),
        (lambda folder: changed(folder, format=2), "its format is 2, and this version reads 1: take a newer tfanime"),
        (
            lambda folder: changed(folder, kind="dance"),
            "its kind is 'dance', and this version knows seeds, upscale, stylise: take a new",
        ),
        (lambda folder: changed(folder, licence=...), "can read: it lacks licence"),
        (lambda folder: changed(folder, kind=...), "can read: it lacks 'kind'"),
        (lambda folder: changed(folder, file="../a.keras"), r"its file must lie beside it, and is '../a.keras'"),
        (lambda folder: changed(folder, file="a.keras"), r"the file that its card names: copy .* without a.keras"),
        (
            lambda folder: changed(folder, sha256="0" * 64),
            r"the SHA-256 that is in card.json, 0{16}...: copy the folder",
        ),
        (lambda folder: changed(folder, latents={"size": 9}), r"must describe its network, .*Received: .*9"),
        (
            lambda folder: changed(folder, latents={"size": 0}),
            "must describe the inputs of its network: size must be",
        ),
        (unsafe, "must be a network of layers that tfanime .* knows: .*[Ll]ambda"),
    ],
)
def test_open_generator_explains_bad_folders_in_one_line(harm, message, tmp_path):
    harm(written(tmp_path))
    with pytest.raises((OSError, ValueError), match=message) as raised:
        open_generator(tmp_path)
    assert "\n" not in str(raised.value)


def test_open_generator_opens_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    expected = open_generator(written(tmp_path / "tiny-folder")).images(SEEDS)
    (tmp_path / "tiny.toml").write_text('folder = "tiny-folder"\n')
    np.testing.assert_array_equal(open_generator("tiny").images(SEEDS), expected)
    (tmp_path / "other.toml").write_text('folder = "tiny-folder"\n')
    with pytest.raises(FileNotFoundError, match=r"one of the names other, tiny. Received: 'small', which does not exi"):
        open_generator("small")
