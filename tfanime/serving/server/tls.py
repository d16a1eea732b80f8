"""Keys for both ports: gRPC takes the contents of PEM files, Python's `ssl` takes files."""

import ssl
import tempfile
from pathlib import Path

import grpc


def credentials(tls):
    """The `grpc.ServerCredentials` of a `TlsSettings`."""
    pairs = [(tls.server_key, tls.server_cert)]
    return grpc.ssl_server_credentials(pairs, tls.custom_ca or None, require_client_auth=tls.client_verify)


def ssl_context(tls):
    """The `ssl.SSLContext` of a `TlsSettings`.

    Raises:
        ValueError: Key and certificates cannot be read, or do not belong together.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        with tempfile.TemporaryDirectory() as folder:  # readable by this user only
            key, certificate = Path(folder) / "key.pem", Path(folder) / "certificate.pem"
            key.write_bytes(tls.server_key)
            certificate.write_bytes(tls.server_cert)
            context.load_cert_chain(certificate, key)
        if tls.custom_ca:
            context.load_verify_locations(cadata=tls.custom_ca.decode())
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(
            "ssl_config_file must hold a key, its certificate and an authority that OpenSSL can read. "
            f"Received: {type(error).__name__}: {error}"
        ) from error
    if tls.client_verify:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
