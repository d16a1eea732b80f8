"""A StyleGAN2 of 16 px that takes no time, for the tests of its game and of what draws with it."""

import keras
import numpy as np
from tiny_networks import VOCABULARY

from tfanime.models import stylegan2
from tfanime.training import GAN

SIZE, Z, W = 16, 6, 10
WIDTHS = {"image_size": SIZE, "channel_base": 96, "channel_max": 8}
TAGS = len(VOCABULARY)


def generator(tags=TAGS, embedding_noise=0.5, seed=1):
    """The generator, of noise strengths that are not 0."""
    keras.utils.set_random_seed(seed)
    options = {"z_size": Z, "w_size": W, "mapping_layers": 2}
    network = stylegan2.generator(**WIDTHS, **options, tag_count=tags, embedding_noise=embedding_noise)
    for weight in network.weights:
        if weight.path.endswith("noise_strength"):
            weight.assign(0.3)
    return network


def discriminator(tags=TAGS, head=True, seed=2):
    """One that is shown tags and, with `head`, tells them."""
    keras.utils.set_random_seed(seed)
    return stylegan2.discriminator(**WIDTHS, tag_count=tags, projection=True, tag_head=head, mapping_layers=2)


def gan(terms=(), rate=0.01, optimizer=keras.optimizers.SGD, **rules):
    """A compiled game with tags; plain SGD unless told otherwise, because Adam hides wrong scales."""
    game = GAN(generator(), discriminator(), vocabulary=VOCABULARY, seed=5)
    game.compile(optimizer(rate), optimizer(rate), "non_saturating", terms, tag_loss_on="reals", **rules)
    return game


def pictures(*shape, seed=0):
    """Random pictures, float32 `[*shape, 16, 16, 3]` in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, (*shape, SIZE, SIZE, 3)).astype(np.float32)
