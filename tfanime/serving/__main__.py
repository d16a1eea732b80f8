"""The embedded server's command line: `python -m tfanime.serving --model NAME=BASE_PATH`."""

import gc
import re
import signal
import sys
import threading
from dataclasses import dataclass, field
from typing import Annotated, Literal

from tfanime.command_line import load_tensorflow, parse, run
from tfanime.limits import Checked, Limit, between

DESCRIPTION = """\
Serve exported generators over gRPC and REST, in TensorFlow Serving's protocol.

A model is the highest version below its base path, as python -m tfanime.export writes it, or as --model_config_file
says. New versions are loaded when they appear, and then replace the old ones. When all
models are loaded, the server prints one line for each, "serving NAME version V on HOST:PORT". Ctrl-C or SIGTERM stops
it: requests in flight are finished, new ones are refused, and the exit status is 0.
"""
EPILOG = """\
examples:
  python -m tfanime.serving --model tfanime=exports/faces
  python -m tfanime.serving --model faces=exports/faces --model drawn=exports/drawn --port 0 --rest_api_port 8501
  python -m tfanime.serving --model_config_file models.config --enable_batching \\
      --batching_parameters_file batching.config
  python -m tfanime.serving.client --server 127.0.0.1:8500 --seeds 0-15 --out avatars.png
"""
_PORT = between(0, 65535)
_SECONDS = Limit("at least 0", lambda value: 0 <= value < threading.TIMEOUT_MAX)


@dataclass(frozen=True)
class Config(Checked):
    """Serving

    Args:
        model: A model as NAME=BASE_PATH, where BASE_PATH holds a folder for each version, such as 1. Repeat the flag
            for more models.
        model_config_file: In place of --model, a file of TF Serving's ModelServerConfig: models, version policies,
            labels.
        model_config_file_poll_wait_seconds: Seconds between two readings of that file; 0 for never.
        file_system_poll_wait_seconds: Seconds between two searches for new versions below the base paths; 0 for never.
        port: TCP port for gRPC; 0 takes any free one, which is printed on stdout.
        rest_api_port: TCP port for REST and metrics; 0 takes any free one. Without it there is no REST.
        rest_api_timeout_in_ms: How long a REST request may take.
        page: Whether the REST port shows a page of the models that are loaded at the start: avatars by seed and tags,
            drawn in the browser or, for a model that is too large, by this server.
        rest_api_enable_cors_support: Whether web pages of any origin may read REST's answers (CORS).
        grpc_channel_arguments: gRPC's own settings for the server, KEY=VALUE separated by commas, such as
            grpc.max_connection_age_ms=2000.
        host: Address to listen on. The default can be reached from this machine only; 0.0.0.0 is open to all.
        enable_batching: Whether to batch concurrent requests.
        batching_parameters_file: A file of TF Serving's BatchingParameters.
        ssl_config_file: A file of TF Serving's SSLConfig, for TLS on both ports.
        monitoring_config_file: A file of TF Serving's MonitoringConfig, for Prometheus metrics on the REST port.
        max_images: Largest batch of one request; larger requests are refused.
        max_message_mib: Largest request in MiB.
        model_threads: Number of threads that run models; with batching, the batching parameters decide.
        max_waiting: Largest number of waiting requests of a signature; with batching, the batching parameters decide.
        grace_seconds: Time for requests in flight after SIGTERM.
        log_format: Format of the log on stderr: lines of text or of JSON.
    """

    model: list[str] = field(default_factory=list)
    model_config_file: str | None = None
    model_config_file_poll_wait_seconds: Annotated[float, _SECONDS] = 0.0
    file_system_poll_wait_seconds: Annotated[float, _SECONDS] = 1.0
    port: Annotated[int, _PORT] = 8500
    rest_api_port: Annotated[int | None, _PORT] = None
    rest_api_timeout_in_ms: Annotated[int, between(1, 2**31)] = 30000
    page: bool = False
    rest_api_enable_cors_support: bool = False
    grpc_channel_arguments: str = ""
    host: str = "127.0.0.1"
    enable_batching: bool = False
    batching_parameters_file: str | None = None
    ssl_config_file: str | None = None
    monitoring_config_file: str | None = None
    max_images: Annotated[int, between(1, 2**20)] = 1024
    max_message_mib: Annotated[int, between(1, 2047)] = 64
    model_threads: Annotated[int, between(1, 1024)] = 2
    max_waiting: Annotated[int, between(1, 2**20)] = 1000
    grace_seconds: Annotated[float, _SECONDS] = 30.0
    log_format: Literal["text", "json"] = "text"

    def rules(self):
        if bool(self.model) == bool(self.model_config_file):
            given = "both" if self.model else "neither"
            raise ValueError(
                "--model must be given at least once, as NAME=BASE_PATH, or --model_config_file, and not both. "
                f"Received: {given}"
            )
        yield "rest_api_port", not self.port or self.port != self.rest_api_port, "different from --port"
        parse_channel_arguments(self.grpc_channel_arguments)
        rest = self.rest_api_port is not None
        for name, holds, other in (
            ("page", rest, "--rest_api_port"),
            ("rest_api_enable_cors_support", rest, "--rest_api_port"),
            ("batching_parameters_file", self.enable_batching, "--enable_batching"),
            ("monitoring_config_file", rest, "--rest_api_port, which shows it"),
            ("model_config_file_poll_wait_seconds", self.model_config_file, "--model_config_file"),
        ):
            yield name, holds or not getattr(self, name), f"given with {other}"


