import keras
import numpy as np
import numpy_layers
import pytest
import tensorflow as tf

from tfanime.models.resample import BilinearDoubling, Resample, convolve, double, halve, low_pass

WAYS = {"low_pass": lambda x: low_pass(x, 2, 2), "halve": halve, "double": double}
BY_HAND = {
    "low_pass": lambda x: numpy_layers.low_pass(x, 2, 2),
    "halve": lambda x: numpy_layers.low_pass(x, 1, 1)[:, ::2, ::2],
    "double": lambda x: 4 * numpy_layers.low_pass(numpy_layers.zeros_between(x), 2, 1),
}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_resample_equals_numpy(way, dtype):
    x = tf.cast(normal(2, 6, 4, 3), dtype)
    expected = BY_HAND[way](tf.cast(x, tf.float64).numpy())
    tolerance = 1e-5 if dtype == "float32" else 0.03
    np.testing.assert_allclose(tf.cast(WAYS[way](x), tf.float64), expected, rtol=tolerance, atol=tolerance)


def test_filter_equals_the_published_one():
    point = np.zeros((1, 7, 7, 1))
    point[0, 3, 3, 0] = 64
    expected = np.outer([1, 3, 3, 1], [1, 3, 3, 1])
    np.testing.assert_allclose(low_pass(tf.constant(point, tf.float32), 1, 2)[0, 1:5, 1:5, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_gradients_equal_the_adjoint(way):
    # <A x, y> = <x, A* y> with A by hand: its matrix, column by column.
    shape = (1, 4, 4, 1)
    matrix = np.stack([BY_HAND[way](unit.reshape(shape)).ravel() for unit in np.eye(16)], axis=1)
    x = tf.constant(normal(*shape), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = WAYS[way](x)
    upstream = normal(*outputs.shape, seed=1)
    found = tape.gradient(outputs, x, tf.constant(upstream, tf.float32))
    np.testing.assert_allclose(found.numpy().ravel(), matrix.T @ upstream.ravel(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_second_order_gradients_are_exact(way):
    # p = sum((A* (A x)^2)^2), by x, with A's matrix by hand.
    shape = (1, 4, 4, 1)
    matrix = np.stack([BY_HAND[way](unit.reshape(shape)).ravel() for unit in np.eye(16)], axis=1)
    values = normal(*shape)
    x = tf.constant(values, tf.float32)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(WAYS[way](x) ** 3) / 3
        penalty = tf.reduce_sum(tape.gradient(loss, x) ** 2)
    outputs = matrix @ values.ravel()
    slopes = matrix.T @ outputs**2
    expected = 2 * matrix.T @ (2 * outputs * (matrix @ slopes))
    np.testing.assert_allclose(outer.gradient(penalty, x).numpy().ravel(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("side", [1, 3])
@pytest.mark.parametrize("resampling", [None, "up", "down"])
def test_convolutions_equal_numpy(side, resampling):
    x, kernel = normal(2, 4, 6, 3), normal(side, side, 3, 5, seed=1)
    result = convolve(tf.constant(x, tf.float32), tf.constant(kernel, tf.float32), resampling)
    np.testing.assert_allclose(result, numpy_layers.resampled_conv(x, kernel, resampling), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("resampling", ["up", "down"])
def test_layers_can_be_saved(tmp_path, resampling):
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, Resample(resampling)(inputs))
    model.save(tmp_path / "model.keras")
    x = normal(2, 4, 4, 3)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), WAYS["halve" if resampling == "down" else "double"](np.float32(x)))


def test_resample_refuses_other_factors():
    with pytest.raises(ValueError, match=r"resampling must be 'down' or 'up'. Received: 'left'"):
        Resample("left")


def test_bilinear_doubling_equals_keras_at_any_size():
    layer = BilinearDoubling()
    x = tf.random.stateless_normal([2, 5, 7, 3], [1, 2])
    expected = keras.layers.UpSampling2D(interpolation="bilinear")(x)
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)
    network = keras.Model(inputs := keras.Input((None, None, 3)), layer(inputs))
    draw = tf.function(network, input_signature=[tf.TensorSpec([None, None, None, 3])])
    np.testing.assert_allclose(draw(x), expected, atol=1e-6)
    assert layer(tf.cast(x, tf.bfloat16)).dtype == layer.compute_dtype
    assert network.compute_output_shape((1, 4, 6, 3)) == (1, 8, 12, 3) and network.output_shape == (None, None, None, 3)
