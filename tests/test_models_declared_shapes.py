"""Layers declare the shapes and types of their outputs, so that Keras need not trace them to build a network: what is
declared is what comes out, of every layer of a network of each kind."""

import keras
import numpy as np
import pytest
import tiny_stylegan2

from tfanime.landmarks.network import landmark_network
from tfanime.models import cartoon, dcgan, r3gan, sngan, srgan, srresnet
from tfanime.models.stylegan2_layers import EqualizedConv2D
from tfanime.precision import precision_policy

R3GAN = {"image_size": 16, "channel_base": 256, "channel_max": 16, "blocks": 1, "group_channels": 4, "tag_count": 3}
NETWORKS = {
    "dcgan, generator": lambda: dcgan.generator(16, 5, 4, tag_count=3),
    "dcgan": lambda: dcgan.discriminator(16, 4, norm="spectral", minibatch_stddev=True, tag_count=3),
    "sngan, generator": lambda: sngan.generator(16, 5, 4, tag_count=3),
    "sngan": lambda: sngan.discriminator(16, 4, tag_count=3),
    "srresnet": lambda: srresnet.generator(32, 8, 4, 1, tag_count=3, spectral_norm=True),
    "srresnet, discriminator": lambda: srresnet.discriminator(32, 4, 1, tag_count=3, spectral_norm=True),
    "stylegan2, generator": tiny_stylegan2.generator,
    "stylegan2, discriminator": tiny_stylegan2.discriminator,
    "r3gan, generator": lambda: r3gan.generator(latent_size=8, **R3GAN),
    "r3gan, discriminator": lambda: r3gan.discriminator(**R3GAN),
    "srgan, published": lambda: srgan.generator(2, 4, 1),
    "srgan, small": lambda: srgan.small_generator(2, 4, 1),
    "cartoon, published": lambda: cartoon.generator(4, 1),
    "srgan, discriminator": lambda: srgan.discriminator(16, 4, 8),
    "cartoon, small": lambda: cartoon.small_generator(4, 1),
    "cartoon, discriminator": lambda: cartoon.discriminator(4),
    "landmarks": lambda: landmark_network(16, (2, 2), 4),
}


def test_resampled_halves_odd_and_unknown_sizes():
    layer = EqualizedConv2D(2, 3, "down")
    maps = keras.Input((None, None, 3))
    assert layer(maps).shape == (None, None, None, 2)
    assert layer(np.ones((1, 7, 6, 3), np.float32)).shape == layer.compute_output_shape((1, 7, 6, 3)) == (1, 3, 3, 2)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_layers_declare_what_comes_out(name, precision):
    with precision_policy(precision):
        network = NETWORKS[name]()
    models = [network, *(layer for layer in network.layers if isinstance(layer, keras.Model))]
    for model in models:
        layers = [layer for layer in model.layers if not isinstance(layer, keras.Model)]
        shapes = [[size or (16 if axis else 2) for axis, size in enumerate(each.shape)] for each in model.inputs]
        found = keras.Model(model.inputs, [layer.output for layer in layers])([np.ones(shape) for shape in shapes])
        for layer, value in zip(layers, found, strict=True):
            for declared, one in zip(keras.tree.flatten(layer.output), keras.tree.flatten(value), strict=True):
                known = tuple(size and came for size, came in zip(declared.shape, one.shape, strict=True))
                assert (declared.shape, declared.dtype) == (known, one.dtype.name), layer.path
