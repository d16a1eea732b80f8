"""The server's settings: models, versions, batching, keys and metrics, in TensorFlow Serving's own file formats.

Each `read_...` returns a dataclass whose values were checked; an error names the file, the field, the rule and the
value, before TensorFlow is loaded.
"""

import itertools
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from tfanime.serving.server import text_protos

MODEL_NAME = r"[A-Za-z0-9_.\-]+"  # names that TF Serving's URLs allow
METRICS_PATH = "/monitoring/prometheus/metrics"


@dataclass(frozen=True)
class VersionPolicy:
    """Which of the versions below a base path are served.

    Args:
        latest: Number of highest versions; None for no limit.
        specific: The served versions; empty for no such choice.
    """

    latest: int | None = 1
    specific: frozenset[int] = frozenset()

    def chosen(self, available):
        """The set of those of `available` that are served."""
        if self.specific:
            return self.specific & set(available)
        return set(sorted(available, reverse=True)[: self.latest])


@dataclass(frozen=True)
class ModelSettings:
    """One model.

    Args:
        name: Its name in requests.
        base_path: The folder that holds a folder a version.
        policy: Which versions are served.
        labels: Names of versions, a dictionary from label to version.
    """

    name: str
    base_path: Path
    policy: VersionPolicy = VersionPolicy()
    labels: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class BatchingSettings:
    """The settings of batching: TF Serving's BatchingParameters with its defaults.

    Args:
        max_batch_size: Most rows of a batch, and of a request.
        batch_timeout_micros: How long a batch that is not full waits for more rows.
        max_enqueued_batches: Most batches of a signature that wait; beyond it requests are refused.
        num_batch_threads: Batches that are computed at once.
        allowed_batch_sizes: If there are any, batches are filled up to the next of these sizes.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()

    def padded(self, size):
        """The size to which a batch of `size` rows is filled up."""
        return next((allowed for allowed in self.allowed_batch_sizes if allowed >= size), size)


@dataclass(frozen=True)
class TlsSettings:
    """Keys as the contents of PEM files, bytes.

    Args:
        server_key: The server's private key.
        server_cert: Its certificate, with those in between.
        custom_ca: The authority that clients' certificates are checked against; empty for none.
        client_verify: Whether a client without such a certificate is refused.
    """

    server_key: bytes
    server_cert: bytes
    custom_ca: bytes = b""
    client_verify: bool = False


def parse_model(text):
    """Reads `NAME=BASE_PATH`.

    Returns:
        A `ModelSettings` of the latest version; a relative path begins in the working folder.

    Raises:
        ValueError: It has another form, or the name could not stand in a URL of TF Serving's.
    """
    name, _, base_path = text.partition("=")
    if not re.fullmatch(MODEL_NAME, name) or not base_path:
        raise ValueError(
            "model must be NAME=BASE_PATH with a name of letters, digits, '_', '-' and '.', such as "
            f"tfanime=exports/faces. Received: {text!r}"
        )
    return ModelSettings(name, Path(base_path))


def read_models(path):
    """Reads a `--model_config_file`.

    Returns:
        A tuple of `ModelSettings`.

    Raises:
        OSError, ValueError: The file cannot be read, or a field is wrong.
    """
    from tensorflow_serving.config import model_server_config_pb2

    flag = "model_config_file"
    return models_of(text_protos.read(path, model_server_config_pb2.ModelServerConfig, flag), str(path))


def models_of(config, source):
    """The models of a `ModelServerConfig`.

    Args:
        config: The `ModelServerConfig`.
        source: Where it comes from, for the message.

    Returns:
        A tuple of `ModelSettings`.

    Raises:
        ValueError: A field is wrong.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise ValueError(
            f"{source} must hold a model_config_list. Received: {config.WhichOneof('config') or 'nothing'}"
        )
    models = {}
    for entry in config.model_config_list.config:
        model = _model(entry, source)
        if model.name in models:
            raise ValueError(f"{source} must list each model once. Received: {model.name!r} twice")
        models[model.name] = model
    return tuple(models.values())


