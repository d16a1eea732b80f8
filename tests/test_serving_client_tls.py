import ssl

import pytest
from cryptography.hazmat.primitives import serialization

from tfanime.serving.client.tls import TLS


def test_tls_files_become_a_context(pem):
    context = TLS(pem["ca"], pem["client_certificate"], pem["client_key"]).ssl_context()
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
    (authority,) = context.get_ca_certs()
    assert "trustme" in str(authority["subject"])
    assert TLS().ssl_context().verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"certificate": "client_certificate"}, ValueError, "tls_certificate must come with tls_key"),
        ({"key": "client_key"}, ValueError, "tls_key must come with tls_certificate"),
        ({"ca": "nowhere"}, FileNotFoundError, "tls_ca must be a PEM file. Received: .*nowhere, which does not exist"),
        ({"ca": "client_key"}, ValueError, "tls_ca must be a PEM file of certificates. Received: .*client_key"),
        ({"certificate": "client_certificate", "key": "server_key"}, ValueError, "of a certificate and its key"),
        ({"certificate": "client_key", "key": "client_key"}, ValueError, "of a certificate and its key"),
    ],
)
def test_tls_refuses_wrong_files_at_once(pem, tmp_path, arguments, error, message):
    arguments = {name: pem.get(path, tmp_path / path) for name, path in arguments.items()}
    with pytest.raises(error, match=message):
        TLS(**arguments)


def test_tls_refuses_an_encrypted_key(pem, tmp_path):
    key = serialization.load_pem_private_key(pem["client_key"].read_bytes(), None)
    encrypted = tmp_path / "encrypted.pem"
    encrypted.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(ValueError, match="which is not encrypted"):
        TLS(pem["ca"], pem["client_certificate"], encrypted)
