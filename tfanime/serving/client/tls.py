"""TLS of clients, from the same PEM files for gRPC and for REST."""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TLS:
    """An encrypted connection to a server whose certificate is checked, its name or address included.

    Args:
        ca: PEM file of the authorities to trust; None for those of the machine (REST) or of gRPC's package.
        certificate: PEM file of the client's own certificate, for a server that asks for one (mutual TLS).
        key: PEM file of its key, not encrypted.

    Raises:
        ValueError: Only one of `certificate` and `key` is given, or a file is not of the right kind.
        OSError: A file cannot be read.
    """

    ca: str | os.PathLike | None = None
    certificate: str | os.PathLike | None = None
    key: str | os.PathLike | None = None

    def __post_init__(self):
        if (self.certificate is None) != (self.key is None):
            given, missing = ("key", "certificate") if self.certificate is None else ("certificate", "key")
            raise ValueError(f"tls_{given} must come with tls_{missing}. Received: {getattr(self, given)} alone")
        for name in ("ca", "certificate", "key"):
            path = getattr(self, name)
            if path is not None and not Path(path).is_file():
                raise FileNotFoundError(f"tls_{name} must be a PEM file. Received: {path}, which does not exist")
        self.ssl_context()  # checked here, because for a wrong file gRPC only repeats "handshake failed"

    def ssl_context(self) -> ssl.SSLContext:
        """The files as an `ssl.SSLContext`."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except ssl.SSLError as error:
            raise ValueError(f"tls_ca must be a PEM file of certificates. Received: {self.ca} ({error})") from error
        if self.certificate is not None:
            try:
                context.load_cert_chain(self.certificate, self.key, password="")  # without it asks the terminal for one
            except ssl.SSLError as error:
                raise ValueError(
                    "tls_certificate and tls_key must be PEM files of a certificate and its key, which is not "
                    f"encrypted. Received: {self.certificate} and {self.key} ({error})"
                ) from error
        return context

    def channel_credentials(self):
        """The files as gRPC's credentials."""
        import grpc

        contents = (None if path is None else Path(path).read_bytes() for path in (self.ca, self.key, self.certificate))
        return grpc.ssl_channel_credentials(*contents)
