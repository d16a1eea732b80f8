"""The precision of layers: bfloat16 where the machine has it, float32 elsewhere."""

import contextlib
from pathlib import Path

from tfanime import command_line
from tfanime.devices import parse_devices


def resolve_precision(precision, devices=None):
    """Resolves `"auto"` for this machine and these `--devices`; returns other values unchanged."""
    if precision != "auto":
        return precision
    tf = command_line.load_tensorflow()
    on_processor = devices is not None and parse_devices(devices)[0] == "cpu"
    for gpu in [] if on_processor else tf.config.list_physical_devices("GPU"):
        capability = tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
        return "mixed_bfloat16" if capability >= (8, 0) else "float32"
    with contextlib.suppress(OSError):  # Linux alone has this file
        flags = Path("/proc/cpuinfo").read_text().split()
        if "avx512_bf16" in flags or "amx_bf16" in flags:
            return "mixed_bfloat16"
    return "float32"


@contextlib.contextmanager
def precision_policy(precision):
    """Layers made inside compute in `precision`; Keras' global policy is as before afterwards."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextlib.contextmanager
def without_tf32():
    """Has float32 computed as such: GPUs since Ampere round it to ten bits of mantissa else, and values differ."""
    import tensorflow as tf

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)
