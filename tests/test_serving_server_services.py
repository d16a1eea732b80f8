"""ModelService, health and reflection; and the tables' rows about batches, by gRPC."""

import contextlib
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from serving_calls import NAME, connected, direct, exported, images_of, predict_request, status, tensor
from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2

from tfanime.serving.server.configuration import BatchingSettings, ModelSettings
from tfanime.serving.server.manager import Manager
from tfanime.serving.server.models import Models
from tfanime.serving.server.server import Server

STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
BATCHING = BatchingSettings(max_batch_size=8, batch_timeout_micros=20_000, max_enqueued_batches=2, num_batch_threads=1)


@pytest.fixture(scope="module")
def base_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("exports")
    (path / "3").symlink_to(exported())
    (path / "4").symlink_to(exported(2))
    return path


@contextlib.contextmanager
def serving(base_path):
    """A server with batching, its Models, its channel."""
    models = Models()
    manager = Manager(models)
    manager.apply([ModelSettings(NAME, base_path)])
    server = Server(models, port=0, batching=BATCHING, apply=manager.apply)
    server.start()
    with grpc.insecure_channel(server.address) as channel:
        yield server, models, channel


@pytest.fixture(scope="module")
def served(base_path):
    """What `serving` gives, for all tests: they leave its models as they are."""
    with serving(base_path) as served:
        yield served
    served[0].stop(10)


def get_status(channel):
    return channel.unary_unary(
        STATUS,
        request_serializer=get_model_status_pb2.GetModelStatusRequest.SerializeToString,
        response_deserializer=get_model_status_pb2.GetModelStatusResponse.FromString,
    )


def reload(channel):
    return channel.unary_unary(
        RELOAD,
        request_serializer=model_management_pb2.ReloadConfigRequest.SerializeToString,
        response_deserializer=model_management_pb2.ReloadConfigResponse.FromString,
    )


def status_request(name=NAME, version=None, label=None):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    return request


def reload_request(*models):
    request = model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.SetInParent()
    for name, base_path, extra in models:
        entry = request.config.model_config_list.config.add(name=name, base_path=str(base_path))
        entry.model_platform = "tensorflow"
        for version in extra.get("versions", ()):
            entry.model_version_policy.specific.versions.append(version)
        entry.version_labels.update(extra.get("labels", {}))
    return request


def test_status_lists_versions(served):
    _, _, channel = served
    (version,) = get_status(channel)(status_request(), timeout=30).model_version_status
    assert (version.version, version.state, version.status.error_code) == (4, 30, 0)


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        (get_model_status_pb2.GetModelStatusRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (status_request(""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (status_request("foo"), "NOT_FOUND", "Could not find any versions of model foo"),
        (status_request(version=7), "NOT_FOUND", f"Could not find version 7 of model {NAME}"),
        (status_request(label="x"), "INVALID_ARGUMENT", "Unrecognized servable version label: x"),
    ],
)
def test_status_refuses_bad_requests(served, request_, code, text):
    assert status(get_status(served[2]), request_) == (code, text)


def test_reload_answers_when_new_models_are_loaded(base_path):
    with serving(base_path) as (server, models, channel):
        check_reload(server, models, channel, base_path)
        server.stop(10)


def check_reload(server, models, channel, base_path):
    request = reload_request(
        (NAME, base_path, {"versions": [3, 4], "labels": {"old": 3}}), ("second", base_path, {"versions": [3]})
    )
    response = reload(channel)(request, timeout=60)
    assert (response.status.error_code, response.status.error_message) == (0, "")
    assert (models.versions(NAME), models.versions("second")) == ({3, 4}, {3})
    with connected(server.address) as stub:
        old = images_of(stub, [7], label="old")
        assert np.abs(old.astype(int) - direct([7])).max() <= 1
        assert np.abs(images_of(stub, [7]).astype(int) - direct([7], seed=2)).max() <= 1
    reload(channel)(reload_request((NAME, base_path, {"versions": [3]})), timeout=60)
    stages = {entry.version: entry.state for entry in get_status(channel)(status_request()).model_version_status}
    assert stages == {3: 30, 4: 50}
    assert status(get_status(channel), status_request("third"))[0] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("models", "code", "words"),
    [
        ([("m", "{base}", {}), ("m", "{base}", {})], "INVALID_ARGUMENT", ["must list each model once", "'m' twice"]),
        ([("m", "relative", {})], "INVALID_ARGUMENT", ["base_path of model 'm' must be an absolute path", "relative"]),
        ([("../m", "{base}", {})], "INVALID_ARGUMENT", ["name of model '../m'"]),
        ([("m", "{base}/missing", {})], "FAILED_PRECONDITION", ["must be a folder", "missing"]),
        ([("m", "/a\0b", {})], "FAILED_PRECONDITION", ["must be a folder"]),
        ([("m", "{base}", {"versions": [9]})], "FAILED_PRECONDITION", ["one of the versions [9]"]),
        (
            [("m", "{base}", {"labels": {"x": 9}})],
            "FAILED_PRECONDITION",
            ["Request to assign label to version 9 of model m, which is not currently available for inference"],
        ),
    ],
)
def test_reload_refuses_bad_requests_without_changes(served, base_path, models, code, words):
    _, serving, channel = served
    models = [(name, path.replace("{base}", str(base_path)), extra) for name, path, extra in models]
    received, text = status(reload(channel), reload_request(*models))
    assert received == code
    for word in words:
        assert word in text
    assert (serving.names(), serving.versions(NAME)) == ({NAME}, {4})


