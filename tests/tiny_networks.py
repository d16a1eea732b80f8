"""Networks and pictures that take no time, for the tests of games, callbacks and runs."""

import keras
import numpy as np
from keras import layers

from tfanime.latents import Latents
from tfanime.models.spectral import SpectralNormalization
from tfanime.tags import TagGroup, TagVocabulary
from tfanime.training import GAN

SIZE = 4  # pictures are 4x4
LATENTS = 3


VOCABULARY = TagVocabulary(
    "tiny",
    (TagGroup("colour", ("red", "green", "blue"), exclusive=True), TagGroup("more", ("hat", "smile"), exclusive=False)),
)


def generator(seed=1, norm=False, tags=0, spectral=False):
    """Latents [batch, 3] -> pictures [batch, 4, 4, 3]; with `norm`, through synchronized batch norm."""
    inputs = x = layers.Input((LATENTS,))
    if tags:
        inputs = [inputs, layers.Input((tags,))]
        x = layers.Concatenate()(inputs)
    x = layers.Dense(8, use_bias=not norm, kernel_initializer=keras.initializers.GlorotNormal(seed))(x)
    if norm:
        x = layers.BatchNormalization(synchronized=True)(x)
    x = layers.LeakyReLU(0.2)(x)
    layer = layers.Dense(SIZE * SIZE * 3, "tanh", kernel_initializer=keras.initializers.GlorotNormal(seed + 1))
    x = SpectralNormalization(layer, seed=seed)(x) if spectral else layer(x)
    return keras.Model(inputs, layers.Reshape((SIZE, SIZE, 3))(x))


def discriminator(seed=3, norm=False, tags=0, spectral=False):
    """Pictures [batch, 4, 4, 3] -> logits [batch]; smooth, so that second derivatives are not zero."""
    x = images = layers.Input((SIZE, SIZE, 3))
    layer = layers.Conv2D(6, 3, strides=2, kernel_initializer=keras.initializers.GlorotNormal(seed))
    x = SpectralNormalization(layer, seed=seed)(x) if spectral else layer(x)
    if norm:
        x = layers.BatchNormalization(synchronized=True)(x)
    x = layers.Flatten()(layers.Activation("softplus")(x))
    logits = layers.Reshape(())(layers.Dense(1, kernel_initializer=keras.initializers.GlorotNormal(seed + 1))(x))
    if not tags:
        return keras.Model(images, logits)
    return keras.Model(
        images, (logits, layers.Dense(tags, kernel_initializer=keras.initializers.GlorotNormal(seed + 2))(x))
    )


def pictures(*shape, seed=0):
    """Random pictures, float32 `[*shape, 4, 4, 3]` in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, (*shape, SIZE, SIZE, 3)).astype(np.float32)


def real_tags(*shape, seed=0):
    """Random tags, float32 `[*shape, 5]` of +1, -1 and 0."""
    return np.random.default_rng(seed).integers(-1, 2, (*shape, len(VOCABULARY))).astype(np.float32)


def gan(
    *,
    loss="non_saturating",
    rate=0.1,
    norm=False,
    spectral=False,
    terms=(),
    constraint=None,
    optimizer=None,
    rules=None,
    vocabulary=None,
    latents=None,
    **options,
):
    """A compiled GAN of these networks; plain SGD unless told otherwise, because Adam hides wrong scales.

    `rules` are further arguments of `compile`, `options` of the GAN.
    """
    optimizer = optimizer or keras.optimizers.SGD
    tags = len(vocabulary or ())
    model = GAN(
        generator(norm=norm, tags=tags, spectral=spectral),
        discriminator(norm=norm, tags=tags, spectral=spectral),
        latents=latents or Latents(LATENTS),
        vocabulary=vocabulary,
        **options,
    )
    model.compile(optimizer(rate), optimizer(rate), loss, terms, constraint, **(rules or {}))
    return model
