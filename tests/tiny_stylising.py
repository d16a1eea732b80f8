"""Networks from pictures to pictures that take no time, and the game of them."""

import keras
import tiny_networks
import tiny_vgg
from keras import layers

from tfanime.generator import Form
from tfanime.training import Term
from tfanime.training.cartoon_terms import Negative, Style, colour, total_variation
from tfanime.training.content import Content
from tfanime.training.stylising import Stylising


def generator(seed=1):
    """Pictures [batch, height, width, 3] -> pictures of that size."""
    photos = layers.Input((None, None, 3))
    x = layers.Conv2D(4, 3, padding="same", kernel_initializer=keras.initializers.GlorotNormal(seed))(photos)
    x = layers.LeakyReLU(0.2)(x)
    last = layers.Conv2D(3, 1, activation="tanh", kernel_initializer=keras.initializers.GlorotNormal(seed + 1))
    return keras.Model(photos, last(x))


def discriminator(seed=3):
    """Pictures -> a logit for each patch, [batch, height / 2, width / 2]."""
    images = layers.Input((None, None, 3))
    x = layers.Conv2D(4, 3, 2, padding="same", kernel_initializer=keras.initializers.GlorotNormal(seed))(images)
    x = layers.Conv2D(1, 1, kernel_initializer=keras.initializers.GlorotNormal(seed + 1))(layers.LeakyReLU(0.2)(x))
    return keras.Model(images, keras.ops.squeeze(x, -1))


def terms(loss="least_squares"):
    """One of each kind, of both players."""
    content = Content(tiny_vgg.tiny_vgg(), "conv1_2")
    return [
        Term(content, "generator", 0.02),
        Term(Style(content), "generator", 0.01),
        Term(colour, "generator", 3.0),
        Term(total_variation, "generator", 0.5),
        *(Term(Negative(each, loss), "discriminator", 0.7) for each in ("smooth", "grey", "grey_smooth")),
    ]


def game(*, terms, rate=0.05, optimizer=keras.optimizers.SGD, seed=5, **rules):
    """A compiled game; plain SGD unless told otherwise, because Adam hides wrong scales."""
    model = Stylising(generator(), discriminator(), Form("stylise"), seed=seed, ema_half_life=20)
    model.compile(optimizer(rate), optimizer(rate), terms=terms, **rules)
    return model


def batches(steps, count=8):
    """Photos, drawings and smoothed drawings of so many steps."""
    return tuple(tiny_networks.pictures(steps, count, seed=seed) for seed in range(3))
