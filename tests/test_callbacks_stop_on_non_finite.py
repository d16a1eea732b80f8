import re
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tiny_networks

from tfanime.callbacks import Checkpoints, StopOnNonFinite


def test_stop_on_non_finite_ends_at_the_first_such_step(tmp_path):
    images = tiny_networks.pictures(6, 4)
    images[3, 2, 0, 0, 0] = np.nan
    gan = tiny_networks.gan()
    checkpoints = Checkpoints(tmp_path, every_minutes=1e-9)  # after every step
    with pytest.raises(FloatingPointError) as raised:
        gan.fit(
            tf.data.Dataset.from_tensor_slices(images),
            shuffle=False,
            verbose=0,
            callbacks=[StopOnNonFinite(tmp_path), checkpoints],
        )
    assert re.search(r"losses must be finite\. Received: .*discriminator_loss = nan, .* at step 4\.", str(raised.value))
    assert f"The last good checkpoint is {tmp_path / 'ckpt-3'}. The same settings would fail again" in str(raised.value)
    good = tiny_networks.gan()
    reader = Checkpoints(tmp_path)
    reader.set_model(good)
    assert reader.restore() == 3
    assert all(np.isfinite(weight.numpy()).all() for weight in good.weights)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_stop_on_non_finite_checks_every_value(value):
    callback = StopOnNonFinite()
    callback.set_model(SimpleNamespace(step=7))
    callback.on_train_batch_end(0, {"generator_loss": 1e30})
    with pytest.raises(FloatingPointError, match=r"penalty = .* at step 7.*none: no checkpoint was written yet"):
        callback.on_train_batch_end(0, {"generator_loss": 1.0, "penalty": value})
