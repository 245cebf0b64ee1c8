from types import SimpleNamespace

import keras
import numpy as np
import pytest

from training.config import OptimizerConfig
from training.optimizers import current_rate, make_optimizer, without_reduction

CLASSES = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
}


@pytest.mark.parametrize("name", CLASSES)
def test_every_name_is_the_keras_class_with_the_values_given(name: str) -> None:
    config = OptimizerConfig.parse({"name": name, "learning_rate": 0.25, "weight_decay": 0.125, "clip_norm": 2.0})
    optimizer = make_optimizer(config, steps=10)
    assert type(optimizer) is CLASSES[name]
    assert (current_rate(optimizer), optimizer.weight_decay, optimizer.global_clipnorm) == (0.25, 0.125, 2.0)


@pytest.mark.parametrize("name", ["sgd", "rmsprop"])
def test_momentum_is_passed_on(name: str) -> None:
    assert make_optimizer(OptimizerConfig.parse({"name": name, "momentum": 0.5}), steps=1).momentum == 0.5


def test_adamw_without_weight_decay_is_adam() -> None:
    after = []
    for name in ("adam", "adamw"):
        optimizer = make_optimizer(OptimizerConfig.parse({"name": name, "learning_rate": 0.5}), steps=3)
        weight = keras.Variable([1.0, -2.0])
        for _ in range(3):
            optimizer.apply([np.array([0.3, -0.1], "float32")], [weight])
        after.append(weight.numpy())
    np.testing.assert_array_equal(*after)


def test_cosine_falls_from_the_rate_to_zero() -> None:
    optimizer = make_optimizer(OptimizerConfig(learning_rate=0.5, schedule="cosine"), steps=4)
    weight, rates = keras.Variable([1.0]), []
    for _ in range(5):
        rates.append(current_rate(optimizer))
        optimizer.apply([np.zeros(1, "float32")], [weight])
    np.testing.assert_allclose(rates, 0.25 * (1 + np.cos(np.pi * np.arange(5) / 4)), atol=1e-7)


def test_a_keras_without_the_hook_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"trains with Keras 3\.15"):
        without_reduction(SimpleNamespace())  # type: ignore[arg-type]
