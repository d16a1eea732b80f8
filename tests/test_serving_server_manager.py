"""Versions that come, go, break and are named: which are served, and what their states say."""

import gc
import shutil
import time
import weakref
from pathlib import Path

import pytest
import tensorflow as tf
from serving_calls import NAME, exported, predict_request, tensor
from tensorflow_serving.apis import classification_pb2, model_pb2, prediction_log_pb2
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tiny_generator import SIZE

from tfanime.serving.server.configuration import ModelSettings, VersionPolicy
from tfanime.serving.server.manager import Every, Manager
from tfanime.serving.server.models import Models
from tfanime.serving.server.status import StatusError
from tfanime.serving.server.warmup import FILE, MAX_RECORDS


@pytest.fixture
def base_path(tmp_path):
    """A base path without versions."""
    path = tmp_path / "exports"
    path.mkdir()
    return path


@pytest.fixture
def models():
    return Models()


def add_version(base_path, version, seed=1):
    """Adds a version the way an export does."""
    temporary = base_path / f".{version}.part"
    shutil.copytree(exported(seed), temporary)
    temporary.rename(base_path / str(version))


def add_broken(base_path, version):
    add_version(base_path, version)
    (base_path / str(version) / "saved_model.pb").write_bytes(b"garbage")


def settings(base_path, name=NAME, labels=None, **policy):
    return ModelSettings(name, Path(base_path), VersionPolicy(**policy), labels or {})


def started(models, *settings):
    manager = Manager(models)
    manager.apply(settings)
    return manager


def spec(version=None, label=None, name=NAME):
    model_spec = model_pb2.ModelSpec(name=name)
    if version is not None:
        model_spec.version.value = version
    if label is not None:
        model_spec.version_label = label
    return model_spec


def stages(models, name=NAME):
    return {version: ModelVersionStatus.State.Name(state.stage) for version, state in models.states(spec(name=name))}


def version_of(models, **choice):
    with models.borrow(spec(**choice)) as servable:
        return servable.version


def test_new_version_replaces_the_old_one(models, base_path):
    add_version(base_path, 1)
    manager = started(models, settings(base_path))
    assert version_of(models) == 1
    add_version(base_path, 2, seed=2)
    manager.poll()
    assert version_of(models) == 2
    assert stages(models) == {2: "AVAILABLE", 1: "END"}
    with pytest.raises(StatusError, match=r"Servable not found for request: Specific\(tfanime, 1\)"):
        version_of(models, version=1)


def test_old_version_is_kept_until_its_requests_are_answered(models, base_path):
    add_version(base_path, 1)
    manager = started(models, settings(base_path))
    add_version(base_path, 2)
    with models.borrow(spec()) as first, models.borrow(spec()):
        manager.poll()
        assert stages(models) == {2: "AVAILABLE", 1: "UNLOADING"}
        seeds = tf.constant([1], tf.int64).numpy()
        assert first.signatures["images"].run({"seed": seeds})["images"].shape[0] == 1
    assert stages(models) == {2: "AVAILABLE", 1: "END"}


def test_removed_version_frees_its_memory(models, base_path):
    add_version(base_path, 1)
    manager = started(models, settings(base_path))
    with models.borrow(spec()) as servable:
        parts = [weakref.ref(servable), weakref.ref(servable.signatures["images"]._owner)]
    del servable
    add_version(base_path, 2)
    manager.poll()
    gc.collect()
    assert [part() for part in parts] == [None, None]


def test_broken_version_replaces_nothing_and_its_state_has_the_reason(models, base_path, caplog):
    add_version(base_path, 1)
    manager = started(models, settings(base_path))
    add_broken(base_path, 2)
    manager.poll()
    manager.poll()
    assert version_of(models) == 1
    assert stages(models) == {2: "END", 1: "AVAILABLE"}
    state = dict(models.states(spec()))[2]
    assert state.code.name == "INVALID_ARGUMENT"
    assert "version 2 of model tfanime must be a SavedModel" in state.text
    assert caplog.text.count("version 2 of model tfanime must be a SavedModel") == 1  # and is not said at every poll
    add_version(base_path, 3)
    manager.poll()
    assert version_of(models) == 3


