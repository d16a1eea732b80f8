"""Clients for avatars, from the embedded server or from TensorFlow Serving itself.

    with AvatarClient("127.0.0.1:8500") as client:
        images = client.generate(range(16), tags="blonde hair, twin tails, no hat")  # uint8 [16, height, width, 3]

- `AvatarClient`: gRPC, the caller waits.
- `AsyncAvatarClient`: gRPC on an event loop.
- `RestAvatarClient`: REST, the caller waits.

Those over gRPC run no TensorFlow, but load it: the protos of `tensorflow-serving-api` refer to
`tensorflow.core.framework`, which lies in the TensorFlow wheel and imports all of it, some seconds' worth. Importing
this module does not; the first client does. `RestAvatarClient` never does.
"""

from tfanime.serving.client.connection import Connection
from tfanime.serving.client.grpc import AsyncAvatarClient, AvatarClient
from tfanime.serving.client.requests import ServerError
from tfanime.serving.client.rest import RestAvatarClient
from tfanime.serving.client.tls import TLS

__all__ = ["TLS", "AsyncAvatarClient", "AvatarClient", "Connection", "RestAvatarClient", "ServerError"]
