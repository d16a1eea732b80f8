import pytest
import tensorflow as tf

from tfanime import checkpoints
from tfanime.runs import RunFolder


def saved_at(folder, *steps):
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(weight=tf.Variable(1.0)), str(folder), max_to_keep=2)
    for step in steps:
        manager.save(checkpoint_number=step)


def test_find_returns_newest_best_or_a_step(tmp_path):
    run = RunFolder(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"a run must have a checkpoint. Received: .*, which has none yet"):
        checkpoints.find(run)
    assert checkpoints.newest(run.checkpoints) is None
    saved_at(run.checkpoints, 1, 2, 10)
    assert (
        checkpoints.find(run)
        == checkpoints.find(run, "10")
        == checkpoints.newest(run.checkpoints)
        == str(run.checkpoints / "ckpt-10")
    )
    assert checkpoints.find(run, "2") == str(run.checkpoints / "ckpt-2")
    for which in ("1", "best"):
        with pytest.raises(FileNotFoundError, match=rf"must be one of 2, 10, newest in .*. Received: '{which}'"):
            checkpoints.find(run, which)
    saved_at(run.best, 2)
    assert checkpoints.find(run, "best") == str(run.best / "ckpt-2")
