"""TF Serving's REST: both forms, what is refused and with which status, by the same path as gRPC's."""

import base64
import contextlib
import gzip
import http.client
import json
import math
import re
import socket

import grpc
import numpy as np
import pytest
import tensorflow as tf
from serving_calls import NAME, direct, exported, http_call
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo
from tensorflow_serving.apis import predict_pb2
from tiny_generator import HEIGHT, SIZE, WIDTH

from tfanime.serving.server import json_tensors
from tfanime.serving.server.models import Models, load
from tfanime.serving.server.server import MIB, Server
from tfanime.serving.server.signatures import Signature
from tfanime.serving.server.status import StatusError

MAX_IMAGES = 32
PREDICT = f"/v1/models/{NAME}:predict"
_TEXT = TensorInfo(name="text:0", dtype=tf.string.as_datatype_enum, tensor_shape=tf.TensorShape([None]).as_proto())
TEXT_SIGNATURE = Signature("text", SignatureDef(inputs={"text": _TEXT}), function=None)


@pytest.fixture(scope="module")
def server():
    models = Models([load(NAME, 1, exported())])
    models.set_labels({NAME: {"stable": 1, "gone": 7}})
    with Server(models, port=0, rest_port=0, max_images=MAX_IMAGES, max_message_mib=2, rest_seconds=120.0) as server:
        yield server


@pytest.fixture
def call(server):
    return lambda *arguments, **options: http_call(server.rest_address, *arguments, **options)


def test_rows_of_one_input_are_bare(call):
    status, answer = call("POST", PREDICT, {"signature_name": "images", "instances": [7, 8]})
    assert status == 200 and list(answer) == ["predictions"]
    images = np.array(answer["predictions"])
    assert images.shape == (2, HEIGHT, WIDTH, 3)
    assert np.abs(images - direct([7, 8])).max() <= 1 and np.ptp(images) > 100


@pytest.mark.parametrize("inputs", [[7, 8], {"seed": [7, 8]}])
def test_columns_of_one_input_may_be_bare(call, inputs):
    status, answer = call("POST", PREDICT, {"signature_name": "images", "inputs": inputs})
    assert status == 200 and list(answer) == ["outputs"]
    assert np.abs(np.array(answer["outputs"]) - direct([7, 8])).max() <= 1


def test_several_inputs_and_outputs_have_names(call):
    rows = [{"seed_a": 1, "t": 0.5}, {"seed_a": 2, "t": 0.25}]
    status, answer = call("POST", PREDICT, {"signature_name": "two_inputs", "instances": rows})
    assert status == 200
    assert answer == {"predictions": [{"first": 1.5, "second": 0.5}, {"first": 2.25, "second": 0.25}]}
    columns = {"seed_a": [1, 2], "t": [0.5, 0.25]}
    status, answer = call("POST", PREDICT, {"signature_name": "two_inputs", "inputs": columns})
    assert status == 200
    assert answer == {"outputs": {"first": [1.5, 2.25], "second": [0.5, 0.25]}}


def test_bytes_are_base64_and_no_signature_is_the_default(call):
    status, answer = call("POST", PREDICT, {"instances": [7]})
    assert status == 200
    (png,) = answer["predictions"]
    assert list(png) == ["b64"]
    image = tf.io.decode_png(base64.b64decode(png["b64"])).numpy()
    assert np.abs(image.astype(int) - direct([7])[0]).max() <= 1


TEXTS = [{"b64": "AP8="}, {"b64": "AP8"}, "ä", ""]


@pytest.mark.parametrize("document", [{"instances": TEXTS}, {"inputs": TEXTS}, {"inputs": {"text": TEXTS}}])
def test_strings_and_base64_are_read(document):
    request = predict_pb2.PredictRequest()
    json_tensors.fill(request, document, TEXT_SIGNATURE)
    assert tf.make_ndarray(request.inputs["text"]).tolist() == [b"\x00\xff", b"\x00\xff", "ä".encode(), b""]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b64": "A"}, "Unable to base64 decode"),
        ({"b64": "??"}, "Unable to base64 decode"),
        ("\ud800", "Type: String is not of expected type: string"),
        (1, "JSON Value: 1 Type: Number is not of expected type: string"),
    ],
)
def test_bytes_that_are_not_text_are_refused(value, text):
    with pytest.raises(StatusError, match=re.escape(text)):
        json_tensors.fill(predict_pb2.PredictRequest(), {"instances": [value]}, TEXT_SIGNATURE)


