"""gRPC's own settings of the server, and clients that ping it so that nothing between drops their connection."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from serving_calls import NAME, exported

from tfanime.serving.__main__ import Config, parse_channel_arguments
from tfanime.serving.server.models import Models, load
from tfanime.serving.server.server import Server

PING_SECONDS = 1.5  # clients of real life take 10 or more; the server's limit is 1


def test_channel_arguments_have_the_form_of_tf_serving():
    text = "grpc.max_connection_age_ms=2000, grpc.lb_policy_name=round_robin,,grpc.big=99999999999"
    pairs = [("grpc.max_connection_age_ms", 2000), ("grpc.lb_policy_name", "round_robin"), ("grpc.big", "99999999999")]
    assert parse_channel_arguments(text) == pairs
    assert parse_channel_arguments("") == [] and parse_channel_arguments("a=-1") == [("a", -1)]


@pytest.mark.parametrize("text", ["grpc.a", "grpc.a=", "=1", "a=1,b"])
def test_channel_arguments_in_other_forms_are_refused(text):
    with pytest.raises(ValueError, match=r"grpc_channel_arguments must be KEY=VALUE separated by commas, such as .*"):
        Config(model=["a=b"], grpc_channel_arguments=text)


def test_cors_needs_rest():
    with pytest.raises(ValueError, match=r"rest_api_enable_cors_support must be given with --rest_api_port"):
        Config(model=["a=b"], rest_api_enable_cors_support=True)


def watched(address, seconds):
    """The status with which a silent stream over a channel that pings ends in that time."""
    options = [
        ("grpc.keepalive_time_ms", int(PING_SECONDS * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),  # no limit of the client's own
    ]
    with grpc.insecure_channel(address, options) as channel:
        stream = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=seconds)
        with pytest.raises(grpc.RpcError) as caught:
            for _ in stream:
                pass
    return caught.value.code()


def test_pings_are_accepted_unless_limited():
    models = Models([load(NAME, 1, exported())])
    with Server(models, port=0) as server:
        assert watched(server.address, 8 * PING_SECONDS) is grpc.StatusCode.DEADLINE_EXCEEDED
    strict = parse_channel_arguments("grpc.http2.min_ping_interval_without_data_ms=300000")
    with Server(models, port=0, channel_arguments=strict) as server:  # gRPC's own limit
        assert watched(server.address, 20 * PING_SECONDS) is grpc.StatusCode.UNAVAILABLE
