"""Models: where their versions lie, loading one, and finding what a request names."""

import re
import threading
from dataclasses import dataclass
from pathlib import Path

import grpc
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfanime.generate import versions
from tfanime.serving.signatures import Signature
from tfanime.serving.status import StatusError, invalid_argument

DEFAULT_SIGNATURE = "serving_default"


def parse_model(text):
    """Reads `NAME=BASE_PATH`.

    Returns:
        `(name, base_path)`, a string and a `pathlib.Path`.

    Raises:
        ValueError: It has another form, or the name could not stand in a URL of TF Serving's.
    """
    name, _, base_path = text.partition("=")
    if not re.fullmatch(r"[A-Za-z0-9_.\-]+", name) or not base_path:
        raise ValueError(
            "model must be NAME=BASE_PATH with a name of letters, digits, '_', '-' and '.', such as "
            f"tfanime=exports/faces. Received: {text!r}"
        )
    return name, Path(base_path)


def latest_version(base_path):
    """The highest version below `base_path`.

    Args:
        base_path: The folder that holds a model's versions.

    Returns:
        `(version, folder)`, an int and a `pathlib.Path`.

    Raises:
        OSError: `base_path` is no folder, or holds no version.
    """
    base_path = Path(base_path)
    if not base_path.is_dir():
        raise NotADirectoryError(f"the base path of a model must be a folder. Received: {base_path}")
    found = versions(base_path)
    if not found:
        inside = ", ".join(sorted(entry.name for entry in base_path.iterdir())[:5]) or "nothing"
        raise FileNotFoundError(
            f"the base path of a model must hold a folder named by a version number, such as {base_path / '1'} "
            f"(python -m tfanime.export makes it). Received: {base_path} with {inside}"
        )
    return max(found.items())


@dataclass(frozen=True)
class Servable:
    """One loaded version of a model.

    Args:
        name: The model's name.
        version: The version, an int.
        signatures: A dictionary from key to `Signature`, those that can be called.
        definitions: A dictionary from key to `SignatureDef`, all that the SavedModel declares.
    """

    name: str
    version: int
    signatures: dict
    definitions: dict

    def signature(self, name):
        """The `Signature` called `name`; an empty name means `serving_default`.

        Raises:
            StatusError: FAILED_PRECONDITION, there is none.
        """
        name = name or DEFAULT_SIGNATURE
        if name not in self.signatures:
            raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        return self.signatures[name]


def load(name, version, folder):
    """Loads one version.

    Args:
        name: The model's name.
        version: Its version, an int.
        folder: The SavedModel's folder.

    Returns:
        A `Servable`.

    Raises:
        ValueError: The folder holds no SavedModel, or one that cannot be loaded.
    """
    file = Path(folder) / "saved_model.pb"
    if not file.is_file():
        raise ValueError(
            f"version {version} of model {name} must be a SavedModel (a folder with saved_model.pb). Received: {folder}"
        )
    try:
        saved_model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
        definitions = dict(saved_model.meta_graphs[0].signature_def)
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # whatever a broken file makes TensorFlow raise, the caller must learn which file
        raise ValueError(
            f"version {version} of model {name} must be a SavedModel that TensorFlow {tf.__version__} can load. "
            f"Received: {folder} ({type(error).__name__}: {str(error)[:300]})"
        ) from error
    signatures = {
        key: Signature(key, definitions[key], function, loaded) for key, function in loaded.signatures.items()
    }
    if not signatures:
        raise ValueError(f"version {version} of model {name} must have signatures. Received: {folder} with none")
    return Servable(name, version, signatures, definitions)


class Models:
    """The versions that are served now. Versions may come and go while requests are answered."""

    def __init__(self, servables=()):
        self._lock = threading.Lock()
        self._servables = {}  # name -> version -> Servable; replaced as a whole, so that readers need no lock
        for servable in servables:
            self.add(servable)

    def __iter__(self):
        return (servable for versions in self._servables.values() for servable in versions.values())

    def add(self, servable):
        """Serves one more version from now on."""
        with self._lock:
            versions = {**self._servables.get(servable.name, {}), servable.version: servable}
            self._servables = {**self._servables, servable.name: versions}

    def find(self, model_spec):
        """The version that a `ModelSpec` names: the one it states, or the highest.

        Raises:
            StatusError: INVALID_ARGUMENT without a name or with a label, NOT_FOUND otherwise.
        """
        name = model_spec.name
        if not name:
            raise invalid_argument("ModelSpec has no name specified.")
        choice = model_spec.WhichOneof("version_choice")
        if choice == "version_label":  # no model has labels yet: they come with a model_config_file
            raise invalid_argument(f"Unrecognized servable version label: {model_spec.version_label}")
        versions = self._servables.get(name, {})
        version = model_spec.version.value if choice else max(versions, default=None)
        if version not in versions:
            request = f"Specific({name}, {version})" if choice else f"Latest({name})"
            raise StatusError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {request}")
        return versions[version]
