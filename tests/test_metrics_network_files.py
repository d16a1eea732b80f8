import re

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from keras import layers
from onnx import TensorProto, helper, numpy_helper

from tfanime.metrics.features import open_network

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 6, 3), np.uint8)


@pytest.fixture(scope="module")
def model():
    pictures = layers.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, name="first")(pictures)
    return keras.Model(pictures, layers.Dense(2, name="second")(layers.Flatten()(x)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("networks")
    model.save(folder / "my net.keras")
    model.export(str(folder / "saved"), verbose=False)
    for name, shape in (("any", ["n", 3, "h", "w"]), ("single", [1, 3, 6, 6])):
        write_onnx(folder / f"{name}.onnx", shape)
    return folder


def write_onnx(path, shape):
    """Pictures, channels first -> the mean of each channel, and its negative."""
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
        helper.make_node("Neg", ["mean"], ["negative"]),
    ]
    floats = TensorProto.FLOAT
    outputs = [helper.make_tensor_value_info(name, floats, [shape[0], 3]) for name in ("mean", "negative")]
    axes = numpy_helper.from_array(np.array([2, 3]), "axes")
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", floats, shape)], outputs, [axes])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def test_from_file_reads_a_keras_model(folder, model):
    network = open_network(str(folder / "my net.keras"))
    np.testing.assert_allclose(network(IMAGES), model(IMAGES / 127.5 - 1), rtol=1e-4, atol=1e-5)
    assert re.fullmatch(r"fd_my_net_[0-9a-f]{8}", network.value) and (network.size, network.dimensions) == (6, 2)
    network = open_network(f"{folder / 'my net.keras'}:output=first,mean=0,scale=255,channels=bgr")
    first = model.layers[1](IMAGES[..., ::-1] / 255)
    np.testing.assert_allclose(network(IMAGES), np.reshape(first, (5, -1)), rtol=1e-4, atol=1e-5)
    assert network.resize == "bicubic, antialiased, clipped, 6, (x - 0) / 255, bgr, first"


def test_from_file_reads_a_saved_model(folder, model):
    network = open_network(str(folder / "saved"))
    larger = np.random.default_rng(1).integers(0, 256, (5, 11, 11, 3), np.uint8)
    resized = np.clip(tf.image.resize(larger, (6, 6), "bicubic", antialias=True), 0, 255)
    np.testing.assert_allclose(network(larger), model(resized / 127.5 - 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "options"), [("any", "size=6,"), ("single", "")])
def test_from_file_reads_an_onnx_file(folder, name, options):
    network = open_network(f"{folder / name}.onnx:{options}output=negative,mean=9/20/30,scale=2,channels=bgr")
    expected = -(IMAGES[..., ::-1] - np.array([9.0, 20, 30])).mean(axis=(1, 2)) / 2
    np.testing.assert_allclose(network(IMAGES), expected, rtol=1e-5)
    assert network.resize == "bicubic, antialiased, clipped, 6, (x - [9 20 30]) / 2, bgr, negative"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("nowhere.onnx", FileNotFoundError, r"the file of a feature network must exist. Received: '.*nowhere.onnx'"),
        ("text.txt", ValueError, r"must be .keras, .onnx or a SavedModel's folder. Received: '.*text.txt'"),
        ("broken.keras", ValueError, r"broken.keras must be a Keras model. Received: "),
        ("broken.onnx", ValueError, r"broken.onnx must be an ONNX file. Received: "),
        ("any.onnx:output=mean", ValueError, r"size must be given for a network that takes any, such as .*:size=224"),
        ("any.onnx:size=6", ValueError, r"output of .* must be one of mean, negative. Received: none"),
        ("single.onnx:output=mean,size=7", ValueError, r"single.onnx must take \[batch, 7, 7, 3\]. Received from it: "),
        ("my net.keras:output=third", ValueError, r"must be one of its layers .*first.*second. Received: third"),
        ("my net.keras:sizes=3", ValueError, r"must be of size, mean, scale, channels, output. Received: 'sizes'"),
        ("my net.keras:size=x", ValueError, r"size of .* must be a number. Received: 'x'"),
        (
            "my net.keras:mean=1/x",
            ValueError,
            r"mean of .* must be one number, or three separated by /. Received: '1/x'",
        ),
        (
            "my net.keras:mean=1/2",
            ValueError,
            r"mean of .* must be one finite number, or three. Received: \(1.0, 2.0\)",
        ),
        ("my net.keras:scale=0", ValueError, r"scale of .* must be above 0. Received: 0.0"),
        ("my net.keras:channels=hsv", ValueError, r"channels of .* must be rgb or bgr. Received: 'hsv'"),
    ],
)
def test_from_file_refuses_wrong_files_and_options(folder, text, error, message):
    (folder / "text.txt").write_text("?")
    for kind in ("keras", "onnx"):
        (folder / f"broken.{kind}").write_bytes(b"?")
    with pytest.raises(error, match=message):
        open_network(f"{folder}/{text}")


def test_from_file_takes_floats_for_keras_models_only(folder):
    network = open_network(str(folder / "my net.keras"))
    images = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    assert np.abs(network.of_floats(images) - network.of_floats(np.round(images))).max() > 0
    assert not open_network(str(folder / "saved")).takes_floats


def test_from_file_names_values_by_the_files_hash(folder, tmp_path, model):
    other = keras.models.clone_model(model)
    other.save(tmp_path / "my net.keras")
    assert open_network(str(tmp_path / "my net.keras")).value != open_network(str(folder / "my net.keras")).value


def test_from_file_names_values_by_the_options(folder):
    path = f"{folder}/any.onnx:size=6,"
    texts = [f"{path}output=mean", f"{path}output=negative", f"{path}output=mean,scale=9", path[:-1] + ",output=mean"]
    networks = [open_network(text) for text in texts]
    values = [network.value for network in networks]
    assert len(set(values)) == 3 and values[0] == values[3]
    assert len({network.weights for network in networks}) == 1


def test_from_file_refuses_external_onnx_weights(folder, tmp_path):
    model = onnx.load(folder / "any.onnx")
    big = numpy_helper.from_array(np.zeros(600, np.float32), "big")
    model.graph.initializer.append(big)
    onnx.save(model, tmp_path / "a.onnx", save_as_external_data=True, location="a.data", size_threshold=1000)
    assert (tmp_path / "a.data").is_file()
    with pytest.raises(ValueError, match=r"a.onnx must hold its weights itself. Received: weights in a.data"):
        open_network(f"{tmp_path / 'a.onnx'}:size=6,output=mean")
