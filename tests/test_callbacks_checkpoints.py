from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_networks

from tfanime.callbacks import Budget, Checkpoints, checkpoints
from tfanime.files import write_text
from tfanime.runs import RunFolder
from tfanime.training import Term
from tfanime.training.terms import r1

IMAGES = tiny_networks.pictures(8, 4, 2)


def new_gan():
    """A GAN with everything that has a state: moments, batch norm, averages, a penalty at every third step."""
    gan = tiny_networks.gan(
        optimizer=lambda rate: keras.optimizers.Adam(rate, 0.5), rate=0.01, norm=True, seed=3, ema_half_life=50
    )
    gan.terms = (Term(r1, "discriminator", 0.5, every=3),)
    return gan


def train(gan, start, *callbacks):
    """Trains on the pictures of the steps that are left."""
    dataset = tf.data.Dataset.range(start, len(IMAGES)).map(lambda step: tf.convert_to_tensor(IMAGES)[step])
    gan.fit(dataset, shuffle=False, verbose=0, callbacks=list(callbacks))


def state(gan):
    """All that a step changes, by name."""
    optimizers = gan.generator_optimizer, gan.discriminator_optimizer
    variables = [*gan.weights, *(variable for optimizer in optimizers for variable in optimizer.variables)]
    return [variable.numpy() for variable in variables]


def attached(folder, step=0, **options):
    gan = tiny_networks.gan()
    gan.generator_optimizer.iterations.assign(step)
    callback = Checkpoints(folder, **options)
    callback.set_model(gan)
    return callback


def saved_at(callback, *steps):
    for step in steps:
        callback.model.generator_optimizer.iterations.assign(step)
        callback.save()


