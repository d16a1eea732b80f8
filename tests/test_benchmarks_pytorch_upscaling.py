"""SRGAN's updates are those of its transcription into plain PyTorch; `nox -s torch` has PyTorch."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_vgg

torch = pytest.importorskip("torch")

import pytorch_upscaling  # noqa: E402

from tfanime.models import vgg  # noqa: E402
from tfanime.recipes import srgan  # noqa: E402
from tfanime.training.upscaling import shrunk  # noqa: E402

TINY = {
    "image_size": 16,
    "scale": 2,
    "channels": 4,
    "blocks": 2,
    "discriminator_channels": 4,
    "discriminator_dense": 8,
    "batch_size": 4,
    "steps": 10,
    "pixel_steps": 0,
    "drop": 1.0,
    "adversarial_weight": 0.5,
    "pixel_weight": 0.3,
    "content": "hed_vgg16",
    "content_weight": 2.0,
    "precision": "float32",
}
SGD = {"optimizer": "sgd", "learning_rate": 1e-2, "beta_1": 0.0}


@pytest.fixture(autouse=True)
def content(monkeypatch):
    """A network of content that takes no time."""
    monkeypatch.setitem(vgg.VGGS, "hed_vgg16", tiny_vgg.tiny_vgg)
    monkeypatch.setattr(srgan, "LAYERS", {"hed_vgg16": ("conv2_2", 12.75)})


def both(**options):
    """A small game in Keras, and in PyTorch with the same weights."""
    keras.utils.set_random_seed(1)
    config = srgan.Config(**TINY | options)
    game = pytorch_upscaling.game_of(config)
    for kernel in (*game.generator.trainable_weights, *game.discriminator.trainable_weights):
        if len(kernel.shape) > 1 and not np.any(kernel):  # the small network's last layer begins with zeros
            kernel.assign(0.1 * np.random.default_rng(0).standard_normal(kernel.shape))
    game.ema_generator.set_weights(game.generator.get_weights())
    return game, in_pytorch(game, config)


def in_pytorch(game, config):
    twin = pytorch_upscaling.Upscaling(config, pytorch_upscaling.content_of(game))
    twin.start_from(game)
    return twin


def pictures(scale, drawn, steps=2):
    random = np.random.default_rng(0)
    for _ in range(steps):
        large, other = random.uniform(-1, 1, (2, 4, 16, 16, 3)).astype(np.float32)
        yield [shrunk(large, scale).numpy(), large, *([shrunk(other, scale).numpy()] if drawn else [])]


def play(game, twin, drawn=False, pixels=False):
    """Lets both play; yields their values, pairs by name, of each step."""
    step = tf.function(lambda batch: (game.pixel_step if pixels else game.train_step)(batch))
    for batch in pictures(game.form.scale, drawn):
        logs = step(tuple(map(tf.constant, batch)))
        found = (twin.pixel_step if pixels else twin.step)(
            *(torch.from_numpy(each.transpose(0, 3, 1, 2).copy()) for each in batch)
        )
        yield {name: (value, float(logs[name])) for name, value in found.items()}


def states(twin):
    """All weights by name, batch norm's variances but those, which the two count differently, left out."""
    return {
        f"{player}.{name}": value.clone()
        for player in ("generator", "discriminator")
        for name, value in getattr(twin, player).state_dict().items()
        if value.is_floating_point() and not name.endswith("running_var")
    }


@pytest.mark.parametrize("pixels", [True, False], ids=["squared error", "adversary"])
@pytest.mark.parametrize(
    ("options", "drawn"),
    [({"network": "small"}, True), ({"network": "srresnet"}, False), ({"network": "srresnet", "scale": 4}, True)],
)
def test_losses_and_gradients_are_pytorchs(options, drawn, pixels):
    # Plain SGD: what the weights move by is the gradients.
    game, twin = both(**SGD, **options)
    before = states(twin)
    for step in play(game, twin, drawn and not pixels, pixels):
        assert {"generator_loss"} <= set(step)
        assert pixels or {"discriminator_loss", "generator_content"} <= set(step)
        for name, (found, expected) in step.items():
            assert found == pytest.approx(expected, rel=1e-4, abs=1e-6), name
    found, expected = states(in_pytorch(game, twin.config)), states(twin)
    for player in ("generator", "discriminator"):
        moved = {key: float((expected[key] - before[key]).norm()) for key in before if key.startswith(player)}
        assert max(moved.values()) > 1e-4 or (pixels and player == "discriminator")
        for key in moved:
            # A bias before a norm moves by nothing but rounding, hence the second part of the bound.
            bound = 2e-3 * moved[key] + 1e-5 * max(moved.values()) + 1e-9
            assert float((found[key] - expected[key]).norm()) <= bound, key


def test_recipe_updates_and_average_equal_pytorch():
    game, twin = both(network="small", learning_rate=1e-3)
    before = states(twin)
    list(play(game, twin, drawn=True))
    found, expected = states(in_pytorch(game, twin.config)), states(twin)
    for key in before:
        if before[key].dim() > 1:  # Adam makes steps of the noise where the gradient is zero, at some biases
            assert float((found[key] - expected[key]).norm()) <= 5e-2 * float((before[key] - expected[key]).norm()), key
    game.generator.set_weights(game.ema_generator.get_weights())
    for ours, theirs in zip(in_pytorch(game, twin.config).average, twin.average, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_timing_covers_both_frameworks():
    functions = pytorch_upscaling.bare_steps(srgan.Config(**TINY | {"network": "small"}))
    assert [name.split(",")[0] for name in functions] == ["PyTorch", "tfanime"] * 2
    assert all(
        np.isfinite(list(function().values()) if "PyTorch" in name else function()).all()
        for name, function in functions.items()
    )