def test_bytes_for_numbers_are_refused(call):
    status, answer = call("POST", PREDICT, {"instances": [{"b64": "AAAA"}]})
    assert (status, "is not of expected type: int64" in answer["error"]) == (400, True)


@pytest.mark.parametrize(
    ("outputs", "form", "expected"),
    [
        ({"name": [b"a"]}, "predictions", {"predictions": ["a"]}),
        ({"x_bytes": [b"\xff"]}, "predictions", {"predictions": [{"b64": "/w=="}]}),
        ({"x": [True], "y": [[1]]}, "predictions", {"predictions": [{"x": True, "y": [1]}]}),
        ({"x": 2.5}, "outputs", {"outputs": 2.5}),
        ({"x": tf.bfloat16.as_numpy_dtype(1.5)}, "outputs", {"outputs": 1.5}),
        ({"x": [1], "y": [1, 2]}, "outputs", {"outputs": {"x": [1], "y": [1, 2]}}),
        ({"x": [1], "y": [1, 2]}, "predictions", "as many rows each"),
        ({"x": 1}, "predictions", "as many rows each"),
        ({"x": [b"\xff"]}, "outputs", 'output "x" is no text'),
    ],
)
def test_outputs_become_json(outputs, form, expected):
    response = predict_pb2.PredictResponse()
    for alias, value in outputs.items():
        response.outputs[alias].CopyFrom(tf.make_tensor_proto(value))
    if isinstance(expected, str):
        with pytest.raises(StatusError, match=expected):
            json_tensors.answer(response, form)
    else:
        assert json.loads(json_tensors.answer(response, form)) == expected


def test_nan_and_infinity_are_values(call):
    rows = [[math.nan] * SIZE, [math.inf] * SIZE]
    status, answer = call("POST", PREDICT, {"signature_name": "synthesize", "instances": rows})
    assert status == 200 and np.array(answer["predictions"]).shape == (2, HEIGHT, WIDTH, 3)
    columns = {"seed_a": [1], "t": [math.nan]}
    status, answer = call("POST", PREDICT, {"signature_name": "two_inputs", "inputs": columns})
    assert status == 200 and math.isnan(answer["outputs"]["second"][0])


@pytest.mark.parametrize("place", ["versions/1", "versions/001", "labels/stable", "VERSIONS/1"])
def test_path_selects_version_and_label(call, place):
    assert call("POST", f"/v1/models/{NAME}/{place}:predict", {"instances": [7]})[0] == 200


def test_compressed_requests_are_read(call):
    body = gzip.compress(json.dumps({"instances": [7]}).encode())
    assert call("POST", PREDICT, body, {"Content-Encoding": "gzip"})[0] == 200
    assert call("POST", PREDICT, b"no gzip", {"Content-Encoding": "gzip"})[0] == 400


