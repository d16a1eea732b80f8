"""Counts and times for Prometheus, under TF Serving's names (tensorflow_serving/servables/tensorflow/util.cc).

`prometheus-client` keeps them. It writes `_total` behind the name of a counter, and adds the time at which each series
began; both are taken out, since dashboards for TF Serving know neither.
"""

import re

import prometheus_client
from prometheus_client.core import Metric

_PREFIX = ":tensorflow:serving:"
_COUNTERS = (f"{_PREFIX}request_count",)
# Microseconds, 10 * 1.8^n as there; the last is infinite.
_BUCKETS = [10 * 1.8**power for power in range(33)]


class Metrics:
    """The metrics of one server.

    Args:
        models: The `Models`: requests of other names count under no name, or callers could fill the memory.
    """

    content_type = prometheus_client.CONTENT_TYPE_LATEST

    def __init__(self, models):
        self._models = models
        self._registry = prometheus_client.CollectorRegistry()
        self._registry.register(self)
        prometheus_client.ProcessCollector(registry=self._registry)
        self._requests = prometheus_client.Counter(
            _COUNTERS[0], "The total number of requests.", ["model_name", "status"], registry=None
        )
        self._latency = prometheus_client.Histogram(
            f"{_PREFIX}request_latency",
            "Distribution of wall time (in microseconds) for Tensorflow Serving request.",
            ["model_name", "API", "entrypoint"],
            buckets=_BUCKETS,
            registry=None,
        )
        self._queued = prometheus_client.Histogram(
            f"{_PREFIX}batching_session:queuing_latency",
            "Distribution of wall time spent (in microseconds) in queuing",
            buckets=_BUCKETS,
            registry=None,
        )
        self._joined = prometheus_client.Histogram(
            "tfanime_requests_per_batch",
            "Requests that one call of the model answered.",
            buckets=[2**power for power in range(11)],
            registry=None,
        )

    def request(self, model, api, entrypoint, code, seconds):
        """Counts a request that was answered.

        Args:
            model: The name in the request.
            api: Such as `"Predict"`.
            entrypoint: `"GRPC"` or `"REST"`.
            code: The `grpc.StatusCode` of the answer.
            seconds: How long it took.
        """
        model = model if model in self._models.names() else ""
        self._requests.labels(model, code.name).inc()
        self._latency.labels(model, api, entrypoint).observe(seconds * 1e6)

    def batch(self, requests, waited, took):
        """Counts a batch, see `Scheduler`."""
        self._queued.observe(waited * 1e6)
        self._joined.observe(requests)

    def collect(self):
        """Yields the metrics, for the registry."""
        for metric in (self._requests, self._latency, self._queued, self._joined):
            for family in metric.collect():
                exact = Metric(family.name, family.documentation, family.type)
                exact.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
                yield exact

    def text(self):
        """All metrics in Prometheus' text format, bytes."""
        text = prometheus_client.generate_latest(self._registry)
        for name in _COUNTERS:
            text = re.sub(rb"(?m)^(# HELP |# TYPE |)%s_total(?=[ {])" % name.encode(), rb"\1" + name.encode(), text)
        return text
