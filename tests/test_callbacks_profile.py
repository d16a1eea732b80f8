import keras
import pytest
import tensorflow as tf
import tiny_networks
from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

from tfanime.callbacks import Profile


def fit(folder, first, last, *callbacks, steps=4):
    gan = tiny_networks.gan()
    gan.generator_optimizer.iterations.assign(100)
    dataset = tf.data.Dataset.from_tensors(tiny_networks.pictures(2)).repeat()
    profile = Profile(folder, first, last)
    try:
        gan.fit(dataset, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[profile, *callbacks])
    finally:
        profile.close()
    return profile


def traced(folder):
    """The training steps in each trace below a folder."""
    traces = []
    for path in folder.glob("plugins/profile/*/*.xplane.pb"):
        steps = []
        for plane in XSpace.FromString(path.read_bytes()).planes:
            for event in (event for line in plane.lines for event in line.events):
                if plane.event_metadata[event.metadata_id].name == "train":
                    steps += [
                        stat.int64_value
                        for stat in event.stats
                        if plane.stat_metadata[stat.metadata_id].name == "step_num"
                    ]
        traces.append(steps)
    return traces


def test_profile_traces_the_given_steps(tmp_path):
    fit(tmp_path, 2, 3)
    assert traced(tmp_path) == [[102, 103]]  # the second and the third after the hundredth
    fit(tmp_path / "none", 5, 6)
    assert not (tmp_path / "none").exists()
    fit(tmp_path / "short", 4, 9)  # the training ends before
    assert traced(tmp_path / "short") == [[104]]


def test_profile_of_an_interrupted_training_is_written(tmp_path):
    class Break(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fit(tmp_path, 2, 9, Break())
    assert traced(tmp_path) == [[102, 103]]
    fit(tmp_path / "next", 2, 2)  # the profiler is free
    assert traced(tmp_path / "next") == [[102]]


@pytest.mark.parametrize("steps", [(0, 3), (4, 3)])
def test_profile_refuses_bad_arguments(steps, tmp_path):
    with pytest.raises(ValueError, match=rf"first and last must be steps from 1, in order. Received: {steps[0]} and"):
        Profile(tmp_path, *steps)
