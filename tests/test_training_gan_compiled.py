"""Games that XLA compiles."""

import numpy as np
import pytest
import tensorflow as tf
import tiny_networks
from tiny_networks import LATENTS

from tfanime.latents import Latents
from tfanime.training import Term
from tfanime.training.constraints import WeightClipping
from tfanime.training.terms import r1


class Waves(Latents):
    """Latents without random numbers, which XLA draws in its own way."""

    def batch(self, count, seed, step):
        places = tf.reshape(tf.range(count * self.size, dtype=tf.float32), [count, self.size])
        return tf.sin(places * 7 + tf.cast(step, tf.float32))


def train(images, jit_compile, strategy, rules=None, **options):
    with strategy.scope():
        gan = tiny_networks.gan(rules={"jit_compile": jit_compile, **(rules or {})}, **options)
    dataset = tf.data.Dataset.from_tensor_slices(images)
    history = gan.fit(dataset, epochs=1, steps_per_epoch=len(images), shuffle=False, verbose=0).history
    return gan, history


@pytest.fixture(scope="module")
def one_device():
    return tf.distribute.MirroredStrategy(["CPU:0"])


@pytest.mark.parametrize(
    "game",
    [
        pytest.param({"norm": True, "rules": {"accumulate": 2, "gradient_clip": 0.5}}, marks=pytest.mark.slow),
        {"spectral": True, "terms": [Term(r1, "discriminator", 2.0, every=2)], "constraint": WeightClipping(0.3)},
    ],
    ids=["batch norm, parts, clipped gradients", "spectral norm, lazy R1, clipped weights"],
)
def test_jit_compile_computes_the_same(game, one_device):
    images = tiny_networks.pictures(3, 4, 2)
    plain, logs = train(images, False, one_device, latents=Waves(LATENTS), **game)
    compiled, compiled_logs = train(images, True, one_device, latents=Waves(LATENTS), **game)
    for weight, expected in zip(compiled.weights, plain.weights, strict=True):
        np.testing.assert_allclose(weight.numpy(), expected.numpy(), rtol=1e-3, atol=1e-5, err_msg=weight.path)
    assert set(logs) == set(compiled_logs) and compiled.step == 3
    for name, values in logs.items():
        np.testing.assert_allclose(compiled_logs[name], values, rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_jit_compile_compiles_the_step_with_other_random_numbers(one_device):
    images = tiny_networks.pictures(1, 64)
    first, second = (train(images, jit_compile, one_device, rate=0.0)[1] for jit_compile in (False, True))
    np.testing.assert_allclose(second["real_logits"], first["real_logits"], rtol=1e-4)
    difference = abs(second["fake_logits"][0] - first["fake_logits"][0])
    # Other fakes of the same distribution: 64 of them have nearly the same mean.
    assert 1e-4 < difference < 0.3


def test_jit_compile_is_refused_where_impossible(two_devices):
    with two_devices.scope(), pytest.raises(ValueError, match=r"jit_compile must be False on several .* True on 2$"):
        tiny_networks.gan(rules={"jit_compile": True})
    with (
        pytest.warns(UserWarning, match="run_eagerly"),
        pytest.raises(ValueError, match=r"jit_compile must be False with run_eagerly, .*Received: True"),
    ):
        tiny_networks.gan(rules={"jit_compile": True, "run_eagerly": True})
