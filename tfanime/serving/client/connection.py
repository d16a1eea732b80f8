"""The flags of a connection to a server."""

from dataclasses import dataclass

from tfanime.limits import Checked
from tfanime.serving.client.grpc import AvatarClient
from tfanime.serving.client.rest import RestAvatarClient
from tfanime.serving.client.tls import TLS


@dataclass(frozen=True)
class Connection(Checked):
    """The flags of every command that connects to a server.

    Args:
        server: Address of the server, host:port; default 127.0.0.1:8500, with --rest 127.0.0.1:8501.
        model: Name of the model.
        rest: Use REST instead of gRPC; needs no TensorFlow, and starts at once.
        tls: Use TLS, and trust the usual authorities; each of the next flags implies it.
        tls_ca: PEM file of the authorities to trust instead.
        tls_certificate: PEM file of the client's own certificate, for a server that asks for one.
        tls_key: PEM file of its key.
        timeout: Seconds for one request with its retries.
    """

    server: str | None = None
    model: str = "tfanime"
    rest: bool = False
    tls: bool = False
    tls_ca: str | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None
    timeout: float = 30.0

    def rules(self):
        self.credentials()  # raises its own error
        yield from ()

    @property
    def address(self):
        """The server's host:port."""
        return self.server or ("127.0.0.1:8501" if self.rest else "127.0.0.1:8500")

    def credentials(self):
        """The `TLS` that the flags ask for, or None."""
        files = (self.tls_ca, self.tls_certificate, self.tls_key)
        return TLS(*files) if self.tls or any(file is not None for file in files) else None

    def client(self, **options):
        """A blocking client, `AvatarClient` or `RestAvatarClient`; `options` are further arguments of it."""
        kind = RestAvatarClient if self.rest else AvatarClient
        return kind(self.address, self.model, timeout=self.timeout, tls=self.credentials(), **options)
