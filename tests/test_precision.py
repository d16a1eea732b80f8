from types import SimpleNamespace

import keras
import pytest
import tensorflow as tf

from tfanime import precision


def test_auto_follows_the_devices(monkeypatch):
    real = tf.config.list_physical_devices
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind=None: ["a GPU"] if kind == "GPU" else real(kind)
    )
    capability = {"compute_capability": (8, 0)}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: capability)
    monkeypatch.setattr(precision, "Path", lambda path: SimpleNamespace(read_text=lambda: "flags : sse2"))
    assert precision.resolve_precision("auto") == precision.resolve_precision("auto", "gpu:1") == "mixed_bfloat16"
    assert precision.resolve_precision("auto", "cpu:2") == "float32"
    capability["compute_capability"] = (7, 5)
    assert precision.resolve_precision("auto") == "float32"


def test_precision_sets_the_policy_of_layers():
    assert precision.resolve_precision("mixed_bfloat16") == "mixed_bfloat16"
    assert precision.resolve_precision("auto") in ("float32", "mixed_bfloat16")
    with pytest.raises(KeyError), precision.precision_policy("mixed_bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
        raise KeyError
    assert keras.layers.Dense(1).compute_dtype == "float32"
