"""Holds the numbers of `write_numbers.py` against tensorflow-addons, in an environment that can import it.

    python tests/addons/compare.py numbers.npz

What can differ on purpose is left out: their spectral norm overwrites the kernel, lets no gradient through sigma, and
takes the wrong axis of transposed kernels for the outputs; its forward value in a dense layer or a convolution is ours.
"""

import sys

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa


def spectral_norm(numbers):
    for name, layer in (
        ("dense", tf.keras.layers.Dense(6)),
        ("convolution", tf.keras.layers.Conv2D(6, 3, strides=2)),
    ):
        inputs, kernel = numbers[f"{name}_inputs"], numbers[f"{name}_kernel"]
        wrapper = tfa.layers.SpectralNormalization(layer)
        wrapper.build(inputs.shape)
        layer.set_weights([kernel, numbers[f"{name}_bias"]])
        wrapper.u.assign(numbers[f"{name}_u"][None])
        outputs = wrapper(inputs, training=True)
        yield f"spectral norm, {name}: outputs", numbers[f"{name}_outputs"], outputs
        yield f"spectral norm, {name}: u", numbers[f"{name}_u_after"], wrapper.u[0]
        yield f"spectral norm, {name}: sigma", kernel / numbers[f"{name}_sigma"], layer.kernel
        np.testing.assert_array_equal(numbers[f"{name}_kernel_after"], kernel, "our kernel has been changed")
        assert np.abs(layer.kernel - kernel).max() > 0.1, "their kernel has not been changed: read the comparison anew"


def instance_norm(numbers):
    layer = tfa.layers.InstanceNormalization(epsilon=1e-3)
    layer.build(numbers["instance_inputs"].shape)
    layer.set_weights([numbers["instance_gamma"], numbers["instance_beta"]])
    yield "instance norm: outputs", numbers["instance_outputs"], layer(numbers["instance_inputs"])


def moving_average(numbers):
    weights, averages = numbers["moving_weights"], numbers["moving_averages"]
    batch, half_life = numbers["moving_batch_and_half_life"]
    np.testing.assert_array_equal(averages[0], weights[0], "the average does not start at the weights")
    variable, average = tf.Variable(weights[0]), tf.constant(weights[0])
    for step in range(1, len(weights)):
        # half of an old weight is left after half_life pictures, or after 5 % of those seen
        decay = 0.5 ** (batch / min(half_life, 0.05 * batch * step))
        # a new optimizer a step, because it compiles its first decay in
        optimizer = tfa.optimizers.MovingAverage(tf.keras.optimizers.legacy.SGD(1.0), average_decay=float(decay))
        optimizer._create_all_weights([variable])
        slot = optimizer.get_slot(variable, "average")
        slot.assign(average)
        optimizer.apply_gradients([(variable - weights[step], variable)])  # plain descent: to the next weights
        average = slot.value()
        yield f"moving average, step {step}", averages[step], average
    assert np.abs(averages[-1] - weights[-1]).max() > 1e-3, "the average is no average"


def main(path):
    with np.load(path) as archive:  # arrays only: pickles are refused
        numbers = dict(archive)
    for part in (spectral_norm, instance_norm, moving_average):
        count, largest = 0, 0.0
        for name, ours, theirs in part(numbers):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5, err_msg=name)
            count, largest = count + 1, max(largest, float(np.abs(ours - np.asarray(theirs)).max()))
        print(f"{part.__name__}: {count} comparisons, largest difference {largest:.1e}")


if __name__ == "__main__":
    tf.get_logger().setLevel("ERROR")  # one decay an optimizer, each compiled: no news
    print(f"TensorFlow {tf.__version__}, tensorflow-addons {tfa.__version__}")
    main(sys.argv[1])
