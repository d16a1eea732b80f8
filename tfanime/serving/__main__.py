"""The embedded server's command line: `python -m tfanime.serving --model NAME=BASE_PATH`."""

import re
import signal
import sys
import threading
from dataclasses import dataclass

from tfanime.command_line import load_tensorflow, parse, run

DESCRIPTION = """\
Serve exported generators over gRPC, in TensorFlow Serving's protocol.

Each model is the highest version below its base path, as python -m tfanime.export leaves it. When all are loaded, the
server prints one line a model, "serving NAME version V on HOST:PORT". Ctrl-C or SIGTERM stops it: requests in flight
are finished, new ones are refused, and the exit status is 0.
"""
EPILOG = """\
examples:
  python -m tfanime.serving --model tfanime=exports/faces
  python -m tfanime.serving --model faces=exports/faces --model drawn=exports/drawn --port 0
  python -m tfanime.serving.client --server 127.0.0.1:8500 --seeds 0-15 --out avatars.png
"""


@dataclass(frozen=True)
class Config:
    """Serving

    Args:
        model: A model as NAME=BASE_PATH, where BASE_PATH holds a folder a version, such as 1. Repeat the flag for
            more models.
        port: TCP port for gRPC; 0 takes any free one, which the line on stdout names.
        host: Address to listen on. The default can be reached from this machine only; 0.0.0.0 is open to all.
        max_images: Largest batch of one request; above it a request is refused.
        max_message_mib: Largest request in MiB.
        model_threads: Calls of models that run at once.
        grace_seconds: How long requests in flight may take after SIGTERM.
    """

    model: list[str]
    port: int = 8500
    host: str = "127.0.0.1"
    max_images: int = 1024
    max_message_mib: int = 64
    model_threads: int = 2
    grace_seconds: float = 30.0

    def __post_init__(self):
        if not self.model:
            raise ValueError("model must be given at least once, as NAME=BASE_PATH")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port must be from 0 to 65535. Received: {self.port}")
        for name, largest in (("max_images", 2**20), ("max_message_mib", 2047), ("model_threads", 1024)):
            if not 1 <= getattr(self, name) <= largest:
                raise ValueError(f"{name} must be from 1 to {largest}. Received: {getattr(self, name)}")
        if not 0 <= self.grace_seconds < threading.TIMEOUT_MAX:
            raise ValueError(f"grace_seconds must be at least 0. Received: {self.grace_seconds}")


def main(arguments=None):
    """Serves until SIGTERM or Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # jsonargparse appends to a list by `--model+` and replaces it by `--model`; here each `--model` is one more.
    arguments = [re.sub(r"^--model(?==|$)", "--model+", argument) for argument in arguments]
    config = parse(
        Config, program="python -m tfanime.serving", description=DESCRIPTION, epilog=EPILOG, arguments=arguments
    )
    # Here and not above: TensorFlow takes seconds, and --help and typing errors should not.
    load_tensorflow()
    from tfanime.serving.models import Models, latest_version, load, parse_model
    from tfanime.serving.server import Server

    base_paths = {}
    for name, base_path in map(parse_model, config.model):
        if name in base_paths:
            raise ValueError(f"model must give each name once. Received: {name!r} twice")
        base_paths[name] = base_path
    folders = {name: latest_version(base_path) for name, base_path in base_paths.items()}  # all, before loading one
    models = Models([load(name, version, folder) for name, (version, folder) in folders.items()])
    server = Server(
        models,
        host=config.host,
        port=config.port,
        max_images=config.max_images,
        max_message_mib=config.max_message_mib,
        model_threads=config.model_threads,
    )

    stopping = threading.Event()
    previous = {number: signal.signal(number, lambda *_: stopping.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    server.start()
    for servable in models:
        print(f"serving {servable.name} version {servable.version} on {server.address}", flush=True)
    stopping.wait()
    for number, handler in previous.items():  # a second signal ends the process at once
        signal.signal(number, handler)
    server.stop(config.grace_seconds)


if __name__ == "__main__":
    run(main)