TWO = {"signature_name": "two_inputs"}
LATENTS = {"signature_name": "synthesize"}
REFUSED = {
    "empty": (b"", "JSON Parse error: The document is empty"),
    "no_json": (b"{", "JSON Parse error: "),
    "no_object": (b"[1]", "JSON Value: [1 values] Is not object"),
    "no_utf8": (b'{"instances": ["\xff"]}', "JSON Parse error: UnicodeDecodeError"),
    "deep": (b'{"instances": ' + b"[" * 100_000, "JSON Parse error: RecursionError"),
    "deep_but_closed": (
        b'{"instances": ' + b"[" * 900 + b"]" * 900 + b"}",
        'Expects input "seed" to have shape [batch] but [1,1,1,',
    ),
    "huge_number": (b'{"instances": [' + b"9" * 5000 + b"]}", "JSON Parse error: ValueError"),
    "signature_is_no_text": ({"signature_name": 1, "instances": [1]}, "'signature_name' key must be a string value."),
    "signature_is_half_a_pair": (
        b'{"signature_name": "\\ud800", "instances": [1]}',
        "'signature_name' key must be a string value.",
    ),
    "unknown_signature": ({"signature_name": "x", "instances": [1]}, 'Serving signature key "x" not found.'),
    "both": ({"instances": [1], "inputs": [1]}, "expecting only one of 'inputs' or 'instances' keys to exist"),
    "neither": ({}, "Missing 'inputs' or 'instances' key"),
    "no_list": ({"instances": 1}, "Excepting 'instances' to be an list/array"),
    "no_rows": ({"instances": []}, "No values in 'instances' array"),
    "plain_rows_for_two": ({**TWO, "instances": [1]}, "instances is a plain list, but expecting list of objects"),
    "mixed_rows": (
        {"instances": [{"seed": 1}, 2]},
        "Expecting object but got list at item 1 of input list",
    ),
    "mixed_rows_otherwise": (
        {"instances": [1, {"seed": 2}]},
        "Expecting value/list but got object at item 1 of input list",
    ),
    "row_lacks_a_name": (
        {**TWO, "instances": [{"seed_a": 1}]},
        "Failed to process element: 0 of 'instances' list. JSON object: {\"seed_a\": ...} keys must be equal to: "
        "seed_a,t",
    ),
    "plain_columns_for_two": ({**TWO, "inputs": [1]}, "inputs is a plain value/list, but expecting an object"),
    "column_lacks": ({**TWO, "inputs": {"seed_a": [1]}}, "Missing named input: t in 'inputs' object."),
    "column_too_many": (
        {"inputs": {"seed": [1], "tags": [1]}},
        "input size does not match signature: 2!=1 len({seed,tags}) != len({seed}). Sent extra: {tags}.",
    ),
    "text_for_a_number": ({"instances": ["1"]}, 'JSON Value: "1" Type: String is not of expected type: int64'),
    "fraction_for_an_integer": ({"instances": [1.5]}, "JSON Value: 1.5 Type: Number is not of expected type: int64"),
    "true_for_an_integer": ({"instances": [True]}, "JSON Value: true Type: True is not of expected type: int64"),
    "null": ({"instances": [None]}, "JSON Value: null Type: Null is not of expected type: int64"),
    "too_large_for_int64": ({"instances": [2**63]}, "is not of expected type: int64"),
    "text_for_a_float": ({**TWO, "inputs": {"seed_a": [1], "t": ["x"]}}, 'JSON Value: "x" Type: String'),
    "too_large_for_a_float": (
        {**LATENTS, "instances": [[1e39] * SIZE]},
        "Cannot convert JSON value: 1e+39 to float without loss of precision.",
    ),
    "too_exact_for_a_float": (
        {**LATENTS, "instances": [[2**24 + 1] * SIZE]},
        "Cannot convert JSON value: 16777217 to float without loss of precision.",
    ),
    "ragged": (
        {**LATENTS, "instances": [[0.0] * SIZE, [0.0]]},
        f"Encountered list at unexpected size: 1 at level: 1 expected size: {SIZE}",
    ),
    "too_shallow": (
        {**LATENTS, "instances": [[0.0] * SIZE, 0.0]},
        "JSON Value: 0.0 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
    ),
    "too_deep": (
        {**LATENTS, "instances": [[0.0] * SIZE, [[0.0]] * SIZE]},
        "Encountered list at unexpected level: 2 expected < 2",
    ),
    "wrong_size": ({**LATENTS, "instances": [[0.0]]}, "to have shape [batch,8] but [1,1] is provided"),
    "scalar": ({"inputs": 1}, 'Expects input "seed" to have shape [batch] but [] is provided'),
    "batch_0": ({"inputs": {"seed": []}}, "Task size must be at least 1 but is 0"),
    "batch_above_the_limit": (
        {"instances": list(range(MAX_IMAGES + 1))},
        "Task size 33 is larger than maximum input batch size 32",
    ),
    "unequal_batches": (
        {**TWO, "inputs": {"seed_a": [1, 2], "t": [0.5]}},
        "Batching Run() input tensors must have equal 0th-dimension size",
    ),
    "failing_kernel": ({"signature_name": "failing", "instances": [99]}, "indices[0] = 99 is not in [0, 8)"),
}


