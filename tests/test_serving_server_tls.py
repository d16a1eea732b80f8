"""TLS on both ports: who is let in, and who is not."""

import ssl

import grpc
import pytest
from serving_calls import NAME, exported, http_call, predict_request, tensor
from tensorflow_serving.apis import prediction_service_pb2_grpc

from tfanime.serving.server.configuration import TlsSettings
from tfanime.serving.server.models import Models, load
from tfanime.serving.server.server import Server
from tfanime.serving.server.tls import ssl_context

LOOK = f"/v1/models/{NAME}"


@pytest.fixture(scope="module")
def read(pem):
    """The contents of the files of `pem`."""
    return {name: path.read_bytes() for name, path in pem.items()}


@pytest.fixture(scope="module")
def servers(read):
    """A server that shows a certificate, and one that wants to see one too."""
    key, certificate = read["server_key"], read["server_certificate"]
    models = Models([load(NAME, 1, exported())])
    one, both = TlsSettings(key, certificate), TlsSettings(key, certificate, read["ca"], client_verify=True)
    options = {"host": "localhost", "port": 0, "rest_port": 0}
    with Server(models, tls=one, **options) as first, Server(models, tls=both, **options) as second:
        yield {"tls": first, "mutual": second}


def by_grpc(server, root=None, pair=(None, None)):
    """The code of a request; with `root`, over TLS."""
    if root:
        channel = grpc.secure_channel(server.address, grpc.ssl_channel_credentials(root, *pair))
    else:
        channel = grpc.insecure_channel(server.address)
    with channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        try:
            stub.Predict(predict_request(seed=tensor([1])), timeout=20)
        except grpc.RpcError as error:
            return error.code().name
    return "OK"


def by_rest(server, root=None, pair=None, folder=None):
    """The status of a request, or the name of the error that ended it."""
    context = None
    if root:
        context = ssl.create_default_context(cadata=root.decode())
        if pair:
            (folder / "key.pem").write_bytes(pair[0])
            (folder / "certificate.pem").write_bytes(pair[1])
            context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    try:
        return http_call(server.rest_address, "GET", LOOK, context=context)[0]
    except (OSError, ValueError, EOFError) as error:
        return type(error).__name__
    except Exception as error:  # http.client's, of what is no HTTP
        return type(error).__name__


def own(read):
    return read["client_key"], read["client_certificate"]


def test_tls_answers_clients_that_trust_the_authority(servers, read):
    assert by_grpc(servers["tls"], read["ca"]) == "OK"
    assert by_rest(servers["tls"], read["ca"]) == 200


def test_mutual_tls_admits_a_client_of_the_authority(servers, read, tmp_path):
    assert by_grpc(servers["mutual"], read["ca"], own(read)) == "OK"
    assert by_rest(servers["mutual"], read["ca"], own(read), tmp_path) == 200


@pytest.mark.parametrize("kind", ["tls", "mutual"])
def test_tls_refuses_plain_text(servers, kind):
    assert by_grpc(servers[kind]) == "UNAVAILABLE"
    assert by_rest(servers[kind]) != 200


@pytest.mark.parametrize("kind", ["tls", "mutual"])
def test_tls_clients_refuse_another_authority(servers, read, kind):
    assert by_grpc(servers[kind], read["stranger_ca"], own(read)) == "UNAVAILABLE"
    assert by_rest(servers[kind], read["stranger_ca"]) == "SSLCertVerificationError"


def test_mutual_tls_refuses_a_client_without_a_certificate(servers, read):
    assert by_grpc(servers["mutual"], read["ca"]) == "UNAVAILABLE"
    assert by_rest(servers["mutual"], read["ca"]) != 200


def test_mutual_tls_refuses_a_client_of_another_authority(servers, read, tmp_path):
    pair = read["stranger_key"], read["stranger_certificate"]
    assert by_grpc(servers["mutual"], read["ca"], pair) == "UNAVAILABLE"
    assert by_rest(servers["mutual"], read["ca"], pair, tmp_path) != 200


def test_tls_refuses_mismatched_keys_at_the_start(read):
    for settings in (
        TlsSettings(read["server_key"], read["client_certificate"]),
        TlsSettings(b"-----BEGIN X-----", read["client_certificate"]),
        TlsSettings(read["client_key"], read["client_certificate"], b"-----BEGIN X-----"),
    ):
        with pytest.raises(ValueError, match="ssl_config_file must hold a key, its certificate"):
            ssl_context(settings)