def test_repaired_version_is_served(models, base_path):
    add_version(base_path, 1)
    manager = started(models, settings(base_path))
    add_broken(base_path, 2)
    manager.poll()
    shutil.copy(exported() / "saved_model.pb", base_path / "2" / "saved_model.pb")
    manager.poll()
    assert version_of(models) == 2
    assert stages(models) == {2: "AVAILABLE", 1: "END"}


def test_other_folders_are_ignored(models, base_path):
    add_version(base_path, 9)
    add_version(base_path, 10)  # the highest as a number, not as a text
    for name in ("11.tmp", ".12.part", "-13", "1e3", "latest"):
        (base_path / name).mkdir()
    (base_path / "14").touch()
    started(models, settings(base_path))
    assert stages(models) == {10: "AVAILABLE"}


def test_policies_select_versions(models, base_path):
    for version in (1, 2, 3):
        add_version(base_path, version)
    manager = started(models, settings(base_path, latest=2))
    assert models.versions(NAME) == {2, 3}
    manager.apply([settings(base_path, latest=None)])
    assert models.versions(NAME) == {1, 2, 3}
    manager.apply([settings(base_path, specific=frozenset({1}))])
    assert models.versions(NAME) == {1}
    add_version(base_path, 4)
    manager.poll()
    assert models.versions(NAME) == {1}


def test_labels_name_versions(models, base_path):
    add_version(base_path, 1)
    add_version(base_path, 2)
    manager = started(models, settings(base_path, latest=None, labels={"stable": 1, "canary": 2}))
    assert version_of(models, label="stable") == 1
    assert version_of(models, label="canary") == 2
    assert [version for version, _ in models.states(spec(label="stable"))] == [1]
    with pytest.raises(StatusError, match="Unrecognized servable version label: x") as caught:
        version_of(models, label="x")
    assert caught.value.code.name == "INVALID_ARGUMENT"
    manager.apply([settings(base_path, latest=None, labels={"stable": 2})])
    assert version_of(models, label="stable") == 2
    with pytest.raises(StatusError, match="Unrecognized servable version label: canary"):
        version_of(models, label="canary")
    with pytest.raises(ValueError, match="Request to assign label to version 7 of model tfanime, which is not"):
        manager.apply([settings(base_path, latest=None, labels={"stable": 7})])
    assert version_of(models, label="stable") == 2


def test_apply_is_all_or_nothing(models, base_path, tmp_path):
    add_version(base_path, 1)
    manager = started(models, settings(base_path))
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(FileNotFoundError, match="must hold a folder named by a version number"):
        manager.apply([settings(other, "other")])
    add_broken(other, 1)
    third = tmp_path / "third"
    third.mkdir()
    add_version(third, 1)
    with pytest.raises(ValueError, match="version 1 of model other must be a SavedModel"):
        manager.apply([settings(third, "third"), settings(other, "other")])
    assert models.names() == {NAME}
    assert stages(models) == {1: "AVAILABLE"}
    assert stages(models, "third") == stages(models, "other") == {1: "END"}
    manager.apply([settings(third, "third")])
    assert models.names() == {"third"}
    assert stages(models) == {1: "END"}


def test_apply_reloads_a_model_with_another_base_path(models, base_path, tmp_path):
    add_version(base_path, 1)
    manager = started(models, settings(base_path))
    with models.borrow(spec()) as before:
        pass
    other = tmp_path / "other"
    other.mkdir()
    add_version(other, 1, seed=2)
    manager.apply([settings(other)])
    with models.borrow(spec()) as after:
        assert after is not before
    assert stages(models) == {1: "AVAILABLE"}


