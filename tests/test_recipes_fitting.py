import os
import signal
from types import SimpleNamespace

import keras
import tensorflow as tf
import tiny_networks

from tfanime.recipes.fitting import Session
from tfanime.runs import RunFolder


def session(folder, steps, minutes=None, **options):
    """A start of a training in this folder; checkpoints come at its end alone."""
    config = SimpleNamespace(steps=steps, minutes=minutes, epoch_steps=2, checkpoint_minutes=9, pictures_per_step=4)
    return Session(RunFolder(folder), config, None, tiny_networks.gan(), **options)


def batches():
    return tf.data.Dataset.from_tensors(tiny_networks.pictures(4)).repeat()


def lines(folder):
    return [line["step"] for line in RunFolder(folder).read_metrics()]


def test_session_starts_continue_each_other(tmp_path, capsys):
    first = session(tmp_path, steps=3)
    assert (first.start, first.begun) == (0, "new")
    first.fit(batches())
    assert first.status == 0 and first.budget.spent()
    assert "training: 100%" in capsys.readouterr().err
    second = session(tmp_path, steps=1005)
    assert (second.start, second.begun) == (3, "resumed at step 3") and not second.budget.spent()
    assert float(second.budget.seconds) == float(first.budget.seconds) > 0

    def end(batch, logs):
        if second.model.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    told = []
    judge = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(judged=1.0))
    report = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: told.append((epoch, logs["judged"])))
    before = keras.callbacks.LambdaCallback(on_train_batch_begin=end)
    second.fit(batches(), first=[before], judges=[judge], reports=[report], shown=False)
    assert second.status == 143
    assert capsys.readouterr().err == ""
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert lines(tmp_path) == [2, 3, 4, 6] and told == [(1, 1.0)]  # the end of the third epoch is put off
    assert "judged" in RunFolder(tmp_path).read_metrics()[2]

    third = session(tmp_path, steps=7)
    assert third.start == 6 and third.status is None
    third.fit(batches(), judges=[judge], reports=[report])
    assert third.status == 0
    assert lines(tmp_path) == [2, 3, 4, 6, 7] and told == [(1, 1.0), (2, 1.0), (3, 1.0)]
    elsewhere = session(tmp_path / "b", steps=9, found=RunFolder(tmp_path).checkpoints)
    assert elsewhere.start == 7 and elsewhere.checkpoints.folder == str(tmp_path / "b" / "checkpoints")


def test_session_saves_checkpoints_by_training_time(tmp_path):
    own = session(tmp_path, steps=3)
    own.budget.seconds.assign(12.5)
    assert own.checkpoints.clock() == 12.5 and own.checkpoints.budget is own.budget
