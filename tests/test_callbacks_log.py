import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from tfanime.callbacks import RunLog, log
from tfanime.runs import RunFolder


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(log.time, "monotonic", lambda: clock.now)
    return clock


def train(run, clock, step, epochs):
    """An epoch for each list of losses in `epochs`, two seconds a step; the logs that later callbacks see."""
    seconds = tf.Variable(0.0)
    callback = RunLog(run, images_per_step=10, seconds=seconds)
    callback.set_model(SimpleNamespace(step=step))
    seen = []
    callback.on_train_begin()
    for losses in epochs:
        callback.on_epoch_begin(0)
        for loss in losses:
            clock.now += 2
            seconds.assign_add(2)
            callback.model.step += 1
            callback.on_train_batch_end(0, {"generator_loss": loss, "discriminator_loss": -loss})
        seen.append({"generator_loss": losses[-1], "discriminator_loss": -losses[-1]})
        callback.on_epoch_end(0, seen[-1])
    callback.on_train_end()
    return seen


def points(run, tag="loss/generator"):
    """(step, value) of all points that TensorBoard shows."""
    events = EventAccumulator(str(run.tensorboard)).Reload()
    return [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]


def test_run_log_writes_means_over_an_epoch(tmp_path, clock):
    run = RunFolder(tmp_path)
    seen = train(run, clock, 0, [[1.0, 2.0, 6.0], [5.0, 7.0]])
    assert seen[0] == {"generator_loss": 3.0, "discriminator_loss": -3.0, "images_per_second": 5.0}
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert lines[0] == {"step": 3, "seconds": 6.0, **seen[0]}
    assert lines[1] == {
        "step": 5,
        "seconds": 10.0,
        "generator_loss": 6.0,
        "discriminator_loss": -6.0,
        "images_per_second": 5.0,
    }
    assert points(run) == [(3, 3.0), (5, 6.0)]
    assert points(run, "speed/images_per_second") == [(3, 5.0), (5, 5.0)]


def test_run_log_does_not_count_time_at_the_end_of_epochs(tmp_path, clock):
    run = RunFolder(tmp_path)
    callback = RunLog(run, images_per_step=10, seconds=tf.Variable(0.0))
    callback.set_model(SimpleNamespace(step=1))
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    clock.now += 2
    callback.on_train_batch_end(0, {"generator_loss": 1.0})
    clock.now += 50  # as a metric of many pictures takes, which stands before this callback
    logs = {"generator_loss": 1.0, "fd_tagger1": 7.0, "fid": 8.0}
    callback.on_epoch_end(0, logs)
    callback.on_train_end()
    assert logs["images_per_second"] == 5.0
    assert points(run, "judge/fd_tagger1") == [(1, 7.0)] and points(run, "judge/fid") == [(1, 8.0)]
    assert json.loads(run.metrics.read_text())["fid"] == 8.0


@pytest.mark.parametrize(("resumed_at", "kept"), [(4, [(2, 1.0), (4, 2.0)]), (5, [(2, 1.0), (4, 2.0)]), (0, [])])
def test_run_log_removes_points_after_the_checkpoint(tmp_path, clock, resumed_at, kept):
    run = RunFolder(tmp_path)
    train(run, clock, 0, [[1.0] * 2, [2.0] * 2, [3.0] * 2])  # points at 2, 4 and 6
    for path in run.tensorboard.iterdir():  # TensorBoard reads files in the order of the seconds in their names
        path.rename(path.with_name(f"events.out.tfevents.1000000000.{path.name.split('.', 4)[4]}"))
    for _ in range(11):  # the names of event files have numbers, in which 10 stands before 9
        tf.summary.create_file_writer(str(tmp_path / "other")).close()
    train(run, clock, resumed_at, [[9.0] * 2])
    assert points(run) == [*kept, (resumed_at + 2, 9.0)]


def test_run_log_keeps_the_mean_of_an_epoch_with_a_restart(tmp_path, clock):
    run = RunFolder(tmp_path)

    def steps(callback, *losses):
        for loss in losses:
            clock.now += 2
            callback.model.step += 1
            callback.on_train_batch_end(0, {"generator_loss": loss})

    def begun(step):
        callback = RunLog(run, images_per_step=10, seconds=tf.Variable(0.0))
        callback.set_model(SimpleNamespace(step=step))
        callback.on_train_begin()
        return callback

    killed = begun(0)
    killed.on_epoch_begin(0)
    steps(killed, 1.0, 2.0)
    checkpoint = killed.state.serialize()
    steps(killed, 99.0)  # not in the checkpoint
    resumed = begun(2)
    resumed.state.deserialize(checkpoint)
    clock.now += 1000
    resumed.on_epoch_begin(0)
    steps(resumed, 6.0)
    resumed.on_epoch_end(0, {})
    steps(resumed, 5.0)
    resumed.on_epoch_end(1, {})
    lines = run.read_metrics()
    assert [(line["step"], line["generator_loss"]) for line in lines] == [(3, 3.0), (4, 5.0)]
    assert lines[0]["images_per_second"] == 5.0  # of the time since the restart


def test_run_log_writes_nothing_for_an_epoch_without_steps(tmp_path, clock):
    run = RunFolder(tmp_path)
    callback = RunLog(run, 10, tf.Variable(0.0))
    callback.set_model(SimpleNamespace(step=0))
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0, {})
    callback.on_train_end()
    assert not run.metrics.exists()


def test_run_log_replaces_logs_by_floats(tmp_path):
    import tiny_networks

    run, gan = RunFolder(tmp_path), tiny_networks.gan()
    dataset = tf.data.Dataset.from_tensor_slices(tiny_networks.pictures(4, 4))
    callback = RunLog(run, 4, tf.Variable(0.0))
    gan.fit(dataset.repeat(), epochs=2, steps_per_epoch=2, shuffle=False, verbose=0, callbacks=[callback])
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    names = {"step", "seconds", "images_per_second", "discriminator_loss", "generator_loss", "real_logits"}
    kinds = ("gradient_norm", "weight_norm", "learning_rate")
    names |= {f"{player}_{kind}" for player in ("generator", "discriminator") for kind in kinds}
    assert set(lines[0]) == names | {"fake_logits"}
    weights = np.concatenate([weight.numpy().ravel() for weight in gan.generator.trainable_weights])
    np.testing.assert_allclose(lines[-1]["generator_weight_norm"], np.linalg.norm(weights), rtol=1e-5)
    assert lines[0]["discriminator_learning_rate"] == np.float32(0.1)
    assert np.isfinite(list(lines[0].values())).all()
