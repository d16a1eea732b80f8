"""The tagger's layers as a loss sees them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfanime.tagger import layers, network
from tfanime.tagger.files import open_tagger
from tfanime.training import Sight
from tfanime.training.content import Content

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def tiny():
    keras.utils.set_random_seed(0)
    return layers.TaggerLayers("tiny", network.tagger(3, image_size=None, channels=(4, 8), blocks=2))


def test_last_layers_mean_equals_the_taggers_features():
    seen = layers.tagger_layers()
    assert (seen.name, seen.layers) == ("tagger1", ["block_0_0", "block_1_0", "block_2_0"])
    (maps,) = seen(PIXELS, ("block_2_0",), rectified=True)
    np.testing.assert_allclose(tf.reduce_mean(maps, (1, 2)), open_tagger().predict(PIXELS)[0], rtol=1e-4, atol=1e-5)


def test_layers_take_pictures_of_any_size(tiny):
    assert tiny.layers == ["block_0_0", "block_0_1", "block_1_0", "block_1_1"]
    before, last = tiny(PIXELS[:, :16, :24], ("block_0_1", "block_1_1"))
    after = tiny(PIXELS[:, :16, :24], ("block_0_1",), rectified=True, dtype="bfloat16")[0]
    assert before.shape == (2, 8, 12, 4) and last.shape == (2, 4, 6, 8)
    np.testing.assert_allclose(after, np.maximum(before, 0))
    with pytest.raises(ValueError, match=r"layer must be one of block_0_0, .* of tiny\. Received: 'conv1_1'"):
        tiny(PIXELS, ("conv1_1",))


def test_content_loss_of_the_tagger_has_gradients(tiny):
    content = Content(tiny, "block_0_0", rectified=True, distance="squared", scale=0.5, of="reals")
    images = tf.constant(PIXELS[:, :16, :16] / 127.5 - 1, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = content(Sight(fakes=images, reals=images[:, ::-1]))
    wanted, found = (tiny(PIXELS[:, :16, :16][:, ::step], ("block_0_0",), rectified=True)[0] for step in (-1, 1))
    assert float(value) == pytest.approx(float(tf.reduce_mean(tf.square((wanted - found) / 0.5))), rel=1e-4)
    assert float(tf.norm(tape.gradient(value, images))) > 0
    assert float(content(Sight(fakes=images, reals=images))) == 0