def test_removed_base_path_keeps_loaded_versions(models, base_path, caplog):
    add_version(base_path, 1)
    manager = started(models, settings(base_path))
    shutil.rmtree(base_path / "1")
    manager.poll()
    assert version_of(models) == 1
    shutil.rmtree(base_path)
    manager.poll()
    manager.poll()
    assert version_of(models) == 1
    assert caplog.text.count("must be a folder") == 1
    base_path.mkdir()
    add_version(base_path, 2)
    manager.poll()
    assert version_of(models) == 2


def test_apply_requires_a_specific_version_at_the_start(models, base_path):
    add_version(base_path, 1)
    with pytest.raises(FileNotFoundError, match=r"must hold one of the versions \[5\]"):
        started(models, settings(base_path, specific=frozenset({5})))


def write_warm_up(base_path, version, *logs):
    path = base_path / str(version) / FILE
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log if isinstance(log, bytes) else log.SerializeToString())


def warm_up_log(**arguments):
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(predict_request(**arguments))
    return log


GOOD = {"signature": "images", "seed": tensor([1, 2])}


def test_warm_up_requests_are_run_before_a_version_is_served(models, base_path, monkeypatch):
    from tfanime.serving.server.signatures import Signature

    run, called = Signature.run, []

    def noted(self, inputs):
        called.append((self.name, inputs["seed"].tolist(), models.versions(NAME)))
        return run(self, inputs)

    monkeypatch.setattr(Signature, "run", noted)
    add_version(base_path, 1)
    write_warm_up(base_path, 1, warm_up_log(**GOOD), warm_up_log(signature="", seed=tensor([3])))
    started(models, settings(base_path))
    assert called == [("images", [1, 2], set()), ("serving_default", [3], set())]
    assert models.versions(NAME) == {1}


@pytest.mark.parametrize(
    ("logs", "words"),
    [
        ([warm_up_log(**GOOD), warm_up_log(signature="x", seed=tensor([1]))], ["at record 1", 'key "x" not found']),
        ([warm_up_log(signature="failing", index=tensor([99]))], ["at record 0", "is not in"]),
        ([warm_up_log(signature="synthesize", latents=tensor([[0.0] * SIZE], tf.float64))], ["to be float"]),
        ([b"\xff\xff"], ["at record 0"]),
        (
            [
                prediction_log_pb2.PredictionLog(
                    classify_log=prediction_log_pb2.ClassifyLog(request=classification_pb2.ClassificationRequest())
                )
            ],
            ["must be predict_logs", "classify_log at record 0"],
        ),
    ],
)
def test_failing_warm_up_request_fails_the_version(models, base_path, logs, words):
    add_version(base_path, 1)
    manager = started(models, settings(base_path))
    add_version(base_path, 2)
    write_warm_up(base_path, 2, *logs)
    manager.poll()
    assert version_of(models) == 1
    text = dict(models.states(spec()))[2].text
    for word in ["the warm-up requests of version 2 of model tfanime", *words]:
        assert word in text


def test_bad_warm_up_files_fail_the_version(models, base_path, monkeypatch):
    from tfanime.serving.server.signatures import Signature

    monkeypatch.setattr(Signature, "run", lambda self, inputs: {})
    add_version(base_path, 1)
    write_warm_up(base_path, 1, *[warm_up_log(**GOOD)] * (MAX_RECORDS + 1))
    with pytest.raises(ValueError, match="must be at most 1000 records"):
        started(models, settings(base_path))
    path = base_path / "1" / FILE
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match=r"must be requests that succeed.*at record 1000"):
        started(models, settings(base_path))


def test_every_continues_after_an_error_and_logs_it_once(caplog):
    calls = []

    def fail():
        calls.append(1)
        raise OSError("it is gone")

    every = Every(0.001, fail)
    end = time.monotonic() + 10
    while len(calls) < 5 and time.monotonic() < end:
        time.sleep(0.001)
    every.close()
    count = len(calls)
    time.sleep(0.01)
    assert len(calls) == count >= 5
    assert caplog.text.count("OSError: it is gone") == 1
