"""Clients for avatars, from the embedded server or from TensorFlow Serving itself.

    with AvatarClient("127.0.0.1:8500") as client:
        images = client.generate(range(16), tags="blonde hair, twin tails, no hat")  # uint8 [16, height, width, 3]

- `AvatarClient`: gRPC, the caller waits.
- `AsyncAvatarClient`: gRPC on an event loop.
- `RestAvatarClient`: REST, the caller waits.

The gRPC clients do not use TensorFlow but load it, which takes seconds: the protos of `tensorflow-serving-api` refer to
`tensorflow.core.framework`, whose import loads all of TensorFlow. The first client does this, not the import of this
module. `RestAvatarClient` never does.
"""

from tfanime.serving.client.connection import Connection
from tfanime.serving.client.grpc import AsyncAvatarClient, AvatarClient
from tfanime.serving.client.requests import ServerError
from tfanime.serving.client.rest import RestAvatarClient
from tfanime.serving.client.tls import TLS

__all__ = ["TLS", "AsyncAvatarClient", "AvatarClient", "Connection", "RestAvatarClient", "ServerError"]
