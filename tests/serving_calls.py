"""What the tests of the server share: a small export, servers, requests, and what came back."""

import atexit
import contextlib
import functools
import http.client
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from tiny_generator import save

NAME = "tfanime"


@functools.cache
def exported(seed=1):
    """The folder of a tiny export, made once for all tests; not to be changed."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    save(folder.name, seed)
    return Path(folder.name)


@functools.cache
def loaded(seed=1):
    """The same export, for direct calls."""
    return tf.saved_model.load(str(exported(seed)))


def direct(seeds, seed=1):
    """The images of seeds, by the SavedModel itself."""
    return loaded(seed).signatures["images"](seed=tf.constant(list(seeds), tf.int64))["images"].numpy()


@contextlib.contextmanager
def running(*arguments, **options):
    """A server process on a free port; gives the process and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tfanime.serving", "--port", "0", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
        **options,
    )
    try:
        line = process.stdout.readline()  # one with an address, or empty at the end of a process that failed
        assert line.startswith("serving "), line
        process.first_line = line
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def connected(address):
    """A stub of a server's PredictionService."""
    with grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)]) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def tensor(values, dtype=tf.int64):
    """A `TensorProto`."""
    return tf.make_tensor_proto(values, dtype)


def predict_request(signature="images", name=NAME, version=None, label=None, output_filter=(), **inputs):
    """A `PredictRequest`."""
    request = predict_pb2.PredictRequest(output_filter=output_filter)
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    for alias, proto in inputs.items():
        request.inputs[alias].CopyFrom(proto)
    return request


def predict(stub, **arguments):
    """The response to a `predict_request`."""
    return stub.Predict(predict_request(**arguments), timeout=120)


def images_of(stub, seeds, **arguments):
    """The images of seeds, by a server."""
    return tf.make_ndarray(predict(stub, seed=tensor(list(seeds)), **arguments).outputs["images"])


def status(call, request):
    """Code and text with which a call fails."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=120)
    return caught.value.code().name, caught.value.details()


def http_call(address, method, path, body=None, headers=None, context=None):
    """Status and body of an HTTP request; the body as what its JSON holds, or as bytes if it is none."""
    if context:
        connection = http.client.HTTPSConnection(address, timeout=120, context=context)
    else:
        connection = http.client.HTTPConnection(address, timeout=120)
    with contextlib.closing(connection):
        if not isinstance(body, bytes | None):
            body = json.dumps(body).encode()
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        content = response.read()
    is_json = response.getheader("Content-Type", "").startswith("application/json")
    return response.status, json.loads(content) if is_json else content
