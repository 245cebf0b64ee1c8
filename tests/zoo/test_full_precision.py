"""Half precision is for training: what is served was computed in float32."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.full_precision import full_precision

SMALL: dict[str, dict[str, Any]] = {
    "cnn": {"input_shape": (6, 6, 1), "filters": [4], "regularization": {"normalization": "batch"}},
    "gru": {"input_shape": (5, 3), "units": [4]},
    "transformer": {"input_shape": (5,), "vocabulary_size": 9, "num_layers": 1, "num_heads": 2, "hidden_dim": 8},
}


@pytest.fixture
def policy() -> Any:
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy("float32")


def half(name: str, policy: Callable[[str], None], kind: str = "mixed_bfloat16") -> tuple[keras.Model, keras.Model]:
    """A model of mixed precision, and the same in float32."""
    fields = {**SMALL[name], "head": {"kind": "softmax", "units": 3}}
    policy(kind)
    model = zoo.build(name, **fields)
    random = np.random.default_rng(2)
    for weight in model.trainable_weights:
        weight.assign(random.normal(size=weight.shape) / 2)
    policy("float32")
    whole = zoo.build(name, **fields)
    whole.set_weights(model.get_weights())
    return model, whole


@pytest.mark.parametrize("name", list(SMALL))
def test_what_is_served_is_what_float32_computes(name: str, policy: Callable[[str], None], tmp_path: Path) -> None:
    model, whole = half(name, policy)
    shape, integer = SMALL[name]["input_shape"], "vocabulary_size" in SMALL[name]
    x = np.random.default_rng(1).integers(1, 4, (4, *shape)).astype("int32" if integer else "float32")
    before = model.predict(x, verbose=0)["probabilities"]

    served = tf.saved_model.load(str(zoo.export(model, tmp_path / "m", examples=x))).signatures["serving_default"]
    expected = whole.predict(x, verbose=0)["probabilities"]
    np.testing.assert_allclose(served(inputs=tf.constant(x))["probabilities"], expected, atol=1e-6)
    assert np.abs(before - expected).max() > 1e-5  # else this test shows nothing
    np.testing.assert_array_equal(model.predict(x, verbose=0)["probabilities"], before)


def test_the_model_is_as_it_was_even_after_an_error(policy: Callable[[str], None]) -> None:
    model, _ = half("gru", policy, "mixed_float16")
    policies = [layer.dtype_policy for layer in model.layers]

    meanwhile: set[str] = set()

    def use() -> None:
        with full_precision(model):
            meanwhile.update(layer.compute_dtype for layer in model.layers)
            raise KeyError

    with pytest.raises(KeyError):
        use()

    assert meanwhile == {"float32"}
    assert [layer.dtype_policy for layer in model.layers] == policies
