"""The content term: its number, whom its gradient reaches, and what it refuses."""

import numpy as np
import numpy_layers
import pytest
import tensorflow as tf
import tiny_networks
import tiny_vgg

from tfanime.training import Sight, Term
from tfanime.training.content import Content

RANDOM = np.random.default_rng(0)
PHOTOS, REALS, FAKES = (RANDOM.uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32) for _ in range(3))


def features(images, layer, rectified):
    """What a layer of the tiny network answers, in NumPy and float64."""
    x = ((images.astype(np.float64) + 1) * 127.5)[..., ::-1] - tiny_vgg.MEAN
    for i, block in enumerate(tiny_vgg.arrays(), 1):
        if i > 1:
            count, height, width, channels = x.shape
            x = x.reshape(count, height // 2, 2, width // 2, 2, channels).max((2, 4))
        for j, (kernel, bias) in enumerate(block, 1):
            x = numpy_layers.conv(x, kernel, bias)
            if f"conv{i}_{j}" == layer:
                return np.maximum(x, 0) if rectified else x
            x = np.maximum(x, 0)


@pytest.mark.parametrize("distance", ["absolute", "squared"])
@pytest.mark.parametrize(
    ("layer", "rectified", "of"), [(None, False, "inputs"), ("conv3_1", True, "reals"), ("conv2_2", False, "reals")]
)
def test_content_equals_hand_computation(layer, rectified, of, distance):
    term = Content(tiny_vgg.tiny_vgg(), layer, rectified, distance, 12.75, of)
    value = term(Sight(reals=REALS, fakes=FAKES, inputs=PHOTOS))
    wanted = features({"inputs": PHOTOS, "reals": REALS}[of], layer or "conv4_2", rectified)
    differences = (wanted - features(FAKES, layer or "conv4_2", rectified)) / 12.75
    expected = np.mean(np.abs(differences) if distance == "absolute" else differences**2)
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    assert float(term(Sight(reals=FAKES, fakes=FAKES, inputs=FAKES))) == 0.0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_content_gradient_reaches_the_generator_only(dtype):
    generator = tiny_networks.generator()
    term = Term(Content(tiny_vgg.tiny_vgg(), "conv2_1", dtype=dtype), "generator", 2.0)
    photos = tf.constant(PHOTOS[:, :4, :4])
    with tf.GradientTape() as tape:
        tape.watch(photos)
        fakes = generator(tf.ones((2, 3)))
        value, _ = term(Sight(fakes=fakes, inputs=photos), 0)
    *slopes, target = tape.gradient(value, [*generator.trainable_variables, photos])
    assert all(float(tf.norm(slope)) > 0 for slope in slopes) and target is None
    other, _ = term(Sight(fakes=fakes, inputs=-photos), 0)  # another photo is another target
    assert float(other) != float(value)


@pytest.mark.slow
def test_content_on_two_devices_equals_one(two_devices):
    def near_the_reals():
        return [Term(Content(tiny_vgg.tiny_vgg(), "conv2_1", of="reals"), "generator", 0.1)]

    def trained(gan):
        dataset = tf.data.Dataset.from_tensors(tiny_networks.pictures(8))
        gan.fit(dataset, epochs=1, steps_per_epoch=1, shuffle=False, verbose=0)
        return gan.generator.get_weights()

    one = trained(tiny_networks.gan(terms=near_the_reals()))
    with two_devices.scope():
        gan = tiny_networks.gan(terms=near_the_reals())
    for first, second in zip(one, trained(gan), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)
    without = trained(tiny_networks.gan())
    assert not np.allclose(one[0], without[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "conv4_4"}, "layer must be one of conv1_1, .* of tiny. Received: 'conv4_4'"),
        ({"distance": "cosine"}, "distance must be one of absolute, squared. Received: 'cosine'"),
        ({"scale": 0.0}, "scale must be above 0. Received: 0.0"),
        ({"of": "fakes"}, "of must be one of inputs, reals. Received: 'fakes'"),
    ],
)
def test_content_refuses_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        Content(tiny_vgg.tiny_vgg(), **options)


@tiny_vgg.installed
@pytest.mark.slow
def test_content_of_hed_vgg16_separates_moved_from_recoloured_faces():
    from tfanime.drawn.avatars import draw
    from tfanime.models.vgg import open_vgg

    avatars = np.stack([np.asarray(draw(seed, size=64)) for seed in range(4)]) / 127.5 - 1
    term = Content(open_vgg("hed_vgg16"))

    def distance(fakes):
        return float(term(Sight(fakes=np.float32(fakes), inputs=np.float32(avatars))))

    darker = distance(0.9 * avatars - 0.1)
    assert 0 < darker < distance(np.roll(avatars, 8, 2)) < distance(np.roll(avatars, 1, 0))
