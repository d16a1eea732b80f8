import dataclasses
import json

import keras
import numpy as np
import pytest
import recipe_flags
import recipe_runs
import tiny_pictures
import tiny_vgg
from PIL import Image

from tfanime import export
from tfanime.data import load
from tfanime.generator import open_network, read_card
from tfanime.images import to_uint8
from tfanime.models import vgg
from tfanime.recipes import pairs, srgan
from tfanime.recipes.settings import DataSettings, DeviceSettings, GameSettings, OptimizerSettings, RunSettings
from tfanime.runs import RunFolder
from tfanime.training.content import Content
from tfanime.training.degradation import Degradation

TINY = {
    "image_size": 16,
    "scale": 2,
    "channels": 4,
    "blocks": 1,
    "discriminator_channels": 2,
    "discriminator_dense": 4,
    "batch_size": 4,
    "steps": 4,
    "pixel_steps": 2,
    "content": "hed_vgg16",
}
FLAGS = [f"--{name}={value}" for name, value in TINY.items()]


@pytest.fixture(autouse=True)
def content(monkeypatch):
    """A network of content that takes no time."""
    monkeypatch.setitem(vgg.VGGS, "hed_vgg16", tiny_vgg.tiny_vgg)
    monkeypatch.setitem(vgg.VGGS, "vgg19", lambda: tiny_vgg.tiny_vgg(1))
    layers = {"hed_vgg16": ("conv1_2", 12.75), "vgg19": ("conv2_1", 12.75)}
    monkeypatch.setattr(srgan, "LAYERS", srgan.LAYERS | layers)


def built(**options):
    return srgan.build(srgan.Config(**TINY | options))


def rates(optimizer, *steps):
    rate = optimizer._learning_rate
    return [float(rate(step)) if callable(rate) else float(rate) for step in steps]


def test_defaults_are_the_papers_numbers():
    config = srgan.Config()
    assert (config.batch_size, config.image_size, config.scale, config.adversarial_weight) == (16, 96, 4, 1e-3)
    small = {"image_size": 16, "channels": 4, "discriminator_channels": 2, "discriminator_dense": 4}
    game = srgan.build(srgan.Config(**small))
    assert (game.generator_optimizer.beta_1, game.generator_optimizer.beta_2) == (0.9, 0.999)
    assert rates(game.generator_optimizer, 0, 1_000_000, 1_100_000, 1_100_001) == pytest.approx([1e-4] * 3 + [1e-5])
    assert rates(game.discriminator_optimizer, 0, 100_000, 100_001) == pytest.approx([1e-4] * 2 + [1e-5])
    assert len([layer for layer in game.generator.layers if isinstance(layer, keras.layers.Add)]) == 17
    (term,) = game.terms
    assert (term.weight, term.function.scale, term.function.of, term.function.rectified) == (1, 12.75, "reals", True)
    assert term.function.distance == "squared" and game.pixel_steps == 1_000_000


READ = {
    "image_size": (32, lambda game: game.discriminator.input_shape == (None, 32, 32, 3)),
    "seed": (7, lambda game: game.seed == 7),
    "scale": (4, lambda game: game.form.scale == 4 and game.generator.output_shape == (None, None, None, 3)),
    "channels": (6, lambda game: game.generator.layers[2].filters == 6),
    "blocks": (2, lambda game: game.form.reach == 12),
    "discriminator_channels": (3, lambda game: game.discriminator.layers[1].filters == 3),
    "discriminator_dense": (5, lambda game: game.discriminator.layers[-5].units == 5),
    "network": ("small", lambda game: game.generator.name == "small_generator"),
    "pixel_weight": (0.5, lambda game: [term.weight for term in game.terms] == [1.0, 0.5]),
    "pixel_steps": (1, lambda game: game.pixel_steps == 1),
    "drop": (0.5, lambda game: rates(game.generator_optimizer, 4) == pytest.approx([5e-5])),
    "decay": ("exponential", lambda game: rates(game.discriminator_optimizer, 2) == pytest.approx([1e-5])),
    "optimizer": ("sgd", lambda game: isinstance(game.generator_optimizer, keras.optimizers.SGD)),
    "learning_rate": (0.25, lambda game: rates(game.generator_optimizer, 0) == [0.25]),
    "beta_1": (0.25, lambda game: game.discriminator_optimizer.beta_1 == 0.25),
    "beta_2": (0.75, lambda game: game.discriminator_optimizer.beta_2 == 0.75),
    "gradient_clip": (3.0, lambda game: game.gradient_clip == 3.0),
    "accumulate": (2, lambda game: game.accumulate == 2),
    "jit_compile": (True, lambda game: game.jit_compile is True),
    "ema_half_life": (9.0, lambda game: game.ema_half_life == 9.0),
    "content": ("vgg19", lambda game: game.terms[0].function.layer == "conv2_1"),
    "content_weight": (3.0, lambda game: game.terms[0].weight == 3.0),
    "adversarial_weight": (0.5, lambda game: game.adversarial_weight == 0.5),
    "consistency_weight": (0.5, lambda game: game.consistency_weight == 0.5),
    "crop": (16, lambda game: game.discriminator.input_shape == (None, 16, 16, 3)),
}
OF_DATA = {"degradation", "jitter", "artefacts", "artefact_way"}


