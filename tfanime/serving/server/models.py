"""Loaded versions of models: loads them, finds the version that a request names, and knows the state of each."""

import collections
import contextlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import grpc
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

from tfanime.files import without_wildcards
from tfanime.serving.server.signatures import Signature
from tfanime.serving.server.status import StatusError, invalid_argument

DEFAULT_SIGNATURE = "serving_default"


class State(NamedTuple):
    """The state of a version.

    Args:
        stage: An int of the enum `ModelVersionStatus.State`.
        code: The `grpc.StatusCode` of its error, or OK.
        text: The error.
    """

    stage: int
    code: grpc.StatusCode = grpc.StatusCode.OK
    text: str = ""


@dataclass(frozen=True, eq=False)
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
        with without_wildcards(folder) as plain:
            loaded = tf.saved_model.load(plain)
    except Exception as error:  # TensorFlow raises many errors for a broken file; the message must name the file
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
        self._servables = {}  # name -> version -> Servable; replaced as a whole, so that iterating needs no lock
        self._labels = {}  # name -> label -> version
        self._states = {}  # name -> version -> State, also of versions that are not served (any more)
        self._users = collections.Counter()  # Servable -> requests that are being answered by it
        for servable in servables:
            self.add(servable)

    def __iter__(self):
        return (servable for versions in self._servables.values() for servable in versions.values())

    def versions(self, name):
        """The set of the versions of a model that are served."""
        return set(self._servables.get(name, ()))

    def names(self):
        """The set of the models that are served."""
        return set(self._servables)

    def add(self, servable):
        """Serves one more version, or replaces one of the same number."""
        with self._lock:
            versions = {**self._servables.get(servable.name, {}), servable.version: servable}
            self._servables = {**self._servables, servable.name: versions}
            self._set_state(servable.name, servable.version, State(ModelVersionStatus.AVAILABLE))

    def remove(self, name, version):
        """Stops serving a version; it is kept until its running requests are answered."""
        with self._lock:
            versions = dict(self._servables[name])
            servable = versions.pop(version)
            others = {other: found for other, found in self._servables.items() if other != name}
            self._servables = {**others, name: versions} if versions else others
            stage = ModelVersionStatus.UNLOADING if self._users[servable] else ModelVersionStatus.END
            self._set_state(name, version, State(stage))

    def set_labels(self, labels):
        """Replaces all labels by a dictionary from model to a dictionary from label to version."""
        self._labels = labels

    def set_state(self, name, version, state):
        """Records the state of a version that is not served."""
        with self._lock:
            self._set_state(name, version, state)

    @contextlib.contextmanager
    def borrow(self, model_spec):
        """The version that a `ModelSpec` names (the one it states or labels, or the highest), as a context manager.

        Until the context ends, the version counts as being used.

        Raises:
            StatusError: INVALID_ARGUMENT without a name or with an unknown label, NOT_FOUND otherwise.
        """
        with self._lock:
            servable = self._find(model_spec)
            self._users[servable] += 1
        try:
            yield servable
        finally:
            with self._lock:
                self._release(servable)

    def states(self, model_spec):
        """The states of the version that a `ModelSpec` names, or of all of the model.

        Returns:
            A list of `(version, State)`, the highest version first.

        Raises:
            StatusError: INVALID_ARGUMENT without a name or with an unknown label, NOT_FOUND otherwise.
        """
        with self._lock:
            name, version = model_spec.name, self._version(model_spec)
            states = self._states.get(name, {})
            if version is not None:
                states = {number: state for number, state in states.items() if number == version}
        if not states:
            missing = "any versions" if version is None else f"version {version}"
            raise StatusError(grpc.StatusCode.NOT_FOUND, f"Could not find {missing} of model {name}")
        return sorted(states.items(), reverse=True)

    def _version(self, model_spec):
        """The version that is stated or labelled, or None."""
        if not model_spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        choice = model_spec.WhichOneof("version_choice")
        if choice == "version_label":
            version = self._labels.get(model_spec.name, {}).get(model_spec.version_label)
            if version is None:
                raise invalid_argument(f"Unrecognized servable version label: {model_spec.version_label}")
            return version
        return model_spec.version.value if choice else None

    def _find(self, model_spec):
        name, version = model_spec.name, self._version(model_spec)
        versions = self._servables.get(name, {})
        request = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        if version is None:
            version = max(versions, default=None)
        if version not in versions:
            raise StatusError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {request}")
        return versions[version]

    def _release(self, servable):
        self._users[servable] -= 1
        if self._users[servable]:
            return
        del self._users[servable]
        states = self._states[servable.name]
        if states[servable.version].stage == ModelVersionStatus.UNLOADING:
            states[servable.version] = State(ModelVersionStatus.END)

    def _set_state(self, name, version, state):
        self._states.setdefault(name, {})[version] = state
