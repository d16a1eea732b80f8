"""The game of networks that take no time to enlarge pictures."""

import keras
import numpy as np
import tiny_networks
import tiny_pictures
import tiny_stylising
import tiny_vgg
from keras import layers

from tfanime.models.srresnet import PixelShuffle
from tfanime.training import Term
from tfanime.training.content import Content
from tfanime.training.upscaling import Upscaling, shrunk


def generator(seed=1, norm=False):
    """Pictures [batch, height, width, 3] -> pictures of twice the size."""
    small = layers.Input((None, None, 3))
    x = layers.Conv2D(12, 3, padding="same", kernel_initializer=keras.initializers.GlorotNormal(seed))(small)
    if norm:
        x = layers.BatchNormalization(synchronized=True)(x)
    x = PixelShuffle()(layers.LeakyReLU(0.2)(x))
    last = layers.Conv2D(3, 1, activation="tanh", kernel_initializer=keras.initializers.GlorotNormal(seed + 1))
    return keras.Model(small, last(x))


def terms():
    content = Content(tiny_vgg.tiny_vgg(), "conv1_2", rectified=True, distance="squared", scale=12.75, of="reals")
    return [Term(content, "generator", 2.0)]


def game(*, rate=0.05, optimizer=keras.optimizers.SGD, seed=5, norm=False, **rules):
    """A compiled game; plain SGD unless told otherwise, because Adam hides wrong scales."""
    model = Upscaling(
        generator(norm=norm), tiny_stylising.discriminator(), tiny_pictures.ENLARGER, ema_half_life=20, seed=seed
    )
    rules = {"terms": terms(), "adversarial_weight": 0.5, "consistency_weight": 0.7} | rules
    model.compile(optimizer(rate), optimizer(rate), **rules)
    return model


def batches(steps, count=8, drawn=True):
    """Small pictures, large ones and drawn ones of so many steps."""
    large = tiny_networks.pictures(steps, count, seed=1)
    small = np.stack([shrunk(each, 2) for each in large])
    other = np.stack([shrunk(each, 2) for each in tiny_networks.pictures(steps, count, seed=2)])
    return (small, large, other) if drawn else (small, large)
