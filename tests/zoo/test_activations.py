import pytest

from zoo.activations import check_activation
from zoo.errors import ConfigError


@pytest.mark.parametrize("name", ["relu", "gelu", "tanh", "linear", "silu"])
def test_an_activation_of_keras_is_accepted(name: str) -> None:
    check_activation(name)


@pytest.mark.parametrize("name", ["", "RELU!", "get", "Dense", "serialize"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="unknown activation"):
        check_activation(name)
