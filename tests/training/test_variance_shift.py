from typing import Any

import keras
import numpy as np
import pytest

import zoo
from training.variance_shift import find_variance_shift


def cnn(filters: tuple[int, ...] = (4, 4), **regularization: Any) -> keras.Model:
    config = {"architecture": "cnn", "input_shape": [8, 8, 1], "filters": filters, "regularization": regularization}
    return zoo.build(zoo.ModelConfig.parse(config | {"head": {"kind": "softmax", "units": 3}}))


@pytest.mark.parametrize("dropping", ["dropout", "spatial_dropout"])
def test_dropout_before_a_batch_normalization_is_named(dropping: str) -> None:
    [said] = find_variance_shift(cnn(normalization="batch", **{dropping: 0.2}))
    assert f"(conv_1_{dropping})" in said
    assert "(conv_2_norm)" in said


@pytest.mark.parametrize(
    "regularization",
    [
        {"normalization": "batch"},
        {"dropout": 0.2},
        {"dropout": 0.2, "normalization": "group", "groups": 2},
        {"dropout": 0.2, "normalization": "layer"},
    ],
)
def test_one_without_the_other_is_nothing_to_say(regularization: dict[str, Any]) -> None:
    assert find_variance_shift(cnn(**regularization)) == ()


def test_dropout_after_the_last_batch_normalization_does_no_harm() -> None:
    assert find_variance_shift(cnn((4,), normalization="batch", dropout=0.2)) == ()


def test_variances_are_what_shifts() -> None:
    """Of features x kept with chance 1/2 and doubled, the variance is var(x) + mean(x^2)."""
    x = np.random.default_rng(0).normal(1, 1, (20_000, 1)).astype("float32")
    dropped = keras.layers.Dropout(0.5, seed=1)(x, training=True)
    assert np.var(x) == pytest.approx(1, rel=0.05)
    assert np.var(dropped) == pytest.approx(1 + 2, rel=0.05)
