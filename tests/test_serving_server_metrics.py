"""Metrics under TF Serving's names, as Prometheus reads them, and the events of the log."""

import json
import logging
import sys
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving_calls import NAME, connected, exported, http_call, predict, predict_request, status, tensor

from tfanime.serving.server.configuration import METRICS_PATH, BatchingSettings
from tfanime.serving.server.logs import JsonFormatter
from tfanime.serving.server.models import Models, load
from tfanime.serving.server.server import Server


@pytest.fixture(scope="module")
def text():
    """The metrics after three right and one wrong request by gRPC, one by REST, and one for no model of ours."""
    models = Models([load(NAME, 1, exported())])
    options = {"rest_port": 0, "metrics_path": METRICS_PATH, "batching": BatchingSettings()}
    with Server(models, port=0, **options) as server, connected(server.address) as stub:
        for _ in range(3):
            predict(stub, seed=tensor([1]))
        status(stub.Predict, predict_request(seed=tensor([])))
        status(stub.Predict, predict_request(name="no_model_total ", seed=tensor([1])))
        assert http_call(server.rest_address, "POST", f"/v1/models/{NAME}:predict", {"instances": [1]})[0] == 200
        # A batch is counted after its callers have been answered.
        deadline = time.monotonic() + 10
        content = b""
        while b"tfanime_requests_per_batch_count 4.0" not in content and time.monotonic() < deadline:
            code, content = http_call(server.rest_address, "GET", METRICS_PATH)
            assert code == 200
        assert http_call(server.rest_address, "POST", METRICS_PATH)[0] == 404
    return content.decode()


def samples(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_model_and_status(text):
    lines = text.splitlines()
    assert "# TYPE :tensorflow:serving:request_count counter" in lines
    assert f':tensorflow:serving:request_count{{model_name="{NAME}",status="OK"}} 4.0' in lines
    assert f':tensorflow:serving:request_count{{model_name="{NAME}",status="INVALID_ARGUMENT"}} 1.0' in lines
    assert ':tensorflow:serving:request_count{model_name="",status="NOT_FOUND"} 1.0' in lines
    assert "no_model" not in text  # names of others' choice would fill the memory
    assert "request_count_total" not in text and "_created" not in text


def test_latencies_have_the_buckets_of_tf_serving(text):
    values = samples(text)
    labels = (("API", "Predict"), ("entrypoint", "GRPC"), ("model_name", NAME))
    assert values[(":tensorflow:serving:request_latency_count", *labels)] == 4
    assert values[(":tensorflow:serving:request_latency_sum", *labels)] > 100  # microseconds
    rest = (labels[0], ("entrypoint", "REST"), labels[2])
    assert values[(":tensorflow:serving:request_latency_count", *rest)] == 1
    limits = [
        float(dict(labels)["le"])
        for name, *labels in values
        if name == ":tensorflow:serving:request_latency_bucket" and ("entrypoint", "REST") in labels
    ]
    assert len(limits) == 34
    assert limits[:3] == pytest.approx([10, 18, 32.4]) and limits[-1] == float("inf")


def test_batches_and_the_process_are_measured(text):
    values = samples(text)
    assert values[("tfanime_requests_per_batch_count",)] == 4
    assert values[(":tensorflow:serving:batching_session:queuing_latency_count",)] == 4
    assert values[("process_cpu_seconds_total",)] > 0


def test_log_event_is_a_line_of_json():
    try:
        raise OSError("gone")
    except OSError:
        record = logging.LogRecord("a.b", logging.ERROR, "x.py", 1, "lost %s\nor not", ("m",), sys.exc_info())
    record.model, record.version = "m", 3
    line = JsonFormatter().format(record)
    assert "\n" not in line
    event = json.loads(line)
    assert event.pop("time").endswith("+00:00")
    assert "OSError: gone" in event.pop("traceback")
    assert event == {"level": "ERROR", "logger": "a.b", "message": "lost m\nor not", "model": "m", "version": 3}
