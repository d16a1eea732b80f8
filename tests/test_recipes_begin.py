import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_networks

from tfanime import export, pretrained
from tfanime.generator import load_game, open_generator, write_generator
from tfanime.models import dcgan as networks
from tfanime.recipes import dcgan
from tfanime.recipes.begin import begin, match, path_of
from tfanime.runs import RunFolder

FLAGS = [
    "--channels=2",
    "--latent_size=4",
    "--batch_size=4",
    "--precision=float32",
    "--devices=cpu:1",
    "--image_size=16",
]
SIZES = {"channels": 2, "latent_size": 4, "batch_size": 4, "precision": "float32", "discriminator_norm": "none"}


def paths(variables):
    return [path_of(each) for each in variables]


def kernels(network):
    return [each.numpy() for each in network.weights if len(each.shape) > 1]


def same(first, second):
    """Whether two networks have the same kernels, but for a step of a rate near 0."""
    return all(np.allclose(a, b, atol=1e-6) for a, b in zip(kernels(first), kernels(second), strict=True))


@pytest.fixture(scope="module")
def trained(shards, tmp_path_factory):
    """A run at 16 px after two steps, with tags."""
    folder = tmp_path_factory.mktemp("trained") / "faces"
    rules = ["--steps=2", "--learning_rate=0.05", "--tags=priors", "--discriminator_norm=none"]
    assert dcgan.main([f"--data={shards}", *FLAGS, *rules, f"--run={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def source(trained):
    return load_game(RunFolder(trained))[0]


def new(source=None, **sizes):
    """A new game, with the tags of another."""
    vocabulary = source.inputs.vocabulary if source else None
    return dcgan.build(dcgan.Config(**SIZES | {"image_size": 16} | sizes), vocabulary)


def test_begin_with_takes_all_weights_of_equal_networks(trained, source):
    gan = new(source)
    lines = begin(gan, str(trained))
    assert [line.partition(" weights")[0].rpartition(" ")[0] for line in lines] == [
        f"begin_with {trained}: {name}: all" for name in ("generator", "ema generator", "discriminator")
    ]
    for name in ("generator", "ema_generator", "discriminator"):
        for own, other in zip(getattr(gan, name).weights, getattr(source, name).weights, strict=True):
            np.testing.assert_array_equal(own, other)
    assert gan.step == 0 and not same(gan.ema_generator, new(source).ema_generator)


def test_begin_with_takes_every_kind_of_generator(trained, source, in_tmp, monkeypatch):
    export.export(trained, "exports")
    monkeypatch.setattr(pretrained, "FOLDER", Path("names").absolute())
    shutil.copytree(trained / "generator", "names/small")
    Path("names/faces.toml").write_text('folder = "small"')
    older = Path(shutil.copytree(trained, "without_checkpoints"))
    shutil.rmtree(older / "checkpoints")
    expected = open_generator(trained).network
    for path in (trained / "generator", "exports", "exports/1", "faces", older):
        gan = new(source)
        first, average, missing = begin(gan, path)
        assert first.startswith(f"begin_with {path}: generator: all ") and "ema generator: all" in average
        assert missing.startswith(f"begin_with {path}: discriminator: none, ")
        assert same(gan.generator, expected) and same(gan.ema_generator, expected)


def test_begin_with_takes_both_players_of_a_folder(trained, source, tmp_path):
    write_generator(tmp_path, source.ema_generator, source.inputs, {}, discriminator=source.discriminator)
    gan = new(source)
    lines = begin(gan, tmp_path)
    assert [" all " in line for line in lines] == [True] * 3
    assert same(gan.generator, source.ema_generator) and same(gan.discriminator, source.discriminator)


def test_begin_with_takes_fitting_weights_of_another_size(trained, source):
    gan = new(image_size=32)
    generator, _, discriminator = begin(gan, trained)
    taken, _, left = generator.partition("; not taken: ")
    assert f"{path_of(gan.generator.weights[-2])} (4, 4, 3, 2)" in taken  # the layer next to the picture
    assert f"{path_of(gan.generator.weights[0])} (4, 128)" in left
    np.testing.assert_array_equal(kernels(gan.generator)[-1], kernels(source.generator)[-1])
    np.testing.assert_array_equal(kernels(gan.discriminator)[0], kernels(source.discriminator)[0])
    assert f"{path_of(gan.discriminator.weights[0])} (4, 4, 3, 2)" in discriminator.partition("; not taken: ")[0]


def test_begin_with_is_ignored_by_a_resumed_run(trained, source, shards, in_tmp, capsys):
    flags = [f"--data={shards}", *FLAGS, "--tags=priors", "--discriminator_norm=none", "--learning_rate=1e-12"]
    assert dcgan.main([*flags, "--steps=1", "--run=a", f"--begin_with={trained}"]) == 0
    assert f"begin_with {trained}: discriminator: all " in capsys.readouterr().err
    assert dcgan.main(["--run=a", "--begin_with=nowhere", "--steps=2"]) == 0
    assert "begin_with" not in capsys.readouterr().err
    game, details = load_game(RunFolder("a"))
    assert same(game.generator, source.generator) and same(game.discriminator, source.discriminator)
    assert game.step == 2 and details["config"]["steps"] == 2


def test_begin_with_unfitting_weights_ends_before_the_run_folder(trained, shards, in_tmp):
    flags = [f"--data={shards}", *FLAGS, "--discriminator_norm=none", "--run=a"]
    with pytest.raises(ValueError, match=r"--begin_with must have weights that fit .* not taken: .*/kernel \(7, "):
        dcgan.main([*flags, "--kernel_size=5", "--latent_size=7", "--channels=3", f"--begin_with={trained}"])
    with pytest.raises(FileNotFoundError, match=r"or one of the names .* Received: 'nowhere', which does not exist"):
        dcgan.main([*flags, "--begin_with=nowhere"])
    assert not list(in_tmp.iterdir())


def test_match_takes_the_longest_common_subsequence():
    few, many = (networks.generator(size, 4, 2) for size in (16, 64))
    taken = match(few.weights, many.weights)
    ours, left = paths(each for each, _ in taken.pairs), paths(taken.left)
    kernels_taken = [name for name in ours if name.endswith("kernel")]
    assert kernels_taken == [each.path for each in few.weights if each.path.endswith("kernel")][1:]  # but the dense one
    assert any(name.startswith("dense") for name in left) and len(ours) + len(left) == len(few.weights)
    np.testing.assert_array_equal(taken.pairs[-2][1], many.weights[-2])
    whole = match(many.weights, many.weights)
    assert not whole.left and all(np.array_equal(each, value) for each, value in whole.pairs)
    assert str(whole) == f"all {len(many.weights)} weights"


def test_match_of_norms_and_biases_alone_does_not_fit():
    taken = match(networks.generator(16, 4, 2).weights, networks.generator(16, 5, 2, 5).weights)
    assert taken.pairs and not taken.fits
    assert not match(tiny_networks.generator().weights, []).fits
