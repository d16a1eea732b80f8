"""Networks and pictures that take no time, for the tests of games, callbacks and runs."""

import keras
import numpy as np
from keras import layers

from tfanime.latents import Latents
from tfanime.training import GAN

SIZE = 4  # pictures are 4x4
LATENTS = 3


def generator(seed=1, norm=False):
    """Latents [batch, 3] -> pictures [batch, 4, 4, 3]; with `norm`, through synchronized batch norm."""
    x = latents = layers.Input((LATENTS,))
    x = layers.Dense(8, use_bias=not norm, kernel_initializer=keras.initializers.GlorotNormal(seed))(x)
    if norm:
        x = layers.BatchNormalization(synchronized=True)(x)
    x = layers.LeakyReLU(0.2)(x)
    x = layers.Dense(SIZE * SIZE * 3, "tanh", kernel_initializer=keras.initializers.GlorotNormal(seed + 1))(x)
    return keras.Model(latents, layers.Reshape((SIZE, SIZE, 3))(x))


def discriminator(seed=3, norm=False):
    """Pictures [batch, 4, 4, 3] -> logits [batch]; smooth, so that second derivatives are not zero."""
    x = images = layers.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(6, 3, strides=2, kernel_initializer=keras.initializers.GlorotNormal(seed))(x)
    if norm:
        x = layers.BatchNormalization(synchronized=True)(x)
    x = layers.Flatten()(layers.Activation("softplus")(x))
    x = layers.Dense(1, kernel_initializer=keras.initializers.GlorotNormal(seed + 1))(x)
    return keras.Model(images, layers.Reshape(())(x))


def pictures(*shape, seed=0):
    """Random pictures, float32 `[*shape, 4, 4, 3]` in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, (*shape, SIZE, SIZE, 3)).astype(np.float32)


def gan(*, loss="non_saturating", rate=0.1, norm=False, penalties=(), constraint=None, optimizer=None, **options):
    """A compiled GAN of these networks; plain SGD unless told otherwise, because Adam hides wrong scales."""
    optimizer = optimizer or keras.optimizers.SGD
    model = GAN(generator(norm=norm), discriminator(norm=norm), latents=Latents(LATENTS), **options)
    model.compile(optimizer(rate), optimizer(rate), loss, penalties, constraint)
    return model
