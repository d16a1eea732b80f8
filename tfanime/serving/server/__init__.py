"""The server: TensorFlow Serving's protocol over gRPC and REST, see `tfanime.serving`."""
