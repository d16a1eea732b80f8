import numpy as np
import pytest
import tensorflow as tf
import tiny_networks

from tfanime.callbacks import Best, checkpoints


def begun(folder, by="fid", mode="min", **options):
    """A callback at the beginning of a training, and its GAN."""
    callback = Best(folder, by, mode, **options)
    callback.set_model(tiny_networks.gan())
    callback.on_train_begin()
    return callback


def at(callback, step, **logs):
    """The end of an epoch; a weight of the model tells the step."""
    callback.model.generator_optimizer.iterations.assign(step)
    callback.model.ema_generator.weights[0].assign(np.full(callback.model.ema_generator.weights[0].shape, step))
    callback.on_epoch_end(0, {"generator_loss": 1.0, **logs})


def saved(folder):
    """The steps whose state lies in the folder, from the file names and from what is loaded."""
    steps = [int(path.stem.rpartition("-")[2]) for path in folder.glob("*.index")]
    gan = tiny_networks.gan()
    checkpoints.load(tf.train.latest_checkpoint(str(folder)), gan=gan)
    assert float(gan.ema_generator.weights[0].numpy().flat[0]) == gan.step
    return steps, gan.step


@pytest.mark.parametrize(("mode", "sign"), [("min", 1), ("max", -1)])
def test_best_keeps_the_best_state(tmp_path, mode, sign):
    callback = begun(tmp_path, mode=mode)
    assert callback.value is None and callback.step is None
    for step, value in ((10, 5.0), (20, 3.0), (30, 4.0), (40, float("nan")), (50, 3.0)):
        at(callback, step, fid=sign * value)
    assert (callback.value, callback.step) == (sign * 3.0, 20)
    assert saved(tmp_path) == ([20], 20)


def test_best_ignores_nan(tmp_path):
    callback = begun(tmp_path)
    at(callback, 10, fid=float("nan"))
    assert callback.value is None and not list(tmp_path.iterdir())


def test_best_after_a_restart_replaces_only_worse_values(tmp_path):
    at(begun(tmp_path), 20, fid=3.0)
    resumed = begun(tmp_path)
    assert (resumed.value, resumed.step) == (3.0, 20)
    at(resumed, 15, fid=3.5)  # resumed at a checkpoint before the best
    assert saved(tmp_path) == ([20], 20)
    at(resumed, 30, fid=2.5)
    assert saved(tmp_path) == ([30], 30) and begun(tmp_path).value == 2.5


def test_best_starts_over_with_another_protocol(tmp_path):
    few = {"samples": 100, "network": {"value": "fd_a"}}
    at(begun(tmp_path, protocol=few), 20, fid=3.0)
    assert begun(tmp_path, protocol=dict(few)).value == 3.0
    more = begun(tmp_path, protocol=few | {"samples": 200})
    assert more.value is None
    at(more, 30, fid=9.0)
    assert saved(tmp_path) == ([30], 30) and begun(tmp_path, protocol=few).value is None


def test_best_of_an_older_version_without_protocol_counts(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Best, "_key", {"by": "fid", "mode": "min"})
        at(begun(tmp_path), 20, fid=3.0)
    assert begun(tmp_path, protocol={"samples": 100}).value == 3.0


def test_best_keeps_the_previous_state_after_a_kill(tmp_path):
    at(begun(tmp_path), 20, fid=3.0)
    for suffix in (".data-00000-of-00001", ".index"):  # whole files, but not yet the name of the newest
        (tmp_path / f"ckpt-30{suffix}").write_bytes((tmp_path / f"ckpt-20{suffix}").read_bytes())
    (tmp_path / "ckpt-40_temp").mkdir()
    resumed = begun(tmp_path)
    assert (resumed.value, resumed.step) == (3.0, 20) and saved(tmp_path) == ([20], 20)
    assert not list(tmp_path.glob("*_temp"))


def test_best_starts_over_with_another_metric(tmp_path):
    at(begun(tmp_path), 20, fid=3.0)
    for options in ({"by": "kid"}, {"mode": "max"}):
        assert begun(tmp_path, **options).value is None
    other = begun(tmp_path, by="kid")
    at(other, 30, kid=9.0)
    assert begun(tmp_path, by="kid").value == 9.0 and saved(tmp_path) == ([30], 30)


def test_best_refuses_a_metric_that_never_appears(tmp_path):
    with pytest.raises(ValueError, match=r"best_by must be one of the metrics generator_loss. Received: 'fid'"):
        at(begun(tmp_path), 10)
    patient = begun(tmp_path, within=3)
    at(patient, 10)
    at(patient, 20)
    with pytest.raises(ValueError, match=r"best_by must be one of the metrics generator_loss. Received: 'fid'"):
        at(patient, 30)
    patient = begun(tmp_path, within=3)
    for step in range(10, 100, 10):  # computed at every third epoch
        at(patient, step, **({"fid": 100.0 - step} if step % 30 == 0 else {}))
    assert patient.step == 90
    at(begun(tmp_path), 100)  # it has shown up before the restart


def test_best_refuses_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"mode must be one of min, max. Received: 'least'"):
        Best(tmp_path, "fid", "least")
