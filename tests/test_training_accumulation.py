import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_networks
from tiny_networks import LATENTS, VOCABULARY

from tfanime.training import GAN, Term
from tfanime.training.accumulation import Parts
from tfanime.training.constraints import WeightClipping
from tfanime.training.terms import deviation, dragan, gradient_penalty, r1

STEPS = 3


def train(accumulate, strategy=None, rules=None, tags=False, **options):
    """A GAN after three steps of two critic steps on 16 pictures each, and its logs by name."""
    images = tiny_networks.pictures(STEPS, 16, 2)
    images[:, 1::2] *= 0.2  # parts of very different deviations
    data = (images, tiny_networks.real_tags(STEPS, 16, 2)) if tags else images
    options["vocabulary"] = VOCABULARY if tags else None
    rules = {**(rules or {}), "accumulate": accumulate}
    if strategy is None:
        gan = tiny_networks.gan(seed=5, rules=rules, **options)
    else:
        with strategy.scope():
            gan = tiny_networks.gan(seed=5, rules=rules, **options)
    dataset = tf.data.Dataset.from_tensor_slices(data).repeat()
    history = gan.fit(dataset, epochs=STEPS, steps_per_epoch=1, shuffle=False, verbose=0).history
    return gan, history


def assert_same(first, second, without=()):
    (gan, logs), (other, other_logs) = first, second
    for weight, expected in zip(gan.weights, other.weights, strict=True):
        assert np.isfinite(expected.numpy()).all()
        np.testing.assert_allclose(weight.numpy(), expected.numpy(), rtol=1e-4, atol=1e-6, err_msg=weight.path)
    for name in set(logs) & set(other_logs) - set(without):
        np.testing.assert_allclose(logs[name], other_logs[name], rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    "game",
    [
        {"loss": "hinge", "spectral": True, "rules": {"gradient_clip": 0.05}},
        pytest.param(
            {"terms": [Term(r1, "discriminator", 2.0, every=2)], "constraint": WeightClipping(0.3)},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"loss": "wasserstein", "terms": [Term(gradient_penalty, "discriminator", 10.0)]}, marks=pytest.mark.slow
        ),
        pytest.param({"tags": True, "rules": {"adversarial_weight": 2.0}}, marks=pytest.mark.slow),
    ],
    ids=["spectral norm, clipped gradients", "lazy R1, clipped weights", "interpolated penalty", "tags"],
)
def test_parts_update_as_the_whole_batch(game, two_devices):
    whole = train(1, **game)
    new = tiny_networks.gan(vocabulary=VOCABULARY if game.get("tags") else None, spectral=game.get("spectral", False))
    for weight, initial in zip(whole[0].weights, new.weights, strict=True):
        assert np.abs(weight.numpy() - initial.numpy()).max() > 1e-4 or weight.path.endswith("bias"), weight.path
    accuracies = ("real_tag_accuracy", "fake_tag_accuracy")  # of tags that are known, which differ in number
    assert_same(train(4, **game), whole, accuracies)
    assert_same(train(2, two_devices, **game), whole, accuracies)


@pytest.mark.slow
@pytest.mark.parametrize(
    "game",
    [
        {"norm": True},
        pytest.param({"terms": [Term(dragan, "discriminator", 10.0, measure=deviation)]}, marks=pytest.mark.slow),
    ],
    ids=["batch norm", "DRAGAN's deviation"],
)
def test_parts_share_batch_statistics_between_devices(game, two_devices):
    one = train(2, **game)
    assert_same(train(2, two_devices, **game), one)
    whole, _ = train(1, **game)
    pairs = zip(one[0].weights, whole.weights, strict=True)
    assert max(np.abs(weight.numpy() - other.numpy()).max() for weight, other in pairs) > 1e-4


def test_moving_averages_are_updated_once_for_each_part():
    images = tiny_networks.pictures(1, 8)
    gan = tiny_networks.gan(norm=True, rate=0.0, seed=5, rules={"accumulate": 2})
    generator = tiny_networks.generator(norm=True)
    latents = gan.latents.batch(8, 5, 0)
    for part in (latents[0::2], latents[1::2]):
        generator(part, training=True)
    gan.fit(tf.data.Dataset.from_tensor_slices(images), shuffle=False, verbose=0)
    for weight, expected in zip(gan.generator.weights, generator.weights, strict=True):
        np.testing.assert_allclose(weight.numpy(), expected.numpy(), rtol=1e-5, atol=1e-7, err_msg=weight.path)
    statistics = [weight.numpy() for weight in gan.generator.weights if "moving" in weight.path]
    assert len(statistics) == 2 and all(np.abs(value - value.round()).max() > 1e-4 for value in statistics)