@pytest.mark.parametrize("flag", recipe_flags.own_first(READ))
def test_flags_are_read(flag):
    value, holds = READ[flag]
    assert holds(built(**{"image_size": 32, flag: value} if flag == "crop" else {flag: value}))


def test_flags_are_all_tested():
    shared = {
        field.name
        for group in (GameSettings, DeviceSettings, OptimizerSettings, DataSettings, RunSettings)
        for field in dataclasses.fields(group)
    }
    assert {field.name for field in dataclasses.fields(srgan.Config)} - shared <= set(READ) | OF_DATA


@pytest.mark.slow
def test_content_takes_two_networks():
    first, second = built(content="hed_vgg16+tagger1", content_weight=3.0).terms
    assert (first.weight, second.weight) == (1.5, 1.5)
    assert (first.function.network.name, second.function.network.name) == ("tiny", "tagger1")
    assert (second.function.layer, second.function.of, second.function.distance) == ("block_1_0", "reals", "squared")


@pytest.mark.slow
def test_content_without_weight_is_not_opened(monkeypatch):
    monkeypatch.setitem(vgg.VGGS, "vgg19", None)
    assert built(content="vgg19", content_weight=0.0).terms == built(content="vgg19", pixel_steps=4).terms == ()
    assert isinstance(built().terms[0].function, Content)


