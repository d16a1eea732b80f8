import keras
import numpy as np
import pytest
import tensorflow as tf

from tfanime.models.layers import BatchNormalization, GroupNormalization, MinibatchStddev


def expected(images, size):
    """Karras et al. 2018 in NumPy."""
    groups = images.reshape(-1, size, *images.shape[1:])
    deviations = np.sqrt(groups.var(axis=1) + 1e-8).mean(axis=(1, 2, 3))  # one number a group
    channel = np.repeat(deviations, size)[:, None, None, None] * np.ones((1, *images.shape[1:3], 1))
    return np.concatenate([images, channel], axis=-1)


def images(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 3, 2, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("count", "group_size", "size"), [(8, 4, 4), (8, 2, 2), (6, 4, 3), (3, 4, 3), (5, 4, 1), (4, 1, 1)]
)
def test_minibatch_stddev_equals_numpy(count, group_size, size):
    batch = images(count) * np.arange(1, count + 1)[:, None, None, None]  # groups of unequal variety
    result = MinibatchStddev(group_size)(batch.astype(np.float32)).numpy()
    np.testing.assert_allclose(result, expected(batch, size), rtol=1e-5, atol=1e-6)


def test_minibatch_stddev_takes_batches_of_unknown_size():
    layer = MinibatchStddev()
    unknown = tf.function(layer, input_signature=[tf.TensorSpec([None, 3, 2, 5])])
    for count in (8, 6, 5):
        np.testing.assert_allclose(unknown(images(count)), layer(images(count)), rtol=1e-6)


def test_minibatch_stddev_of_two_halves_equals_the_whole():
    batch, layer = images(16), MinibatchStddev()
    halves = [layer(batch[:8]), layer(batch[8:])]
    np.testing.assert_allclose(np.concatenate(halves), layer(batch), rtol=1e-6)


def test_minibatch_stddev_of_equal_pictures_has_a_finite_gradient():
    batch = tf.ones((4, 3, 2, 5))
    with tf.GradientTape() as tape:
        tape.watch(batch)
        result = MinibatchStddev()(batch)
    assert np.isfinite(tape.gradient(result, batch)).all()
    np.testing.assert_allclose(result[..., -1], 1e-4, rtol=1e-4)


def test_minibatch_stddev_in_low_precision_does_not_round_statistics():
    batch = 100 + images(8)  # bfloat16 keeps steps of 0.5 near 100
    layer = MinibatchStddev(dtype="mixed_bfloat16")
    result = layer(batch)
    assert result.dtype == "bfloat16"
    rounded = tf.cast(tf.cast(batch, tf.bfloat16), tf.float32).numpy()
    np.testing.assert_allclose(tf.cast(result, tf.float32), expected(rounded, 4), rtol=2**-8)


def test_minibatch_stddev_can_be_saved(tmp_path):
    inputs = keras.layers.Input((3, 2, 5))
    model = keras.Model(inputs, MinibatchStddev(group_size=2)(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].group_size == 2
    np.testing.assert_array_equal(loaded(images(8)), model(images(8)))


def test_minibatch_stddev_refuses_empty_groups():
    with pytest.raises(ValueError, match=r"group_size must be at least 1. Received: 0"):
        MinibatchStddev(0)


def norms(**options):
    """Our layer and Keras' with the same weights."""
    pair = BatchNormalization(**options), keras.layers.BatchNormalization(**options)
    random = np.random.default_rng(1)
    values = [random.uniform(0.5, 2, 5) for _ in range(4)]
    for layer in pair:
        layer.build((None, 3, 2, 5))
        layer.set_weights(values[: len(layer.weights)])
    return pair


def train(layer, batch):
    """One pass in training: the outputs, all gradients, the moving averages."""

    @tf.function
    def run(batch):
        with tf.GradientTape() as tape:
            tape.watch(batch)
            outputs = layer(batch, training=True)
            loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * tf.cast(images(8, seed=2), tf.float32))
        return outputs, *tape.gradient(loss, [batch, *(weight.value for weight in layer.trainable_weights)])

    values = [tf.cast(value, tf.float32).numpy() for value in run(tf.constant(batch))]
    kernels = {operation.type for operation in run.get_concrete_function(tf.constant(batch)).graph.get_operations()}
    return values + [weight.numpy() for weight in layer.weights], any("FusedBatchNorm" in kernel for kernel in kernels)


@pytest.mark.parametrize("options", [{}, {"scale": False, "center": False, "momentum": 0.5, "epsilon": 0.1}])
def test_fused_batch_norm_equals_keras(options):
    ours, theirs = norms(synchronized=True, **options)
    batch = 3 + images(8)
    (found, fused), (expected, plain) = train(ours, batch), train(theirs, batch)
    assert fused and not plain
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours(batch), theirs(batch), rtol=1e-4, atol=1e-5)  # inference


