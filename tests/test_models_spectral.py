import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfanime.models.spectral import SpectralNormalization, power_iterations, spectral_layers

SHAPES = {"Dense": (7,), "Conv2D": (6, 6, 3), "Conv2DTranspose": (6, 6, 3), "Conv1D": (6, 3), "Embedding": ()}


def wrapped(kind, dtype="float32", seed=0, **options):
    """A built layer of that kind with kernel side 3 (or none) and 5 outputs, and inputs for it."""
    options = {"kernel_size": 3} | options if "Conv" in kind else options
    arguments = (11, 5) if kind == "Embedding" else (5,)
    layer = SpectralNormalization(getattr(layers, kind)(*arguments, dtype=dtype, **options), seed=seed)
    inputs = np.random.default_rng(1).normal(size=(4, *SHAPES[kind]))
    inputs = np.array([0, 3, 10, 3]) if kind == "Embedding" else inputs.astype("float32")
    layer(inputs)
    kernel = layer.kernel
    kernel.assign(np.random.default_rng(2).normal(size=kernel.shape))
    return layer, inputs


def matrix(kernel, kind):
    """[outputs, others], by hand."""
    if kind == "Conv2DTranspose":  # height, width, outputs, inputs
        return np.concatenate([kernel[:, :, output].reshape(1, -1) for output in range(kernel.shape[2])])
    return kernel.reshape(-1, kernel.shape[-1]).T


def unit(vector):
    return vector / (np.sqrt(np.sum(vector**2)) + 1e-12)


