"""A step of the recipe `cartoongan` is that of its transcription into plain PyTorch; `nox -s torch` has PyTorch."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_vgg

torch = pytest.importorskip("torch")

import pytorch_stylising  # noqa: E402

from tfanime.generator import Form  # noqa: E402
from tfanime.landmarks.files import LandmarkNetwork  # noqa: E402
from tfanime.landmarks.network import landmark_network  # noqa: E402
from tfanime.models import cartoon  # noqa: E402
from tfanime.training import Term  # noqa: E402
from tfanime.training import cartoon_terms as terms  # noqa: E402
from tfanime.training.content import Content  # noqa: E402
from tfanime.training.stylising import Stylising  # noqa: E402

RATE = 1e-3
WEIGHTS = {"Content": 0.02, "Style": 0.5, "Landmarks": 2.0, "colour": 3.0, "total_variation": 0.7}


def landmarks():
    """A landmark network whose points depend on the picture, statistics of batch norm included."""
    model = landmark_network(image_size=16, channels=(3, 4), hidden=6)
    random = np.random.default_rng(0)
    for weight in model.weights:
        low = 0.2 if "variance" in weight.path or "gamma" in weight.path else -0.5
        weight.assign(random.uniform(low, 0.5, weight.shape))
    return LandmarkNetwork(model, {"network": {"image_size": 16}})


def small_game():
    """A small game in Keras; plain SGD shows its gradients."""
    keras.utils.set_random_seed(1)
    game = Stylising(cartoon.small_generator(2, 2), cartoon.discriminator(2), Form("stylise", multiple=4))
    last = [layer for layer in game.generator.layers if layer.weights][-1]
    last.kernel.assign(300 * last.kernel)  # or its pictures would be nearly of one colour, whose variation is rounding
    content = Content(tiny_vgg.tiny_vgg(), "conv2_2")
    functions = [content, terms.Style(content), terms.Landmarks(landmarks(), 0.05, 1.4)]
    functions += [terms.colour, terms.total_variation]
    some = [Term(each, "generator", weight) for each, weight in zip(functions, WEIGHTS.values(), strict=True)]
    assert [term.name for term in some] == list(WEIGHTS)
    some += [Term(terms.Negative(each, "least_squares"), "discriminator", 0.6) for each in ("grey", "grey_smooth")]
    game.compile(keras.optimizers.SGD(RATE), keras.optimizers.SGD(RATE), "least_squares", some, adversarial_weight=5.0)
    return game


def weights(network):
    """All weights of a Keras network, in PyTorch's transcription of it."""
    make = pytorch_stylising.discriminator if "discriminator" in network.name else pytorch_stylising.small_generator
    module = make(2) if make is pytorch_stylising.discriminator else make(2, 2)
    pytorch_stylising.load_weights(module, network)
    return dict(module.named_parameters())


def test_losses_and_gradients_equal_pytorch(monkeypatch):
    small = pytorch_stylising.small_generator
    monkeypatch.setattr(pytorch_stylising, "small_generator", lambda channels, blocks=2: small(channels, blocks))
    game = small_game()
    twin = pytorch_stylising.Game(game, optimizer=torch.optim.SGD)
    pictures = np.random.default_rng(0).uniform(-1, 1, (2, 3, 4, 16, 16, 3)).astype(np.float32)
    names = ("generator", "discriminator")
    before = {name: {key: each.clone() for key, each in getattr(twin, name).named_parameters()} for name in names}
    step = tf.function(game.train_step)
    for batch in pictures:
        logs = step(tuple(map(tf.constant, batch)))
        values = twin.step(*map(pytorch_stylising.channels_first, batch))
        for name in WEIGHTS:
            assert float(logs[f"generator_{name.lower()}"]) == pytest.approx(values[name], rel=1e-4), name
        assert float(logs["generator_loss"]) == pytest.approx(values["adversarial"], rel=1e-4)
        told = float(logs["discriminator_loss"]) + float(logs["penalty"])
        assert told == pytest.approx(values["discriminator"], rel=1e-4)
    for name in names:
        found = weights(getattr(game, name))
        expected = dict(getattr(twin, name).named_parameters())
        moved = {key: float((expected[key] - before[name][key]).detach().norm()) for key in expected}
        assert max(moved.values()) > 1e-4
        for key in expected:
            # A bias before a norm moves by nothing but rounding, so there is a second part of the bound.
            bound = 3e-3 * moved[key] + 1e-5 * max(moved.values())
            assert float((found[key] - expected[key]).detach().norm()) <= bound, key


def test_different_networks_are_refused():
    with pytest.raises(ValueError, match="network must have"):
        pytorch_stylising.load_weights(pytorch_stylising.small_generator(2, 1), cartoon.small_generator(2, 2))
    with pytest.raises(ValueError, match="network must have weights of shape"):
        pytorch_stylising.load_weights(pytorch_stylising.discriminator(3), cartoon.discriminator(2))
