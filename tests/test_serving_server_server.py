import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from serving_calls import NAME, connected, predict, predict_request, running, status, tensor
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)
from tensorflow_serving.config import model_server_config_pb2
from tiny_generator import HEIGHT, SIZE, WIDTH, save

from tfanime.serving.server.status import MAX_TEXT
from tfanime.serving.server.tensors import decode, dtype_and_shape, encode

MAX_IMAGES = 32


@pytest.fixture(scope="module")
def base_path(tmp_path_factory):
    base_path = tmp_path_factory.mktemp("exports")
    save(base_path / "9", seed=9)
    save(base_path / "10", seed=10)  # the highest as a number, not as a text
    (base_path / "99.tmp").mkdir()
    (base_path / ".11.part").mkdir()
    (base_path / "-12").mkdir()
    (base_path / "13").touch()
    return base_path


@pytest.fixture(scope="module")
def direct(base_path):
    """The images of seeds, by the SavedModel itself."""
    loaded = tf.saved_model.load(str(base_path / "10"))
    return lambda seeds: loaded.signatures["images"](seed=tf.constant(seeds, tf.int64))["images"].numpy()


@pytest.fixture(scope="module")
def server(base_path):
    with running("--model", f"{NAME}={base_path}", "--max_images", MAX_IMAGES) as (process, address):
        yield process, address


@pytest.fixture(scope="module")
def stub(server):
    with connected(server[1]) as stub:
        yield stub


def test_highest_integer_version_is_served(server):
    assert server[0].first_line == f"serving {NAME} version 10 on {server[1]}\n"
    assert server[1].startswith("127.0.0.1:")


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_predict_equals_the_direct_call(stub, direct, batch):
    seeds = np.arange(100, 100 + batch)
    response = predict(stub, signature="images", seed=tensor(seeds))
    images = tf.make_ndarray(response.outputs["images"])
    assert images.dtype == np.uint8 and images.shape == (batch, HEIGHT, WIDTH, 3)
    together = direct(seeds)
    alone = np.concatenate([direct([seed]) for seed in seeds])
    assert np.abs(images.astype(int) - together).max() <= 1
    assert np.abs(images.astype(int) - alone).max() <= 1
    assert np.ptp(images) > 100

    pngs = tf.make_ndarray(predict(stub, signature="generate", seed=tensor(seeds)).outputs["image_bytes"])
    decoded = np.stack([tf.io.decode_png(png).numpy() for png in pngs])
    assert np.abs(decoded.astype(int) - together).max() <= 1


def test_predict_names_the_model_and_fills_tensor_content(stub):
    response = predict(stub, signature="images", seed=tensor([7]))
    assert response.model_spec.name == NAME
    assert response.model_spec.version.value == 10
    assert response.model_spec.signature_name == "images"
    assert list(response.outputs) == ["images"]
    assert len(response.outputs["images"].tensor_content) == HEIGHT * WIDTH * 3


def test_predict_without_a_signature_means_serving_default(stub):
    response = predict(stub, signature="", seed=tensor([7]))
    assert response.model_spec.signature_name == "serving_default"
    assert list(response.outputs) == ["image_bytes"]
    assert response == predict(stub, signature="serving_default", version=10, seed=tensor([7]))


def test_output_filter_selects_outputs(stub):
    inputs = {"seed_a": tensor([1, 2]), "t": tensor([0.5, 0.25], tf.float32)}
    response = predict(stub, signature="two_inputs", output_filter=["second"], **inputs)
    assert list(response.outputs) == ["second"]
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["second"]), [0.5, 0.25])
    assert sorted(predict(stub, signature="two_inputs", **inputs).outputs) == ["first", "second"]


def test_predict_reads_typed_fields_and_tensor_content(stub):
    latents = np.random.default_rng(0).standard_normal((2, SIZE)).astype(np.float32)
    content = tensor(latents, tf.float32)
    assert content.tensor_content
    typed = tf.make_tensor_proto(0.0, tf.float32)
    typed.float_val[:] = latents.ravel()
    typed.tensor_shape.CopyFrom(content.tensor_shape)
    assert predict(stub, signature="synthesize", latents=content) == predict(
        stub, signature="synthesize", latents=typed
    )


def test_nan_is_a_value(stub):
    latents = np.full((1, SIZE), np.nan, np.float32)
    assert predict(stub, signature="synthesize", latents=tensor(latents, tf.float32)).outputs["images"].tensor_content


def garbled(change, proto=None):
    """A proto after `change`, by default one of two seeds."""
    proto = tensor([1, 2]) if proto is None else proto
    change(proto)
    return proto


