import pytest

from zoo.config import ActivationConfig
from zoo.errors import ConfigError


@pytest.mark.parametrize("name", ["relu", "gelu", "tanh", "linear", "silu", "prelu"])
def test_an_activation_of_keras_is_accepted(name: str) -> None:
    assert ActivationConfig.parse({"kind": name}).kind == name


@pytest.mark.parametrize("name", ["", "RELU!", "get", "Dense", "serialize"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="unknown activation"):
        ActivationConfig.parse({"kind": name})
