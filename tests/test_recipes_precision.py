import keras
import pytest

from tfanime.recipes import precision


def test_precision():
    assert precision.resolve_precision("mixed_bfloat16") == "mixed_bfloat16"
    assert precision.resolve_precision("auto") in ("float32", "mixed_bfloat16")
    with pytest.raises(KeyError), precision.precision_policy("mixed_bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
        raise KeyError
    assert keras.layers.Dense(1).compute_dtype == "float32"
