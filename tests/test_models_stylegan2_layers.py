import keras
import numpy as np
import numpy_layers
import pytest
import tensorflow as tf

from tfanime.models.stylegan2_layers import EqualizedConv2D, EqualizedDense, LearnedMaps, StyledConv2D, ToRGB
from tfanime.models.stylegan2_mapping import ScaledNoise, SecondMomentNorm, StyleAverage


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def float64(x):
    return tf.cast(x, tf.float64).numpy()


def drawn(layer, *shapes):
    """The layer, built, with all its weights N(0, 1)."""
    layer.build(shapes[0] if len(shapes) == 1 else shapes)
    for index, weight in enumerate(layer.weights):
        weight.assign(normal(*weight.shape, seed=10 + index))
    return layer


def styled(resampling=None, channels=6, filters=5, side=4, **options):
    out = 2 * side if resampling else side
    layer = drawn(
        StyledConv2D(filters, resampling, **options), (None, side, side, channels), (None, 7), (None, out, out, 1)
    )
    return layer, [normal(3, side, side, channels), normal(3, 7, seed=1), normal(3, out, out, 1, seed=2)]


def by_hand(layer, x, w, noise):
    kernel, bias, strength = (float64(each) for each in (layer.kernel, layer.bias, layer.noise_strength))
    s = numpy_layers.equalized_dense(w, float64(layer.affine.kernel), float64(layer.affine.bias))
    x = numpy_layers.modulated_conv(x, kernel, s, layer.resampling) + strength * noise
    return np.sqrt(2) * numpy_layers.relu(x + bias, 0.2)


@pytest.mark.parametrize("resampling", [None, "up"])
def test_styled_convolution_equals_one_kernel_for_each_picture(resampling):
    layer, inputs = styled(resampling)
    np.testing.assert_allclose(layer(inputs), by_hand(layer, *inputs), rtol=1e-4, atol=1e-4)


def test_styled_convolution_in_bfloat16_is_close():
    layer, inputs = styled("up", dtype="mixed_bfloat16")
    result = layer(inputs)
    assert result.dtype == tf.bfloat16
    expected = by_hand(layer, *inputs)
    assert np.abs(float64(result) - expected).max() < 0.03 * np.abs(expected).max()


def test_styles_are_not_rounded():
    # In bfloat16 1 + 2^-10 is 1, and the affine layer would give 0.
    layer = StyledConv2D(4, dtype="mixed_bfloat16")
    layer.build([(None, 4, 4, 2), (None, 1), (None, 4, 4, 1)])
    layer.affine.kernel.assign([[1.0, 1.0]])
    layer.affine.bias.assign([-1.0, -1.0])
    maps, noise = np.ones((1, 4, 4, 2)), np.zeros((1, 4, 4, 1))
    assert np.abs(float64(layer([maps, tf.constant([[1 + 2**-10]]), noise]))).max() > 0.1
    np.testing.assert_array_equal(float64(layer([maps, tf.constant([[1.0]]), noise])), 0)