def test_config_to_open_builds_networks_without_content(monkeypatch):
    monkeypatch.setitem(vgg.VGGS, "vgg19", None)
    assert srgan.build(srgan.Config(**TINY | {"content": "vgg19"}).to_open()).terms == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 40}, "--image_size must be a multiple of 16. Received: 40"),
        ({"crop": 32}, "--crop must be at most --image_size, 16. Received: 32"),
        (
            {"jitter": "hue,light"},
            "--jitter must be some of brightness, contrast, saturation, hue, separated by commas",
        ),
        ({"pixel_steps": 5}, "--pixel_steps must be at most --steps, 4. Received: 5"),
        ({"drop": 0.0}, "--drop must be above 0 and at most 1"),
        ({"adversarial_weight": -1.0}, "--adversarial_weight must be at least 0"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        srgan.Config(**TINY | options)


@pytest.mark.slow
def test_srgan_is_resumed_bit_for_bit_and_opened(shards, in_tmp, capsys):
    flags = [*FLAGS, f"--data={shards}", "--precision=float32", "--epoch_steps=1", "--degradation=blind"]
    flags += ["--horizontal_flip", "--drop=1"]
    assert srgan.main([*flags, "--run=whole"]) == 0
    assert srgan.main([*flags, "--run=parts", "--steps=3"]) == 0
    assert srgan.main(["--run=parts", "--steps=4"]) == 0
    out = capsys.readouterr().out
    assert "resumed at step 3" in out
    assert "upscale:     python -m tfanime.upscale PICTURES --with parts --out OUT" in out
    assert recipe_runs.same(recipe_runs.tensors("whole"), recipe_runs.tensors("parts"))
    assert recipe_runs.metrics("whole") == recipe_runs.metrics("parts")
    assert recipe_runs.sheets("whole").keys() >= {"step-00000004.png"}
    sheet = np.asarray(Image.open("parts/samples/step-00000004.png"))
    assert sheet.shape == (3 * 18 + 2, 8 * 18 + 2, 3)  # given, made, true
    first, last = recipe_runs.metrics("parts")[0], recipe_runs.metrics("parts")[-1]
    assert "discriminator_loss" not in first and {"discriminator_loss", "generator_content"} <= set(last)
    card = read_card("parts/generator")
    assert (card["kind"], card["scale"], card["reach"], card["provenance"]["step"]) == ("upscale", 2, 10, 4)
    here, by_recipe = open_network("parts"), open_network("parts", "4")
    pictures = tiny_pictures.pictures(2, 9, 13)
    np.testing.assert_array_equal(here.images(pictures), by_recipe.images(pictures))
    there = open_network(export.export("parts", "exported").parent)
    assert np.abs(there.images(pictures).astype(int) - here.images(pictures)).max() <= 1


@pytest.mark.slow
def test_begin_with_takes_another_enlarger(shards, in_tmp, capsys):
    flags = [*FLAGS, f"--data={shards}", "--precision=float32"]
    assert srgan.main([*flags, "--run=a", "--steps=2"]) == 0
    flags += ["--begin_with=a", "--pixel_steps=0", "--learning_rate=1e-9"]
    assert srgan.main([*flags, "--run=b", "--steps=1"]) == 0
    assert "generator: all" in capsys.readouterr().err
    for first, second in zip(open_network("a").variables, open_network("b").variables, strict=True):
        if "moving" not in first.path:
            np.testing.assert_allclose(first, second, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["residual", "shown"])
def test_artefacts_come_from_a_generator(shards, run_folder, in_tmp, way, monkeypatch):
    monkeypatch.setattr(pairs, "DRAWN", 6)
    flags = [*FLAGS, f"--data={shards}", f"--artefacts={run_folder}", f"--artefact_way={way}"]
    assert srgan.main([*flags, "--run=a", "--steps=2", "--pixel_steps=0"]) == 0
    last = recipe_runs.metrics("a")[-1]
    assert ("inconsistency" in last) == (way == "shown")
    details = json.loads((in_tmp / "a" / "run.json").read_text())
    assert len(details["data"]["artefacts"]) == 64
    assert read_card("a/generator")["provenance"]["config"]["artefacts"] == run_folder.name


@pytest.mark.slow
def test_artefacts_must_be_large_enough(run_folder, shards, in_tmp):
    with pytest.raises(ValueError, match=r"--artefacts must be a generator of pictures of at least 32 px\..* 16 x 16"):
        pairs.draw(str(run_folder), 32)
    with pytest.raises(ValueError, match="model must be of kind seeds"):
        pairs.draw(str(tiny_pictures.write(in_tmp / "enlarger")), 8)


def test_jitters_are_applied(shards, in_tmp):
    config = srgan.Config(**TINY, data=str(shards), jitter="hue, contrast", degradation="blind", crop=16, run="a")
    data = pairs.open_pairs(config, RunFolder("a"), print)
    assert data.degradation == Degradation("blind", 2, 16, ("hue", "contrast"))


@pytest.mark.parametrize("way", [None, "residual", "shown"])
def test_batches_equal_the_degradations_pairs(shards, way):
    faces = load(shards, 16, progress=False)
    drawn = tiny_pictures.pictures(3, 10, 10) if way else None
    data = pairs.PairData(faces, Degradation("blind", 2, drawn=drawn, way=way or "residual"))
    options = {"seed": 3, "horizontal_flip": True}
    whole = next(iter(data.batches(4, start=5, parts=1, own=(0,), **options)))
    assert [each.shape[1] for each in whole] == [8, 16, *([8] if way == "shown" else [])]
    stream = data.batches(4, start=4, parts=2, own=(0, 1), **options)
    halves = list(stream.skip(2).take(2))  # of step 5
    for each, *parts in zip(whole, *halves, strict=True):
        np.testing.assert_array_equal(each, np.concatenate(parts))
    images = to_uint8(next(iter(faces.described_by(None).batches(4, start=5, **options)))[:, 0]).numpy()
    expected = data.degradation(images, 3, 5)
    for each, other in zip(whole, expected, strict=True):
        np.testing.assert_array_equal(to_uint8(each), other)
