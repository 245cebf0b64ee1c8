from pathlib import Path

import keras
import numpy as np
import pytest

from zoo.errors import ConfigError
from zoo.layers.activation import FunctionActivation


def test_the_function_gets_its_arguments() -> None:
    layer = FunctionActivation("threshold", {"threshold": 1.0, "default_value": -5.0})

    assert layer(np.array([0.5, 1.0, 2.0])).numpy().tolist() == [-5.0, -5.0, 2.0]


def test_it_is_saved_with_its_arguments(tmp_path: Path) -> None:
    layer = FunctionActivation("celu", {"alpha": 0.5}, name="activation")
    model = keras.Sequential([keras.Input((3,)), layer])
    model.save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras").get_layer("activation")
    x = np.array([[-2.0, -0.5, 1.0]])
    np.testing.assert_array_equal(loaded(x).numpy(), layer(x).numpy())


def test_an_unknown_function_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown activation 'clu'; did you mean 'celu'"):
        FunctionActivation("clu", {})
