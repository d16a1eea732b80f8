import keras
import numpy as np
import pytest
import tensorflow as tf

from tfanime.precision import precision_policy
from tfanime.tagger import network as tagger


def convolutions(network):
    """(kernel side, channels, stride) of each convolution."""
    return [
        (layer.kernel_size[0], layer.filters, layer.strides[0])
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]


def test_tagger_has_the_documented_size():
    network = tagger.tagger(26)
    assert [tuple(shape) for shape in network.output_shape] == [(None, 256), (None, 26)]
    blocks = [[(3, 64, 1)] * 2, *([(3, width, 2), (3, width, 1), (1, width, 2)] for width in (128, 256))]
    assert sorted(convolutions(network)) == sorted([(3, 64, 2), *(layer for block in blocks for layer in block)])
    # kernels of the stem, of both convolutions and the shortcut of each block
    count = 9 * (3 * 64 + 2 * 64 * 64)
    count += sum(9 * (before * width + width * width) + before * width for before, width in ((64, 128), (128, 256)))
    # scales and offsets of the norms; the head
    count += 2 * (3 * 64 + 3 * 128 + 3 * 256) + 257 * 26
    trainable = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert trainable == count and network.count_params() < 3_000_000


def test_tagger_blocks_begin_as_their_shortcuts():
    network = tagger.tagger(3, image_size=16, channels=(4, 8), blocks=2)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
    before = network(images)[0].numpy()
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.name.endswith("_2_conv"):
            layer.kernel.assign(-3 * layer.kernel)
    assert np.array_equal(network(images)[0], before) and before.std() > 0
    network.get_layer("block_1_1_2_norm").gamma.assign(np.ones(8))
    assert not np.allclose(network(images)[0], before)


def test_tagger_features_are_means_and_logits_linear():
    network = tagger.tagger(5, image_size=32, channels=(2, 4, 6))
    images = np.random.default_rng(1).uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)
    maps = keras.Model(network.input, network.get_layer("block_2_0_relu_2").output)(images)
    features, tag_logits = network(images)
    assert maps.shape == (3, 4, 4, 6)
    np.testing.assert_allclose(features, np.mean(maps, (1, 2)), rtol=1e-5)
    head = network.get_layer("tag_logits")
    np.testing.assert_allclose(tag_logits, features @ head.kernel + head.bias, rtol=1e-4, atol=1e-5)


def test_tagger_outputs_are_float32_in_low_precision():
    with precision_policy("mixed_bfloat16"):
        network = tagger.tagger(5, image_size=16, channels=(2, 4))
    features, tag_logits = network(tf.zeros((2, 16, 16, 3)))
    assert features.dtype == tag_logits.dtype == tf.float32
    assert network.get_layer("stem_conv").compute_dtype == "bfloat16"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 60}, "image_size must be a multiple of 8. Received: 60"),
        ({"image_size": 0}, "image_size must be a multiple of 8. Received: 0"),
        ({"tag_count": 0}, "tag_count must be at least 1. Received: 0"),
        ({"blocks": 0}, "blocks must be at least 1. Received: 0"),
        ({"channels": (4, 0)}, "channels must be at least 1. Received: 0"),
    ],
)
def test_tagger_refuses_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        tagger.tagger(**{"tag_count": 3, **arguments})
