"""Networks from pictures to pictures that take no time to make, and pictures for them."""

import cv2
import keras
import numpy as np

from tfanime.generator import Form, write_picture_network
from tfanime.models import cartoon, srgan

ENLARGER = Form("upscale", scale=2, reach=srgan.reach(blocks=1))
STYLISER = Form("stylise", multiple=4)


def enlarger(seed=1):
    """An SRGAN of few weights, whose moving statistics are not those of a beginning."""
    keras.utils.set_random_seed(seed)
    network = srgan.generator(scale=2, channels=4, blocks=1)
    random = np.random.default_rng(seed)
    for weight in network.non_trainable_weights:
        weight.assign(random.uniform(0.5, 1.5, weight.shape))
    return network


def styliser(seed=1):
    keras.utils.set_random_seed(seed)
    return cartoon.small_generator(channels=4, blocks=1)


def write(folder, kind="upscale", seed=1):
    """A folder of such a network; gives it back."""
    network, form = (enlarger(seed), ENLARGER) if kind == "upscale" else (styliser(seed), STYLISER)
    write_picture_network(folder, network, form, {"recipe": kind, "step": seed})
    return folder


def pictures(batch, height, width, seed=0):
    """Pictures in which neighbouring pixels are alike, uint8 `[batch, height, width, 3]`."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(0, 255, (batch, 3 + height // 4, 3 + width // 4, 3)).astype(np.float32)
    fine = [cv2.resize(each, (width, height), interpolation=cv2.INTER_CUBIC) for each in coarse]
    return np.stack(fine).clip(0, 255).astype(np.uint8)