class Recorder(keras.layers.Layer):
    """Passes the first input on; notes when that is done, forwards or backwards, and the second one's first number."""

    def __init__(self, note=print, **options):
        super().__init__(**options)
        self.note = note

    def get_config(self):  # for the averaged generator
        return super().get_config()

    def call(self, inputs):
        witness = inputs[1]

        def noted(way, tensor):
            def function(values, witness):
                self.note((way, float(witness.flat[0])))
                return values

            # not stateful: TensorFlow would keep the order in which such operations stand in the program
            result = tf.numpy_function(function, [tensor, witness], tf.float32, stateful=False)
            return tf.ensure_shape(result, tensor.shape)

        @tf.custom_gradient
        def recorded(tensor):
            return noted("forward", tensor), lambda upstream: noted("backward", upstream)

        return recorded(inputs[0])


def test_parts_are_computed_one_after_another():
    drawn, judged = [], []
    latents, pictures = keras.layers.Input((LATENTS,)), keras.layers.Input((4, 4, 3))
    gan = GAN(
        keras.Model(latents, Recorder(drawn.append)([tiny_networks.generator()(latents), latents])),
        keras.Model(pictures, Recorder(judged.append)([tiny_networks.discriminator()(pictures), pictures])),
    )
    gan.compile(keras.optimizers.SGD(), keras.optimizers.SGD(), "hinge", accumulate=4)
    # Numbers of the real pictures: row 0 is 2, row 1 is 3 ..., which no fake reaches.
    images = np.ones((1, 8, 4, 4, 3), np.float32) * (2 + np.arange(8, dtype=np.float32)[:, None, None, None])
    gan.fit(tf.data.Dataset.from_tensor_slices(images), shuffle=False, verbose=0)
    assert "".join(way[0] for way, _ in drawn) == "ffff" + "fbfbfbfb"  # once for each of the players' updates
    assert [number for _, number in drawn[:4]] == [number for _, number in drawn[4::2]]  # the same latents
    reals = [(way, number) for way, number in judged if number >= 2]
    assert reals == [(way, part) for part in (2.0, 3.0, 4.0, 5.0) for way in ("forward", "backward")]


def test_parts_mean_is_the_mean_of_added_values():
    parts = Parts(3)
    batch = {"a": tf.range(6.0), "b": (tf.reshape(tf.range(12.0), (6, 2)), None)}
    seen = []
    for rows, part in parts.of(batch):
        np.testing.assert_array_equal(part["a"], np.arange(6.0)[rows])
        assert part["b"][0].shape == (2, 2) and part["b"][1] is None
        seen.append(float(part["a"][0]))
        parts.add(([tf.reduce_sum(part["a"]), None], {"b": tf.reduce_mean(part["b"][0])}))
    assert seen == [0, 1, 2]
    (total, nothing), means = parts.mean()
    assert (float(total), nothing, float(means["b"])) == (5.0, None, 5.5)
    for _, part in parts.of(tf.constant([1.0, 2.0, 6.0])):  # the next batch
        parts.add([part])
    np.testing.assert_allclose(parts.mean()[0], [3.0])


def test_parts_refuse_batches_that_cannot_be_cut():
    with pytest.raises(ValueError, match=r"count must be at least 1. Received: 0"):
        Parts(0)
    with pytest.raises(ValueError, match=r"accumulate must be at least 1. Received: 0"):
        tiny_networks.gan(rules={"accumulate": 0})
    gan = tiny_networks.gan(rules={"accumulate": 3})
    with pytest.raises(ValueError, match=r"a multiple of accumulate, 3, pictures a device. Received: 8"):
        gan.fit(tf.data.Dataset.from_tensors(tiny_networks.pictures(8)), verbose=0, shuffle=False)
    gan = tiny_networks.gan(rules={"accumulate": 3})
    dataset = tf.data.Dataset.from_tensor_slices(tiny_networks.pictures(6)).batch(6)
    with pytest.raises(ValueError, match=r"or with accumulate above 1: .*drop_remainder=True"):
        gan.fit(dataset, verbose=0, shuffle=False)