@pytest.mark.parametrize("kind", SHAPES)
def test_one_iteration_equals_algorithm_1(kind):
    layer, _ = wrapped(kind)
    kernel, u = matrix(layer.kernel.numpy(), kind), layer.u.numpy()
    assert layer.u.shape == (kernel.shape[0],) and layer.v.shape == (kernel.shape[1],)
    for _ in range(2):
        layer.power_iteration()
        v = unit(kernel.T @ u)
        u = unit(kernel @ v)
        np.testing.assert_allclose(layer.v.numpy(), v, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(layer.u.numpy(), u, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(layer.sigma(), u @ kernel @ v, rtol=1e-5)


@pytest.mark.parametrize("kind", SHAPES)
def test_sigma_becomes_the_largest_singular_value(kind):
    layer, _ = wrapped(kind)
    for _ in range(100):
        layer.power_iteration()
    kernel = layer.kernel.numpy()
    expected = np.linalg.svd(matrix(kernel, kind), compute_uv=False)[0]
    np.testing.assert_allclose(layer.sigma(), expected, rtol=1e-4)
    if kind == "Conv2DTranspose":  # with the inputs in the rows it would be another number
        wrong = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
        assert abs(wrong / expected - 1) > 0.02


def test_sigma_of_a_kernel_of_known_singular_values():
    layer, _ = wrapped("Conv2DTranspose", kernel_size=1)
    kernel = np.zeros((1, 1, 5, 3))
    kernel[0, 0, :3] = np.diag([2.0, -7.0, 1.0])
    layer.kernel.assign(kernel)
    for _ in range(30):
        layer.power_iteration()
    np.testing.assert_allclose(layer.sigma(), 7.0, rtol=1e-5)
    np.testing.assert_allclose(np.abs(layer.u.numpy()), [0, 1, 0, 0, 0], atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", SHAPES)
def test_layer_computes_with_the_kernel_over_sigma(kind, training):
    options = {"use_bias": True, "activation": "tanh", "bias_initializer": "ones"}
    layer, inputs = wrapped(kind, **({} if kind == "Embedding" else options))
    layer.power_iteration()
    before = [weight.numpy() for weight in layer.weights]
    outputs = layer(inputs, training=training)
    for weight, value in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    plain = type(layer.layer).from_config(layer.layer.get_config())
    plain(inputs)
    kernel, *bias = layer.layer.get_weights()
    plain.set_weights([kernel / layer.sigma().numpy(), *bias])
    np.testing.assert_allclose(outputs, plain(inputs), rtol=1e-4, atol=1e-5)


def test_initial_sigma_is_above_zero_and_not_too_large():
    for seed in range(5):
        layer = SpectralNormalization(layers.Dense(5), seed=seed)
        layer.build((None, 7))
        kernel = layer.kernel.numpy()
        np.testing.assert_allclose(layer.sigma(), np.linalg.norm(layer.u.numpy() @ kernel.T), rtol=1e-5)
        assert 0 < float(layer.sigma()) <= np.linalg.svd(kernel, compute_uv=False)[0] * (1 + 1e-6)


@pytest.mark.parametrize("kind", ["Dense", "Conv2D", "Conv2DTranspose"])
def test_gradient_equals_equation_12(kind):
    layer, inputs = wrapped(kind, "float64", **({"strides": 2, "padding": "same"} if "Conv" in kind else {}))
    layer.power_iteration()
    inputs = tf.constant(inputs, tf.float64)
    kernel, sigma = layer.kernel.numpy(), float(layer.sigma())
    u, v = layer.u.numpy(), layer.v.numpy()
    weights = np.random.default_rng(3).normal(size=layer(inputs).shape)

    def loss():
        return tf.reduce_sum(weights * tf.tanh(layer(inputs)))

    with tf.GradientTape() as tape:
        value = loss()
    gradient = tape.gradient(value, layer.kernel.value).numpy()
    # G, the gradient of the same loss with respect to W / sigma, by the layer inside alone
    plain = type(layer.layer).from_config(layer.layer.get_config())
    plain(inputs)
    plain.set_weights([kernel / sigma, layer.layer.get_weights()[1]])
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(weights * tf.tanh(plain(inputs)))
    g = tape.gradient(value, plain.kernel.value).numpy()
    rows, normalized = matrix(g, kind), matrix(kernel / sigma, kind)
    # Equation 12: (G - <G, W / sigma> u v^T) / sigma
    expected = (rows - np.sum(rows * normalized) * np.outer(u, v)) / sigma
    np.testing.assert_allclose(matrix(gradient, kind), expected, rtol=1e-10, atol=1e-12)
    assert np.abs(expected - rows / sigma).max() > 1e-2  # the term of sigma is no trifle
    for place in [(0,) * kernel.ndim, tuple(size - 1 for size in kernel.shape)]:
        slope = []
        for step in (1e-6, -1e-6):
            moved = kernel.copy()
            moved[place] += step
            layer.kernel.assign(moved)
            slope.append(float(loss()))
        np.testing.assert_allclose(gradient[place], (slope[0] - slope[1]) / 2e-6, rtol=1e-5)


def test_second_derivatives_are_defined():
    layer, inputs = wrapped("Conv2D", "float64")
    inputs = tf.constant(inputs, tf.float64)

    def penalty():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = tf.reduce_sum(tf.tanh(layer(inputs)))
        return tf.reduce_sum(tape.gradient(outputs, inputs) ** 2)

    with tf.GradientTape() as tape:
        value = penalty()
    gradient = tape.gradient(value, layer.kernel.value).numpy()
    kernel, slope = layer.kernel.numpy(), []
    for step in (1e-6, -1e-6):
        moved = kernel.copy()
        moved[1, 2, 0, 3] += step
        layer.kernel.assign(moved)
        slope.append(float(penalty()))
    np.testing.assert_allclose(gradient[1, 2, 0, 3], (slope[0] - slope[1]) / 2e-6, rtol=1e-5)


def test_u_has_length_1_and_follows_the_seed():
    def u(seed):
        layer = SpectralNormalization(layers.Dense(1000), seed=seed)
        layer.build((None, 2))
        return layer.u.numpy()

    np.testing.assert_array_equal(u(1), u(1))
    assert np.abs(u(1) - u(2)).max() > 0.01
    np.testing.assert_allclose(np.linalg.norm(u(1)), 1, rtol=1e-6)
    # 1000 numbers N(0, 1) over their length, sqrt(1000): not cut off, as a truncated normal would be
    assert abs(np.mean(u(1))) * np.sqrt(1000) < 0.15 and 2.8 < np.abs(u(1)).max() * np.sqrt(1000) < 5


@pytest.mark.parametrize("inside_a_model", [False, True])
def test_sigma_in_low_precision_is_not_rounded(inside_a_model):
    layer = SpectralNormalization(layers.Conv2D(5, 3, dtype="mixed_bfloat16"), seed=0)
    pictures = np.random.default_rng(1).normal(size=(4, 6, 6, 3)).astype("float32")
    if inside_a_model:
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16")
        images = layers.Input((6, 6, 3))
        model = keras.Model(images, layers.Activation("linear")(layer(images)))
        keras.config.set_dtype_policy(policy)
    else:
        model = layer
    outputs = model(pictures)
    assert outputs.dtype == tf.bfloat16
    assert {weight.dtype for weight in layer.weights} == {"float32"} and layer.sigma().dtype == tf.float32
    layer.power_iteration()
    kernel = matrix(layer.kernel.numpy(), "Conv2D")
    np.testing.assert_allclose(layer.sigma(), layer.u.numpy() @ kernel @ layer.v.numpy(), rtol=1e-6)
    seen = []
    call = layer.layer.call
    layer.layer.call = lambda inputs: (
        seen.append((inputs.dtype, tf.convert_to_tensor(layer.layer.kernel))) or call(inputs)
    )
    model(pictures)
    ((precision, lent),) = seen
    expected = layer.kernel.numpy() / layer.sigma().numpy()
    assert precision == lent.dtype == tf.bfloat16
    np.testing.assert_array_equal(lent, tf.cast(expected, tf.bfloat16))  # one rounding, after the division


def test_inputs_reach_the_layer_unchanged():
    layer, inputs = wrapped("Dense", "mixed_bfloat16")
    seen = []
    call = layer.call
    layer.call = lambda inputs: seen.append(inputs.dtype) or call(inputs)
    layer(tf.cast(inputs, tf.bfloat16))
    assert seen == [tf.bfloat16]  # not cast up and down again


def nested():
    images = layers.Input((6, 6, 3))
    x = SpectralNormalization(layers.Conv2D(4, 3, strides=2, name="first"))(images)
    x = keras.Sequential([SpectralNormalization(layers.Conv2D(5, 1, name="inner")), layers.LeakyReLU()])(x)
    x = layers.Dense(2, name="plain")(layers.Flatten()(x))
    return keras.Model(images, SpectralNormalization(layers.Dense(1, name="last"))(x))


def test_power_iterations_moves_every_layer_once():
    model = nested()
    names = [layer.layer.name for layer in spectral_layers(model)]
    assert sorted(names) == ["first", "inner", "last"]
    expected = []
    for layer in spectral_layers(model):
        kernel = layer.kernel.numpy().reshape(-1, layer.kernel.shape[-1]).T
        expected.append(unit(kernel @ unit(kernel.T @ layer.u.numpy())))
    tf.function(lambda: power_iterations(model))()
    for layer, u in zip(spectral_layers(model), expected, strict=True):
        np.testing.assert_allclose(layer.u.numpy(), u, rtol=1e-4, atol=1e-6)
    power_iterations(keras.Sequential([layers.Input((3,)), layers.Dense(2)]))  # nothing to do


def test_vectors_are_not_trained():
    model = nested()
    assert not {"u", "v"} & {weight.name for weight in model.trainable_weights}
    assert sorted(weight.name for weight in model.non_trainable_weights) == ["u"] * 3 + ["v"] * 3


def test_spectral_layer_can_be_saved(tmp_path):
    model = nested()
    power_iterations(model)
    pictures = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    checkpointed = nested()
    tf.train.Checkpoint(model=model).save(tmp_path / "checkpoint")
    tf.train.Checkpoint(model=checkpointed).restore(str(tmp_path / "checkpoint-1")).assert_consumed()
    cloned = keras.models.clone_model(model)
    cloned.set_weights(model.get_weights())
    for other in (loaded, checkpointed, cloned):
        np.testing.assert_array_equal(other(pictures), model(pictures))
        for layer, original in zip(spectral_layers(other), spectral_layers(model), strict=True):
            np.testing.assert_array_equal(layer.u.numpy(), original.u.numpy())
            np.testing.assert_array_equal(layer.v.numpy(), original.v.numpy())


def test_config_keeps_seed_and_precision():
    layer = SpectralNormalization(layers.Conv2D(5, 3, dtype="mixed_bfloat16"), seed=3, name="critic", trainable=False)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (again.seed, again.name, again.trainable) == (3, "critic", False)
    assert again.layer.dtype_policy.name == "mixed_bfloat16" and again.variable_dtype == "float32"


def test_spectral_layer_can_be_exported(tmp_path):
    model = nested()
    pictures = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")
    model.export(str(tmp_path), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path))
    np.testing.assert_allclose(loaded.serve(pictures), model(pictures), rtol=1e-5, atol=1e-6)


def test_replicas_share_one_u(two_devices):
    with two_devices.scope():
        layer = SpectralNormalization(layers.Dense(5), seed=0)
        layer.build((None, 7))
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build(layer.trainable_weights)
    inputs = np.random.default_rng(0).normal(size=(4, 7)).astype("float32")
    kernel, u = layer.kernel.numpy().T, layer.u.numpy()

    def update():
        layer.power_iteration()
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        with tf.GradientTape() as tape:
            # each replica its own half: gradients differ, u must not
            loss = tf.reduce_sum(layer(tf.constant(inputs)[replica * 2 : replica * 2 + 2]) ** 2)
        optimizer.apply(tape.gradient(loss, [weight.value for weight in layer.trainable_weights]))

    # the second device's own u would lead elsewhere: the first one's counts
    two_devices.experimental_local_results(layer.u.value)[1].assign(tf.ones(5))
    for step in range(2):
        two_devices.run(tf.function(update))
        for weight in (layer.u, layer.v, layer.kernel):
            first, second = two_devices.experimental_local_results(weight.value)
            np.testing.assert_array_equal(first, second)
        if step == 0:
            np.testing.assert_allclose(layer.u.numpy(), unit(kernel @ unit(kernel.T @ u)), rtol=1e-4, atol=1e-6)
            kernel, u = layer.kernel.numpy().T, layer.u.numpy()
    np.testing.assert_allclose(layer.u.numpy(), unit(kernel @ unit(kernel.T @ u)), rtol=1e-4, atol=1e-6)


def test_kernel_of_zeros_gives_nan():
    layer, inputs = wrapped("Dense")
    layer.kernel.assign(np.zeros(layer.kernel.shape))
    layer.power_iteration()
    assert np.isnan(layer(inputs)).all()


def test_bad_arguments_are_refused():
    for layer in (layers.DepthwiseConv2D(3), layers.ReLU(), "Dense"):
        with pytest.raises(ValueError, match=r"layer must be a Dense, .* Received: "):
            SpectralNormalization(layer)
    with pytest.raises(ValueError, match=r"layer must have no activity_regularizer. Received: "):
        SpectralNormalization(layers.Dense(2, activity_regularizer="l2"))
    with pytest.raises(ValueError, match=r"dtype must be given to the layer inside. Received: float16"):
        SpectralNormalization(layers.Dense(2), dtype="float16")