def test_reload_takes_a_model_config_list_only(served):
    code, text = status(reload(served[2]), model_management_pb2.ReloadConfigRequest())
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("ServerModelConfig type not supported by HandleReloadConfigRequest.")


@pytest.fixture
def blocked(monkeypatch):
    """An event that is set when a model is called, another that lets it go on, and the rows that it was given."""
    from tfanime.serving.server.signatures import Signature

    run, seen, begun, go = Signature.run, [], threading.Event(), threading.Event()

    def noted(self, inputs):
        begun.set()
        go.wait(60)
        seen.extend(next(iter(inputs.values())).tolist())
        return run(self, inputs)

    monkeypatch.setattr(Signature, "run", noted)
    yield begun, go, seen
    go.set()


def test_health_reports_serving_and_shutdown(base_path, blocked):
    with serving(base_path) as (server, _, channel):
        check_health(server, channel, *blocked[:2])


def check_health(server, channel, begun, go):
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", "ModelService", "PredictionService"):
        assert health.Check(health_pb2.HealthCheckRequest(service=name), timeout=30).status == 1
    assert status(health.Check, health_pb2.HealthCheckRequest(service="x"))[0] == "NOT_FOUND"

    watched = health.Watch(health_pb2.HealthCheckRequest(service="PredictionService"), timeout=60)
    assert next(watched).status == 1
    with connected(server.address) as stub:
        call = stub.Predict.future(predict_request(seed=tensor([7])), timeout=60)
        begun.wait(30)
        stopping = threading.Thread(target=server.stop, args=(30,))
        stopping.start()
        assert next(watched).status == 2  # NOT_SERVING, while the last request is computed
        code, text = status(stub.Predict, predict_request(seed=tensor([1])))
        assert (code, text) == ("UNAVAILABLE", "the server is shutting down")
        assert not call.done()
        go.set()
        assert len(tf.make_ndarray(call.result().outputs["images"])) == 1
    stopping.join(20)
    assert not stopping.is_alive()  # although a client watches


def test_reflection_lists_the_services(served):
    stub = reflection_pb2_grpc.ServerReflectionStub(served[2])
    requests = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    (response,) = stub.ServerReflectionInfo(requests, timeout=30)
    names = {service.name for service in response.list_services_response.service}
    assert {
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    } <= names
    symbol = reflection_pb2.ServerReflectionRequest(file_containing_symbol="tensorflow.serving.ModelService")
    (response,) = stub.ServerReflectionInfo(iter([symbol]), timeout=30)
    assert response.file_descriptor_response.file_descriptor_proto


@pytest.fixture
def stub(served):
    with connected(served[0].address) as stub:
        yield stub


def test_joined_requests_get_their_own_rows(stub):
    seeds = [list(range(first, first + first % 4 + 1)) for first in range(0, 60, 3)]
    calls = []
    for start in range(0, len(seeds), 4):  # few enough that none meets a full queue
        calls += [stub.Predict.future(predict_request(seed=tensor(part)), timeout=30) for part in seeds[start:][:4]]
        for call in calls:
            call.result()
    for part, call in zip(seeds, calls, strict=True):
        images = tf.make_ndarray(call.result().outputs["images"])
        assert np.abs(images.astype(int) - direct(part, seed=2)).max() <= 1


T = tensor([0.5, 0.5], tf.float32)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"seed": tensor(1)}, "Batching Run() input tensors must have at least one dimension"),
        (
            {"signature": "two_inputs", "seed_a": tensor([1]), "t": T},
            "Batching Run() input tensors must have equal 0th-dimension size",
        ),
        ({"seed": tensor(list(range(9)))}, "Task size 9 is larger than maximum input batch size 8"),
    ],
)
def test_requests_that_cannot_be_batched_are_refused(stub, arguments, text):
    assert status(stub.Predict, predict_request(**arguments)) == ("INVALID_ARGUMENT", text)


def test_overload_is_unavailable_and_does_not_affect_others(stub, blocked):
    begun, go, _ = blocked
    first = stub.Predict.future(predict_request(seed=tensor(list(range(8)))), timeout=60)  # a full batch
    begun.wait(30)
    calls = [stub.Predict.future(predict_request(seed=tensor([seed])), timeout=60) for seed in range(100)]
    end = time.monotonic() + 30
    while sum(call.done() for call in calls) < 84 and time.monotonic() < end:
        time.sleep(0.01)
    go.set()
    first.result()
    refused = [call for call in calls if call.exception() is not None]
    assert len(refused) == 84  # all but two batches of 8
    for call in refused:
        assert call.code() is grpc.StatusCode.UNAVAILABLE
        assert call.details() == "The batch scheduling queue to which this task was submitted is full"
    for seed, call in enumerate(calls):
        if call not in refused:
            image = tf.make_ndarray(call.result().outputs["images"])[0]
            assert np.abs(image.astype(int) - direct([seed], seed=2)[0]).max() <= 1
    assert images_of(stub, [1]).shape[0] == 1


def test_requests_of_disconnected_clients_are_not_computed(stub, blocked):
    begun, go, seen = blocked
    first = stub.Predict.future(predict_request(seed=tensor(list(range(8)))), timeout=60)  # a full batch
    begun.wait(30)
    cancelled = stub.Predict.future(predict_request(seed=tensor([100])), timeout=60)
    late = stub.Predict.future(predict_request(seed=tensor([101])), timeout=0.3)
    wanted = stub.Predict.future(predict_request(seed=tensor([102])), timeout=60)
    time.sleep(0.2)
    cancelled.cancel()
    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    time.sleep(0.2)
    go.set()
    first.result()
    wanted.result()
    assert seen == [*range(8), 102]