def test_fused_batch_norm_second_derivatives_equal_keras():
    # Those of a penalty on the gradient of a critic.
    batch, found = tf.constant(3 + images(8)), []
    for layer in norms():
        with tf.GradientTape() as outer:
            with tf.GradientTape() as tape:
                tape.watch(batch)
                loss = tf.reduce_sum(layer(batch, training=True) ** 3)
            slopes = tape.gradient(loss, batch)
            penalty = tf.reduce_mean(slopes**2)
        found.append(outer.gradient(penalty, layer.gamma.value).numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3)
    assert np.abs(found[0]).max() > 1e-2


def test_fused_batch_norm_does_not_round_its_statistics():
    ours, _ = norms(dtype="mixed_bfloat16", momentum=0.0)
    batch = 3 + images(8)
    (outputs, *_, mean, variance), fused = train(ours, batch)
    assert fused
    rounded = tf.cast(tf.cast(batch, tf.bfloat16), tf.float32).numpy()
    np.testing.assert_allclose(mean, rounded.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(variance, rounded.var((0, 1, 2)), rtol=1e-4)
    gamma, beta = (weight.numpy() for weight in ours.trainable_weights)
    expected = gamma * (rounded - mean) / np.sqrt(variance + ours.epsilon) + beta
    np.testing.assert_allclose(outputs, expected, rtol=2**-8, atol=2**-8)


@pytest.mark.parametrize(
    ("options", "shape"), [({}, (8, 5)), ({"axis": 1}, (8, 5, 3, 2)), ({"dtype": "float64"}, (8, 3, 2, 5))]
)
def test_fused_batch_norm_leaves_other_cases_to_keras(options, shape):
    batch = np.random.default_rng(0).normal(size=shape)
    pair = BatchNormalization(**options), keras.layers.BatchNormalization(**options)
    found, expected = (layer(batch, training=True) for layer in pair)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(*(layer.moving_variance.numpy() for layer in pair))


def test_batch_norm_on_two_devices_equals_one(two_devices):
    batch = 3 + images(8)
    one, _ = norms(synchronized=True)
    with two_devices.scope():
        both, _ = norms(synchronized=True)
    whole = one(batch, training=True)
    halves = two_devices.experimental_distribute_values_from_function(
        lambda context: tf.constant(np.split(batch, 2)[context.replica_id_in_sync_group])
    )
    parts = two_devices.run(tf.function(lambda half: both(half, training=True)), args=(halves,))
    parts = two_devices.experimental_local_results(parts)
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(one.weights, both.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4)


def test_batch_norm_frozen_keeps_its_statistics():
    ours, theirs = norms()
    ours.trainable = theirs.trainable = False
    batch = 3 + images(8)
    before = ours.moving_mean.numpy()
    np.testing.assert_array_equal(ours(batch, training=True), theirs(batch, training=True))
    np.testing.assert_array_equal(ours.moving_mean.numpy(), before)


def test_batch_norm_can_be_saved(tmp_path):
    inputs = keras.Input((3, 2, 5))
    keras.Model(inputs, norms(momentum=0.7)[0](inputs)).save(tmp_path / "norm.keras")
    layer = keras.models.load_model(tmp_path / "norm.keras").layers[-1]
    assert type(layer) is BatchNormalization
    assert layer.momentum == 0.7


@pytest.mark.parametrize("groups", [1, -1])
def test_group_norm_and_its_gradients_are_keras(groups):
    maps, slopes = (tf.constant(3 + 2 * images(4, seed)) for seed in (0, 1))
    ours, theirs = (kind(groups=groups, epsilon=1e-4) for kind in (GroupNormalization, keras.layers.GroupNormalization))
    results = []
    for layer in (ours, theirs):
        layer.build(maps.shape)
        layer.gamma.assign([0.5, -1.0, 2.0, 1.5, 1.0])
        layer.beta.assign([0.0, 1.0, -1.0, 2.0, 0.5])
        options = {"training": True} if layer is ours else {}
        with tf.GradientTape() as tape:
            tape.watch(maps)
            outputs = layer(maps, **options)
        gradients = tape.gradient(outputs, [maps, layer.gamma.value, layer.beta.value], output_gradients=slopes)
        results.append([outputs, *gradients])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours(maps), theirs(maps), rtol=1e-6)  # where nothing is learned it is Keras' own
    low = GroupNormalization(groups=groups, dtype="mixed_bfloat16")(maps, training=True)
    assert low.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(low, tf.float32), (theirs(maps) - theirs.beta) / theirs.gamma, atol=0.03)


def test_group_norm_of_others_is_keras():
    maps = tf.constant(np.random.default_rng(0).normal(size=(2, 3, 3, 4)).astype(np.float32))
    for options in ({"groups": 2}, {"groups": 1, "scale": False}):
        found = GroupNormalization(**options)(maps, training=True)
        np.testing.assert_allclose(found, keras.layers.GroupNormalization(**options)(maps), rtol=1e-6)
