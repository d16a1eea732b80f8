import numpy as np
import pytest
import tensorflow as tf
import tiny_networks
from PIL import Image
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from tfanime.callbacks import Samples
from tfanime.images import grid, to_uint8
from tfanime.runs import RunFolder


def sheets(run, kind=""):
    """The sheets of a kind, by step."""
    paths = (run.path / "samples").glob(f"step-{'[0-9]' * 8}{kind}.png")
    return {int(path.stem.split("-")[1]): np.asarray(Image.open(path)) for path in paths}


def test_samples_draw_the_same_seeds_each_time(tmp_path):
    run, gan = RunFolder(tmp_path), tiny_networks.gan()
    callback = Samples(run, every=4, seeds=[5, 3, 9])
    dataset = tf.data.Dataset.from_tensor_slices(tiny_networks.pictures(9, 4)).repeat()
    gan.fit(dataset, epochs=3, steps_per_epoch=3, shuffle=False, verbose=0, callbacks=[callback])
    drawn = sheets(run)
    assert sorted(drawn) == [6, 9]  # 4 and 8, looked at when an epoch of 3 steps ends
    expected = to_uint8(gan.ema_generator(gan.latents.from_seeds([5, 3, 9]), training=False)).numpy()
    np.testing.assert_array_equal(drawn[9], grid(expected))
    assert (drawn[6] != drawn[9]).any()
    events = EventAccumulator(str(run.tensorboard)).Reload()
    assert [event.step for event in events.Tensors("samples")] == [6, 9]
    assert sorted(events.Tags()["tensors"]) == ["samples", "samples/interpolation"]
    assert sorted(sheets(run, "-interpolation")) == [6, 9]


def test_samples_of_a_game_with_tags_include_tag_sheets(tmp_path):
    run, gan = RunFolder(tmp_path), tiny_networks.gan(vocabulary=tiny_networks.VOCABULARY)
    callback = Samples(run, every=1, seeds=[5, 3, 9])
    callback.set_model(gan)
    callback.on_train_begin()
    gan.generator_optimizer.iterations.assign(7)
    callback.on_train_end()
    expected = to_uint8(gan(gan.inputs_from_seeds([5, 3, 9]))).numpy()
    np.testing.assert_array_equal(sheets(run)[7], grid(expected))
    for kind in ("interpolation", "tags", "latents"):
        assert sorted(sheets(run, f"-{kind}")) == [7]
    events = EventAccumulator(str(run.tensorboard)).Reload()
    assert "samples/tags" in events.Tags()["tensors"] and "samples/latents" in events.Tags()["tensors"]


def test_samples_draw_a_last_sheet_and_none_twice(tmp_path):
    run, gan = RunFolder(tmp_path), tiny_networks.gan()
    callback = Samples(run, every=100, seeds=range(2))
    callback.set_model(gan)
    gan.generator_optimizer.iterations.assign(110)
    callback.on_train_begin()
    gan.generator_optimizer.iterations.assign(190)
    callback.on_epoch_end(0)
    assert not run.sample(190).exists()
    gan.generator_optimizer.iterations.assign(200)
    callback.on_epoch_end(1)
    assert sorted(sheets(run)) == [200]
    run.sample(200).unlink()
    callback.on_train_end()
    assert not run.sample(200).exists()
    callback.on_train_begin()
    gan.generator_optimizer.iterations.assign(203)
    callback.on_train_end()
    assert sorted(sheets(run)) == [203]


def test_samples_refuse_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"every must be at least 1. Received: 0"):
        Samples(RunFolder(tmp_path), every=0)
