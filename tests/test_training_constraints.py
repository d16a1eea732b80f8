import keras
import numpy as np
import pytest
import tensorflow as tf

from tfanime.training.constraints import WeightClipping, assign_each


@pytest.mark.parametrize("kind", [tf.Variable, keras.Variable])
def test_weight_clipping_clips_weights_outside_the_limit(kind):
    variables = [kind([0.5, -0.5, 0.1, 0.25, -0.25]), kind([[7.0], [-7.0]])]
    WeightClipping(0.25)(variables)
    np.testing.assert_array_equal(variables[0].numpy(), np.float32([0.25, -0.25, 0.1, 0.25, -0.25]))
    np.testing.assert_array_equal(variables[1].numpy(), [[0.25], [-0.25]])


def test_weight_clipping_works_in_a_graph_on_two_devices(two_devices):
    with two_devices.scope():
        variable = keras.Variable([3.0, -0.1])
    two_devices.run(tf.function(lambda: WeightClipping(1.0)([variable])))
    for copy in two_devices.experimental_local_results(variable.value):
        np.testing.assert_array_equal(copy.numpy(), np.float32([1.0, -0.1]))


def test_assign_each_pairs_variables():
    means, values = [keras.Variable(1.0), keras.Variable(2.0)], [keras.Variable(10.0), keras.Variable(20.0)]
    assign_each(lambda mean, value: mean.assign(mean + value), means, values)
    assert [mean.numpy() for mean in means] == [11, 22] and [value.numpy() for value in values] == [10, 20]
    with pytest.raises(ValueError, match="shorter"):
        assign_each(lambda mean, value: None, means, values[:1])


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_weight_clipping_refuses_bad_limits(limit):
    with pytest.raises(ValueError, match=r"limit must be above 0. Received: "):
        WeightClipping(limit)
