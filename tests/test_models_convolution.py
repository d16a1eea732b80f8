import keras
import numpy as np
import pytest
import tensorflow as tf

from tfanime.models.convolution import Conv2D, Conv2DTranspose, convolve, correlate, spread

RANDOM = np.random.default_rng(0)
IMAGES, KERNEL, OUTPUTS = (RANDOM.normal(size=shape) for shape in ((2, 6, 4, 3), (4, 4, 3, 5), (2, 3, 2, 5)))
FORMS = {
    "convolve": (convolve, lambda images, kernel: tf.nn.conv2d(images, kernel, 2, "SAME"), (IMAGES, KERNEL)),
    "spread": (
        spread,
        lambda outputs, kernel: tf.nn.conv2d_transpose(outputs, kernel, (2, 6, 4, 3), 2, "SAME"),
        (OUTPUTS, KERNEL),
    ),
    "correlate": (
        correlate,
        lambda images, outputs: tf.raw_ops.Conv2DBackpropFilter(
            input=images, filter_sizes=(4, 4, 3, 5), out_backprop=outputs, strides=[1, 2, 2, 1], padding="SAME"
        ),
        (IMAGES, OUTPUTS),
    ),
}


def derivatives(function, arguments):
    """The value, its first derivatives, and those of their squares: what a penalty on the gradient asks for."""
    arguments = [tf.constant(argument) for argument in arguments]
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(arguments)
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            value = function(*arguments)
            loss = tf.reduce_sum(tf.math.softplus(value))
        first = tape.gradient(loss, arguments)
        squares = [tf.reduce_sum(gradient**2) for gradient in first]
    second = [outer.gradient(square, arguments) for square in squares]
    return [value.numpy() for value in tf.nest.flatten([value, first, second])]


@pytest.mark.parametrize("name", FORMS)
def test_convolution_equals_tensorflow_with_derivatives(name):
    ours, theirs, arguments = FORMS[name]
    found, expected = derivatives(ours, arguments), derivatives(theirs, arguments)
    assert len(found) == 7
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
        assert np.abs(other).max() > 0.1


def layers(ours, theirs, size, dtype="mixed_bfloat16", kernel_size=4, other_dtype=None, **options):
    """A layer and Keras' with the same weights, and inputs of this size; all representable in bfloat16."""
    options = {"strides": 2, "padding": "same"} | options
    random = np.random.default_rng(size)
    inputs = bfloat16(random.normal(size=(3, size, size, 8)))
    pair = [ours(6, kernel_size, dtype=dtype, **options), theirs(6, kernel_size, dtype=other_dtype or dtype, **options)]
    for layer in pair:
        layer.build(inputs.shape)
        layer.set_weights([bfloat16(weight) for weight in pair[0].get_weights()])
    pair[0].bias.assign(bfloat16(random.normal(size=6)))
    pair[1].bias.assign(pair[0].bias)
    return *pair, inputs


def bfloat16(values):
    return tf.cast(tf.cast(values, tf.bfloat16), tf.float32)


def train(layer, inputs, training=True):
    """Outputs and gradients, and the kinds of operations that made them."""

    @tf.function
    def run(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=training)
            loss = tf.reduce_sum(tf.cast(outputs, tf.float32) ** 2)
        return outputs, *tape.gradient(loss, [inputs, *(weight.value for weight in layer.trainable_weights)])

    kinds = {operation.type for operation in run.get_concrete_function(inputs).graph.get_operations()}
    return [tf.cast(value, tf.float32).numpy() for value in run(inputs)], kinds


PAIRS = [(Conv2D, keras.layers.Conv2D, 8), (Conv2DTranspose, keras.layers.Conv2DTranspose, 4)]


@pytest.mark.parametrize(("ours", "theirs", "size"), PAIRS)
@pytest.mark.parametrize("activation", [None, "relu"])
def test_convolution_layers_equal_keras(ours, theirs, size, activation):
    # TensorFlow itself is the less exact one in bfloat16: its sums for biases are rounded again and again.
    layer, other, inputs = layers(ours, theirs, size, activation=activation, other_dtype="float32")
    (found, kinds), (expected, plain) = train(layer, inputs), train(other, inputs)
    assert "Conv2DBackpropFilter" in plain
    assert "Conv2DBackpropFilter" not in kinds
    for one, other_value in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other_value, rtol=2**-6, atol=2**-6 * np.abs(other_value).max())


@pytest.mark.parametrize(("ours", "theirs", "size"), PAIRS)
@pytest.mark.parametrize(
    ("change", "training"),
    [
        ({"dtype": "float32"}, True),
        ({"kernel_size": 5}, True),
        ({"strides": 1}, True),
        ({"padding": "valid"}, True),
        ({"size": 32}, True),
        ({"size": 7}, True),
        ({}, False),
    ],
)
def test_convolution_leaves_other_cases_to_keras(ours, theirs, size, change, training):
    layer, other, inputs = layers(ours, theirs, **({"size": size} | change))
    (found, kinds), (expected, plain) = train(layer, inputs, training), train(other, inputs, training)
    # An odd size is none to halve, but one to double.
    fast = change == {"size": 7} and ours is Conv2DTranspose
    assert (kinds == plain) != fast
    if not fast:
        for one, other_value in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other_value, rtol=1e-5, atol=1e-5 * np.abs(other_value).max())


@pytest.mark.parametrize(("ours", "theirs", "size"), PAIRS)
def test_convolution_leaves_gpus_to_keras(ours, theirs, size, monkeypatch):
    layer, _, inputs = layers(ours, theirs, size)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"one {kind}"])
    assert "Conv2DBackpropFilter" in train(layer, inputs)[1]


def test_convolution_layers_can_be_saved(tmp_path):
    inputs = keras.Input((8, 8, 3))
    outputs = Conv2DTranspose(3, 4, strides=2, padding="same")(Conv2D(6, 4, strides=2, padding="same")(inputs))
    keras.Model(inputs, outputs).save(tmp_path / "layers.keras")
    assert [type(layer) for layer in keras.models.load_model(tmp_path / "layers.keras").layers[1:]] == [
        Conv2D,
        Conv2DTranspose,
    ]
