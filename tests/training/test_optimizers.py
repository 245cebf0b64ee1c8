from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from training.config import OptimizerConfig
from training.optimizers import current_rate, lower_rate, make_optimizer, optimizer_classes, without_reduction
from zoo.errors import ConfigError


def make(steps: int = 10, steps_per_epoch: int = 1, **fields: Any) -> keras.Optimizer:
    return make_optimizer(OptimizerConfig.parse(fields), steps=steps, steps_per_epoch=steps_per_epoch)


def test_every_optimizer_of_keras_can_be_named() -> None:
    names = set(optimizer_classes())
    assert {"sgd", "adam", "adamw", "rmsprop", "lion", "nadam", "adagrad", "adadelta", "adamax", "adafactor"} <= names
    assert {"ftrl", "lamb", "muon"} <= names
    assert "lossscaleoptimizer" not in names


@pytest.mark.parametrize("name", sorted(set(optimizer_classes()) - {"muon"}))
def test_an_optimizer_takes_the_step_that_keras_takes(name: str) -> None:
    gradient, start = np.array([0.3, -0.1, 0.0], "float32"), [1.0, -2.0, 3.0]
    ours, peer = (
        make(name=name, learning_rate=0.25),
        optimizer_classes()[name](learning_rate=0.25, **_NO_DECAY.get(name, {})),
    )
    after = []
    for optimizer in (ours, peer):
        weight = keras.Variable(start)
        for _ in range(3):
            optimizer.apply([gradient], [weight])
        after.append(weight.numpy())
    assert not np.array_equal(after[0], start)
    np.testing.assert_array_equal(*after)


_NO_DECAY: dict[str, dict[str, Any]] = {"adamw": {"weight_decay": 0.0}}
"""Keras's default of AdamW is 0.004; in a recipe the weight decay is 0 unless it is given."""


def test_arguments_and_clipping_are_passed_on() -> None:
    optimizer = make(name="rmsprop", learning_rate=0.25, weight_decay=0.125, global_clipnorm=2.0, momentum=0.5, rho=0.8)
    assert type(optimizer) is keras.optimizers.RMSprop
    assert (current_rate(optimizer), optimizer.weight_decay, optimizer.global_clipnorm) == (0.25, 0.125, 2.0)
    assert (optimizer.momentum, optimizer.rho) == (0.5, 0.8)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "adm"}, "unknown optimizer 'adm'; did you mean 'adam'"),
        ({"name": "adam", "beta1": 0.5}, "has no argument 'beta1'; did you mean 'beta_1'"),
        ({"name": "sgd", "use_ema": True}, "has no argument 'use_ema'"),
        ({"clipnorm": 1.0, "clipvalue": 1.0}, "give one of clipvalue and clipnorm"),
    ],
)
def test_what_keras_does_not_have_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        OptimizerConfig.parse(fields)


def test_a_momentum_of_nothing_is_none_whatever_the_optimizer() -> None:
    assert OptimizerConfig.parse({"name": "adam", "momentum": 0.0}) == OptimizerConfig()
    assert make(name="sgd", momentum=0).momentum == 0.0


def test_a_lowered_rate_stays_lowered() -> None:
    optimizer = make(learning_rate=0.5, schedule="cosine", steps=4)
    lower_rate(optimizer, 0.5)
    weight, rates = keras.Variable([1.0]), []
    for _ in range(5):
        rates.append(current_rate(optimizer))
        optimizer.apply([np.zeros(1, "float32")], [weight])
    np.testing.assert_allclose(rates, 0.125 * (1 + np.cos(np.pi * np.arange(5) / 4)), atol=1e-7)


def test_a_keras_without_the_hook_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"trains with Keras 3\.15"):
        without_reduction(SimpleNamespace())  # type: ignore[arg-type]