@pytest.mark.parametrize("resampling", [None, "up"])
def test_demodulated_variance_is_one(resampling):
    # White maps in, any styles: the outputs before LeakyReLU have variance 1, and mean square 1 after gain.
    side = 32
    out = 2 * side if resampling else side
    layer = StyledConv2D(64, resampling)
    layer.build([(None, side, side, 48), (None, 8), (None, out, out, 1)])
    inputs = [normal(2, side, side, 48), 5 * normal(2, 8, seed=1), np.zeros((2, out, out, 1))]
    x = float64(layer([tf.constant(each, tf.float32) for each in inputs]))
    before = np.where(x > 0, x, 5 * x)[:, 2:-2, 2:-2] / np.sqrt(2)
    # The transposed convolution meets a zero at three of four places; the filter takes more of white maps.
    expected = 1.0 if resampling is None else 4 * (20 / 64) ** 2
    np.testing.assert_allclose(before.var(), expected, rtol=0.1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_clamp_limits_values_in_float16(dtype):
    layer, inputs = styled(dtype=f"mixed_{dtype}" if dtype != "float32" else dtype)
    layer.bias.assign(1e4 * np.array([1.0, -1.0, 1.0, -1.0, 0.0]))
    result = float64(layer(inputs))
    low, high = (-256, 256) if dtype == "float16" else (-2e3 * np.sqrt(2), 1e4 * np.sqrt(2))
    np.testing.assert_allclose([result[..., 1].mean(), result[..., 0].mean()], [low, high], rtol=0.01)
    assert np.abs(result[..., 4]).max() < 256


def test_clamp_stops_gradients():
    x = tf.constant([[[[-3e3, -1.0, 2.0, 3e3]]]], tf.float16)
    layer = EqualizedConv2D(4, 1, dtype="mixed_float16")
    layer.build(x.shape)
    layer.kernel.assign(2 * np.eye(4)[None, None])  # over sqrt(4)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            squares = layer(x) ** 2 / 2
        slopes = tape.gradient(squares, x)
    a, b = 0.2 * np.sqrt(2), np.sqrt(2)
    np.testing.assert_allclose(layer(x)[0, 0, 0], [-256, -a, 2 * b, 256], rtol=2e-3)
    np.testing.assert_allclose(slopes[0, 0, 0], [0, -(a**2), 2 * b**2, 0], rtol=5e-3)
    np.testing.assert_allclose(outer.gradient(slopes, x)[0, 0, 0], [0, a**2, b**2, 0], rtol=5e-3)


def test_to_rgb_equals_numpy():
    layer = drawn(ToRGB(), (None, 4, 4, 6), (None, 7))
    x, w = normal(3, 4, 4, 6), normal(3, 7, seed=1)
    s = numpy_layers.equalized_dense(w, float64(layer.affine.kernel), float64(layer.affine.bias)) / np.sqrt(6)
    expected = numpy_layers.modulated_conv(x, float64(layer.kernel), s, demodulate=False) + float64(layer.bias)
    np.testing.assert_allclose(layer([x, w]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("resampling", [None, "up", "down"])
@pytest.mark.parametrize("side", [1, 3])
@pytest.mark.parametrize("activate", [True, False])
def test_convolution_equals_numpy(side, resampling, activate):
    layer = drawn(EqualizedConv2D(5, side, resampling, activate=activate, gain=0.7), (None, 4, 4, 6))
    x = normal(3, 4, 4, 6)
    expected = numpy_layers.resampled_conv(x, float64(layer.kernel) / np.sqrt(side * side * 6), resampling)
    if activate:
        expected = np.sqrt(2) * numpy_layers.relu(expected + float64(layer.bias), 0.2)
    np.testing.assert_allclose(layer(x), 0.7 * expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rate", [1.0, 0.01])
@pytest.mark.parametrize("activate", [True, False])
def test_dense_equals_numpy(rate, activate):
    layer = drawn(EqualizedDense(5, activate=activate, learning_rate=rate), (None, 6))
    x = normal(3, 6)
    kernel, bias = (float64(each) for each in (layer.kernel, layer.bias))
    expected = numpy_layers.equalized_dense(x, kernel, bias, rate, activate)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-6)


def test_initial_weights_are_normal():
    slow, styles = EqualizedDense(300, learning_rate=0.01), EqualizedDense(5, bias=1.0)
    slow.build((None, 200))
    styles.build((None, 6))
    np.testing.assert_allclose(np.std(slow.kernel), 100, rtol=0.02)
    np.testing.assert_array_equal(styles.bias, 1)


def test_second_moment_norm_equals_numpy():
    x = 7 * normal(3, 6)
    np.testing.assert_allclose(SecondMomentNorm()(x), numpy_layers.second_moment_norm(x), rtol=1e-5)


def test_style_average_moves_in_training_only():
    layer = StyleAverage()
    batches = [normal(4, 3, seed=seed) for seed in range(3)]
    expected = np.zeros(3)
    for batch in batches:
        np.testing.assert_array_equal(layer(batch, training=True), np.float32(batch))
        expected = 0.995 * expected + 0.005 * batch.mean(axis=0)
    layer(batches[0], training=False)
    np.testing.assert_allclose(layer.average, expected, rtol=1e-5)
    assert layer.trainable_weights == []


def test_style_average_on_two_devices_equals_one(two_devices):
    batch = np.float32(normal(8, 3))
    one = StyleAverage(decay=0.5)
    one(batch, training=True)
    with two_devices.scope():
        both = StyleAverage(decay=0.5)
        both.build((None, 3))
    halves = two_devices.experimental_distribute_values_from_function(
        lambda context: tf.constant(np.split(batch, 2)[context.replica_id_in_sync_group])
    )
    two_devices.run(tf.function(lambda half: both(half, training=True)), args=(halves,))
    values = two_devices.experimental_local_results(both.average.value)
    for value in values:
        np.testing.assert_allclose(value, one.average, rtol=1e-5)


def test_noise_is_drawn_in_training_only():
    values, noise = normal(4, 3), normal(4, 3, seed=1)
    layer = ScaledNoise(0.5)
    np.testing.assert_allclose(layer([values, noise], training=True), values + 0.5 * noise, rtol=1e-5)
    np.testing.assert_array_equal(layer([values, noise], training=False), np.float32(values))


def test_noise_strength_begins_at_0_and_is_learned():
    layer = StyledConv2D(5)
    inputs = [tf.constant(each, tf.float32) for each in styled()[1]]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(inputs) ** 2)
    assert tape.gradient(loss, layer.noise_strength.value) != 0
    np.testing.assert_array_equal(layer(inputs), layer([*inputs[:2], -inputs[2]]))


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_layers_can_be_saved(tmp_path, dtype):
    maps, w, noise = keras.Input((4, 4, 6)), keras.Input((7,)), keras.Input((8, 8, 1))
    x = StyledConv2D(5, "up", dtype=dtype)([maps, StyleAverage(0.9)(EqualizedDense(7, True, 1.0, 0.1)(w)), noise])
    x = EqualizedConv2D(6, 3, "down", gain=0.5, dtype=dtype)(x)
    x = keras.layers.Add(dtype=dtype)([x, LearnedMaps(4, 6, dtype=dtype)(w)])
    model = keras.Model([maps, w, noise], ToRGB(2, dtype=dtype)([x, w]))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    inputs = [np.float32(each) for each in (normal(3, 4, 4, 6), normal(3, 7), normal(3, 8, 8, 1))]
    assert loaded(inputs).dtype == tf.float32
    np.testing.assert_array_equal(loaded(inputs), model(inputs))
    assert [layer.get_config() for layer in loaded.layers] == [layer.get_config() for layer in model.layers]


def test_resampling_must_be_known():
    with pytest.raises(ValueError, match=r"resampling must be None, 'up' or 'down'. Received: 'left'"):
        EqualizedConv2D(4, 3, "left")