@pytest.mark.parametrize(("body", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_predict_refuses_bad_requests(call, body, text):
    status, answer = call("POST", PREDICT, body)
    assert list(answer) == ["error"]
    assert text in answer["error"]
    assert status == 400


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("POST", "/v1/models/foo:predict", 404, "Servable not found for request: Latest(foo)"),
        ("POST", f"/v1/models/{NAME}/versions/7:predict", 404, f"Servable not found for request: Specific({NAME}, 7)"),
        ("POST", f"/v1/models/{NAME}/labels/x:predict", 400, "Unrecognized servable version label: x"),
        ("POST", f"/v1/models/{NAME}/labels/gone:predict", 404, f"Servable not found for request: Specific({NAME}, 7)"),
        ("POST", f"/v1/models/{NAME}/versions/{2**63}:predict", 400, f"Failed to convert version: {2**63} to numeric."),
        ("POST", f"/v1/models/{NAME}/versions/x:predict", 400, "Malformed request: POST /v1/models/"),
        ("POST", f"/v1/models/{NAME}/versions/{'0' * 5000}:predict", 404, f"Specific({NAME}, 0)"),
        ("POST", f"/v1/models/{NAME}:draw", 400, f"Malformed request: POST /v1/models/{NAME}:draw"),
        ("POST", f"/v1/models/{NAME}", 400, "Malformed request: POST"),
        ("GET", PREDICT, 400, f"Malformed request: GET {PREDICT}"),
        ("DELETE", f"/v1/models/{NAME}", 400, "Malformed request: DELETE"),
        ("GET", "/v1/", 400, "Malformed request: GET /v1/"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/", 404, "Not found: /"),
        ("GET", "/v2/models/x", 404, "Not found: /v2/models/x"),
        ("GET", "/monitoring/prometheus/metrics", 404, "Not found"),
        ("GET", "/v1/models/foo", 404, "Could not find any versions of model foo"),
        ("GET", f"/v1/models/{NAME}/versions/7", 404, f"Could not find version 7 of model {NAME}"),
        ("GET", f"/v1/models/{NAME}/labels/x", 400, "Unrecognized servable version label: x"),
        ("GET", "/v1/models/foo/metadata", 404, "Servable not found for request: Latest(foo)"),
        ("GET", "/v1/models/..%2f..%2fetc", 404, "Could not find any versions of model ../../etc"),
        ("GET", "/v1/models/../../etc/passwd", 400, "Malformed request"),
        ("GET", "/v1/models/%ff", 400, "Failed to decode model name"),
        ("GET", "/v1/models/a%00b", 404, "Could not find any versions of model a\x00b"),
        ("POST", f"/v1/models/{NAME}:classify", 400, "Expected classification signature method_name to be"),
        ("POST", f"/v1/models/{NAME}:regress", 400, "Expected regression signature method_name to be"),
    ],
)
def test_unknown_paths_are_refused(call, method, path, status, text):
    received, answer = call(method, path, {"instances": [7]} if method == "POST" else None)
    assert text in answer["error"]
    assert received == status


@pytest.mark.parametrize("place", ["", "/versions/1", "/labels/stable"])
def test_status_lists_versions(call, place):
    status, answer = call("GET", f"/v1/models/{NAME}{place}")
    version = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert (status, answer) == (200, {"model_version_status": [version]})


@pytest.mark.parametrize("place", ["", "/versions/1", "/labels/stable"])
def test_metadata_lists_signatures(call, place):
    status, answer = call("GET", f"/v1/models/{NAME}{place}/metadata")
    assert status == 200
    assert answer["model_spec"] == {"name": NAME, "signature_name": "", "version": "1"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert {"serving_default", "generate", "images", "synthesize"} <= set(signatures)
    latents = signatures["synthesize"]["inputs"]["latents"]
    assert latents["dtype"] == "DT_FLOAT"
    assert [dimension["size"] for dimension in latents["tensor_shape"]["dim"]] == ["-1", str(SIZE)]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("INVALID_ARGUMENT", 400),
        ("FAILED_PRECONDITION", 400),
        ("OUT_OF_RANGE", 400),
        ("NOT_FOUND", 404),
        ("RESOURCE_EXHAUSTED", 429),
        ("UNAVAILABLE", 503),
        ("DEADLINE_EXCEEDED", 504),
        ("UNIMPLEMENTED", 501),
        ("INTERNAL", 500),
        ("ABORTED", 500),
    ],
)
def test_grpc_codes_become_http_statuses(call, monkeypatch, code, status):
    def fail(self, inputs):
        raise StatusError(grpc.StatusCode[code], "it is so")

    monkeypatch.setattr(Signature, "run", fail)
    assert call("POST", PREDICT, {"instances": [7]}) == (status, {"error": "it is so"})


