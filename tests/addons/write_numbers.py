"""Writes what our layers and our moving average compute, for `compare.py` to hold against tensorflow-addons.

    python tests/addons/write_numbers.py numbers.npz

Two programs, because tensorflow-addons cannot be imported beside Keras 3: this one runs with tfanime, `compare.py` in
an environment of its own; `nox -s addons` does both. The file holds arrays only, inputs and results alike.
"""

import sys

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tfanime.models.spectral import SpectralNormalization
from tfanime.training import GAN

STEPS, BATCH, HALF_LIFE = 25, 4, 4  # the moving average's ramp ends at step HALF_LIFE / (0.05 * BATCH) = 20


def spectral_norm(random):
    """Outputs of a dense layer and a convolution, each after one power iteration from a given u."""
    for name, layer, shape in (
        ("dense", layers.Dense(6), (7,)),
        ("convolution", layers.Conv2D(6, 3, strides=2), (9, 9, 4)),
    ):
        layer = SpectralNormalization(layer, seed=0)
        inputs = random.normal(size=(5, *shape)).astype("float32")
        layer(inputs)
        for weight in layer.weights:
            weight.assign(random.normal(size=weight.shape))
        before = {weight.name: weight.numpy() for weight in layer.weights}
        layer.power_iteration()
        yield from {
            f"{name}_inputs": inputs,
            f"{name}_kernel": before["kernel"],
            f"{name}_bias": before["bias"],
            f"{name}_u": before["u"],
            f"{name}_u_after": layer.u.numpy(),
            f"{name}_kernel_after": layer.kernel.numpy(),
            f"{name}_sigma": layer.sigma().numpy(),
            f"{name}_outputs": layer(inputs, training=True).numpy(),
        }.items()


def instance_norm(random):
    """Outputs of instance norm, which is group norm of one channel a group."""
    layer = layers.GroupNormalization(groups=-1, epsilon=1e-3)
    inputs = (3 + 2 * random.normal(size=(4, 8, 6, 5))).astype("float32")
    layer.build(inputs.shape)
    gamma, beta = random.normal(size=(2, 5)).astype("float32")
    layer.set_weights([gamma, beta])
    yield from {
        "instance_inputs": inputs,
        "instance_gamma": gamma,
        "instance_beta": beta,
        "instance_outputs": layer(inputs).numpy(),
    }.items()


def moving_average(random):
    """The generator's weights before and after each step of a game, and their averages."""
    latents, images = layers.Input((3,)), layers.Input((4, 4, 3))
    generator = keras.Model(latents, layers.Reshape((4, 4, 3))(layers.Dense(48, "tanh")(latents)))
    discriminator = keras.Model(images, layers.Reshape(())(layers.Dense(1)(layers.Flatten()(images))))
    for weight in (*generator.weights, *discriminator.weights):
        weight.assign(random.normal(size=weight.shape))
    gan = GAN(generator, discriminator, ema_half_life=HALF_LIFE)
    gan.compile(keras.optimizers.SGD(1.0), keras.optimizers.SGD(0.1), "non_saturating")
    pictures = tf.data.Dataset.from_tensors(random.uniform(-1, 1, (BATCH, 4, 4, 3)).astype("float32"))
    weights, averages = [], []
    for step in range(STEPS + 1):
        if step:
            gan.fit(pictures, shuffle=False, verbose=0)
        weights.append(np.concatenate([weight.numpy().ravel() for weight in gan.generator.weights]))
        averages.append(np.concatenate([weight.numpy().ravel() for weight in gan.ema_generator.weights]))
    yield from {
        "moving_weights": np.stack(weights),  # [steps + 1, number of weights]
        "moving_averages": np.stack(averages),
        "moving_batch_and_half_life": np.array([BATCH, HALF_LIFE]),
    }.items()


def main(path):
    random = np.random.default_rng(0)
    np.savez(path, **dict(part for make in (spectral_norm, instance_norm, moving_average) for part in make(random)))


if __name__ == "__main__":
    main(sys.argv[1])