def parse_channel_arguments(text):
    """Reads `--grpc_channel_arguments`, in TF Serving's form: `KEY=VALUE,KEY=VALUE`; spaces do not matter.

    Returns:
        A list of pairs; a value that is a whole number of 32 bits becomes an int, any other a string.

    Raises:
        ValueError: A part has another form.
    """
    pairs = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not (key and equals and value):
            raise ValueError(
                "grpc_channel_arguments must be KEY=VALUE separated by commas, such as "
                f"grpc.max_connection_age_ms=2000. Received: {part!r}"
            )
        is_int = re.fullmatch(r"[+-]?[0-9]{1,10}", value) and -(2**31) <= int(value) < 2**31
        pairs.append((key, int(value) if is_int else value))
    return pairs


def main(arguments=None):
    """Serves until SIGTERM or Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # jsonargparse appends to a list by `--model+` and replaces it by `--model`; here each `--model` is one more.
    arguments = [re.sub(r"^--model(?==|$)", "--model+", argument) for argument in arguments]
    config = parse(
        Config, program="python -m tfanime.serving", description=DESCRIPTION, epilog=EPILOG, arguments=arguments
    )
    # Imported here, because TensorFlow takes seconds to load, which --help and typing errors should not.
    from tfanime.serving.server import configuration

    batching = tls = metrics_path = None
    if config.enable_batching:
        path = config.batching_parameters_file
        batching = configuration.read_batching(path) if path else configuration.BatchingSettings()
    if config.ssl_config_file:
        tls = configuration.read_tls(config.ssl_config_file)
    if config.monitoring_config_file:
        metrics_path = configuration.read_metrics_path(config.monitoring_config_file)
    settings = _settings(config)
    load_tensorflow()
    from tfanime.serving.server import logs
    from tfanime.serving.server.manager import Every, Manager
    from tfanime.serving.server.models import Models
    from tfanime.serving.server.page import page_of
    from tfanime.serving.server.server import Server

    logs.begin(config.log_format)
    gc.collect()
    gc.freeze()  # imported objects stay, so garbage collections during requests need not visit them
    models = Models()
    manager = Manager(models)
    manager.apply(settings)
    server = Server(
        models,
        host=config.host,
        port=config.port,
        rest_port=config.rest_api_port,
        max_images=config.max_images,
        max_message_mib=config.max_message_mib,
        model_threads=config.model_threads,
        max_waiting=config.max_waiting,
        batching=batching,
        tls=tls,
        metrics_path=metrics_path,
        rest_seconds=config.rest_api_timeout_in_ms / 1000,
        cors=config.rest_api_enable_cors_support,
        page=page_of(models) if config.page else None,
        channel_arguments=parse_channel_arguments(config.grpc_channel_arguments),
        apply=manager.apply,
    )

    stopping = threading.Event()
    previous = {number: signal.signal(number, lambda *_: stopping.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    server.start()
    for servable in models:
        print(f"serving {servable.name} version {servable.version} on {server.address}", flush=True)
    if server.rest_address:
        scheme = "https" if tls else "http"
        print(f"REST on {scheme}://{server.rest_address}", flush=True)
        if config.page:
            print(f"page: {scheme}://{server.rest_address}/", flush=True)
    watches = []
    if config.file_system_poll_wait_seconds:
        watches.append(Every(config.file_system_poll_wait_seconds, manager.poll))
    if config.model_config_file_poll_wait_seconds:
        seconds = config.model_config_file_poll_wait_seconds
        watches.append(Every(seconds, lambda: manager.apply(_settings(config))))
    stopping.wait()
    for number, handler in previous.items():  # a second signal ends the process at once
        signal.signal(number, handler)
    server.stop(config.grace_seconds)
    for watch in watches:
        watch.close()


def _settings(config):
    """The models that the command line or the file names."""
    from tfanime.serving.server import configuration

    if config.model_config_file:
        return configuration.read_models(config.model_config_file)
    models = {}
    for model in map(configuration.parse_model, config.model):
        if model.name in models:
            raise ValueError(f"model must give each name once. Received: {model.name!r} twice")
        models[model.name] = model
    return tuple(models.values())


if __name__ == "__main__":
    run(main)