def test_bug_is_500_and_logged(call, monkeypatch, caplog):
    def fail(self, inputs):
        raise KeyError("a bug")

    monkeypatch.setattr(Signature, "run", fail)
    assert call("POST", PREDICT, {"instances": [7]}) == (500, {"error": "KeyError: 'a bug'"})
    assert "REST failed" in caplog.text and "KeyError: 'a bug'" in caplog.text


def test_bodies_above_the_limit_are_refused(call):
    status, answer = call("POST", PREDICT, b"[" + b" " * (2 * MIB) + b"]")
    assert (status, answer) == (413, {"error": f"a request must have at most {2 * MIB} bytes"})
    bomb = gzip.compress(b'{"instances": [' + b" " * (100 * MIB) + b"7]}")
    assert call("POST", PREDICT, bomb, {"Content-Encoding": "gzip"})[0] == 413


def test_large_requests_are_read_in_a_thread(call):
    rows = [[0.25] * SIZE] * MAX_IMAGES
    body = json.dumps({**LATENTS, "instances": rows}).encode() + b" " * 300_000
    status, answer = call("POST", PREDICT, body)
    assert status == 200 and len(answer["predictions"]) == MAX_IMAGES


def test_unfinished_request_times_out():
    with Server(Models([load(NAME, 1, exported())]), port=0, rest_port=0, rest_seconds=0.5) as server:
        host, port = server.rest_address.split(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
            assert http_call(server.rest_address, "GET", f"/v1/models/{NAME}")[0] == 200  # others need not wait for him
            answer = connection.recv(1000)
        assert answer.startswith(b"HTTP/1.1 504") and b"not answered in 0.5 seconds" in answer


def headers_of(address, method, path, **headers):
    """Status and headers of an HTTP request without a body."""
    with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, {name: value for name, value in response.getheaders() if name.startswith("Access-")}


ASKING = {"Origin": "http://page.example", "Access-Control-Request-Method": "POST"}


def test_cors_is_answered_only_if_enabled(server):
    assert headers_of(server.rest_address, "GET", f"/v1/models/{NAME}", **ASKING) == (200, {})
    assert headers_of(server.rest_address, "OPTIONS", PREDICT, **ASKING) == (400, {})
    expected = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "POST, GET",
        "Access-Control-Allow-Headers": "Content-Type",
    }
    with Server(Models([load(NAME, 1, exported())]), port=0, rest_port=0, cors=True) as open_server:
        address = open_server.rest_address
        assert headers_of(address, "OPTIONS", PREDICT, **ASKING) == (200, expected)  # the preflight
        assert headers_of(address, "GET", f"/v1/models/{NAME}", **ASKING) == (200, expected)
        assert headers_of(address, "GET", "/v1/models/other", **ASKING) == (404, expected)  # errors can be read too
        status, answer = http_call(address, "POST", PREDICT, {"signature_name": "images", "instances": [7]}, ASKING)
        assert status == 200 and np.array(answer["predictions"]).shape == (1, HEIGHT, WIDTH, 3)
        assert headers_of(address, "OPTIONS", "/other", **ASKING) == (404, expected)