def _model(entry, source):
    def refuse(name, rule, received):
        raise ValueError(f"{source}: {name} of model {entry.name!r} must be {rule}. Received: {received}")

    if not re.fullmatch(MODEL_NAME, entry.name):
        refuse("name", "of letters, digits, '_', '-' and '.'", repr(entry.name))
    if not Path(entry.base_path).is_absolute():
        refuse("base_path", "an absolute path of this machine", repr(entry.base_path))
    if entry.model_platform not in ("", "tensorflow"):
        refuse("model_platform", "tensorflow", repr(entry.model_platform))
    if entry.HasField("logging_config"):
        refuse("logging_config", "left out: requests are not logged", "one")
    policy = entry.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        versions = VersionPolicy(latest=None)
    elif choice == "specific":
        if not policy.specific.versions:
            refuse("model_version_policy.specific.versions", "at least one version", "none")
        versions = VersionPolicy(specific=frozenset(policy.specific.versions))
    else:
        versions = VersionPolicy(latest=policy.latest.num_versions or 1)
    return ModelSettings(entry.name, Path(entry.base_path), versions, dict(entry.version_labels))


def read_batching(path):
    """Reads a `--batching_parameters_file`; missing fields have TF Serving's defaults.

    Raises:
        OSError, ValueError: The file cannot be read, or a field is wrong.
    """
    flag = "batching_parameters_file"
    message = text_protos.read(path, text_protos.BatchingParameters, flag)
    values = {}
    for name, least in (
        ("max_batch_size", 1),
        ("batch_timeout_micros", 0),
        ("max_enqueued_batches", 1),
        ("num_batch_threads", 1),
    ):
        if message.HasField(name):
            values[name] = getattr(message, name).value
            if values[name] < least:
                raise ValueError(f"{path}: {name} must be at least {least}. Received: {values[name]}")
    if values.get("num_batch_threads", 1) > 1024:
        raise ValueError(f"{path}: num_batch_threads must be at most 1024. Received: {values['num_batch_threads']}")
    if message.pad_variable_length_inputs:
        raise ValueError(
            f"{path}: pad_variable_length_inputs must be false: this server batches by shape. Received: true"
        )
    sizes = tuple(message.allowed_batch_sizes)
    settings = BatchingSettings(**values, allowed_batch_sizes=sizes)
    if sizes and (sizes[0] < 1 or any(second <= first for first, second in itertools.pairwise(sizes))):
        raise ValueError(f"{path}: allowed_batch_sizes must be above 0 and increase. Received: {list(sizes)}")
    if sizes and sizes[-1] != settings.max_batch_size:
        raise ValueError(
            f"{path}: allowed_batch_sizes must end with max_batch_size, {settings.max_batch_size}. "
            f"Received: {list(sizes)}"
        )
    return settings


def read_tls(path):
    """Reads an `--ssl_config_file`.

    Returns:
        A `TlsSettings`.

    Raises:
        OSError, ValueError: The file cannot be read, or a field is wrong.
    """
    message = text_protos.read(path, text_protos.SSLConfig, "ssl_config_file")
    for name in ("server_key", "server_cert"):
        _require_pem(path, name, getattr(message, name))
    if message.custom_ca or message.client_verify:
        _require_pem(path, "custom_ca", message.custom_ca)
    keys = (message.server_key.encode(), message.server_cert.encode(), message.custom_ca.encode())
    return TlsSettings(*keys, message.client_verify)


def _require_pem(path, name, value):
    if "-----BEGIN" not in value:  # the value may be a secret
        received = f"{len(value)} characters of something else" if value else "nothing"
        raise ValueError(f"{path}: {name} must be the contents of a PEM file. Received: {received}")


def read_metrics_path(path):
    """Reads a `--monitoring_config_file`.

    Returns:
        The path of the metrics on the REST port, or None if they are off.

    Raises:
        OSError, ValueError: The file cannot be read, or a field is wrong.
    """
    message = text_protos.read(path, text_protos.MonitoringConfig, "monitoring_config_file")
    metrics_path = message.prometheus_config.path or METRICS_PATH
    if not metrics_path.startswith("/") or metrics_path.startswith("/v1/"):
        raise ValueError(
            f"{path}: prometheus_config.path must begin with / and not with /v1/. Received: {metrics_path!r}"
        )
    return metrics_path if message.prometheus_config.enable else None
