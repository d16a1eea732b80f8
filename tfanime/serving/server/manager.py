"""Loads and unloads versions by the settings and the base paths, while requests are answered.

A version is loaded and warmed up before the one that it replaces is removed. A version that cannot be loaded replaces
nothing: its state has the reason, and it is tried again when its files change.
"""

import logging
import threading
import time

import grpc
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

from tfanime.files import versions
from tfanime.serving.server.models import State, load
from tfanime.serving.server.warmup import warm_up

_logger = logging.getLogger(__name__)


class Manager:
    """Keeps a `Models` in step with settings and base paths.

    Args:
        models: The `Models`.
    """

    def __init__(self, models):
        self._models = models
        self._lock = threading.Lock()  # held during a change
        self._settings = {}  # name -> ModelSettings
        self._failed = {}  # (name, version) -> the files that could not be loaded
        self._complaints = {}  # name -> what was said last, so that it is not said again at every poll

    def apply(self, settings):
        """Serves other models, versions or labels. A change is made completely or not at all.

        Args:
            settings: A sequence of `ModelSettings` with different names.

        Raises:
            OSError: A base path is not a folder, or holds no version that the policy chooses.
            ValueError: A version cannot be loaded, or a label names a version that is not served.
        """
        with self._lock:
            changed = [model for model in settings if not _same(model, self._settings.get(model.name))]
            wanted = {model.name: _wanted(model) for model in changed}  # for all models, before one is loaded
            for model in settings:
                self._check_labels(model, wanted.get(model.name) or self._models.versions(model.name))
            for servable in self._load_all(changed, wanted):
                self._add(servable)
            self._models.set_labels({model.name: dict(model.labels) for model in settings})
            self._settings = {model.name: model for model in settings}
            for name in self._models.names():
                unwanted = self._models.versions(name) if name not in self._settings else set()
                if name in wanted:
                    unwanted = self._models.versions(name) - set(wanted[name])
                self._remove(name, unwanted)

    def poll(self):
        """Looks for new and removed versions below the base paths. Errors are logged and change nothing."""
        with self._lock:
            for model in self._settings.values():
                try:
                    wanted = _wanted(model)
                except OSError as error:  # perhaps a disk was removed: loaded versions stay served
                    self._complain(model.name, f"nothing to serve, so that nothing is changed: {error}")
                    continue
                for version in sorted(set(wanted) - self._models.versions(model.name)):
                    self._try(model.name, version, wanted[version])
                served = self._models.versions(model.name)
                if served & set(wanted):
                    self._remove(model.name, served - set(wanted))

    def _load_all(self, changed, wanted):
        """The new `Servable`s of models that changed."""
        loaded = []
        try:
            for model in changed:
                for version, folder in sorted(wanted[model.name].items()):
                    if self._is_new(model, version):
                        loaded.append(self._load(model.name, version, folder))
        except ValueError as error:
            for servable in loaded:
                if servable.version not in self._models.versions(servable.name):
                    text = f"not served, because the rest of the change failed: {error}"
                    state = State(ModelVersionStatus.END, grpc.StatusCode.ABORTED, text)
                    self._models.set_state(servable.name, servable.version, state)
            raise
        return loaded

    def _is_new(self, model, version):
        previous = self._settings.get(model.name)
        moved = previous is not None and previous.base_path != model.base_path
        return moved or version not in self._models.versions(model.name)

    def _check_labels(self, model, available):
        for label, version in model.labels.items():
            if version not in available:
                raise ValueError(
                    f"Request to assign label to version {version} of model {model.name}, which is not currently "
                    f"available for inference (label {label!r})"
                )

    def _try(self, name, version, folder):
        files = _files(folder)
        if self._failed.get((name, version)) == files:
            return
        try:
            self._add(self._load(name, version, folder))
        except ValueError as error:
            self._failed[name, version] = files
            self._complain(name, str(error))

    def _load(self, name, version, folder):
        begin = time.monotonic()
        served = version in self._models.versions(name)
        if not served:
            self._models.set_state(name, version, State(ModelVersionStatus.LOADING))
        try:
            servable = load(name, version, folder)
            count = warm_up(servable, folder)
        except ValueError as error:
            if not served:
                state = State(ModelVersionStatus.END, grpc.StatusCode.INVALID_ARGUMENT, str(error))
                self._models.set_state(name, version, state)
            raise
        _logger.info(
            "loaded version %d of model %s with %d warm-up requests",
            version,
            name,
            count,
            extra={"model": name, "version": version, "seconds": round(time.monotonic() - begin, 3)},
        )
        return servable

    def _add(self, servable):
        self._models.add(servable)
        self._failed.pop((servable.name, servable.version), None)
        self._complaints.pop(servable.name, None)

    def _remove(self, name, unwanted):
        for version in sorted(unwanted):
            self._models.remove(name, version)
            _logger.info("took away version %d of model %s", version, name, extra={"model": name, "version": version})

    def _complain(self, name, text):
        if self._complaints.get(name) != text:
            self._complaints[name] = text
            _logger.error(text, extra={"model": name})


class Every:
    """Calls a function periodically in a thread of its own.

    Args:
        seconds: The pause between two calls, above 0.
        function: The function. An error is logged once, and the function is called again.
    """

    def __init__(self, seconds, function):
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(seconds, function), daemon=True, name="every")
        self._thread.start()

    def _run(self, seconds, function):
        said = None
        while not self._ended.wait(seconds):
            try:
                function()
                said = None
            except Exception as error:
                if str(error) != said:
                    said = str(error)
                    _logger.exception("%s", error)

    def close(self):
        """Waits for a running call; no other follows."""
        self._ended.set()
        self._thread.join()


def _same(model, previous):
    return previous is not None and (model.base_path, model.policy) == (previous.base_path, previous.policy)


def _wanted(model):
    """The versions that the policy chooses, a dictionary from version to folder, of which there is at least one."""
    base_path = model.base_path
    if not base_path.is_dir():
        raise NotADirectoryError(f"the base path of a model must be a folder. Received: {base_path}")
    found = versions(base_path)
    if not found:
        inside = ", ".join(sorted(entry.name for entry in base_path.iterdir())[:5]) or "nothing"
        raise FileNotFoundError(
            f"the base path of a model must hold a folder named by a version number, such as {base_path / '1'} "
            f"(python -m tfanime.export makes it). Received: {base_path} with {inside}"
        )
    wanted = {version: found[version] for version in model.policy.chosen(found)}
    if not wanted:
        raise FileNotFoundError(
            f"the base path of model {model.name} must hold one of the versions "
            f"{sorted(model.policy.specific)}. Received: {base_path} with {sorted(found)}"
        )
    return wanted


def _files(folder):
    """A value that changes when the files of a version change."""
    try:
        details = [(str(path), path.stat()) for path in sorted(folder.rglob("*"))]
    except OSError:  # a file went away meanwhile
        return None
    return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in details]