@pytest.mark.slow
def test_checkpoints_resume_exactly(tmp_path):
    undisturbed = new_gan()
    train(undisturbed, 0, Checkpoints(tmp_path, every_minutes=1e-9, keep=9))  # after every step
    resumed = new_gan()
    for variable in (*resumed.weights, *resumed.generator_optimizer.variables):  # all of it comes from the checkpoint
        variable.assign(np.ones(variable.shape))
    checkpoints.load(str(tmp_path / "ckpt-5"), gan=resumed)
    assert resumed.step == 5 and any(map(np.not_equal, map(np.sum, state(resumed)), map(np.sum, state(undisturbed))))
    train(resumed, 5)
    assert resumed.step == 8
    assert len(state(resumed)) == len(state(undisturbed)) > 40
    for mine, theirs in zip(state(resumed), state(undisturbed), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_checkpoints_restore_returns_0_for_a_new_training(tmp_path):
    assert attached(tmp_path).restore() == 0


def test_checkpoints_save_further_objects(tmp_path):
    seconds = tf.Variable(12.5, dtype=tf.float64)
    saved_at(attached(tmp_path, seconds=seconds), 3)
    restored = Budget(steps=10)
    callback = attached(tmp_path, seconds=restored.seconds)
    assert callback.restore() == 3 and float(restored.seconds) == 12.5


def test_checkpoints_in_a_moved_folder_are_restored(tmp_path):
    saved_at(attached(tmp_path / "here"), 3)
    (tmp_path / "here").rename(tmp_path / "there")
    assert attached(tmp_path / "there").restore() == 3


def test_checkpoints_name_a_damaged_checkpoint(tmp_path):
    saved_at(attached(tmp_path), 3)
    path = tmp_path / "ckpt-3.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ValueError, match=r"ckpt-3 must be a whole checkpoint of this run's networks: "):
        attached(tmp_path).restore()


def test_checkpoints_of_other_networks_are_refused(tmp_path):
    saved_at(attached(tmp_path), 3)
    callback = Checkpoints(tmp_path)
    callback.set_model(tiny_networks.gan(norm=True))
    with pytest.raises(ValueError, match=r"ckpt-3 must be a whole checkpoint of this run's networks: "):
        callback.restore()


def test_checkpoints_keep_the_newest(tmp_path):
    saved_at(attached(tmp_path, keep=2), 1, 2, 3)
    assert sorted(path.name for path in tmp_path.glob("*.index")) == ["ckpt-2.index", "ckpt-3.index"]
    resumed = attached(tmp_path, keep=2)
    resumed.restore()
    saved_at(resumed, 4)
    assert sorted(path.name for path in tmp_path.glob("*.index")) == ["ckpt-3.index", "ckpt-4.index"]


def test_checkpoints_ignore_an_incomplete_checkpoint(tmp_path):
    saved_at(attached(tmp_path), 3)
    # A kill while the next one is written: its files, whole or not, but not yet the name of the newest.
    for suffix in (".data-00000-of-00001", ".index"):
        whole = (tmp_path / f"ckpt-3{suffix}").read_bytes()
        (tmp_path / f"ckpt-9{suffix}").write_bytes(whole[: len(whole) // 2])
    callback = attached(tmp_path)
    assert callback.restore() == 3
    saved_at(callback, 9)
    assert attached(tmp_path).restore() == 9


@pytest.mark.parametrize("network", ["generator", "discriminator", "ema_generator"])
def test_checkpoints_refuse_weights_that_are_not_finite(tmp_path, network):
    callback = attached(tmp_path)
    saved_at(callback, 3)
    weight = getattr(callback.model, network).weights[0]
    weight.assign(np.full(weight.shape, np.inf))
    with pytest.raises(FloatingPointError, match=rf"{weight.path} is not, at step 4.*checkpoint is .*ckpt-3\. "):
        saved_at(callback, 4)
    assert attached(tmp_path).restore() == 3


def test_checkpoints_restore_from_another_folder(tmp_path):
    saved_at(attached(tmp_path / "here"), 3)
    callback = attached(tmp_path / "there")
    assert callback.restore(tmp_path / "here") == 3
    saved_at(callback, 4)
    assert attached(tmp_path / "here").restore() == 3 and attached(tmp_path / "there").restore() == 4


def noting(folder, ticking, **options):
    """A callback that notes the steps at which it would save, and they."""
    callback, saves = attached(folder, **options), []
    callback.save = lambda: (
        saves.append(callback.model.step) or setattr(callback, "_saved", (ticking.now, callback.model.step))
    )
    callback.on_train_begin()
    return callback, saves


@pytest.mark.parametrize("given", [False, True])
def test_checkpoints_save_every_minutes(tmp_path, monkeypatch, given):
    clock = SimpleNamespace(now=0.0)
    if given:
        options = {"clock": lambda: clock.now}
    else:
        options = {}
        monkeypatch.setattr(checkpoints.time, "monotonic", lambda: clock.now)
    callback, saves = noting(tmp_path, clock, every_minutes=1, **options)
    for step in range(1, 8):
        clock.now += 25
        callback.model.generator_optimizer.iterations.assign(step)
        callback.on_train_batch_end(0, {})
    assert saves == [3, 6]
    callback.on_train_end()
    callback.on_train_end()  # there is nothing new any more
    assert saves == [3, 6, 7]


def test_checkpoints_save_at_once_after_a_signal_and_last_after_a_spent_budget(tmp_path):
    clock = SimpleNamespace(now=0.0)
    for now, spent, at_once in ((1.0, False, [5]), (99.0, True, [])):
        budget = SimpleNamespace(broken_off=False, spent=lambda spent=spent: spent)
        clock.now = 0.0
        callback, saves = noting(tmp_path, clock, every_minutes=1, clock=lambda: clock.now, budget=budget)
        clock.now, budget.broken_off = now, not spent
        callback.model.generator_optimizer.iterations.assign(5)
        callback.on_train_batch_end(0, {})
        assert saves == at_once
        callback.on_train_end()
        assert saves == [5]


def test_checkpoints_on_a_full_disk_raise_an_os_error_with_the_last_good_one(tmp_path, monkeypatch):
    callback = attached(tmp_path)
    saved_at(callback, 3)

    def full(self, checkpoint_number):
        (tmp_path / f"ckpt-{checkpoint_number}_temp").mkdir()
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.train.CheckpointManager, "save", full)
    with pytest.raises(OSError, match=r"cannot be written into .*No space left on device.* good one is .*ckpt-3; free"):
        saved_at(callback, 4)
    assert not list(tmp_path.glob("*_temp")) and attached(tmp_path).restore() == 3


def test_checkpoints_remove_leftovers_of_a_killed_process(tmp_path):
    callback = attached(tmp_path, keep=2)
    saved_at(callback, 1, 2, 3)
    (tmp_path / "ckpt-7_temp").mkdir()
    (tmp_path / "ckpt-7_temp" / "part-00000-of-00001.data-00000-of-00001").touch()
    for name in ("ckpt-1.index", "ckpt-7.data-00000-of-00001"):  # killed while it removed one, while it wrote one
        (tmp_path / name).touch()
    (tmp_path / "notes.txt").touch()
    assert attached(tmp_path, keep=2).restore() == 3
    names = {f"ckpt-{step}.{suffix}" for step in (2, 3) for suffix in ("index", "data-00000-of-00001")}
    assert {path.name for path in tmp_path.iterdir()} == names | {"checkpoint", "notes.txt"}


def test_checkpoints_without_a_list_are_not_removed(tmp_path):
    saved_at(attached(tmp_path), 3)
    (tmp_path / "checkpoint").unlink()
    before = {path.name for path in tmp_path.iterdir()}
    assert len(before) == 2
    attached(tmp_path).restore()
    assert {path.name for path in tmp_path.iterdir()} == before


def test_state_is_saved_and_may_be_missing(tmp_path):
    state = checkpoints.State({"steps": 2, "sums": {"loss": 0.1 + 0.2}})
    saved_at(attached(tmp_path, log=state), 3)
    restored = checkpoints.State(None)
    assert attached(tmp_path, log=restored).restore() == 3 and restored.value == state.value
    # A checkpoint of an older version knows nothing of it.
    saved_at(attached(tmp_path / "old"), 4)
    untouched = checkpoints.State("as it was")
    assert attached(tmp_path / "old", log=untouched).restore() == 4 and untouched.value == "as it was"


def test_checkpoints_refuse_optimizers_that_are_not_finite(tmp_path):
    gan = tiny_networks.gan(optimizer=keras.optimizers.Adam)
    callback = Checkpoints(tmp_path)
    callback.set_model(gan)
    saved_at(callback, 3)
    moment = gan.discriminator_optimizer.variables[-1]
    moment.assign(np.full(moment.shape, np.nan))
    with pytest.raises(FloatingPointError, match=rf"{moment.path} is not, at step 4.*checkpoint is .*ckpt-3\. "):
        saved_at(callback, 4)


def test_require_kept_refuses_a_run_without_its_checkpoints(tmp_path):
    run = RunFolder(tmp_path)
    write_text(run.details, '{"format": 1, "config": {"checkpoint_minutes": 2}}')
    checkpoints.require_kept(run)
    for step, seconds in ((100, 60.0), (200, 121.0)):  # killed before the checkpoint that follows this line
        run.append_metrics({"step": step, "seconds": seconds})
        checkpoints.require_kept(run)
    message = r"checkpoints must hold this run's checkpoints. Received: none, after 300 steps. Name a new folder with"
    run.append_metrics({"step": 300, "seconds": 121.5})
    with pytest.raises(ValueError, match=message):
        checkpoints.require_kept(run)
    saved_at(attached(run.checkpoints), 300)
    checkpoints.require_kept(run)
    run.metrics.write_text('{"step": 300, "seconds": 240.0}\n')  # the only line
    run.checkpoints.rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=message):
        checkpoints.require_kept(run)


@pytest.mark.parametrize("name", ["[Group] faces", "a*", "what?", "back\\slash", "new\nline "])
def test_checkpoints_work_in_folders_named_like_patterns(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path(name, "..", name, "checkpoints")
    saved_at(attached(folder, keep=2), 1, 2, 3)
    assert sorted(path.name for path in folder.glob("*.index")) == ["ckpt-2.index", "ckpt-3.index"]
    assert checkpoints.newest(folder) == str(folder / "ckpt-3")
    assert checkpoints.kept(folder) == [str(folder / "ckpt-2"), str(folder / "ckpt-3")]
    resumed = attached(folder, keep=2)
    assert resumed.restore() == 3
    saved_at(resumed, 4)
    assert checkpoints.kept(folder) == [str(folder / "ckpt-3"), str(folder / "ckpt-4")]
    Path("linked").symlink_to(folder.resolve())
    assert attached("linked", keep=2).restore() == 4
