"""The example of every registered name, built once."""

from collections.abc import Callable
from functools import cache

import keras
import pytest

import zoo
from zoo.registry import example_config


@pytest.fixture(scope="session")
def example_model() -> Callable[[str], keras.Model]:
    """Return the model of a name's example; tests must not change it."""
    return cache(lambda name: zoo.build(example_config(name)))


@pytest.fixture(scope="session")
def residual_model() -> keras.Model:
    """Twice a dense layer that is added to what came in, then a head."""
    inputs = x = keras.Input((8,), name="inputs")
    for number in (1, 2, 3):
        branch = keras.layers.Dense(8, activation="relu", name=f"dense_{number}")(x)
        x = keras.layers.Add(name=f"add_{number}")([x, branch])
    return keras.Model(inputs, {"value": keras.layers.Dense(1, name="head")(x)}, name="residual")