def three_values_for_two(proto):
    proto.ClearField("tensor_content")
    proto.int64_val.extend([1, 2, 3])


UNREADABLE = {
    "cut_content": garbled(lambda proto: setattr(proto, "tensor_content", b"123")),
    "too_many_values": garbled(three_values_for_two),
    "no_dtype": garbled(lambda proto: setattr(proto, "dtype", 0)),
    "unknown_dtype": garbled(lambda proto: setattr(proto, "dtype", 999)),
    "negative_size": garbled(lambda proto: setattr(proto.tensor_shape.dim[0], "size", -1)),
    "unknown_rank": garbled(lambda proto: setattr(proto.tensor_shape, "unknown_rank", True)),
}
GIANT = garbled(
    lambda proto: setattr(proto.tensor_shape.dim[0], "size", 2**62), tensor(np.zeros((1, SIZE)), tf.float32)
)
SEED = tensor([1, 2])
T = tensor([0.5, 0.5], tf.float32)
REFUSED = {
    "empty_name": ({"name": "", "seed": SEED}, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    "unknown_model": ({"name": "foo", "seed": SEED}, "NOT_FOUND", "Servable not found for request: Latest(foo)"),
    "path_as_model": (
        {"name": "../tfanime", "seed": SEED},
        "NOT_FOUND",
        "Servable not found for request: Latest(../tfanime)",
    ),
    "unknown_version": (
        {"version": 7, "seed": SEED},
        "NOT_FOUND",
        "Servable not found for request: Specific(tfanime, 7)",
    ),
    "version_of_unknown_model": (
        {"name": "foo", "version": 7, "seed": SEED},
        "NOT_FOUND",
        "Servable not found for request: Specific(foo, 7)",
    ),
    "unknown_label": ({"label": "x", "seed": SEED}, "INVALID_ARGUMENT", "Unrecognized servable version label: x"),
    "unknown_signature": (
        {"signature": "x", "seed": SEED},
        "FAILED_PRECONDITION",
        'Serving signature key "x" not found.',
    ),
    "no_input": (
        {},
        "INVALID_ARGUMENT",
        "input size does not match signature: 0!=1 len({}) != len({seed}). Sent extra: {}. "
        "Missing but required: {seed}.",
    ),
    "too_few_inputs": (
        {"signature": "two_inputs", "t": T},
        "INVALID_ARGUMENT",
        "input size does not match signature: 1!=2 len({t}) != len({seed_a,t}). Sent extra: {}. "
        "Missing but required: {seed_a}.",
    ),
    "too_many_inputs": (
        {"seed": SEED, "tags": T},
        "INVALID_ARGUMENT",
        "input size does not match signature: 2!=1 len({seed,tags}) != len({seed}). Sent extra: {tags}. "
        "Missing but required: {}.",
    ),
    "wrong_alias": (
        {"seeds": SEED},
        "INVALID_ARGUMENT",
        "Signature input alias: seed(feed name: images_seed:0) not found in request and no default value provided. "
        "Inputs expected to be in the request {seeds}, or default input alias set: ",
    ),
    "giant_shape": (
        {"signature": "synthesize", "latents": GIANT},
        "INVALID_ARGUMENT",
        "tensor parsing error: latents has more than 67108864 elements",
    ),
    "unknown_output": (
        {"seed": SEED, "output_filter": ["x"]},
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: x Outputs expected to be in the set {images}.",
    ),
    "output_twice": (
        {"seed": SEED, "output_filter": ["images", "images"]},
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: images",
    ),
    "double_for_float": (
        {"signature": "synthesize", "latents": tensor(np.zeros((1, SIZE)), tf.float64)},
        "INVALID_ARGUMENT",
        "Expects arg[0] to be float but double is provided",
    ),
    "int32_for_int64": (
        {"seed": tensor([1, 2], tf.int32)},
        "INVALID_ARGUMENT",
        "Expects arg[0] to be int64 but int32 is provided",
    ),
    "string_for_float_in_second": (
        {"signature": "two_inputs", "seed_a": SEED, "t": tensor(["a", "b"], tf.string)},
        "INVALID_ARGUMENT",
        "Expects arg[1] to be float but string is provided",
    ),
    "scalar_seed": (
        {"seed": tensor(1)},
        "INVALID_ARGUMENT",
        'Expects input "seed" to have shape [batch] but [] is provided',
    ),
    "wrong_rank": (
        {"seed": tensor([[1], [2]])},
        "INVALID_ARGUMENT",
        'Expects input "seed" to have shape [batch] but [2,1] is provided',
    ),
    "wrong_size": (
        {"signature": "synthesize", "latents": tensor(np.zeros((2, 3)), tf.float32)},
        "INVALID_ARGUMENT",
        'Expects input "latents" to have shape [batch,8] but [2,3] is provided',
    ),
    "batch_0": (
        {"seed": tensor(np.zeros([0]))},
        "INVALID_ARGUMENT",
        "Task size must be at least 1 but is 0 (signature images)",
    ),
    "batch_above_the_limit": (
        {"seed": tensor(np.arange(MAX_IMAGES + 1))},
        "INVALID_ARGUMENT",
        "Task size 33 is larger than maximum input batch size 32",
    ),
    "unequal_batches": (
        {"signature": "two_inputs", "seed_a": tensor([1, 2, 3]), "t": T},
        "INVALID_ARGUMENT",
        "Batching Run() input tensors must have equal 0th-dimension size",
    ),
}


@pytest.mark.parametrize(("arguments", "code", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_predict_refuses_bad_requests(stub, arguments, code, text):
    assert status(stub.Predict, predict_request(**arguments)) == (code, text)


@pytest.mark.parametrize("seed", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_predict_refuses_invalid_tensors(stub, seed):
    assert status(stub.Predict, predict_request(seed=seed)) == ("INVALID_ARGUMENT", "tensor parsing error: seed")


def test_largest_batch_is_allowed(stub):
    response = predict(stub, seed=tensor(np.arange(MAX_IMAGES)))
    assert len(tf.make_ndarray(response.outputs["images"])) == MAX_IMAGES


def test_missing_model_spec_is_refused(stub):
    assert status(stub.Predict, predict_pb2.PredictRequest()) == ("INVALID_ARGUMENT", "Missing ModelSpec")
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    assert status(stub.GetModelMetadata, request) == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_failing_kernel_keeps_its_code_and_text(stub):
    code, text = status(stub.Predict, predict_request(signature="failing", index=tensor([99])))
    assert code == "INVALID_ARGUMENT"
    assert "indices[0] = 99 is not in [0, 8)" in text


def test_error_texts_are_truncated(stub):
    code, text = status(stub.Predict, predict_request(signature="x" * 5000, seed=SEED))
    assert code == "FAILED_PRECONDITION"
    assert len(text) == MAX_TEXT and text.startswith('Serving signature key "xxx')


def test_requests_above_4_mib_arrive(stub):
    request = predict_request(signature="synthesize", latents=tensor(np.zeros((2**18, SIZE)), tf.float32))
    assert request.ByteSize() > 8 * 2**20
    assert status(stub.Predict, request)[1] == "Task size 262144 is larger than maximum input batch size 32"


@pytest.mark.parametrize(
    ("method", "request_class", "kind"),
    [
        ("Classify", classification_pb2.ClassificationRequest, "classification"),
        ("Regress", regression_pb2.RegressionRequest, "regression"),
    ],
)
@pytest.mark.parametrize(
    ("spec", "code", "text"),
    [
        (None, "INVALID_ARGUMENT", "Missing ModelSpec"),
        ({"name": "foo"}, "NOT_FOUND", "Servable not found for request: Latest(foo)"),
        (
            {"name": NAME, "signature_name": "x"},
            "INVALID_ARGUMENT",
            "No signature was found with the name: x",
        ),
        ({"name": NAME, "signature_name": "two_inputs"}, "INVALID_ARGUMENT", "Expected one input Tensor."),
        (
            {"name": NAME},
            "INVALID_ARGUMENT",
            "Expected {kind} signature method_name to be tensorflow/serving/{method}. Was: tensorflow/serving/predict",
        ),
    ],
)
def test_examples_are_refused(stub, method, request_class, kind, spec, code, text):
    request = request_class(model_spec=spec)
    text = text.format(kind=kind, method=method.lower())
    assert status(getattr(stub, method), request) == (code, text)


def test_several_inferences_are_not_implemented(stub):
    code, text = status(stub.MultiInference, inference_pb2.MultiInferenceRequest())
    assert (code, text) == ("UNIMPLEMENTED", "MultiInference is not implemented by this server: use Predict")


def metadata_request(*fields, name=NAME, version=None):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = name
    if version is not None:
        request.model_spec.version.value = version
    return request


def test_metadata_lists_the_signatures(stub):
    response = stub.GetModelMetadata(metadata_request("signature_def"), timeout=30)
    assert (response.model_spec.name, response.model_spec.version.value) == (NAME, 10)
    assert list(response.metadata) == ["signature_def"]
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert {"serving_default", "generate", "images", "synthesize"} <= set(signatures.signature_def)
    latents = signatures.signature_def["synthesize"].inputs["latents"]
    assert latents.dtype == tf.float32.as_datatype_enum
    assert [dimension.size for dimension in latents.tensor_shape.dim] == [-1, SIZE]


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        (
            metadata_request(),
            "INVALID_ARGUMENT",
            "GetModelMetadataRequest must specify at least one metadata_field",
        ),
        (metadata_request("x"), "INVALID_ARGUMENT", "Metadata field x is not supported"),
        (metadata_request("signature_def", name=""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (
            metadata_request("signature_def", name="foo"),
            "NOT_FOUND",
            "Servable not found for request: Latest(foo)",
        ),
        (
            metadata_request("signature_def", version=9),
            "NOT_FOUND",
            "Servable not found for request: Specific(tfanime, 9)",
        ),
    ],
)
def test_metadata_refuses_bad_requests(stub, request_, code, text):
    assert status(stub.GetModelMetadata, request_) == (code, text)


def test_sigterm_under_load_loses_nothing(base_path, direct, tmp_path):
    seeds = list(range(20))
    expected = {seed: direct([seed])[0] for seed in seeds}
    answered, ended = [], []

    def load(address, first):
        with connected(address) as stub:
            for index in range(100_000):
                seed = seeds[(first + index) % len(seeds)]
                try:
                    response = stub.Predict(predict_request(seed=tensor([seed])), timeout=30)
                except grpc.RpcError as error:
                    ended.append((error.code().name, error.details()))
                    return
                answered.append((seed, tf.make_ndarray(response.outputs["images"])[0]))

    with running("--model", f"first={base_path}", "--model", f"{NAME}={base_path}") as (process, address):
        assert process.stdout.readline() == f"serving {NAME} version 10 on {address}\n"  # a line a model
        with connected(address) as stub:
            gates = [tmp_path / str(number) for number in range(6)]
            with ThreadPoolExecutor(4) as pool:
                loads = [pool.submit(load, address, first) for first in range(4)]
                while len(answered) < 20:
                    time.sleep(0.01)
                # More calls than the server has threads for models. The first has an answer: the others have arrived,
                # and some run while some wait for their turn.
                held = [
                    stub.Predict.future(
                        predict_request(signature="held", file=tensor([str(gate)], tf.string)), timeout=60
                    )
                    for gate in gates
                ]
                gates[0].touch()
                held[0].result()
                assert not any(call.done() for call in held[1:])
                process.send_signal(signal.SIGTERM)
                for gate, call in zip(gates, held, strict=True):
                    gate.touch()
                    assert tf.make_ndarray(call.result().outputs["found"]).tolist() == [str(gate).encode()]
                for call in loads:
                    call.result()
            assert process.wait(30) == 0
            assert status(stub.Predict, predict_request(seed=SEED))[0] == "UNAVAILABLE"
    assert [code for code, _ in ended] == ["UNAVAILABLE"] * 4
    assert "Cancelling all calls" not in [text for _, text in ended]  # which is what a server says that cuts calls off
    for seed, image in answered:
        assert np.abs(image.astype(int) - expected[seed]).max() <= 1


def test_ctrl_c_ends_with_status_0(base_path):
    with running("--model", f"{NAME}={base_path}") as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.mark.slow
def test_model_config_file_is_read_again_when_it_changes(base_path, tmp_path):
    path = tmp_path / "models.config"

    def write(*fields):
        head = f'name: "{NAME}" base_path: "{base_path}" model_platform: "tensorflow"'
        path.with_suffix(".part").write_text(f"model_config_list {{ config {{ {head} {' '.join(fields)} }} }}")
        path.with_suffix(".part").rename(path)

    write("model_version_policy { specific { versions: 9 } }")
    with running("--model_config_file", path, "--model_config_file_poll_wait_seconds", "0.05") as (process, address):
        assert process.first_line == f"serving {NAME} version 9 on {address}\n"
        with connected(address) as stub:
            assert predict(stub, seed=tensor([1])).model_spec.version.value == 9
            write("this is none")
            write("model_version_policy { all { } }", 'version_labels { key: "stable" value: 9 }')
            end = time.monotonic() + 60
            while predict(stub, seed=tensor([1])).model_spec.version.value != 10 and time.monotonic() < end:
                time.sleep(0.05)
            assert predict(stub, seed=tensor([1])).model_spec.version.value == 10
            assert predict(stub, label="stable", seed=tensor([1])).model_spec.version.value == 9


@pytest.fixture
def broken(tmp_path):
    """Base paths that cannot be served."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "no_version" / "temporary").mkdir(parents=True)
    (tmp_path / "no_saved_model" / "3").mkdir(parents=True)
    (tmp_path / "garbage" / "4").mkdir(parents=True)
    (tmp_path / "garbage" / "4" / "saved_model.pb").write_bytes(b"garbage")
    (tmp_path / "file").touch()
    (tmp_path / "wrong").write_text("model_config_list {")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--model", "m={broken}/missing"], 1, ["base path", "must be a folder", "{broken}/missing"]),
        (["--model", "m={broken}/file"], 1, ["base path", "must be a folder", "{broken}/file"]),
        (["--model", "m={broken}/empty"], 1, ["base path", "version number", "{broken}/empty with nothing"]),
        (["--model", "m={broken}/no_version"], 1, ["version number", "with temporary"]),
        (["--model", "m={broken}/no_saved_model"], 1, ["version 3 of model m", "SavedModel", "no_saved_model/3"]),
        (["--model", "m={broken}/garbage"], 1, ["version 4 of model m", "SavedModel", "garbage/4"]),
        (["--model", "m"], 1, ["model must be NAME=BASE_PATH", "'m'"]),
        (["--model", "a/b=x"], 1, ["model must be NAME=BASE_PATH", "'a/b=x'"]),
        (["--model", "m={base_path}", "--model", "m=x"], 1, ["once", "'m' twice"]),
        (["--model", "m={base_path}", "--port", "{busy}"], 1, ["port must be free", "127.0.0.1:{busy}"]),
        (["--model", "m={base_path}", "--port", "0", "--rest_api_port", "{busy}"], 1, ["port must be free", "{busy}"]),
        (["--model_config_file", "{broken}/missing"], 1, ["model_config_file must be a file", "{broken}/missing"]),
        (["--model_config_file", "{broken}/wrong"], 1, ["model_config_file must be a text proto", "{broken}/wrong"]),
        (["--model", "m=x", "--ssl_config_file", "{broken}/wrong"], 1, ["ssl_config_file must be a text proto"]),
        (["--model", "m=x", "--model_config_file", "y"], 2, ["model must be given", "not both", "both"]),
        (["--model", "m=x", "--batching_parameters_file", "y"], 2, ["batching_parameters_file must be given with"]),
        (["--model", "m=x", "--monitoring_config_file", "y"], 2, ["monitoring_config_file must be given with"]),
        (
            ["--model", "m=x", "--model_config_file_poll_wait_seconds", "1"],
            2,
            ["must be given with --model_config_file"],
        ),
        (
            ["--model", "m=x", "--port", "8501", "--rest_api_port", "8501"],
            2,
            ["rest_api_port must be different from --port", "8501"],
        ),
        (["--model", "m=x", "--log_format", "xml"], 2, ["log_format must be one of 'text', 'json'", "xml"]),
        (["--model", "m=x", "--port", "70000"], 2, ["port must be from 0 to 65535", "70000"]),
        (["--model", "m=x", "--max_images", "0"], 2, ["max_images must be from 1", "0"]),
        ([], 2, ["model"]),
    ],
)
def test_bad_command_lines_end_with_one_line(broken, base_path, capfd, arguments, code, words):
    from tfanime.command_line import run
    from tfanime.serving.__main__ import main

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        values = {"broken": broken, "base_path": base_path, "busy": busy.getsockname()[1]}
        arguments = [argument.format(**values) for argument in arguments]
        with pytest.raises(SystemExit) as caught:
            run(lambda: main(arguments))
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert caught.value.code == code
    assert len(lines) == 1
    for word in words:
        assert word.format(**values) in lines[0]


def test_tf_serving_example_is_valid():
    text = (Path(__file__).parent.parent / "serving" / "models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert model.name == NAME and Path(model.base_path).is_absolute() and model.model_platform == "tensorflow"


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int64).reshape(2, 3),
        np.array([[0.5, np.nan]], np.float32),
        np.array([], np.uint8),
        np.array(3.0),
        np.array([True, False]),
        np.array([b"\x00png", b""], object),
    ],
)
def test_encode_and_decode_are_inverse(array):
    proto = encode(array)
    assert dtype_and_shape(proto, "x")[1] == array.shape
    decoded = decode(proto, "x")
    assert decoded.dtype == array.dtype
    np.testing.assert_array_equal(decoded, array)
    np.testing.assert_array_equal(tf.make_tensor_proto(array), tf.make_tensor_proto(tf.make_ndarray(proto)))
