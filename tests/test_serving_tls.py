"""TLS on both ports: who is let in, and who is not."""

import datetime
import ssl

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from serving_calls import NAME, exported, http_call, predict_request, tensor
from tensorflow_serving.apis import prediction_service_pb2_grpc

from tfanime.serving.configuration import TlsSettings
from tfanime.serving.models import Models, load
from tfanime.serving.server import Server
from tfanime.serving.tls import ssl_context

LOOK = f"/v1/models/{NAME}"


def certified(name, issuer=None):
    """A key and a certificate for localhost, signed by `issuer` or an authority of its own; and both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = (issuer[1].subject, issuer[0]) if issuer else (subject, key)
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return key, certificate, private, certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def authority():
    return certified("authority")


@pytest.fixture(scope="module")
def stranger():
    return certified("stranger")


@pytest.fixture(scope="module")
def client(authority):
    return certified("client", authority)


@pytest.fixture(scope="module")
def servers(authority):
    """A server that shows a certificate, and one that wants to see one too."""
    _, _, key, certificate = certified("server", authority)
    models = Models([load(NAME, 1, exported())])
    one, both = TlsSettings(key, certificate), TlsSettings(key, certificate, authority[3], client_verify=True)
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


def test_who_trusts_the_authority_is_answered(servers, authority):
    assert by_grpc(servers["tls"], authority[3]) == "OK"
    assert by_rest(servers["tls"], authority[3]) == 200


def test_a_client_of_the_authority_is_let_in(servers, authority, client, tmp_path):
    assert by_grpc(servers["mutual"], authority[3], client[2:]) == "OK"
    assert by_rest(servers["mutual"], authority[3], client[2:], tmp_path) == 200


@pytest.mark.parametrize("kind", ["tls", "mutual"])
def test_plain_text_is_refused(servers, kind):
    assert by_grpc(servers[kind]) == "UNAVAILABLE"
    assert by_rest(servers[kind]) != 200


@pytest.mark.parametrize("kind", ["tls", "mutual"])
def test_another_authority_is_not_trusted_by_clients(servers, stranger, client, kind):
    assert by_grpc(servers[kind], stranger[3], client[2:]) == "UNAVAILABLE"
    assert by_rest(servers[kind], stranger[3]) == "SSLCertVerificationError"


def test_a_client_without_a_certificate_is_refused(servers, authority):
    assert by_grpc(servers["mutual"], authority[3]) == "UNAVAILABLE"
    assert by_rest(servers["mutual"], authority[3]) != 200


def test_a_client_of_another_authority_is_refused(servers, authority, stranger, tmp_path):
    other = certified("other", stranger)
    assert by_grpc(servers["mutual"], authority[3], other[2:]) == "UNAVAILABLE"
    assert by_rest(servers["mutual"], authority[3], other[2:], tmp_path) != 200


def test_keys_that_do_not_belong_together_are_refused_at_the_start(authority, client):
    for settings in (
        TlsSettings(authority[2], client[3]),
        TlsSettings(b"-----BEGIN X-----", client[3]),
        TlsSettings(client[2], client[3], b"-----BEGIN X-----"),
    ):
        with pytest.raises(ValueError, match="ssl_config_file must hold a key, its certificate"):
            ssl_context(settings)
